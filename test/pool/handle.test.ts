import assert from "node:assert/strict";
import { afterEach, describe, expect, test } from "vitest";
import { PoolClosedError } from "../../src/errors.ts";
import { Pool, PoolRegistry } from "../../src/pool/handle.ts";
import type { PoolOptions } from "../../src/pool/options.ts";
import { until } from "../harness/until.ts";
import { type FakeHost, fakeHost, request } from "./fake-backend.ts";

const opened: { readonly pool: Pool; readonly host: FakeHost }[] = [];

function lab(options: PoolOptions = {}) {
  const host = fakeHost();
  const pool = new Pool("media", options, host);
  opened.push({ pool, host });
  const call = (each: Parameters<typeof request>[0] = {}) => {
    const { made, end } = request(each);
    pool.submit(made);
    return end;
  };
  return { host, pool, call, backend: host.backend };
}

afterEach(async () => {
  for (const { pool, host } of opened.splice(0)) {
    const closing = pool.close();
    host.clock.advance(1_000_000);
    await closing;
    assert.deepEqual(host.backend.alive, []);
    assert.equal(host.clock.pending({ held: true }), 0);
  }
});

const ready = (pool: Pool, count: number) =>
  until(`${count} ready runners`, () => pool.stats().runners.ready === count, { every: 2 });

describe("a declared pool", () => {
  test("boots nothing and holds nothing before its first call", async () => {
    const { pool, backend, host } = lab({ min: 3 });
    expect(pool.stats()).toEqual({
      runners: { booting: 0, ready: 0, draining: 0 },
      slots: { busy: 0, free: 0 },
      queued: 0,
      completed: 0,
      failed: 0,
      boots: { ok: 0, failed: 0 },
    });
    await pool.drain();
    expect([backend.machines, host.startedPools, host.clock.pending()]).toEqual([[], [], 0]);
  });

  test("refuses wrong options at once", () => {
    expect(() => new Pool("media", { max: 0 }, fakeHost())).toThrow(TypeError);
  });

  test("takes what it does not say itself from the defaults, as they are when it starts", async () => {
    const { pool, host } = lab({ max: 2 });
    host.options = { max: 9, idle: "7s" };
    await pool.start();
    expect(pool.options).toMatchObject({ max: 2, idleMs: 7_000 });
  });

  test("is started by start(), once", async () => {
    const { pool, host, backend } = lab({ min: 2 });
    await Promise.all([pool.start(), pool.start()]);
    await ready(pool, 2);
    expect([host.startedPools, backend.machines.length]).toEqual([["media"], 2]);
  });

  test("is started by its first call", async () => {
    const { pool, host, call } = lab();
    expect(await call()).toBe(1);
    expect([host.startedPools, host.liveCalls]).toEqual([["media"], 0]);
    expect(pool.stats()).toMatchObject({ completed: 1, runners: { ready: 1 }, slots: { busy: 0, free: 1 } });
  });
});

describe("stats", () => {
  test("count what waits, runs, boots and has ended", async () => {
    const { pool, call, backend } = lab({ max: 1 });
    backend.answers = false;
    const calls = [call(), call()];
    expect(pool.stats()).toMatchObject({ runners: { booting: 1, ready: 0 }, queued: 2 });
    await ready(pool, 1);
    expect(pool.stats()).toMatchObject({ queued: 1, slots: { busy: 1, free: 0 }, boots: { ok: 1, failed: 0 } });
    await until("the call there", () => backend.machines[0]!.calls.length === 1);
    backend.answers = true;
    backend.machines[0]!.answer(1);
    await Promise.all(calls);
    expect(pool.stats()).toMatchObject({ queued: 0, completed: 2, slots: { busy: 0, free: 1 } });
  });
});

