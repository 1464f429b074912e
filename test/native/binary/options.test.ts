import { availableParallelism } from "node:os";
import { describe, expect, test } from "vitest";
import type { BinaryOptions } from "../../../src/native/binary/options.ts";
import { resolveBinary } from "../../../src/native/binary/resolve.ts";

const resolve = (options: object) => resolveBinary("tool", options as BinaryOptions);
const lines = (options: object) => resolve({ command: "x", protocol: "lines", ...options });

test("a one-shot binary has its defaults", () => {
  expect(resolve({ command: "x" })).toEqual({
    name: "tool",
    command: "x",
    source: undefined,
    args: [],
    env: {},
    cwd: undefined,
    size: availableParallelism(),
    queueLimit: 10_000,
    queueTimeoutMs: Infinity,
    timeoutMs: Infinity,
    limits: undefined,
    stopSignal: "SIGTERM",
    graceMs: 5_000,
    maxBuffer: 100 * 1024 ** 2,
    workers: undefined,
  });
});

test("workers have theirs", () => {
  expect(lines({ size: 2 }).workers).toEqual({
    protocol: "lines",
    min: 2,
    ready: undefined,
    pipeline: 1,
    maxAnswer: 64 * 1024 ** 2,
    readyTimeoutMs: 30_000,
    health: undefined,
    maxRestarts: 6,
    withinMs: 5_000,
    maxCalls: Infinity,
    maxMemory: Infinity,
    maxAgeMs: Infinity,
    idleMs: Infinity,
  });
  expect(lines({}).size).toBe(1);
  expect(lines({ idle: "1m", size: 3 }).workers).toMatchObject({ min: 0, idleMs: 60_000 });
  expect(lines({ ready: /x/gy }).workers?.ready).toEqual(/x/);
  expect(lines({ health: { every: "1s", probe: () => 1 } }).workers?.health).toMatchObject({
    everyMs: 1_000,
    timeoutMs: 5_000,
  });
});

const sha256 = "a".repeat(64);
describe("is refused:", () => {
  test.each<[object, RegExp]>([
    [{}, /Cannot declare binary "tool": it has neither command and source/],
    [{ command: "x", source: { "linux-x64": { url: "file:///x", sha256 } } }, /both command and source/],
    [{ command: "x", sizes: 1 }, /option "sizes" of binary "tool": it does not exist; did you mean "size"/],
    [{ command: "" }, /Cannot use "" as option "command"/],
    [{ command: "a\0b" }, /option "command"/],
    [{ command: "x", args: "a" }, /Cannot use "a" as option "args" of binary "tool": a list of strings/],
    [{ command: "x", args: ["a\0"] }, /in option "args"/],
    [{ command: "x", env: { "A=B": "1" } }, /"A=B" as a name in option "env"/],
    [{ command: "x", size: 0 }, /Cannot use 0 as option "size"/],
    [{ command: "x", queueLimit: -1 }, /option "queueLimit"/],
    [{ command: "x", queueTimeout: "soon" }, /option "queueTimeout"/],
    [{ command: "x", timeout: -1 }, /option "timeout"/],
    [{ command: "x", stop: { signal: "SIGNOPE" } }, /SIGNOPE/],
    [{ command: "x", stop: { gracious: 1 } }, /"stop" of binary "tool"/],
    [{ command: "x", limits: { memoryy: 1 } }, /"limits" of binary "tool"/],
    [{ command: "x", maxBuffer: "big" }, /option "maxBuffer"/],
    [{ command: "x", pipeline: 2 }, /option "pipeline" of binary "tool": it is for workers; give protocol too/],
    [{ command: "x", protocol: "lines", maxBuffer: 1 }, /it is for one-shot binaries/],
    [{ command: "x", protocol: "xml" }, /Cannot use "xml" as option "protocol" of binary "tool": "lines", "jsonl" or/],
    [{ command: "x", protocol: { packet: 3 } }, /option "protocol"/],
    [{ command: "x", protocol: { packet: 4, size: 1 } }, /option "size" of option "protocol"/],
    [
      { command: "x", protocol: "lines", min: 2 },
      /Cannot use 2 as option "min" of binary "tool": it is above size, which is 1/,
    ],
    [{ command: "x", protocol: "lines", pipeline: 0 }, /option "pipeline"/],
    [{ command: "x", protocol: "lines", ready: "soon" }, /a regular expression or "answer" is wanted/],
    [
      { command: "x", protocol: "lines", health: { every: 0, probe: () => 1 } },
      /Cannot use 0 as option "health.every"/,
    ],
    [{ command: "x", protocol: "lines", health: { every: 1 } }, /option "health.probe"/],
    [{ command: "x", protocol: "lines", maxRestarts: -1 }, /option "maxRestarts"/],
    [{ command: "x", protocol: "lines", maxCalls: 0 }, /option "maxCalls"/],
    [{ source: {} }, /a record such as/],
    [{ source: { "linux-x64": { url: "nowhere", sha256 } } }, /Cannot use "nowhere" as url of "linux-x64"/],
    [
      { source: { "linux-x64": { url: "http://me:hunter2@no where/x?key=hunter3", sha256 } } },
      /Cannot use "http:\/\/\*\*\*@no where\/x\?\*\*\*" as url of/,
    ],
    [{ source: { "linux-x64": { url: "file:///x", sha256: "12" } } }, /64 hexadecimal digits/],
  ])("%o", (options, message) => {
    expect(() => resolve(options)).toThrow(message);
    expect(() => resolve(options)).toThrow(TypeError);
  });

  test("a value of the environment that is no text, without showing it", () => {
    const secret = { toString: () => "hunter2" };
    expect(() => resolve({ command: "x", env: { TOKEN: secret } })).toThrow(/the value of TOKEN is not a string/);
    expect(() => resolve({ command: "x", env: { TOKEN: "hunter2\0" } })).toThrow(/^(?!.*hunter2)/);
  });
});
