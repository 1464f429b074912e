import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { reapFolders } from "../../src/transport/reap.ts";

let base: string;
beforeEach(() => void (base = mkdtempSync(join(tmpdir(), "reap-"))));
afterEach(() => rmSync(base, { recursive: true, force: true }));

/** Beyond what the kernel gives to a process. */
const dead = 2 ** 22 + 1;

function folder(pid: number, name: string, ageMs = 0): string {
  const path = join(base, `tinderbox-${pid}_${name}`);
  mkdirSync(path);
  writeFileSync(join(path, "file"), "");
  const at = Date.now() / 1_000 - ageMs / 1_000;
  utimesSync(path, at, at);
  return path;
}

let made = 0;
const fresh = (): string => folder(process.pid, `fresh${++made}`);
const day = 86_400_000;

test("a folder whose process lives is left alone, however old", async () => {
  const own = folder(process.pid, "own", 30 * day);
  await reapFolders(base, fresh());
  expect(existsSync(own)).toBe(true);
});

test("a folder with a socket on which nobody listens goes, one on which somebody does stays", async () => {
  const left = folder(dead, "left");
  const listen = `require("net").createServer().listen(${JSON.stringify(join(left, "s"))}, () => process.kill(process.pid, 9))`;
  // A killed process leaves its socket, where one that closes would remove it.
  expect(spawnSync(process.execPath, ["-e", listen]).signal).toBe("SIGKILL");
  const heard = folder(dead, "heard", 2 * day);
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(join(heard, "s"), resolve));
  await reapFolders(base, fresh());
  expect([existsSync(left), existsSync(heard)]).toEqual([false, true]);
  await new Promise((resolve) => server.close(resolve));
});

test("a folder without a socket goes when it is a day old", async () => {
  const [old, young] = [folder(dead, "old", 2 * day), folder(dead, "young", day / 2)];
  await reapFolders(base, fresh());
  expect([existsSync(old), existsSync(young)]).toEqual([false, true]);
});

test("what has another name, or is no folder, is left alone", async () => {
  const others = ["tinderbox-x_a", "tinderbox-abc", "other"].map((name) => join(base, name));
  for (const other of others) mkdirSync(other);
  const link = join(base, `tinderbox-${dead}_link`);
  const target = folder(process.pid, "target");
  symlinkSync(target, link);
  for (const path of [...others]) utimesSync(path, 1, 1);
  await reapFolders(base, fresh());
  expect([...others, link, join(target, "file")].map((path) => existsSync(path))).toEqual([
    true,
    true,
    true,
    true,
    true,
  ]);
});

test("a folder that cannot be read is no reason to fail", async () => {
  await expect(reapFolders(join(base, "missing"), base)).resolves.toBeUndefined();
});
