import { existsSync, lstatSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeScratch, removeScratch } from "../src/scratch.ts";

let base: string;
beforeEach(() => void (base = mkdtempSync(join(tmpdir(), "scratch-"))));
afterEach(() => rmSync(base, { recursive: true, force: true }));

test("each executor has a folder of its own that only this user can enter", () => {
  const one = makeScratch({ base, machine: 5, executor: 6 });
  const other = makeScratch({ base, machine: 5, executor: 7 });
  expect(one).not.toBe(other);
  expect(lstatSync(join(one, "..")).mode & 0o777).toBe(0o700);
});

test("what an earlier process of the same number has left goes, what its neighbours have stays", () => {
  const one = makeScratch({ base, machine: 5, executor: 6 });
  const other = makeScratch({ base, machine: 5, executor: 7 });
  for (const folder of [one, other]) writeFileSync(join(folder, "left"), "");
  makeScratch({ base, machine: 5, executor: 6 });
  expect([existsSync(join(one, "left")), existsSync(join(other, "left"))]).toEqual([false, true]);
});

test("an executor's goes alone, a machine's with all", () => {
  const [one, other] = [6, 7].map((executor) => makeScratch({ base, machine: 5, executor }));
  removeScratch({ base, machine: 5, executor: 6 });
  expect([existsSync(one!), existsSync(other!)]).toEqual([false, true]);
  removeScratch({ base, machine: 5 });
  expect(existsSync(other!)).toBe(false);
  removeScratch({ base, machine: 5 });
});

test("a file in the way is refused", () => {
  writeFileSync(join(base, "tinderbox-5_calls"), "");
  expect(() => makeScratch({ base, machine: 5, executor: 6 })).toThrow("it exists, and belongs to somebody else");
  mkdirSync(join(base, "x"));
});
