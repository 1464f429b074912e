import { describe, expect, test } from "vitest";
import { StoreError } from "../../src/errors.ts";
import { type Node, type Wire, type Wired, World, passes } from "./lease-world.ts";

/** Strikes the writes whose numbers are given, counted from 0 from now on. */
function strike(node: Node, wire: Wire, ...numbers: number[]): void {
  let puts = 0;
  node.wire = ({ kind }: Wired) => (kind === "put" && numbers.includes(puts++) ? wire : undefined);
}

const doubtful: [name: string, wire: Wire][] = [
  ["is refused although it was done", { refuse: true }],
  ["fails when it was done", { fail: { done: true, maybe: true, transient: true } }],
  ["fails when it was done, as if for good", { fail: { done: true, maybe: true, transient: false } }],
  ["is done, and its answer is lost", { lose: "reply" }],
];
const undone: [name: string, wire: Wire][] = [
  ["fails before it was done, which nobody knows", { fail: { done: false, maybe: true, transient: true } }],
  ["fails before it was done, which is known", { fail: { done: false, maybe: false, transient: true } }],
  ["never arrives", { lose: "request" }],
];

describe("taking a lease", () => {
  test.each(doubtful)("by a write that %s takes it once, by reading back", async (_name, wire) => {
    for (const first of [true, false]) {
      const world = new World();
      const a = world.node("a");
      if (!first) await world.until((await world.until(a.leases.lease("job"))).release());
      strike(a, wire, 0);
      const puts = a.puts();
      const lease = await world.until(a.leases.lease("job"));
      expect(lease.token).toBe(first ? 1 : 2);
      expect(a.puts() - puts).toBe(1);
      expect(await world.record("job")).toMatchObject({ token: lease.token, holder: "a" });
      await world.pass(60_000);
      expect(passes(lease)).toBe(true);
      await world.until(lease.release());
    }
  });

  test.each(undone)("by a write that %s is tried again", async (_name, wire) => {
    const world = new World();
    const a = world.node("a");
    strike(a, wire, 0, 1);
    const lease = await world.until(a.leases.lease("job"));
    expect(lease.token).toBe(1);
    expect(a.puts()).toBe(3);
    await world.until(lease.release());
  });

  test("by a write that comes late has one of the two, and the other never happened", async () => {
    const world = new World();
    const a = world.node("a");
    // It is given up after half a ttl, and arrives in the middle of the next try, or after it.
    for (const there of [4_999, 5_100, 5_200, 7_600, 9_000]) {
      const before = world.written.length;
      strike(a, { there }, 0);
      const lease = await world.until(a.leases.lease("job", { ttl: "10s" }));
      await world.pass(20_000);
      expect(passes(lease)).toBe(true);
      const tokens = world.written.slice(before).map(({ record }) => record["token"] as number);
      expect(tokens).toEqual(tokens.toSorted((left, right) => left - right));
      expect(tokens.at(-1)).toBe(lease.token);
      await world.until(lease.release());
    }
  });

  test("that failed, and was done after all, keeps nobody of this process from taking it, and repeats no token", async () => {
    const world = new World();
    const a = world.node("a");
    a.wire = ({ kind }) =>
      world.written.length > 0 && kind === "get" ? { lose: "request" } : kind === "put" ? { lose: "reply" } : undefined;
    const failing = a.leases.lease("job").catch((error: unknown) => error);
    expect(await world.until(failing)).toBeInstanceOf(StoreError);
    expect(await world.record("job")).toMatchObject({ token: 1, holder: "a" });
    a.wire = () => undefined;
    const lease = await world.until(a.leases.lease("job"));
    expect(lease.token).toBe(2);
    await world.until(lease.release());
  });

  test("that failed, and was done after all, is for others a lease that expires", async () => {
    const world = new World();
    const [a, b] = [world.node("a"), world.node("b")];
    a.wire = ({ kind }) =>
      kind === "put" ? { lose: "reply" } : world.written.length > 0 ? { lose: "request" } : undefined;
    await expect(world.until(a.leases.lease("job", { ttl: "10s", timeout: "20s" }))).rejects.toThrow(StoreError);
    const begun = world.clock.now();
    expect((await world.until(b.leases.lock("job"))).token).toBe(2);
    expect(world.clock.now() - begun).toBe(10_500);
    await world.until(b.leases.close());
  });

  test("is not done by what another lease of the same process and the same token has written", async () => {
    const world = new World();
    const a = world.node("a");
    const results = await world.until(Promise.allSettled(Array.from({ length: 5 }, () => a.leases.lease("job"))));
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(a.leases.held).toBe(1);
    await world.until(a.leases.close());
    expect(world.clock.pending()).toBe(0);
  });

  test("is not handed out by a write that is confirmed when its time is over", async () => {
    const world = new World();
    const a = world.node("a");
    strike(a, { back: 100 }, 0);
    const taking = a.leases.lease("job", { ttl: "10s" });
    await world.pass(50);
    a.clock.stop();
    await world.pass(9_500);
    a.clock.go();
    const lease = await world.until(taking);
    expect(lease.token).toBe(2);
    expect(passes(lease)).toBe(true);
    await world.until(lease.release());
  });
});