describe("resize", () => {
  test("boots up to a larger min, and gives back what is above a smaller max", async () => {
    const { pool, backend } = lab({ min: 1, max: 4 });
    await pool.start();
    await ready(pool, 1);
    pool.resize({ min: 3 });
    await ready(pool, 3);
    pool.resize({ min: 0, max: 1 });
    await until("two less", () => backend.alive.length === 1);
    expect(pool.options).toMatchObject({ min: 0, max: 1 });
  });

  test("refuses bounds that make no sense, and changes nothing", async () => {
    const { pool } = lab({ min: 1, max: 2 });
    await pool.start();
    for (const bounds of [{ max: 0 }, { min: 3 }, { min: -1 }, { max: 1.5 }]) {
      expect(() => pool.resize(bounds)).toThrow(TypeError);
    }
    expect(pool.options).toMatchObject({ min: 1, max: 2 });
  });
});

describe("drain", () => {
  test("waits for what waits and runs, and still takes calls", async () => {
    const { pool, call, backend } = lab({ max: 1 });
    backend.answers = false;
    const first = call();
    let drained = false;
    const draining = pool.drain().then(() => (drained = true));
    await until("the call there", () => backend.machines[0]?.calls.length === 1);
    const second = call();
    backend.answers = true;
    expect(drained).toBe(false);
    backend.machines[0]!.answer(1);
    expect(await Promise.all([first, second, draining])).toEqual([1, 2, true]);
  });
});

