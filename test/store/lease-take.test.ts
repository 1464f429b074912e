import { describe, expect, test } from "vitest";
import { AbortError, StoreConflictError, StoreError } from "../../src/errors.ts";
import { Leases } from "../../src/store/leases.ts";
import { Requests } from "../../src/store/requests.ts";
import { leasePrefix } from "../../src/store/lease-record.ts";
import { type Node, World, passes, settle } from "./lease-world.ts";

const heldError = expect.objectContaining({ code: "ERR_TINDERBOX_STORE_CONFLICT", reason: "held" }) as Error;

/** A holder that is never heard of again. */
async function dead(world: World, ttl = 10_000): Promise<Node> {
  const node = world.node("dead:1:x");
  const lease = await world.until(node.leases.lease("job", { ttl }));
  node.clock.stop();
  expect(lease.token).toBe(1);
  return node;
}

test("the first lease of a key has token 1, each later one the next, also when others held it between", async () => {
  const world = new World();
  const nodes = [world.node("a"), world.node("b"), world.node("c")];
  for (let token = 1; token <= 9; token++) {
    const lease = await world.until(nodes[token % 3]!.leases.lease("job"));
    expect(lease.token).toBe(token);
    expect(lease.key).toBe("job");
    await world.until(lease.release());
    expect(await world.record("job")).toMatchObject({ token, holder: null });
  }
});

test("leases of different keys know nothing of each other", async () => {
  const world = new World();
  const { leases } = world.node("a");
  const both = await world.until(Promise.all([leases.lease("a"), leases.lease("b")]));
  expect(both.map(({ token }) => token)).toEqual([1, 1]);
  expect(leases.held).toBe(2);
  await world.until(leases.close());
});

test("deleting the key that a lease is named after does nothing to the lease", async () => {
  const world = new World();
  const node = world.node("a");
  const lease = await world.until(node.leases.lease("job"));
  await world.until(node.requests.remove("job"));
  const { objects } = await node.requests.list("job");
  expect(objects).toEqual([]);
  await world.pass(60_000);
  expect(passes(lease)).toBe(true);
  await world.until(lease.release());
  await world.until(node.requests.remove("job"));
  expect((await world.until(node.leases.lease("job"))).token).toBe(2);
  await world.until(node.leases.close());
});

describe("a lease that is held", () => {
  test("is refused at once while its holder is plausibly alive, naming it and when it was renewed", async () => {
    const world = new World();
    const [a, b] = [world.node("host-a:17:abc"), world.node("b")];
    const lease = await world.until(a.leases.lease("job", { ttl: "30s" }));
    await world.pass(2_000);
    const at = world.clock.now();
    const refused = await b.leases.lease("job").catch((error: unknown) => error as StoreConflictError);
    expect(refused).toBeInstanceOf(StoreConflictError);
    expect(refused).toMatchObject({
      reason: "held",
      key: "job",
      store: "memory:",
      holder: "host-a:17:abc",
      maybe: false,
    });
    expect((refused as Error).message).toBe(
      'Cannot take lease "job" of memory:: it is held by "host-a:17:abc", renewed 2 s ago; wait for it with lock()',
    );
    expect(world.clock.now()).toBe(at);
    expect(b.puts()).toBe(0);
    expect(passes(lease)).toBe(true);
    await world.until(a.leases.close());
  });

  test("by this very process is refused at once, whatever the store says of its age", async () => {
    const world = new World();
    world.hint = () => 1e9;
    const a = world.node("a");
    await world.until(a.leases.lease("job"));
    const at = world.clock.now();
    await expect(a.leases.lease("job")).rejects.toThrow("which is this process");
    expect(world.clock.now()).toBe(at);
    await world.until(a.leases.close());
  });

  test("is refused as soon as something is seen of a holder that the store held for dead", async () => {
    const world = new World();
    world.hint = () => 1e9;
    const [a, b] = [world.node("a"), world.node("b")];
    const lease = await world.until(a.leases.lease("job", { ttl: "30s" }));
    const begun = world.clock.now();
    await expect(world.until(b.leases.lease("job"))).rejects.toThrow(heldError);
    // The renewal is due after 10 s, and looked for every 3 s.
    expect(world.clock.now() - begun).toBe(12_000);
    expect(b.puts()).toBe(0);
    expect(passes(lease)).toBe(true);
    await world.until(a.leases.close());
  });

  test("is taken when it is released while it is being watched", async () => {
    const world = new World();
    world.hint = () => undefined;
    const [a, b] = [world.node("a"), world.node("b")];
    const lease = await world.until(a.leases.lease("job", { ttl: "30s" }));
    const taking = b.leases.lease("job");
    await world.pass(1_000);
    await world.until(lease.release());
    expect((await world.until(taking)).token).toBe(2);
    await world.until(b.leases.close());
  });
});