describe("renewing a lease", () => {
  test.each([...doubtful, ...undone])("by a write that %s keeps it", async (_name, wire) => {
    const world = new World();
    const a = world.node("a");
    const lease = await world.until(a.leases.lease("job", { ttl: "30s" }));
    strike(a, wire, 0, 3, 4);
    await world.pass(300_000);
    expect(passes(lease)).toBe(true);
    expect(await world.record("job")).toMatchObject({ token: 1, holder: "a" });
    await world.until(lease.release());
    expect(await world.record("job")).toMatchObject({ token: 1, holder: null });
  });

  test("by a write that is long on its way keeps it, and counts from when that write was sent", async () => {
    const world = new World();
    const a = world.node("a");
    const lease = await world.until(a.leases.lease("job", { ttl: "30s" }));
    // Given up after a third of what is left; it arrives when others are tried, of which none arrives.
    let puts = 0;
    a.wire = ({ kind }) => (kind === "put" ? (puts++ === 0 ? { there: 9_000 } : { lose: "request" }) : undefined);
    await world.pass(10_000 + 26_999);
    expect(passes(lease)).toBe(true);
    await world.pass(1);
    expect(passes(lease)).toBe(false);
  });

  test("is tried with what is there when an older try has come through", async () => {
    const world = new World();
    const a = world.node("a");
    const lease = await world.until(a.leases.lease("job", { ttl: "30s" }));
    strike(a, { there: 9_000 }, 0, 5);
    await world.pass(300_000);
    expect(passes(lease)).toBe(true);
    await world.until(lease.release());
  });

  test("by a write that comes when another has taken over changes nothing", async () => {
    const world = new World();
    const [a, b] = [world.node("a"), world.node("b")];
    const lost = await world.until(a.leases.lease("job", { ttl: "10s" }));
    a.wire = ({ kind }) => (kind === "put" ? { there: 60_000 } : { lose: "request" });
    const lease = await world.until(b.leases.lock("job", { ttl: "10s" }));
    expect([passes(lost), lease.token]).toEqual([false, 2]);
    await world.pass(300_000);
    expect(passes(lease)).toBe(true);
    expect(new Set(world.written.map(({ record }) => record["token"]))).toEqual(new Set([1, 2]));
    expect(await world.record("job")).toMatchObject({ token: 2, holder: "b" });
    await world.until(b.leases.close());
  });

  test("by one side of a partition ends before the other side takes over", async () => {
    const world = new World();
    const [a, b] = [world.node("a"), world.node("b")];
    const first = await world.until(a.leases.lease("job", { ttl: "10s" }));
    let lostAt = 0;
    first.signal.addEventListener("abort", () => (lostAt = world.clock.now()));
    const waiting = b.leases.lock("job", { ttl: "10s" });
    await world.pass(4_000);
    a.wire = () => ({ lose: "request" });
    await world.until(waiting);
    expect(lostAt).toBeGreaterThan(0);
    expect(world.clock.now() - lostAt).toBeGreaterThanOrEqual(1_500);
    a.wire = () => undefined;
    await world.pass(60_000);
    expect(passes(await waiting)).toBe(true);
    await world.until(b.leases.close());
  });
});

describe("releasing a lease", () => {
  test.each([...doubtful.filter(([, { fail }]) => fail?.transient !== false), ...undone])(
    "by a write that %s gives it back",
    async (_name, wire) => {
      const world = new World();
      const a = world.node("a");
      const lease = await world.until(a.leases.lease("job", { ttl: "30s" }));
      strike(a, wire, 0);
      await world.until(lease.release());
      expect(await world.record("job")).toMatchObject({ token: 1, holder: null });
      expect(world.clock.pending()).toBe(0);
    },
  );

  test("by a write that comes late does not give back what was taken again", async () => {
    const world = new World();
    const a = world.node("a");
    const lease = await world.until(a.leases.lease("job", { ttl: "30s" }));
    a.wire = ({ kind }) => (kind === "put" ? { there: 20_000 } : undefined);
    await world.until(lease.release());
    a.wire = () => undefined;
    const again = await world.until(a.leases.lease("job"));
    await world.pass(100_000);
    expect(passes(again)).toBe(true);
    expect(await world.record("job")).toMatchObject({ token: 2, holder: "a" });
    await world.until(again.release());
  });
});

describe("what the store says of the age of a record is a hint only:", () => {
  test.each([
    ["ever young", () => 0],
    ["ever old", () => 1e12],
    ["nothing", () => undefined],
    ["negative", () => -1e12],
  ])("when it says %s there are never two holders, and a dead one is replaced", async (_name, hint) => {
    const world = new World();
    world.hint = hint;
    const nodes = [world.node("a"), world.node("b"), world.node("c")];
    const first = await world.until(nodes[0]!.leases.lease("job", { ttl: "10s" }));
    const waiting = nodes.slice(1).map(({ leases }) => leases.lock("job", { ttl: "10s" }));
    const taken: { check(): void }[] = [first];
    for (const each of waiting) each.then((lease) => taken.push(lease)).catch(() => undefined);
    const alone = () => expect(taken.filter(passes).length).toBeLessThanOrEqual(1);
    await world.pass(100_000, alone);
    expect(passes(first)).toBe(true);
    nodes[0]!.clock.stop();
    await world.pass(12_000, alone);
    expect(taken).toHaveLength(2);
    expect(passes(taken[1]!)).toBe(true);
    const rest = Promise.allSettled(waiting);
    await world.until(Promise.all(nodes.slice(1).map(({ leases }) => leases.close())));
    await world.until(rest);
  });
});