describe("close", () => {
  test("refuses new calls, finishes the others, then ends the runners", async () => {
    const { pool, call, backend } = lab({ max: 1 });
    backend.answers = false;
    const calls = [call(), call()];
    await until("the call there", () => backend.machines[0]?.calls.length === 1);
    backend.answers = true;
    const closing = pool.close();
    expect(() => void call()).toThrow(PoolClosedError);
    backend.machines[0]!.answer(1);
    expect(await Promise.all(calls)).toEqual([1, 2]);
    await closing;
    expect([backend.alive, backend.machines.map(({ kills }) => kills)]).toEqual([[], [0]]);
  });

  test("ends after drainTimeout whatever runs, and tells those who wait", async () => {
    const { pool, call, backend, host } = lab({ max: 1, drainTimeout: "2s" });
    backend.answers = false;
    const calls = [call(), call()];
    await until("the call there", () => backend.machines[0]?.calls.length === 1);
    const closing = pool.close();
    host.clock.advance(2_000);
    await closing;
    const started = await Promise.all(calls.map((end) => end.catch((error: unknown) => error)));
    expect(started).toEqual([expect.any(PoolClosedError), expect.any(PoolClosedError)]);
    expect(started.map((error) => (error as PoolClosedError).started)).toEqual([true, false]);
    expect([host.liveCalls, backend.alive]).toEqual([0, []]);
  });

  test("may be called twice, before the start, and by disposal", async () => {
    const { pool, call } = lab();
    await Promise.all([pool.close(), pool[Symbol.asyncDispose]()]);
    expect(() => void call()).toThrow(PoolClosedError);
  });

  test("serves, or refuses, a call that waits between two boots", async () => {
    const { pool, call, backend, host } = lab({ drainTimeout: "2s" });
    backend.failing = 1;
    const end = call();
    await until("a failed boot", () => pool.stats().boots.failed === 1);
    const closing = pool.close();
    for (let turn = 0; turn < 10; turn++) {
      host.clock.advance(500);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await closing;
    const settled = await Promise.race([
      end.then(
        () => "served",
        () => "refused",
      ),
      new Promise((resolve) => setImmediate(() => resolve("forgotten"))),
    ]);
    expect(settled).not.toBe("forgotten");
  });
});

describe("rest", () => {
  test("ends the runners of a pool without calls, and a later call starts it again", async () => {
    const { pool, call, backend, host } = lab();
    await call();
    await pool.rest();
    expect(backend.alive).toEqual([]);
    expect(await call()).toBe(1);
    expect(host.startedPools).toEqual(["media", "media"]);
  });

  test("does nothing while a call is live", async () => {
    const { pool, call, backend } = lab();
    backend.answers = false;
    const end = call();
    await until("the call there", () => backend.machines[0]?.calls.length === 1);
    await pool.rest();
    expect(backend.alive).toHaveLength(1);
    backend.machines[0]!.answer(1);
    expect(await end).toBe(1);
  });

  test("keeps the bounds that resize() has set", async () => {
    const { pool, call } = lab({ max: 4 });
    await call();
    pool.resize({ max: 1 });
    await pool.rest();
    expect(pool.options.max).toBe(1);
  });
});

test("exitNow ends all machines at once", async () => {
  const { pool, backend } = lab({ min: 2 });
  await pool.start();
  await ready(pool, 2);
  pool.exitNow();
  expect(backend.alive).toEqual([]);
});

test("an option that a pool leaves undefined is taken from the defaults", () => {
  const host = fakeHost();
  host.options = { max: 7 };
  expect(new Pool("media", { max: undefined } as unknown as PoolOptions, host).options.max).toBe(7);
});

test("a strategy that throws becomes an event, and its pool goes on", async () => {
  const failing = (): number => {
    throw new Error("broken strategy");
  };
  const { call, host } = lab({ scale: failing });
  const failures: unknown[] = [];
  host.events.on("hook.failed", ({ error }) => failures.push(error));
  expect(await call()).toBe(1);
  expect(failures).not.toEqual([]);
});

test("boots that were taken back are not counted as failed", async () => {
  const { pool, call } = lab({ max: 4 });
  const calls = [call(), call(), call()];
  pool.resize({ max: 1 });
  await Promise.all(calls);
  expect(pool.stats().boots).toEqual({ ok: 1, failed: 0 });
});

describe("the registry", () => {
  const registry = () => new PoolRegistry(fakeHost());

  test("finds a pool by its name, and says which there are when it does not", () => {
    const pools = registry();
    expect(() => pools.get("media")).toThrow('Cannot find pool "media": it is not declared; declared are none');
    const media = pools.declare("media", {}, "a.ts:1");
    pools.declare("batch", {}, "a.ts:2");
    expect([pools.get("media"), pools.has("media"), pools.has("other")]).toEqual([media, true, false]);
    expect(() => pools.get("meda")).toThrow(
      expect.objectContaining({
        code: "ERR_TINDERBOX_POOL_NAME",
        message: 'Cannot find pool "meda": it is not declared; declared are media, batch',
      }),
    );
    expect(pools.all().map(({ name }) => name)).toEqual(["media", "batch"]);
  });

  test("a declaration from the same place replaces, and closes what was there", async () => {
    const host = fakeHost();
    const pools = new PoolRegistry(host);
    const first = pools.declare("media", { min: 1 }, "a.ts:1");
    await first.start();
    await ready(first, 1);
    const second = pools.declare("media", {}, "a.ts:1");
    expect([pools.get("media"), pools.all()]).toEqual([second, [second]]);
    await until("no machine", () => host.backend.alive.length === 0);
  });

  test.each([["b.ts:9"], [undefined]])("a declaration from another place (%s) is refused", (place) => {
    const pools = registry();
    const first = pools.declare("media", {}, "a.ts:1");
    expect(() => pools.declare("media", {}, place)).toThrow(
      expect.objectContaining({
        code: "ERR_TINDERBOX_POOL_NAME",
        message: expect.stringMatching(
          /^Cannot declare pool "media": it is declared .*a.ts:1 already; use another name/,
        ),
      }),
    );
    expect(pools.get("media")).toBe(first);
  });

  test("a declaration with wrong options leaves the one before it as it was", () => {
    const pools = registry();
    const first = pools.declare("media", {}, "a.ts:1");
    expect(() => pools.declare("media", { max: -1 }, "a.ts:1")).toThrow(TypeError);
    expect(pools.get("media")).toBe(first);
  });
});