describe("a dead holder's lease", () => {
  test.each([
    ["expired by the store's hint", (age: number) => age + 1e9],
    ["of unknown age", () => undefined],
  ])("%s is taken over when nothing was seen for its ttl and a little, by our own clock", async (_name, hint) => {
    const world = new World();
    world.hint = hint;
    await dead(world, 10_000);
    const b = world.node("b");
    const begun = world.clock.now();
    const lease = await world.until(b.leases.lease("job", { ttl: "1s" }));
    expect(lease.token).toBe(2);
    expect(world.clock.now() - begun).toBe(10_500);
    // Looked at every second, that is ttl/10, and once at the end.
    expect(b.log.filter(({ kind }) => kind === "get")).toHaveLength(12);
    expect(b.puts()).toBe(1);
    expect(await world.record("job")).toMatchObject({ token: 2, holder: "b", ttl: 1_000 });
    await world.until(b.leases.close());
  });

  test("is watched no more often than every 20 ms and no less often than every 5 s", async () => {
    for (const [ttl, looks] of [
      [100, 1 + Math.ceil(105 / 20)],
      [3_600_000, 1 + Math.ceil(3_780_000 / 5_000)],
    ] as const) {
      const world = new World();
      world.hint = () => undefined;
      await dead(world, ttl);
      const b = world.node("b");
      await world.until(b.leases.lease("job"), 4_000_000);
      expect(b.log.filter(({ kind }) => kind === "get")).toHaveLength(looks);
      await world.until(b.leases.close());
    }
  });

  test("is refused while the hint calls it alive, however often it is asked for, until we have seen nothing for its ttl", async () => {
    const world = new World();
    world.hint = () => 0;
    await dead(world, 10_000);
    const b = world.node("b");
    const begun = world.clock.now();
    for (let tries = 0; tries < 11; tries++) {
      await expect(b.leases.lease("job")).rejects.toThrow(heldError);
      await world.pass(1_000);
    }
    expect((await world.until(b.leases.lease("job"))).token).toBe(2);
    expect(world.clock.now() - begun).toBe(11_000);
    await world.until(b.leases.close());
  });

  test("is watched on by the next try of the same process where the last one was given up", async () => {
    const world = new World();
    world.hint = () => undefined;
    await dead(world, 10_000);
    const b = world.node("b");
    const begun = world.clock.now();
    await expect(world.until(b.leases.lease("job", { timeout: "6s" }))).rejects.toThrow(
      /it is, after 6 s, still held by "dead/,
    );
    await expect(world.until(b.leases.lease("job", { timeout: "4s" }))).rejects.toThrow(heldError);
    await world.until(b.leases.lease("job"));
    expect(world.clock.now() - begun).toBe(10_500);
    await world.until(b.leases.close());
  });

  test("is watched anew after anything was seen of it", async () => {
    const world = new World();
    world.hint = () => undefined;
    await dead(world, 10_000);
    const b = world.node("b");
    await expect(world.until(b.leases.lease("job", { timeout: "9s" }))).rejects.toThrow(heldError);
    // A renewal that was long on its way.
    await world.put("job", JSON.stringify({ ...(await world.record("job")), beat: "again" }));
    const begun = world.clock.now();
    await world.until(b.leases.lease("job"));
    expect(world.clock.now() - begun).toBeGreaterThanOrEqual(10_500);
    await world.until(b.leases.close());
  });

  test("goes to one of many who want it", async () => {
    const world = new World();
    world.hint = () => undefined;
    await dead(world, 10_000);
    const nodes = Array.from({ length: 8 }, (_, index) => world.node(`n${index}`));
    const tries = nodes.map(({ leases }) => leases.lease("job"));
    const results = await world.until(Promise.allSettled(tries));
    const taken = results.filter(({ status }) => status === "fulfilled");
    expect(taken).toHaveLength(1);
    for (const { reason } of results.filter((result) => result.status === "rejected"))
      expect(reason).toEqual(heldError);
    expect((await world.record("job"))!["token"]).toBe(2);
    await world.until(Promise.all(nodes.map(({ leases }) => leases.close())));
  });

  test.each([-86_400_000, 86_400_000])(
    "is not taken sooner or later for a wall clock that jumps by %d ms",
    async (jump) => {
      const world = new World();
      world.hint = () => undefined;
      await dead(world, 10_000);
      const b = world.node("b");
      const begun = world.clock.now();
      const taking = b.leases.lease("job");
      await world.pass(5_000);
      b.clock.wallOffset = jump;
      world.serverClock.wallOffset = -jump;
      expect((await world.until(taking)).token).toBe(2);
      expect(world.clock.now() - begun).toBe(10_500);
      await world.until(b.leases.close());
    },
  );
});

