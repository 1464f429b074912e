import { afterEach, describe, expect, test, vi } from "vitest";
import { type PoolOptions, poolOptionNames, resolvePoolOptions } from "../../src/pool/options.ts";
import { drainWithin, fixed, slots } from "../../src/pool/scale.ts";
import type { Backend } from "../../src/ports/backend.ts";

const backend = (defaults: Partial<Backend["defaults"]> = {}): Backend => ({
  name: "test",
  defaults: { max: 8, processes: 1, concurrency: 2, idleMs: 60_000, onParentLoss: "kill", ...defaults },
  listen: () => expect.fail("nothing is booted here"),
  boot: () => expect.fail("nothing is booted here"),
});
const resolve = (options: PoolOptions | Record<string, unknown> = {}, fallback = backend()) =>
  resolvePoolOptions("media", options as PoolOptions, fallback);

afterEach(() => void vi.unstubAllEnvs());

test("without options everything has its default", () => {
  const { backend: chosen, scale, env, ...rest } = resolve();
  expect(rest).toEqual({
    min: 0,
    max: 8,
    processes: 1,
    concurrency: 2,
    spare: 0,
    idleMs: 60_000,
    allow: [],
    children: [],
    binaries: [],
    idleCheck: undefined,
    secrets: {},
    setup: undefined,
    lifetimeMs: 21_600_000,
    singleUse: false,
    bootTimeoutMs: 60_000,
    timeoutMs: 30_000,
    drainTimeoutMs: 30_000,
    queueTimeoutMs: Infinity,
    queueLimit: 10_000,
    onParentLoss: "kill",
  });
  expect(chosen.name).toBe("test");
  const counted = {
    queued: 1,
    running: 1,
    placed: 0,
    ready: 0,
    booting: 0,
    slotsPerRunner: 1,
    spare: 1,
    min: 0,
    max: 9,
  };
  expect(scale({ ...counted, completed: 0, serviceMs: 0 })).toBe(3);
  expect(env).toBeTypeOf("object");
});

test("what the backend says differently holds, and what the pool says holds above it", () => {
  const own = backend({ max: 10, concurrency: 4, idleMs: 300_000, onParentLoss: "drain" });
  expect(resolve({}, own)).toMatchObject({ max: 10, concurrency: 4, idleMs: 300_000, onParentLoss: "drain" });
  expect(resolve({ backend: own, max: 3, concurrency: 1, idle: "1s", onParentLoss: "kill" })).toMatchObject({
    backend: own,
    max: 3,
    concurrency: 1,
    idleMs: 1_000,
    onParentLoss: "kill",
  });
});

test("every option is taken, and durations come out in milliseconds", () => {
  const scale = fixed(3);
  const idleCheck = (): boolean => true;
  const setup = (): void => {};
  const given: Required<PoolOptions> = {
    backend: backend(),
    min: 1,
    max: 2,
    processes: 2,
    concurrency: 3,
    spare: 4,
    idle: "5s",
    idleCheck,
    lifetime: Infinity,
    singleUse: false,
    scale,
    bootTimeout: "1m",
    timeout: 250,
    drainTimeout: 0,
    queueTimeout: "2h",
    queueLimit: Infinity,
    onParentLoss: "drain",
    env: { A: "1" },
    secrets: { B: "2" },
    setup,
    children: [{ id: "a", start: () => undefined }],
    binaries: [],
    allow: ["other"],
  };
  expect(Object.keys(given).toSorted()).toEqual(poolOptionNames.toSorted());
  expect(resolve(given)).toMatchObject({
    min: 1,
    max: 2,
    processes: 2,
    concurrency: 3,
    spare: 4,
    idleCheck,
    secrets: { B: "2" },
    setup,
    idleMs: 5_000,
    lifetimeMs: Infinity,
    scale,
    bootTimeoutMs: 60_000,
    timeoutMs: 250,
    drainTimeoutMs: 0,
    queueTimeoutMs: 7_200_000,
    queueLimit: Infinity,
    onParentLoss: "drain",
  });
});

test("an option that is undefined is as one that is not given", () => {
  const none = Object.fromEntries(poolOptionNames.map((name) => [name, undefined]));
  const fallback = backend();
  expect({ ...resolve(none, fallback), scale: 0 }).toEqual({ ...resolve({}, fallback), scale: 0 });
});

test("where runners boot slowly the pool accepts a wait, unless it says otherwise", () => {
  const slow = backend({ drainWithinMs: 5_000 });
  const counted = {
    queued: 100,
    running: 0,
    placed: 0,
    ready: 0,
    booting: 0,
    slotsPerRunner: 1,
    spare: 0,
    min: 0,
    max: 200,
  };
  const snapshot = { ...counted, completed: 1_000, serviceMs: 1_000 };
  expect(resolve({}, slow).scale(snapshot)).toBe(drainWithin("5s")(snapshot));
  expect(resolve({}, slow).scale(snapshot)).toBeLessThan(30);
  expect(resolve({ scale: slots() }, slow).scale(snapshot)).toBe(100);
});

