import { type Pool, PoolClosedError, TinderboxError, flame, pool } from "tinderbox";
import { describe, expect, test } from "vitest";
import { until } from "../harness/until.ts";

/** A call that runs until it is told to end. */
function hold(own: Pool): { readonly done: Promise<string>; end(): void } {
  const stop = new AbortController();
  const done = flame(
    ({ signal, runner }) =>
      new Promise<string>((resolve) => signal.addEventListener("abort", () => resolve(runner.id))),
    {
      pool: own,
      signal: stop.signal,
      timeout: Infinity,
    },
  ).catch(() => "ended");
  return { done, end: () => stop.abort() };
}

describe("a pool", () => {
  test("boots nothing until it is called", async () => {
    const own = pool("quiet", { min: 2, max: 2 });
    expect(own.stats().runners).toEqual({ booting: 0, ready: 0, draining: 0 });
    await own.close();
  });

  test("grows to what is asked for, never above max, and shrinks to min when idle", async () => {
    const own = pool("grows", { max: 3, concurrency: 2, idle: "100ms" });
    const held = Array.from({ length: 8 }, () => hold(own));
    await until("three busy runners", () => own.stats().slots.busy === 6);
    expect(own.stats()).toMatchObject({ runners: { booting: 0, ready: 3 }, queued: 2, slots: { busy: 6, free: 0 } });
    held.forEach((call) => call.end());
    await Promise.all(held.map((call) => call.done));
    await until("no runner", () => own.stats().runners.ready === 0 && own.stats().runners.draining === 0);
    expect(own.stats().boots).toEqual({ ok: 3, failed: 0 });
    await own.close();
  });

  test("packs calls on the fullest runner, so that others can fall idle", async () => {
    const own = pool("packs", { max: 2, concurrency: 2 });
    const held = [hold(own), hold(own), hold(own)];
    await until("two runners", () => own.stats().slots.busy === 3);
    const where = await flame(({ runner }) => runner.id, { pool: own });
    held[2]!.end();
    const ids = await Promise.all([
      flame(({ runner }) => runner.id, { pool: own }),
      flame(({ runner }) => runner.id, { pool: own }),
    ]);
    expect(new Set([...ids, where]).size).toBe(1);
    held.forEach((call) => call.end());
    await own.close();
  });

  test("serves larger priorities first, then the order of arrival", async () => {
    const own = pool("ordered", { max: 1 });
    const order: string[] = [];
    const first = hold(own);
    await until("the runner is taken", () => own.stats().slots.busy === 1);
    const calls = [
      ["low", -1],
      ["a", 0],
      ["high", 5],
      ["b", 0],
    ].map(([name, priority]) =>
      flame(() => name as string, { pool: own, priority: priority as number }).then((value) => order.push(value)),
    );
    first.end();
    await Promise.all(calls);
    expect(order).toEqual(["high", "a", "b", "low"]);
    await own.close();
  });

  test("keeps calls of a key on one runner", async () => {
    const own = pool("keyed", { max: 2, concurrency: 1 });
    const held = [hold(own), hold(own)];
    await until("two runners", () => own.stats().slots.busy === 2);
    held.forEach((call) => call.end());
    await own.drain();
    const a = await flame(({ runner }) => runner.id, { pool: own, key: "a" });
    for (let round = 0; round < 5; round++)
      expect(await flame(({ runner }) => runner.id, { pool: own, key: "a" })).toBe(a);
    await own.close();
  });

  test("replaces runners that are too old", async () => {
    const own = pool("ages", { min: 1, max: 2, lifetime: "150ms" });
    const first = await flame(() => process.pid, { pool: own });
    await until("another runner", async () => (await flame(() => process.pid, { pool: own })) !== first);
    await own.close();
  });

  test("follows a resize both ways", async () => {
    const own = pool("resized", { max: 1 });
    const held = [hold(own), hold(own)];
    await until("one busy", () => own.stats().slots.busy === 1);
    own.resize({ max: 2 });
    await until("two busy", () => own.stats().slots.busy === 2);
    held.forEach((call) => call.end());
    await own.drain();
    own.resize({ max: 1 });
    await until("one runner", () => own.stats().runners.ready === 1 && own.stats().runners.draining === 0);
    expect(() => own.resize({ min: 3 })).toThrow("min 3 is above max 1");
    await own.close();
  });

  test("keeps spare slots ahead of demand", async () => {
    const own = pool("spare", { max: 3, spare: 1 });
    await flame(() => 1, { pool: own });
    const held = hold(own);
    await until("a second runner, free", () => own.stats().runners.ready === 2 && own.stats().slots.free === 1);
    held.end();
    await own.close();
  });
});

describe("closing a pool", () => {
  test("lets what waits and runs finish, then refuses", async () => {
    const own = pool("closing", { max: 1 });
    const calls = [1, 2, 3].map((value) => flame(() => value, { pool: own }));
    const closed = own.close();
    expect(await Promise.all(calls)).toEqual([1, 2, 3]);
    await closed;
    const error = await flame(() => 4, { pool: own }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(PoolClosedError);
    expect(error).toMatchObject({ started: false });
  });

  test("is what disposing of it does", async () => {
    const own = pool("disposed");
    await flame(() => 1, { pool: own });
    await own[Symbol.asyncDispose]();
    expect(own.stats().runners.ready).toBe(0);
  });

  test("drain waits for calls and goes on accepting", async () => {
    const own = pool("drained", { max: 1 });
    const call = flame(() => 1, { pool: own });
    await own.drain();
    expect(await call).toBe(1);
    expect(await flame(() => 2, { pool: own })).toBe(2);
    await own.close();
  });
});

describe("declaring", () => {
  test("twice under one name, from two places, is refused with the first place", async () => {
    const first = pool("named");
    expect(() => pool("named")).toThrow(TinderboxError);
    expect(() => pool("named")).toThrow(/declared at .*pool\.test\.ts:\d+/);
    await first.close();
  });

  test.each([
    [{ max: 0 }, 'Cannot use 0 as option "max" of pool'],
    [{ min: 3, max: 2 }, "it is above max, which is 2"],
    [{ concurency: 2 }, 'did you mean "concurrency"?'],
    [{ idle: "soon" }, 'Cannot use "soon" as option "idle"'],
    [{ scale: 3 }, "a function of a snapshot is wanted"],
    [{ onParentLoss: "stay" }, '"kill" or "drain" is wanted'],
    [{ env: [1] }, 'a name without "=" is wanted'],
  ])("with %j is refused", (options, message) => {
    expect(() => pool("refused", options as never)).toThrow(message);
  });
});
