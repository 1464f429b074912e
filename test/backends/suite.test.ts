/** The suite as others run it: by another test runner, with cases left out, and cases that lack something. */
import { existsSync } from "node:fs";
import {
  FakeClock,
  type Test,
  backendCases,
  failingBackendCases,
  memory,
  processAlive,
  testBackend,
} from "tinderbox/testing";
import { describe, expect, test, vi } from "vitest";
import { runScript } from "../harness/script.ts";

const names = backendCases.map(({ name }) => name);

describe("node:test", () => {
  const script = (vice: string): string => `
import { test } from "node:test";
import { backendCases, memory, testBackend } from "tinderbox/testing";
const wanted = /^(defaults make|a ping brings a beat$|kill may come|a machine that exits|boot rejects)/;
const missing = backendCases.filter(({ name }) => !wanted.test(name)).map(({ name }) => ({ test: name, reason: "not now" }));
missing.push({ test: "a machine that exits tells its exit code", reason: "it would end the test" });
missing.push({ test: "kill may come again, before the machine is up, and after its end; it never throws", reason: "as above" });
testBackend("theirs", () => { const backend = memory(); ${vice} return { backend }; }, { test, missing });`;

  test("declares a test for each case, and says why some are skipped", async () => {
    const { code, stdout } = await runScript(script(""));
    expect(code, stdout).toBe(0);
    expect(stdout).toMatch(new RegExp(`tests ${names.length}\\b`));
    expect(stdout).toMatch(/pass 2\b/);
    expect(stdout).toMatch(new RegExp(`skipped ${names.length - 2}\\b`));
    expect(stdout).toContain("not now");
    expect(stdout).toContain("its maker gives no backend whose machines cannot be asked for");
  });

  test("fails where the backend does", async () => {
    const { code, stdout } = await runScript(script("backend.defaults.max = 0;"));
    expect(code).toBe(1);
    expect(stdout).toMatch(/fail 1\b/);
    expect(stdout).toContain("max is 0");
  });
});

test("a name that no case has cannot be left out", () => {
  const missing = [{ test: "a case of long ago", reason: "it was" }];
  const declared = vi.fn<Test>();
  expect(() => testBackend("mine", () => ({ backend: memory() }), { test: declared, missing })).toThrow(
    /^Cannot leave out "a case of long ago"/,
  );
  expect(declared).not.toHaveBeenCalled();
});

test("names are sentences, each once", () => {
  expect(new Set(names).size).toBe(names.length);
  expect(names.filter((name) => !/^[a-z][^.]+[a-z0-9]$/.test(name))).toEqual([]);
});

test("a case that does not end has failed, and the backend is closed", async () => {
  const closed = vi.fn<() => void>();
  const backend = { ...memory(), boot: () => new Promise<never>(() => {}) };
  const cases = backendCases.filter(({ name }) => name.startsWith("a ping brings a beat"));
  const make = () => ({ backend, close: closed });
  const failed = await failingBackendCases(make, { limitMs: 60_000, bootMs: 200 }, cases);
  expect(failed).toHaveLength(cases.length);
  expect(String(failed[0]!.error)).toContain("Cannot see boot resolve: not within 200 ms");
  expect(closed).toHaveBeenCalledTimes(cases.length);
  const [late] = await failingBackendCases(make, { limitMs: 100, bootMs: 400 }, cases.slice(0, 1));
  expect(String(late!.error)).toContain("it still runs after 100 ms");
});

test("processes are alive or not", async () => {
  expect(processAlive(process.pid)).toBe(true);
  const { stdout } = await runScript("console.log(process.pid);");
  expect(processAlive(Number(stdout))).toBe(false);
  expect(existsSync(`/proc/${process.pid}`)).toBe(true);
});

test("the clock stands still until it is moved", () => {
  const clock = new FakeClock(0);
  const rung = vi.fn<() => void>();
  clock.timer(60_000, rung);
  clock.advance(59_999);
  expect([rung.mock.calls.length, clock.pending(), clock.now(), clock.nextAt]).toEqual([0, 1, 59_999, 60_000]);
  clock.advance(1);
  expect([rung.mock.calls.length, clock.pending(), clock.now()]).toEqual([1, 0, 60_000]);
});
