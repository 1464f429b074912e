import { describe, expect, test } from "vitest";
import type { LeaseLostError } from "../../src/errors.ts";
import type { Lease } from "../../src/store/lease.ts";
import { type Node, World, passes } from "./lease-world.ts";

const lost = expect.objectContaining({ code: "ERR_TINDERBOX_LEASE_LOST" }) as Error;

async function holder(ttl = 30_000): Promise<{ world: World; a: Node; lease: Lease }> {
  const world = new World();
  const a = world.node("a");
  return { world, a, lease: await world.until(a.leases.lease("job", { ttl })) };
}

describe("a lease that is held", () => {
  test("is renewed every third of its ttl, each time with another beat and the same token", async () => {
    const { world, a, lease } = await holder(30_000);
    await world.pass(300_000);
    expect(a.puts()).toBe(1 + 30);
    expect(passes(lease)).toBe(true);
    expect(lease.signal.aborted).toBe(false);
    const records = world.written.map(({ record }) => record);
    expect(new Set(records.map(({ beat }) => beat)).size).toBe(31);
    expect(new Set(records.map(({ token, holder: who, ttl }) => `${token} ${who} ${ttl}`))).toEqual(
      new Set(["1 a 30000"]),
    );
    // Nothing but writes: that is what it costs.
    expect(a.log.filter(({ kind }) => kind === "get")).toHaveLength(1);
    await world.until(lease.release());
  });

  test("counts in what the store's leases cost", async () => {
    const { world, a } = await holder(30_000);
    expect([a.leases.held, a.leases.requestsPerHour]).toEqual([1, 360]);
    await world.until(a.leases.lease("other", { ttl: "10s" }));
    expect([a.leases.held, a.leases.requestsPerHour]).toEqual([2, 360 + 1_080]);
    await world.until(a.leases.close());
    expect([a.leases.held, a.leases.requestsPerHour]).toEqual([0, 0]);
  });

  test("does not keep the process alive; waiting for one does", async () => {
    const { world, lease } = await holder();
    expect(world.clock.pending({ held: true })).toBe(0);
    expect(world.clock.pending()).toBe(2);
    const b = world.node("b");
    const abort = new AbortController();
    const waiting = b.leases.lock("job", { signal: abort.signal });
    await world.pass(0);
    expect(world.clock.pending({ held: true })).toBeGreaterThan(0);
    abort.abort();
    await expect(waiting).rejects.toThrow("it was aborted");
    await world.until(lease.release());
    expect(world.clock.pending()).toBe(0);
  });

  test.each([-36e5, 36e5 * 24])("is not touched by a wall clock that jumps by %d ms", async (jump) => {
    const { world, a, lease } = await holder(30_000);
    a.clock.wallOffset = jump;
    world.serverClock.wallOffset = -jump;
    await world.pass(60_000);
    expect(passes(lease)).toBe(true);
    expect(a.puts()).toBe(7);
    await world.until(lease.release());
  });

  test("has its next renewal counted from when the last was sent, not from its answer", async () => {
    const { world, a, lease } = await holder(30_000);
    a.wire = () => ({ there: 2_000, back: 2_000 });
    await world.pass(9_999);
    expect(a.puts()).toBe(1);
    await world.pass(1);
    expect(a.puts()).toBe(2);
    await world.pass(9_999);
    expect(a.puts()).toBe(2);
    await world.pass(1);
    expect(a.puts()).toBe(3);
    a.wire = () => undefined;
    await world.until(lease.release());
  });
});

