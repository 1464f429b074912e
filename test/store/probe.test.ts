import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { StoreError } from "../../src/errors.ts";
import type { StoreDriver } from "../../src/ports/store.ts";
import { memoryDriver } from "../../src/store/drivers/memory.ts";
import { guarded } from "../../src/store/probe.ts";
import { type S3Options, type S3Server, startS3 } from "../harness/s3/server.ts";
import { between, bytes, driverOf, failure, pieces, refusing } from "./s3-site.ts";

const ifMatch = '"0"';
const conditional: Readonly<Record<string, (driver: StoreDriver) => Promise<unknown>>> = {
  put: (driver) => driver.put("a", bytes("x"), { condition: "absent" }),
  replacing: (driver) => driver.put("a", bytes("x"), { condition: { ifMatch } }),
  write: (driver) => driver.write("a", pieces("x"), { condition: { ifMatch } }),
  remove: (driver) => driver.remove("a", { ifMatch }),
};

const started: S3Server[] = [];
const opened: StoreDriver[] = [];

async function start(options: S3Options = {}) {
  const server = await startS3(options);
  const driver = guarded(driverOf(server));
  started.push(server);
  opened.push(driver);
  return { server, driver };
}

afterEach(async () => {
  for (const driver of opened.splice(0)) await driver.close();
  for (const server of started.splice(0)) await server.dispose();
});

describe("a server that ignores conditions", () => {
  test.each(Object.entries(conditional))("is refused before the first conditional %s", async (_name, act) => {
    const { server, driver } = await start({ conditionalWrites: false });
    const error = await failure(act(driver), server);
    expect(error.message).toBe(
      `Cannot use ${driver.name} for cells, leases and conditional writes: the server ignores If-None-Match when an object is written; use AWS S3, or a server that checks the conditions of writes and deletions`,
    );
    expect(error).toMatchObject({ store: driver.name, transient: false, maybe: false });
    expect(server.buckets.keys("test")).toEqual([]);
  });

  test("is asked once, and can be used without conditions", async () => {
    const { server, driver } = await start({ conditionalWrites: false });
    await driver.put("a", bytes("x"));
    await driver.write("b", pieces("x"));
    await driver.remove("b");
    expect(server.requests.log.every(({ key }) => key === "a" || key === "b")).toBe(true);
    const first = await failure(conditional["put"]!(driver), server);
    const asked = server.requests.count();
    expect(await failure(conditional["remove"]!(driver), server)).toBe(first);
    expect(server.requests.count()).toBe(asked);
    expect(await driver.get("a")).toMatchObject({ etag: expect.any(String) as string });
  });
});

describe("a server of which a part ignores conditions is refused", () => {
  /** Keeps to all conditions but to those that `ignores` names. */
  function careless(ignores: "absent" | "put" | "remove" | "same-etag" | "never" | "not-its-own"): StoreDriver {
    const driver = memoryDriver({ clock: systemClock });
    const put: StoreDriver["put"] = async (key, body, options) => {
      const { condition } = options ?? {};
      if (ignores === "never") return "lost";
      if (ignores === "not-its-own" && typeof condition === "object") return "lost";
      const ignored = condition === "absent" ? ignores === "absent" : ignores === "put";
      const outcome = await driver.put(key, body, ignored ? {} : options);
      return ignores === "same-etag" && typeof outcome === "object" && typeof condition === "object"
        ? { etag: '"1"' }
        : outcome;
    };
    const remove: StoreDriver["remove"] = (key, options) => driver.remove(key, ignores === "remove" ? {} : options);
    return { ...driver, put, remove };
  }
  test.each([
    ["absent", "ignores If-None-Match when an object is written"],
    ["put", "ignores If-Match when an object is written"],
    ["remove", "ignores If-Match when an object is deleted"],
    ["same-etag", "gives the same etag to different contents"],
    ["never", "refuses If-None-Match where nothing is"],
    ["not-its-own", "refuses If-Match with the etag that it gave"],
  ] as const)("%s", async (ignores, words) => {
    const driver = guarded(careless(ignores));
    for (const act of Object.values(conditional)) {
      const error = await act(driver).catch((reason: unknown) => reason);
      expect(StoreError.is(error)).toBe(true);
      expect((error as StoreError).message).toContain(`the server ${words}`);
    }
    expect((await driver.list("")).objects).toEqual([]);
  });

  test("because it says that it does not know them", async () => {
    const { server } = await start();
    await using proxy = await between(server, ({ headers }) =>
      headers["if-match"] === undefined ? undefined : refusing(501, "NotImplemented"),
    );
    await using inner = driverOf(proxy);
    const driver = guarded(inner);
    const error = await failure(conditional["put"]!(driver), server);
    expect(error.message).toContain("the server does not know conditional writes");
    expect(await failure(conditional["put"]!(driver), server)).toBe(error);
    expect(server.buckets.keys("test")).toEqual([]);
  });
});

describe("a server that keeps to conditions", () => {
  let server: S3Server;
  let driver: StoreDriver;
  beforeEach(async () => void ({ server, driver } = await start()));
  const trials = () => server.requests.log.filter(({ key }) => key.startsWith(".tinderbox/probe/"));

  test("is tried out once, however many begin at once, and nothing is left of it", async () => {
    expect(await driver.get("a")).toBeUndefined();
    await driver.put("b", bytes("x"));
    expect(trials()).toEqual([]);
    const outcomes = await Promise.all(Object.values(conditional).map((act) => act(driver)));
    expect(outcomes.length).toBe(4);
    expect(trials().length).toBe(6);
    expect(new Set(trials().map(({ key }) => key)).size).toBe(1);
    await driver.put("c", bytes("x"), { condition: "absent" });
    expect(trials().length).toBe(6);
    expect(server.buckets.keys("test").filter((key) => key.startsWith("."))).toEqual([]);
  });

  test.each([
    ["unavailableBefore", 2],
    ["lostReply", 1],
    ["conflict", 2],
    ["droppedRequest", 1],
  ] as const)("is tried out again after %s", async (kind, times) => {
    server.faults.add({ kind, times, operation: "PutObject", key: /probe/ });
    await driver.put("a", bytes("x"), { condition: "absent" });
    expect(String(await server.buckets.read("test", "a"))).toBe("x");
    expect(server.buckets.keys("test")).toEqual(["a"]);
  });

  test("is not judged by its failures: what was asked for is not done, and the next one tries again", async () => {
    const fault = server.faults.add({ kind: "lostReply", times: Infinity, operation: "PutObject", key: /probe/ });
    const all = await Promise.all(Object.values(conditional).map((act) => failure(act(driver), server)));
    for (const error of all) expect(error).toMatchObject({ transient: true, maybe: false });
    expect(fault.struck).toBe(3);
    server.faults.clear();
    await driver.put("a", bytes("x"), { condition: "absent" });
    expect(server.buckets.keys("test")).toEqual(["a"]);
  });

  test("is tried out for the others, too, when the first one gives up", async () => {
    const hang = server.faults.add({ kind: "hang", key: /probe/ });
    const caller = new AbortController();
    const reason = new Error("enough");
    const first = driver.put("a", bytes("x"), { condition: "absent", signal: caller.signal });
    const second = driver.put("b", bytes("x"), { condition: "absent" });
    await hang.strikes();
    caller.abort(reason);
    await expect(first).rejects.toBe(reason);
    hang.release();
    await second;
    expect(server.buckets.keys("test")).toEqual(["b"]);
    expect(trials().length).toBe(6);
  });
});
