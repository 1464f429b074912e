import { describe, expect, test } from "vitest";
import { AbortError } from "../../src/errors.ts";
import { World, passes, settle } from "./lease-world.ts";

const heldError = expect.objectContaining({ code: "ERR_TINDERBOX_STORE_CONFLICT", reason: "held" }) as Error;

describe("lock", () => {
  test("takes what is free at once", async () => {
    const world = new World();
    const a = world.node("a");
    const begun = world.clock.now();
    const lease = await world.until(a.leases.lock("job", { ttl: "10s" }));
    expect([lease.token, world.clock.now()]).toEqual([1, begun]);
    expect(a.log).toHaveLength(2);
    await world.until(lease.release());
  });

  test("waits for another process, as long as it lives, and gets it when it is released", async () => {
    const world = new World();
    const [a, b] = [world.node("a"), world.node("b")];
    const lease = await world.until(a.leases.lease("job", { ttl: "30s" }));
    const waiting = b.leases.lock("job");
    await world.pass(3_600_000);
    expect(passes(lease)).toBe(true);
    // A look at least every three seconds, at most half as often again by jitter.
    const looks = b.log.length;
    expect(looks).toBeGreaterThan(1_000);
    expect(looks).toBeLessThan(2_500);
    expect(b.puts()).toBe(0);
    const released = world.clock.now();
    await world.until(lease.release());
    expect((await world.until(waiting)).token).toBe(2);
    expect(world.clock.now() - released).toBeLessThanOrEqual(3_000);
    await world.until(b.leases.close());
  });

  test("takes over from a dead process when nothing was seen of it for its ttl and a little", async () => {
    const world = new World();
    const [a, b] = [world.node("a"), world.node("b")];
    world.hint = () => 1e9;
    await world.until(a.leases.lease("job", { ttl: "10s" }));
    a.clock.stop();
    const begun = world.clock.now();
    expect((await world.until(b.leases.lock("job"))).token).toBe(2);
    expect(world.clock.now() - begun).toBe(10_500);
    await world.until(b.leases.close());
  });

  test("is woken by a release in the same process, without a look at the store meanwhile", async () => {
    const world = new World();
    const a = world.node("a");
    const lease = await world.until(a.leases.lease("job", { ttl: "30s" }));
    const waiting = a.leases.lock("job");
    await world.pass(1_000);
    const { length } = a.log.filter(({ kind }) => kind === "get");
    await world.pass(100_000);
    expect(a.log.filter(({ kind }) => kind === "get")).toHaveLength(length);
    const begun = world.clock.now();
    await Promise.all([lease.release(), waiting]);
    expect((await waiting).token).toBe(2);
    expect(world.clock.now()).toBe(begun);
    await world.until(a.leases.close());
  });

  test("waits in line: those of one process get it in the order in which they asked", async () => {
    const world = new World();
    const a = world.node("a");
    const first = await world.until(a.leases.lease("job"));
    const order: number[] = [];
    const all = Array.from({ length: 20 }, async (_, index) => {
      const lease = await a.leases.lock("job");
      order.push(index);
      expect(lease.token).toBe(index + 2);
      await lease.release();
    });
    await settle();
    await world.until(first.release());
    await world.until(Promise.all(all));
    expect(order).toEqual(Array.from({ length: 20 }, (_, index) => index));
    // One look and one write to take it, one write to give it back.
    expect(a.log.length).toBeLessThanOrEqual(3 * 22);
    expect(world.clock.pending()).toBe(0);
  });

  test("excludes: of many in many processes one at a time is between lock and release", async () => {
    const world = new World();
    const nodes = [world.node("a"), world.node("b"), world.node("c")];
    let inside = 0;
    const tokens: number[] = [];
    const all = Array.from({ length: 30 }, async (_, index) => {
      const lease = await nodes[index % 3]!.leases.lock("job", { ttl: "5s" });
      expect(++inside).toBe(1);
      tokens.push(lease.token);
      await new Promise<void>((resolve) => void world.clock.timer(500, resolve));
      inside--;
      await lease.release();
    });
    await world.until(Promise.all(all));
    expect(tokens).toEqual(Array.from({ length: 30 }, (_, index) => index + 1));
    expect(world.clock.pending()).toBe(0);
  });

  test("is not hurried by a lease that another part of its process takes from under its eyes", async () => {
    const world = new World();
    const [a, b] = [world.node("a"), world.node("b")];
    const first = await world.until(a.leases.lease("job", { ttl: "10s" }));
    const waiting = b.leases.lock("job");
    await world.pass(10_001);
    await world.until(first.release());
    const second = await b.leases.lease("job");
    const begun = b.log.length;
    let timers = 0;
    await world.pass(60_000, () => timers++);
    expect(b.log.slice(begun).filter(({ kind }) => kind === "get").length).toBeLessThanOrEqual(1);
    expect(timers).toBeLessThan(100);
    await world.until(second.release());
    expect((await world.until(waiting)).token).toBe(3);
    await world.until(b.leases.close());
  });

  test("that is aborted as its turn comes lets the next have it, and no two", async () => {
    const world = new World();
    const a = world.node("a");
    for (let round = 0; round < 20; round++) {
      const lease = await world.until(a.leases.lease("job"));
      const aborts = Array.from({ length: 4 }, () => new AbortController());
      const waiting = aborts.map(({ signal }) => a.leases.lock("job", { signal }));
      await settle();
      aborts[0]!.abort();
      // The second has its turn by that: at a different moment in each round.
      for (let turns = 0; turns < round; turns++) await Promise.resolve();
      aborts[1]!.abort();
      void lease.release();
      const got: number[] = [];
      for (const [index, each] of waiting.entries())
        each.then((taken) => (got.push(index), taken.release())).catch(() => undefined);
      await world.until(Promise.allSettled(waiting));
      await settle();
      expect(got.filter((index) => index > 1)).toEqual([2, 3]);
      expect(await world.record("job")).toMatchObject({ holder: null });
    }
    expect(world.clock.pending()).toBe(0);
  });

  test("gives up after its timeout, first in line or behind", async () => {
    const world = new World();
    const [a, b] = [world.node("a"), world.node("b")];
    await world.until(a.leases.lease("job"));
    const begun = world.clock.now();
    const first = b.leases.lock("job", { timeout: "5s" });
    const second = b.leases.lock("job", { timeout: "2s" });
    await expect(world.until(second)).rejects.toThrow("wanted by others of this process who came before");
    await expect(second).rejects.toThrow(heldError);
    expect(world.clock.now() - begun).toBe(2_000);
    await expect(world.until(first)).rejects.toThrow(
      /it is, after 5 s, still held by "a", renewed .* ago; wait longer/,
    );
    await expect(first).rejects.toThrow(heldError);
    expect(world.clock.now() - begun).toBe(5_000);
    await world.until(a.leases.close());
    await settle();
    expect(world.clock.pending()).toBe(0);
  });

  test("lets go of its place in line by its signal, first in line or behind", async () => {
    const world = new World();
    const [a, b] = [world.node("a"), world.node("b")];
    const lease = await world.until(a.leases.lease("job"));
    const aborts = [new AbortController(), new AbortController()];
    const [first, second] = aborts.map(({ signal }) => b.leases.lock("job", { signal }));
    const third = b.leases.lock("job");
    await world.pass(1_000);
    for (const [index, each] of [second, first].entries()) {
      aborts[1 - index]!.abort(new Error("enough"));
      await expect(each).rejects.toThrow(AbortError);
      await expect(each).rejects.toThrow(expect.objectContaining({ cause: new Error("enough") }));
    }
    await world.until(lease.release());
    expect((await world.until(third)).token).toBe(2);
    await world.until(b.leases.close());
    expect(world.clock.pending()).toBe(0);
  });

  test("goes on when the lease of its own process is lost", async () => {
    const world = new World();
    const a = world.node("a");
    await world.until(a.leases.lease("job", { ttl: "10s" }));
    const waiting = a.leases.lock("job");
    await world.pass(1_000);
    a.wire = () => ({ lose: "request" });
    await world.pass(9_000);
    a.wire = () => undefined;
    expect((await world.until(waiting)).token).toBe(2);
    await world.until(a.leases.close());
  });

  test("rejects when the store fails for long, or for good", async () => {
    const world = new World();
    const a = world.node("a");
    a.wire = () => ({ fail: { done: false, maybe: false, transient: true } });
    const begun = world.clock.now();
    await expect(world.until(a.leases.lock("job"))).rejects.toThrow("before");
    expect(world.clock.now() - begun).toBeGreaterThan(20_000);
    a.wire = () => ({ fail: { done: false, maybe: false, transient: false } });
    await expect(a.leases.lock("job")).rejects.toThrow("before");
    a.wire = ({ kind }) => (kind === "put" ? { fail: { done: false, maybe: false, transient: false } } : undefined);
    await expect(a.leases.lock("job")).rejects.toThrow("before");
    await settle();
    expect(world.clock.pending()).toBe(0);
  });
});