describe("a lease that cannot be renewed", () => {
  test("is lost at nine tenths of its ttl after the last renewal that succeeded was sent, and not before", async () => {
    const { world, a, lease } = await holder(30_000);
    a.wire = () => ({ there: 1_000, back: 1_000 });
    await world.pass(12_000);
    // Sent at 10 s, answered at 12 s.
    a.wire = () => ({ lose: "request" });
    await world.pass(10_000 + 27_000 - 12_000 - 1);
    expect(lease.signal.aborted).toBe(false);
    expect(passes(lease)).toBe(true);
    await world.pass(1);
    expect(lease.signal.aborted).toBe(true);
    expect(lease.signal.reason).toEqual(lost);
    expect(lease.signal.reason).toMatchObject({ store: "memory:", key: "job", token: 1 });
    expect((lease.signal.reason as Error).message).toBe(
      'Cannot go on under lease "job" of memory:: it was not renewed in time, and somebody else may have it by now; take it again',
    );
    expect((lease.signal.reason as LeaseLostError).cause).toMatchObject({ code: "ERR_TINDERBOX_STORE" });
    expect(() => lease.check()).toThrow(lost);
    expect(a.leases.held).toBe(0);
    await world.pass(60_000);
    expect(world.clock.pending()).toBe(0);
  });

  test("is lost at its deadline also when the driver never answers and heeds no signal", async () => {
    const { world, a, lease } = await holder(30_000);
    a.wire = () => ({ hang: true });
    await world.pass(26_999);
    expect(passes(lease)).toBe(true);
    await world.pass(1);
    expect(lease.signal.aborted).toBe(true);
  });

  test("asks again and again, with no request that could outlast the deadline", async () => {
    const { world, a, lease } = await holder(30_000);
    a.wire = () => ({ lose: "request" });
    await world.pass(26_999);
    expect(a.puts()).toBeGreaterThan(4);
    expect(a.puts()).toBeLessThan(40);
    a.wire = () => undefined;
    await world.pass(1);
    expect(lease.signal.aborted).toBe(true);
    const { length } = a.log;
    await world.pass(60_000);
    expect(a.log).toHaveLength(length);
  });

  test("is kept when the store comes back in time", async () => {
    const { world, a, lease } = await holder(30_000);
    for (let outages = 0; outages < 5; outages++) {
      a.wire = () => ({ fail: { done: false, maybe: false, transient: true } });
      await world.pass(14_000);
      a.wire = () => undefined;
      await world.pass(16_000);
    }
    expect(passes(lease)).toBe(true);
    await world.until(lease.release());
  });

  test("fails its check by the clock when timers are late, as after SIGSTOP, and aborts its signal by that", async () => {
    const { world, a, lease } = await holder(30_000);
    a.clock.stop();
    await world.pass(26_999);
    expect(passes(lease)).toBe(true);
    await world.pass(1);
    expect(lease.signal.aborted).toBe(false);
    expect(() => lease.check()).toThrow(lost);
    expect(lease.signal.aborted).toBe(true);
    expect(a.leases.held).toBe(0);
  });

  test("is lost when it goes on after its deadline, even if nobody has taken it: renewals come first then", async () => {
    const { world, a, lease } = await holder(30_000);
    a.clock.stop();
    await world.pass(60_000);
    const puts = a.puts();
    a.clock.go();
    expect(lease.signal.aborted).toBe(true);
    await world.pass(60_000);
    expect(a.puts()).toBe(puts);
  });

  test("is not saved by an answer that comes after its deadline", async () => {
    const { world, a, lease } = await holder(30_000);
    a.wire = () => ({ back: 17_000 });
    await world.pass(11_000);
    a.clock.stop();
    await world.pass(20_000);
    a.wire = () => undefined;
    a.clock.go();
    expect(() => lease.check()).toThrow(lost);
    await world.pass(60_000);
    expect(passes(lease)).toBe(false);
  });
});

describe("a lease that another has taken over", () => {
  test("is lost, and knows the token that took its place", async () => {
    const { world, lease } = await holder(30_000);
    await world.put("job", JSON.stringify({ tinderbox: "lease", token: 2, holder: "b", ttl: 1_000, beat: "x" }));
    await world.pass(10_000);
    expect(lease.signal.reason).toEqual(lost);
    expect(lease.signal.reason).toMatchObject({ token: 1, current: 2 });
    expect(() => lease.check()).toThrow("somebody else has taken it");
    expect(await world.record("job")).toMatchObject({ token: 2 });
    await lease.release();
    expect(await world.record("job")).toMatchObject({ token: 2, holder: "b" });
  });

  test("is lost, too, when its record was removed by force", async () => {
    const { world, a, lease } = await holder(30_000);
    await world.server.remove(".tinderbox/lease/job");
    await world.pass(10_000);
    expect(lease.signal.reason).toMatchObject({ message: expect.stringContaining("its record was removed") as string });
    expect(a.puts()).toBe(2);
  });
});

