/** Parents that share a bucket, each with its own way to it; time is the test's. */
import { expect, onTestFinished, test } from "vitest";
import { Ownership } from "../../src/deploy/ownership.ts";
import { OpenStore } from "../../src/store/store.ts";
import { NodeClock, World } from "../store/lease-world.ts";
import { busy, scripted } from "../store/scripted.ts";

const ttlMs = 30_000;

function lab() {
  const world = new World();
  const keys = async (prefix: string): Promise<string[]> => {
    const { objects } = await world.server.list(prefix);
    return objects.map(({ key }) => key);
  };
  return {
    world,
    keys,
    parent() {
      const clock = new NodeClock(world.clock);
      const self = { down: false, slow: "none", log: [] as string[] };
      const driver = scripted(world.server, async (kind, key, act) => {
        self.log.push(`${kind} ${key}`);
        if (self.down) throw busy();
        if (key.includes(self.slow)) await new Promise<void>((resolve) => void world.clock.timer(500, resolve));
        return act();
      });
      const store = new OpenStore({
        driver,
        clock,
        failing: () => undefined,
        holding: () => undefined,
        closed: () => undefined,
        handles: undefined as never,
      });
      const ownership = new Ownership(store);
      onTestFinished(() => store.close());
      return Object.assign(self, { clock, store, ownership });
    },
  };
}

test("a parent has one name, and its lease, for as long as it lives; others see that, patient or not", async () => {
  const { world, parent } = lab();
  const [one, other] = [parent(), parent()];
  expect(one.ownership.held).toBeUndefined();
  const [name, again] = await world.until(Promise.all([one.ownership.name(), one.ownership.name()]));
  expect(again).toBe(name);
  expect(one.ownership.held).toBe(name);
  await world.pass(10 * ttlMs);
  expect(await world.until(one.ownership.name())).toBe(name);
  expect(one.store.stats().leases).toBe(1);
  expect(await world.until(other.ownership.claim(name, false))).toBeUndefined();
  const began = world.clock.now();
  expect(await world.until(other.ownership.claim(name, true))).toBeUndefined();
  expect(world.clock.now() - began).toBeGreaterThanOrEqual(ttlMs);
  expect(await world.until(other.ownership.name())).not.toBe(name);
});

test("what is about to be asked for is written down before, and struck out by who wrote it", async () => {
  const { world, keys, parent } = lab();
  const { ownership } = parent();
  const settled = await world.until(ownership.intend("t1", { count: 3, pool: "media", template: "lt-1" }));
  const owner = ownership.held!;
  expect(await keys("")).toContain("requests/t1");
  expect(await world.until(ownership.open())).toEqual([
    { token: "t1", owner, count: 3, pool: "media", template: "lt-1" },
  ]);
  await world.until(settled());
  expect(await world.until(ownership.open())).toEqual([]);
});

test("a parent that says goodbye is gone at once, and takes no more names; twice is as once", async () => {
  const { world, parent } = lab();
  const [one, other] = [parent(), parent()];
  const name = await world.until(one.ownership.name());
  await world.until(Promise.all([one.ownership.close(), one.ownership.close()]));
  await expect(world.until(one.ownership.name())).rejects.toThrow("Cannot own machines: this parent is closing");
  await expect(world.until(one.ownership.intend("t", { count: 1, pool: "p" }))).rejects.toThrow("closing");
  const began = world.clock.now();
  const claimed = await world.until(other.ownership.claim(name, false));
  expect(claimed).toBeDefined();
  expect(world.clock.now() - began).toBeLessThan(1_000);
  await world.until(claimed!.release());
});

test("one that is closed while it takes its name leaves no lease", async () => {
  const { world, parent } = lab();
  const one = parent();
  const taking = one.ownership.name();
  taking.catch(() => undefined);
  await world.until(one.ownership.close());
  await taking.catch(() => undefined);
  expect(one.store.stats().leases).toBe(0);
});