describe("who takes a lease can give up", () => {
  test("by a signal, with its reason as the cause", async () => {
    const world = new World();
    world.hint = () => undefined;
    await dead(world, 10_000);
    const b = world.node("b");
    const abort = new AbortController();
    const taking = b.leases.lease("job", { signal: abort.signal });
    await world.pass(3_000);
    abort.abort(new Error("enough"));
    const error = await taking.catch((caught: unknown) => caught as AbortError);
    expect(error).toBeInstanceOf(AbortError);
    expect((error as AbortError).cause).toEqual(new Error("enough"));
    await expect(b.leases.lease("job", { signal: abort.signal })).rejects.toThrow(AbortError);
    await settle();
    expect(world.clock.pending({ held: true })).toBe(0);
    expect(b.puts()).toBe(0);
  });

  test("while the write is under way: at once, and what it has taken is given back", async () => {
    const world = new World();
    const b = world.node("b");
    b.wire = ({ kind }) => (kind === "put" ? { there: 100, back: 100 } : undefined);
    const abort = new AbortController();
    const taking = b.leases.lease("job", { signal: abort.signal });
    await world.pass(50);
    abort.abort();
    await expect(taking).rejects.toThrow(AbortError);
    expect(b.leases.held).toBe(0);
    await world.pass(1_000);
    expect(await world.record("job")).toMatchObject({ token: 1, holder: null });
    expect(world.clock.pending()).toBe(0);
  });

  test("by a timeout also when the store does not answer", async () => {
    const world = new World();
    const b = world.node("b");
    b.wire = () => ({ hang: true });
    const error = await world.until(b.leases.lease("job", { timeout: 700 }).catch((caught: unknown) => caught));
    expect(error).toBeInstanceOf(StoreError);
    expect(error).not.toBeInstanceOf(StoreConflictError);
    expect((error as Error).message).toContain("has not said within 700 ms who holds it");
    await settle();
    expect(world.clock.pending()).toBe(0);
  });
});

test.each([
  [{ tll: "1s" }, /did you mean "ttl"/],
  [{ ttl: 99 }, /from 100 ms to 1 h/],
  [{ ttl: "61m" }, /from 100 ms to 1 h/],
  [{ ttl: Infinity }, /from 100 ms to 1 h/],
  [{ ttl: "soon" }, /a duration is/],
  [{ timeout: -1 }, /timeout of a/],
])("options %o are refused", async (options, message) => {
  const { leases } = new World().node("a");
  await expect(leases.lease("job", options as object)).rejects.toThrow(message);
  await expect(leases.lock("job", options as object)).rejects.toThrow(message);
});

test("an election has no timeout", async () => {
  const { leases } = new World().node("a");
  await expect(leases.elect("job", () => 1, { timeout: 5 } as object)).rejects.toThrow(/"timeout" of an election/);
});

test("the holder is named by machine and process, and differs between two stores of one process", async () => {
  const world = new World();
  const holders: unknown[] = [];
  for (let count = 0; count < 2; count++) {
    const leases = new Leases(new Requests({ driver: world.server, clock: world.clock }));
    const lease = await leases.lease("job");
    const stored = await world.server.get(`${leasePrefix}job`);
    holders.push(
      (JSON.parse(Buffer.from((stored as { body: Uint8Array }).body).toString()) as { holder: unknown }).holder,
    );
    await lease.release();
  }
  expect(holders[0]).toMatch(new RegExp(`^[^:]+:${process.pid}:[0-9a-f]{12}$`));
  expect(holders[1]).not.toBe(holders[0]);
});

test("a store that is closed gives no lease", async () => {
  const world = new World();
  const { leases } = world.node("a");
  await leases.close();
  await expect(leases.lease("job")).rejects.toThrow(/the store is closed/);
  await expect(leases.lock("job")).rejects.toThrow(/the store is closed/);
  await expect(leases.elect("job", () => 1)).rejects.toThrow(/the store is closed/);
  expect(world.written).toEqual([]);
});