describe("release", () => {
  test("ends it: the signal aborts, the check throws, nothing is renewed, and the token stays", async () => {
    const { world, a, lease } = await holder();
    const releasing = lease.release();
    expect(lease.signal.reason).toEqual(lost);
    expect(() => lease.check()).toThrow("it was released");
    await world.until(releasing);
    expect(await world.record("job")).toMatchObject({ token: 1, holder: null });
    const { length } = a.log;
    await world.pass(100_000);
    expect(a.log).toHaveLength(length);
    expect(world.clock.pending()).toBe(0);
  });

  test("may be called more than once, also by `await using`", async () => {
    const { world, a, lease } = await holder();
    await world.until(Promise.all([lease.release(), lease.release(), lease[Symbol.asyncDispose]()]));
    await world.until(lease.release());
    expect(a.puts()).toBe(2);
    {
      await using again = await world.until(a.leases.lease("job"));
      expect(again.token).toBe(2);
    }
    expect(await world.record("job")).toMatchObject({ token: 2, holder: null });
  });

  test("of a lease that was lost is quiet", async () => {
    const { world, a, lease } = await holder(30_000);
    a.wire = () => ({ hang: true });
    await world.pass(27_000);
    const { length } = a.log;
    await world.until(lease.release());
    expect(a.log).toHaveLength(length);
    expect(() => lease.check()).toThrow("not renewed in time");
  });

  test.each([
    ["fails", { fail: { done: false, maybe: false, transient: true } }],
    ["is silent", { hang: true }],
  ])("to a store that %s is tried for a bounded time, then it expires", async (_name, wire) => {
    const { world, a, lease } = await holder(30_000);
    a.wire = () => wire;
    const begun = world.clock.now();
    await world.until(lease.release());
    expect(world.clock.now() - begun).toBeLessThanOrEqual(20_000);
    expect(a.puts()).toBeGreaterThan(2);
    expect(world.clock.pending()).toBe(0);
    const b = world.node("b");
    expect((await world.until(b.leases.lock("job"))).token).toBe(2);
    expect(world.clock.now() - begun).toBeGreaterThanOrEqual(31_500);
    await world.until(b.leases.close());
  });

  test("to a store that refuses for good is tried once", async () => {
    const { world, a, lease } = await holder();
    a.wire = () => ({ fail: { done: false, maybe: false, transient: false } });
    const begun = world.clock.now();
    await lease.release();
    expect(world.clock.now()).toBe(begun);
    expect(a.puts()).toBe(2);
  });

  test("that did not reach the store stops nobody in the same process", async () => {
    const { world, a, lease } = await holder(30_000);
    a.wire = () => ({ lose: "request" });
    await world.until(lease.release());
    a.wire = () => undefined;
    const begun = world.clock.now();
    const again = await world.until(a.leases.lease("job"));
    expect(again.token).toBe(2);
    expect(world.clock.now()).toBe(begun);
    await world.until(again.release());
  });

  test("while a renewal is under way gives back what the renewal has written", async () => {
    const { world, a, lease } = await holder(30_000);
    // The renewal arrives first and is answered last.
    a.wire = ({ record }) => record && (record["holder"] === null ? { there: 200 } : { there: 100, back: 2_000 });
    await world.pass(10_000);
    await world.until(lease.release());
    expect(world.written.map(({ record }) => record["holder"])).toEqual(["a", "a", null]);
    await world.pass(10_000);
    expect(await world.record("job")).toMatchObject({ token: 1, holder: null });
    expect(world.clock.pending()).toBe(0);
  });

  test("before a renewal that was long on its way stays the last word", async () => {
    const { world, a, lease } = await holder(30_000);
    a.wire = ({ record }) => (record?.["holder"] === "a" ? { there: 3_000 } : undefined);
    await world.pass(10_000);
    await world.until(lease.release());
    await world.pass(10_000);
    expect(await world.record("job")).toMatchObject({ token: 1, holder: null });
  });
});

test("closing releases all, refuses who waits, and leaves nothing", async () => {
  const world = new World();
  const [a, b] = [world.node("a"), world.node("b")];
  const leases = await world.until(Promise.all(["x", "y"].map((key) => a.leases.lease(key))));
  await world.until(b.leases.lease("z"));
  const waiting = [a.leases.lock("z"), a.leases.lock("z"), a.leases.elect("x", () => 1)];
  await world.pass(1_000);
  const closing = a.leases.close();
  for (const each of await Promise.allSettled(waiting))
    expect(each).toMatchObject({
      status: "rejected",
      reason: { message: expect.stringContaining("closed") as string },
    });
  await world.until(closing);
  for (const lease of leases) expect(lease.signal.aborted).toBe(true);
  for (const key of ["x", "y"]) expect(await world.record(key)).toMatchObject({ holder: null });
  await world.until(b.leases.close());
  expect(world.clock.pending()).toBe(0);
});