test("a min above the backend's max raises max, unless max was given", () => {
  expect(resolve({ min: 20 })).toMatchObject({ min: 20, max: 20 });
  expect(() => resolve({ min: 3, max: 2 })).toThrow(
    new TypeError('Cannot use 3 as option "min" of pool "media": it is above max, which is 2'),
  );
});

test("single use means one slot, whatever the concurrency", () => {
  expect(resolve({ singleUse: true }).concurrency).toBe(1);
  expect(resolve({ singleUse: true, concurrency: 4 }).concurrency).toBe(1);
});

describe("refused, by name", () => {
  const count = (shown: string, option: string, least: number, more = "") =>
    `Cannot use ${shown} as option "${option}" of pool "media": a whole number from ${least}${more} is wanted`;
  test.each<[object, string | RegExp]>([
    [
      { maximum: 3 },
      /^Cannot use option "maximum" of pool "media": it does not exist; known options are backend, min, max/,
    ],
    [{ idleTimeout: 3 }, /^Cannot use option "idleTimeout" of pool "media": it does not exist; /],
    [{ qeueLimit: 3 }, 'Cannot use option "qeueLimit" of pool "media": it does not exist; did you mean "queueLimit"?'],
    [{ min: -1 }, count("-1", "min", 0)],
    [{ min: "2" }, count('"2"', "min", 0)],
    [{ min: 0.5 }, count("0.5", "min", 0)],
    [{ min: Infinity }, count("Infinity", "min", 0)],
    [{ max: 0 }, count("0", "max", 1)],
    [{ max: Infinity }, count("Infinity", "max", 1)],
    [{ concurrency: 0 }, count("0", "concurrency", 1)],
    [{ spare: -1 }, count("-1", "spare", 0)],
    [{ queueLimit: -1 }, count("-1", "queueLimit", 0, " or Infinity")],
    [{ singleUse: "yes" }, 'Cannot use "yes" as option "singleUse" of pool "media": true or false is wanted'],
    [{ scale: 3 }, 'Cannot use option "scale" of pool "media": a function of a snapshot is wanted, such as slots()'],
    [
      { onParentLoss: "stay" },
      'Cannot use "stay" as option "onParentLoss" of pool "media": "kill" or "drain" is wanted',
    ],
    [
      { env: "PATH" },
      'Cannot use "PATH" as option "env" of pool "media": a list of names or a record of strings is wanted',
    ],
    [{ env: [1] }, 'Cannot use 1 as a name in option "env" of pool "media": a name without "=" is wanted'],
    [{ env: ["A=1"] }, 'Cannot use "A=1" as a name in option "env" of pool "media": a name without "=" is wanted'],
    [{ env: { "": "1" } }, 'Cannot use "" as a name in option "env" of pool "media": a name without "=" is wanted'],
    [{ env: { A: 1 } }, 'Cannot use option "env" of pool "media": the value of A is not a string'],
    [{ env: { A: "1\0" } }, 'Cannot use option "env" of pool "media": the value of A holds a zero character'],
  ])("%j", (options, message) => {
    expect(() => resolve(options as PoolOptions)).toThrow(message instanceof RegExp ? message : new TypeError(message));
  });

  test.each(["idle", "lifetime", "bootTimeout", "timeout", "drainTimeout", "queueTimeout"])(
    "%s that is no duration",
    (option) => {
      for (const wrong of ["soon", -1, Number.NaN, {}, "5"]) {
        expect(() => resolve({ [option]: wrong })).toThrow(
          new RegExp(`^Cannot use .+ as option "${option}" of pool "media": a duration is `),
        );
      }
    },
  );
});

describe("the environment of runners", () => {
  test("is by itself what says where and in which language the machine is, and nothing else", () => {
    const carried = ["PATH", "HOME", "TMPDIR", "TZ", "LANG", "LC_ALL", "LC_CTYPE", "NODE_ENV"];
    for (const name of carried) vi.stubEnv(name, `${name} here`);
    for (const name of ["AWS_SECRET_ACCESS_KEY", "NODE_OPTIONS", "LD_PRELOAD", "XPATH", "PATHX", "LANGUAGE"]) {
      vi.stubEnv(name, "not to travel");
    }
    expect(resolve().env).toEqual(Object.fromEntries(carried.map((name) => [name, `${name} here`])));
  });

  test("gets names from a list with their values here, without those that are not set", () => {
    vi.stubEnv("DATABASE_URL", "postgres://here");
    vi.stubEnv("NOT_SET", undefined);
    const { env } = resolve({ env: ["DATABASE_URL", "NOT_SET"] });
    expect(env["DATABASE_URL"]).toBe("postgres://here");
    expect("NOT_SET" in env).toBe(false);
    expect(env["PATH"]).toBe(process.env["PATH"]);
  });

  test("gets a record as it is, above what travels by itself", () => {
    const { env } = resolve({ env: { LEVEL: "debug", TZ: "UTC", EMPTY: "" } });
    expect(env).toMatchObject({ LEVEL: "debug", TZ: "UTC", EMPTY: "", PATH: process.env["PATH"] });
  });

  test("is not told in a refusal: values may be secret", () => {
    const env = { TOKEN: "hunter2\0", OTHER: "1" };
    expect(() => resolve({ env })).toThrow(/^(?!.*hunter2)/s);
  });
});
