import { describe, expect, test } from "vitest";
import { AbortError } from "../../src/errors.ts";
import type { Lease } from "../../src/store/lease.ts";
import { World, passes, settle } from "./lease-world.ts";

/** Works until it is told to stop, and fails then. */
function untilAborted({ signal }: Lease): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
}

describe("elect", () => {
  test("runs under a lease, and resolves with the result when that is released", async () => {
    const world = new World();
    const a = world.node("a");
    const result = await world.until(
      a.leases.elect("job", async (lease) => {
        lease.check();
        expect(await world.record("job")).toMatchObject({ token: 1, holder: "a" });
        return lease.token * 10;
      }),
    );
    expect(result).toBe(10);
    expect(await world.record("job")).toMatchObject({ token: 1, holder: null });
    expect(world.clock.pending()).toBe(0);
  });

  test.each([
    [
      "throws",
      () => {
        throw new Error("boom");
      },
    ],
    ["rejects", () => Promise.reject(new Error("boom"))],
  ])("rejects with what it %s, when the lease is released", async (_name, run) => {
    const world = new World();
    const a = world.node("a");
    await expect(world.until(a.leases.elect("job", run))).rejects.toThrow("boom");
    expect(await world.record("job")).toMatchObject({ token: 1, holder: null });
    expect(a.leases.held).toBe(0);
  });

  test("rejects when the run has released the lease itself and fails then", async () => {
    const world = new World();
    const a = world.node("a");
    const run = async (lease: Lease) => {
      await lease.release();
      lease.check();
    };
    await expect(world.until(a.leases.elect("job", run))).rejects.toThrow("it was released");
  });

  test("has one at a time run, and the next when one has ended", async () => {
    const world = new World();
    const nodes = [world.node("a"), world.node("b"), world.node("c")];
    let inside = 0;
    const runs = nodes.map(({ leases }) =>
      leases.elect("job", async ({ token }) => {
        expect(++inside).toBe(1);
        await new Promise<void>((resolve) => void world.clock.timer(40_000, resolve));
        inside--;
        return token;
      }),
    );
    expect((await world.until(Promise.all(runs))).toSorted()).toEqual([1, 2, 3]);
  });

  test("campaigns again when the lease was lost, after the run has ended, with a higher token", async () => {
    const world = new World();
    const a = world.node("a");
    const seen: string[] = [];
    let wait = true;
    const electing = a.leases.elect(
      "job",
      async (lease) => {
        seen.push(`begin ${lease.token}`);
        if (lease.token > 1) return "again";
        await untilAborted(lease).catch(() => undefined);
        seen.push("lost");
        while (wait) await new Promise<void>((resolve) => void world.clock.timer(1_000, resolve));
        seen.push("end");
        throw new Error("lost it");
      },
      { ttl: "10s" },
    );
    await world.pass(1_000);
    a.wire = () => ({ lose: "request" });
    await world.pass(60_000);
    a.wire = () => undefined;
    await world.pass(60_000);
    expect(seen).toEqual(["begin 1", "lost"]);
    wait = false;
    expect(await world.until(electing)).toBe("again");
    expect(seen).toEqual(["begin 1", "lost", "end", "begin 2"]);
  });

  test("campaigns through an outage of the store, however long", async () => {
    const world = new World();
    const a = world.node("a");
    a.wire = () => ({ fail: { done: false, maybe: false, transient: true } });
    const electing = a.leases.elect("job", ({ token }) => token);
    await world.pass(600_000);
    a.wire = () => undefined;
    expect(await world.until(electing)).toBe(1);
  });

  test("stands again when the run has ended because the lease was lost", async () => {
    const world = new World();
    const a = world.node("a");
    const tokens: number[] = [];
    const electing = a.leases.elect(
      "job",
      (lease) => {
        tokens.push(lease.token);
        return tokens.length > 1 ? "second term" : untilAborted(lease).catch(() => "late");
      },
      { ttl: "10s" },
    );
    await world.pass(1_000);
    a.wire = () => ({ lose: "request" });
    await world.pass(60_000);
    a.wire = () => undefined;
    expect(await world.until(electing)).toBe("second term");
    expect(tokens).toEqual([1, 2]);
  });

  test("stops by its signal: the run is told, may still act under the lease, and is waited for", async () => {
    const world = new World();
    const a = world.node("a");
    const abort = new AbortController();
    const reason = new Error("enough");
    const seen: unknown[] = [];
    const electing = a.leases.elect(
      "job",
      async (lease) => {
        await untilAborted(lease).catch((error: unknown) => seen.push(error));
        await new Promise<void>((resolve) => void world.clock.timer(60_000, resolve));
        seen.push(passes(lease));
        return "result";
      },
      { signal: abort.signal },
    );
    await world.pass(1_000);
    abort.abort(reason);
    await world.pass(59_000);
    expect(await world.record("job")).toMatchObject({ holder: "a" });
    const error: unknown = await world.until(electing.catch((caught: unknown) => caught));
    expect(error).toBeInstanceOf(AbortError);
    expect((error as AbortError).cause).toBe(reason);
    expect(seen).toEqual([expect.objectContaining({ code: "ABORT_ERR", cause: reason }), true]);
    expect(await world.record("job")).toMatchObject({ holder: null });
    expect(world.clock.pending()).toBe(0);
  });

  test("stops campaigning by its signal, also while the store is gone", async () => {
    const world = new World();
    const [a, b] = [world.node("a"), world.node("b")];
    await world.until(a.leases.lease("job"));
    const abort = new AbortController();
    const never = () => expect.unreachable();
    const electing = [b.leases.elect("job", never, abort), b.leases.elect("job", never, abort)];
    const lonely = world.node("c");
    lonely.wire = () => ({ hang: true });
    electing.push(lonely.leases.elect("job", never, { signal: abort.signal }));
    await world.pass(50_000);
    abort.abort();
    for (const each of await world.until(Promise.allSettled(electing)))
      expect(each).toMatchObject({ status: "rejected", reason: { code: "ABORT_ERR" } });
    await world.until(a.leases.close());
    await settle();
    expect(world.clock.pending({ held: true })).toBe(0);
  });

  test("that is closed over releases the lease, and settles as the run does", async () => {
    const world = new World();
    const a = world.node("a");
    const electing = a.leases.elect("job", untilAborted);
    await world.pass(1_000);
    const closing = a.leases.close();
    await expect(world.until(electing)).rejects.toThrow("it was released");
    await world.until(closing);
    expect(await world.record("job")).toMatchObject({ holder: null });
  });
});