test("a parent that is killed is gone after its lease's time, and what it was about to ask for is known and can be struck out", async () => {
  const { world, keys, parent } = lab();
  const [dead, other] = [parent(), parent()];
  await world.until(dead.ownership.intend("t1", { count: 1, pool: "media" }));
  await world.until(other.ownership.intend("t2", { count: 1, pool: "media" }));
  const name = dead.ownership.held!;
  dead.clock.stop();
  const began = world.clock.now();
  expect(await world.until(other.ownership.claim(name, false))).toBeUndefined();
  const claimed = await world.until(other.ownership.claim(name, true));
  expect(claimed).toBeDefined();
  expect(world.clock.now() - began).toBeLessThanOrEqual(40_000);
  await world.until(other.ownership.forget(name));
  expect(await keys("requests/")).toEqual(["requests/t2"]);
  await world.until(claimed!.release());
});

test("of two that look after a parent that is gone, one gets its place", async () => {
  const { world, parent } = lab();
  const [dead, one, other] = [parent(), parent(), parent()];
  const name = await world.until(dead.ownership.name());
  dead.clock.stop();
  const both = await world.until(Promise.all([one.ownership.claim(name, true), other.ownership.claim(name, true)]));
  expect(both.filter((claimed) => claimed !== undefined)).toHaveLength(1);
});

test("a parent whose bucket was away takes its lease again by itself: its machines still carry that name", async () => {
  const { world, parent } = lab();
  const [one, other] = [parent(), parent()];
  const name = await world.until(one.ownership.name());
  one.down = true;
  await world.pass(3 * ttlMs);
  await expect(world.until(one.ownership.name())).rejects.toThrow("busy");
  one.down = false;
  // Nobody has it now, and nobody else in this process may take it for that of a parent that is gone.
  expect(await world.until(one.ownership.claim(name, true))).toBeUndefined();
  await world.pass(2 * ttlMs);
  expect(one.store.stats().leases).toBe(1);
  expect(await world.until(one.ownership.claim(name, true))).toBeUndefined();
  expect(await world.until(other.ownership.claim(name, true))).toBeUndefined();
  expect(await world.until(one.ownership.name())).toBe(name);
});

test("one that lost its name to somebody who ends its machines launches under another, and holds both when it can", async () => {
  const { world, parent } = lab();
  const [one, other] = [parent(), parent()];
  const name = await world.until(one.ownership.name());
  one.clock.stop();
  const claimed = await world.until(other.ownership.claim(name, true));
  expect(claimed).toBeDefined();
  one.clock.go();
  await world.pass(1_000);
  const second = await world.until(one.ownership.name());
  expect(second).not.toBe(name);
  expect(await world.until(one.ownership.name())).toBe(second);
  await world.until(claimed!.release());
  await world.pass(2 * ttlMs);
  expect(one.store.stats().leases).toBe(2);
  expect(await world.until(other.ownership.claim(name, true))).toBeUndefined();
  expect(await world.until(one.ownership.name())).toBe(second);
  one.slow = name;
  await world.until(one.ownership.close());
  expect(one.store.stats().leases).toBe(0);
  expect(await world.until(other.ownership.claim(name, false))).toBeDefined();
});

test("one that closes while its bucket is away does not wait for its name for ever", async () => {
  const { world, parent } = lab();
  const one = parent();
  await world.until(one.ownership.name());
  one.down = true;
  await world.pass(3 * ttlMs);
  await world.until(one.ownership.close(), 60_000);
  const asked = one.log.length;
  await world.pass(3 * ttlMs);
  expect(one.log.length).toBe(asked);
});

test("a note that nobody can read is in nobody's way; a bucket that fails is told", async () => {
  const { world, parent } = lab();
  const one = parent();
  await world.until(one.ownership.intend("t1", { count: 1, pool: "media" }));
  await world.server.put("requests/broken", Buffer.from("{"));
  expect((await world.until(one.ownership.open())).map(({ token }) => token)).toEqual(["t1"]);
  await world.until(one.ownership.forget(one.ownership.held!));
  expect(await world.until(one.ownership.open())).toEqual([]);
  one.down = true;
  await expect(world.until(one.ownership.open())).rejects.toThrow("busy");
  await expect(world.until(one.ownership.claim("somebody", false))).rejects.toThrow("busy");
});
