import { describe, expect, test } from "vitest";
import { lifetimeOf } from "../../src/pool/roster.ts";
import { drainWithin, fixed } from "../../src/pool/scale.ts";
import { CoreLab } from "./core-lab.ts";

describe("growth", () => {
  test("nothing is booted before the pool has started", () => {
    const lab = new CoreLab({ min: 2 });
    expect(lab.step({ type: "tick" })).toEqual([]);
    expect(lab.core.tickAt).toBe(Infinity);
  });

  test("the start boots min runners, all at once", () => {
    expect(new CoreLab({ min: 3 }).start()).toEqual(["boot 1", "boot 2", "boot 3"]);
  });

  test("the first call starts the pool as well", () => {
    expect(new CoreLab({ min: 3 }).call()).toEqual(["boot 1", "boot 2", "boot 3"]);
  });

  test("each call without a slot boots one more, in parallel, up to max", () => {
    const lab = new CoreLab({ max: 3 });
    expect(lab.calls(5)).toEqual(["boot 1", "boot 2", "boot 3"]);
    expect(lab.core.queued).toBe(5);
  });

  test("a boot is asked for only when the slots that are coming do not suffice", () => {
    const lab = new CoreLab({ slotsPerRunner: 3 });
    expect(lab.calls(3)).toEqual(["boot 1"]);
    expect(lab.calls(1)).toEqual(["boot 2"]);
  });

  test("calls that are over before a runner is up boot nothing more", () => {
    const lab = new CoreLab();
    lab.calls(3);
    expect(lab.done(1, 2, 3)).toEqual([]);
    expect(lab.call()).toEqual([]);
    expect(lab.booted(1)).toEqual(["call 4 on 1"]);
  });

  test("growth is decided again when a runner has gone, not only when a call comes", () => {
    const lab = new CoreLab({ max: 1 });
    lab.calls(2);
    lab.booted(1);
    expect(lab.gone(1)).toEqual(["boot 2"]);
    expect(lab.booted(2)).toEqual(["call 2 on 2"]);
  });

  test("machines that drain count against max until they are gone", () => {
    const lab = new CoreLab({ max: 1 });
    lab.call();
    lab.booted(1);
    lab.retire(1);
    expect(lab.done(1)).toEqual(["drain 1 retired"]);
    expect(lab.call()).toEqual([]);
    expect(lab.gone(1)).toEqual(["boot 2"]);
  });

  test("spare slots are kept ready ahead of demand", () => {
    const lab = new CoreLab({ spare: 2 });
    expect(lab.start()).toEqual(["boot 1", "boot 2"]);
    lab.booted(1, 2);
    expect(lab.call()).toEqual(["call 1 on 2", "boot 3"]);
  });

  test("spare does not go above max", () => {
    expect(new CoreLab({ spare: 5, max: 2 }).start()).toEqual(["boot 1", "boot 2"]);
  });

  test("fixed() holds its number without calls too", () => {
    expect(new CoreLab({ scale: fixed(2) }).start()).toEqual(["boot 1", "boot 2"]);
  });

  test("a strategy sees aggregates of what takes calls, and is clamped to min and max", () => {
    const seen: unknown[] = [];
    const scale = (snapshot: object): number => {
      seen.push(snapshot);
      return 100;
    };
    const lab = new CoreLab({ scale, max: 2, spare: 1, slotsPerRunner: 4 });
    expect(lab.call()).toEqual(["boot 1", "boot 2"]);
    expect(seen.at(-1)).toEqual({
      queued: 1,
      running: 0,
      placed: 0,
      ready: 0,
      booting: 0,
      slotsPerRunner: 4,
      spare: 1,
      min: 0,
      max: 2,
      completed: 0,
      serviceMs: 0,
    });
    lab.booted(1);
    lab.wait(200);
    lab.done(1);
    expect(seen.at(-1)).toMatchObject({ queued: 0, running: 0, completed: 1, serviceMs: 200 });
    lab.retire(1);
    lab.call();
    expect(seen.at(-1)).toMatchObject({ queued: 1, running: 0, ready: 0, booting: 1 });
  });

  test.each<[string, () => number]>([
    ["throws", () => expect.fail("broken")],
    ["gives NaN", () => Number.NaN],
    ["gives no number", () => "3" as unknown as number],
  ])("a strategy that %s is told of, and the pool goes on by slots()", (_, scale) => {
    const failures: unknown[] = [];
    const lab = new CoreLab({ scale, scaleFailed: (error) => failures.push(error) });
    expect(lab.calls(2)).toEqual(["boot 1", "boot 2"]);
    expect(lab.booted(1)).toEqual(["call 1 on 1"]);
    expect(failures[0]).toBeInstanceOf(Error);
  });

  test("a strategy that wants infinitely many gets max, one that wants less than nothing gets min", () => {
    expect(new CoreLab({ scale: () => Infinity, max: 2 }).start()).toEqual(["boot 1", "boot 2"]);
    expect(new CoreLab({ scale: () => -Infinity, min: 1 }).calls(2)).toEqual(["boot 1"]);
  });
});

describe("dispatch", () => {
  test("the fullest runner with a free slot is served first", () => {
    const lab = CoreLab.idle(2, { slotsPerRunner: 3 });
    const [first] = lab.call();
    const runner = first!.at(-1);
    expect(lab.calls(2)).toEqual([`call 2 on ${runner}`, `call 3 on ${runner}`]);
    const other = runner === "1" ? "2" : "1";
    expect(lab.call()).toEqual([`call 4 on ${other}`]);
    expect(lab.done(1)).toEqual([]);
    expect(lab.call()).toEqual([`call 5 on ${runner}`]);
  });

  test("of two that are equally full the one that ran last is served, so that the other falls idle", () => {
    const lab = CoreLab.idle(10, { idleMs: 1_000 });
    const drained: string[] = [];
    for (let call = 1; call <= 30; call++) {
      lab.call();
      drained.push(...lab.wait(50));
      lab.done(call);
      drained.push(...lab.wait(50));
    }
    expect(drained).toHaveLength(9);
    expect(lab.core.ready).toBe(1);
  });

  test("a call that finds a free slot never waits", () => {
    const lab = CoreLab.idle(1);
    expect(lab.call()).toEqual(["call 1 on 1"]);
    expect(lab.core.queued).toBe(0);
  });

  test("a slot that becomes free goes to the call that has waited longest", () => {
    const lab = new CoreLab({ max: 1 });
    lab.calls(4);
    lab.booted(1);
    expect(lab.done(1)).toEqual(["call 2 on 1"]);
    expect(lab.done(3)).toEqual([]);
    expect(lab.done(2)).toEqual(["call 4 on 1"]);
  });

  test("a higher priority goes first, and equal ones keep their order", () => {
    const lab = new CoreLab({ max: 1 });
    lab.call();
    lab.booted(1);
    lab.call({ priority: 0 });
    lab.call({ priority: 5 });
    lab.call({ priority: -1 });
    lab.call({ priority: 5 });
    const order = [1, 3, 5, 2, 4].flatMap((call) => lab.done(call));
    expect(order).toEqual(["call 3 on 1", "call 5 on 1", "call 2 on 1", "call 4 on 1"]);
  });

  test("the same key goes to the same runner while it has a free slot", () => {
    const lab = CoreLab.idle(3, { slotsPerRunner: 2 });
    const [first] = lab.call({ key: "a" });
    const runner = first!.at(-1);
    lab.call();
    lab.done(1, 2);
    // Without the key it would go to the one that ran last.
    const others = [lab.call(), lab.call()].map(([command]) => command!.at(-1));
    expect(others).toEqual([runner, runner]);
    expect(lab.call({ key: "a" })[0]).not.toBe(`call 5 on ${runner}`);
    lab.done(3, 4, 5);
    const moved = lab.call({ key: "a" })[0]!.at(-1);
    expect(moved).not.toBe(runner);
    lab.done(6);
    lab.call();
    expect(lab.call({ key: "a" })[0]!.at(-1)).toBe(moved);
  });

  test("a key whose runner is gone is served by another", () => {
    const lab = CoreLab.idle(2);
    const runner = Number(lab.call({ key: "a" })[0]!.at(-1));
    lab.gone(runner);
    expect(lab.call({ key: "a" })).toEqual([`call 2 on ${3 - runner}`]);
  });

  test("ten thousand keys are remembered, not all of them for ever", () => {
    const lab = CoreLab.idle(2);
    const [runner] = lab.call({ key: "first" }).map((command) => command.at(-1));
    lab.done(1);
    const other = runner === "1" ? "2" : "1";
    for (let call = 2; call <= 10_002; call++) {
      lab.call({ key: `key ${call}` });
      lab.done(call);
    }
    lab.call();
    expect(lab.call({ key: "key 10002" })).toEqual([`call 10004 on ${other}`]);
    lab.done(10_003, 10_004);
    expect(lab.call({ key: "first" })).toEqual([`call 10005 on ${other}`]);
  });

  test("a key in use is remembered however many others pass", () => {
    const lab = CoreLab.idle(2);
    const runner = lab.call({ key: "hot" })[0]!.at(-1);
    lab.done(1);
    for (let call = 2; call <= 10_150; call++) {
      lab.call({ key: call % 100 === 0 ? "hot" : `key ${call}` });
      lab.done(call);
    }
    lab.calls(2);
    const [first, last] = lab.core.runnerOf(10_151) === Number(runner) ? [10_151, 10_152] : [10_152, 10_151];
    lab.done(first, last);
    // Without the key it would go to the one that ran last.
    expect(lab.call({ key: "hot" })).toEqual([`call 10153 on ${runner}`]);
  });

  test("a call that came back without its key does not follow it", () => {
    const lab = CoreLab.idle(2, { max: 2 });
    const runner = lab.call({ key: "a" })[0]!.at(-1);
    lab.call();
    lab.call({ key: "a" });
    lab.done(3, 1, 2);
    const [command] = lab.step({ type: "call", call: 3, priority: 0, key: undefined });
    expect(command).not.toBe(`call 3 on ${runner}`);
  });
});

describe("the end of a call", () => {
  test("one that waits leaves no trace", () => {
    const lab = new CoreLab({ max: 1 });
    lab.calls(2);
    lab.done(1);
    expect(lab.core.queued).toBe(1);
    expect([...lab.core.waiting]).toEqual([2]);
  });

  test("one that is unknown or ended already changes nothing", () => {
    const lab = CoreLab.idle(1);
    lab.call();
    lab.done(1);
    expect(lab.done(1, 99)).toEqual([]);
    expect(lab.core.freeSlots).toBe(1);
  });

  test("runnerOf tells the runner of a dispatched call, and only of such a one", () => {
    const lab = new CoreLab({ max: 1 });
    lab.calls(2);
    lab.booted(1);
    expect([1, 2, 3].map((call) => lab.core.runnerOf(call))).toEqual([1, undefined, undefined]);
    lab.done(1, 2);
    expect(lab.core.runnerOf(1)).toBeUndefined();
  });
});

describe("failing boots", () => {
  test("the next boot waits for a pause that grows with each failure in a row", () => {
    const lab = new CoreLab({ max: 1, backoffMs: (failures) => 100 * 2 ** (failures - 1) });
    lab.call();
    for (const [boot, pause] of [100, 200, 400, 800].entries()) {
      expect(lab.bootFailed(boot + 1)).toEqual([]);
      expect(lab.wait(pause - 1)).toEqual([]);
      expect(lab.wait(1)).toEqual([`boot ${boot + 2}`]);
    }
  });

  test("a success ends the row", () => {
    const lab = new CoreLab({ max: 2 });
    lab.calls(2);
    lab.bootFailed(1);
    lab.wait(100);
    lab.bootFailed(3);
    expect(lab.booted(2)).toEqual(["call 1 on 2", "boot 4"]);
    lab.bootFailed(4);
    expect(lab.wait(99)).toEqual([]);
    expect(lab.wait(1)).toEqual(["boot 5"]);
  });

  test("boots that ran side by side and all failed count as one failure", () => {
    const lab = new CoreLab();
    lab.calls(10);
    lab.bootFailed(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    expect(lab.wait(100)).toHaveLength(10);
  });

  test("D5: five boots fail, and the pool still grows to the five runners that its queue asks for", () => {
    const lab = new CoreLab({ max: 5 });
    lab.calls(5);
    lab.bootFailed(1, 2, 3, 4, 5);
    expect(lab.wait(100)).toEqual(["boot 6", "boot 7", "boot 8", "boot 9", "boot 10"]);
    lab.booted(6, 7, 8, 9, 10);
    expect(lab.core.running).toBe(5);
  });

  test("a call during the pause boots nothing, and is served after it", () => {
    const lab = new CoreLab();
    lab.call();
    lab.bootFailed(1);
    expect(lab.calls(2)).toEqual([]);
    expect(lab.wait(100)).toEqual(["boot 2", "boot 3", "boot 4"]);
  });

  test("nothing is booted after the pause when nobody waits any more", () => {
    const lab = new CoreLab();
    lab.call();
    lab.bootFailed(1);
    lab.done(1);
    expect(lab.wait(10_000)).toEqual([]);
  });

  test("a runner that comes up and breaks before its first call counts as a failed boot", () => {
    const lab = new CoreLab({ min: 1, max: 1 });
    lab.start();
    for (const [index, pause] of [100, 200, 300].entries()) {
      lab.booted(index + 1);
      expect(lab.gone(index + 1)).toEqual([]);
      expect(lab.wait(pause - 1)).toEqual([]);
      expect(lab.wait(1)).toEqual([`boot ${index + 2}`]);
    }
  });

  test("one that has run calls is replaced at once", () => {
    const lab = new CoreLab({ max: 1 });
    lab.calls(2);
    lab.booted(1);
    expect(lab.gone(1)).toEqual(["boot 2"]);
  });

  test("a boot that was answered cannot be answered again", () => {
    const lab = new CoreLab({ min: 1 });
    lab.start();
    lab.booted(1);
    expect([...lab.booted(1), ...lab.bootFailed(1), ...lab.booted(7), ...lab.bootFailed(7), ...lab.gone(7)]).toEqual(
      [],
    );
    expect(lab.core).toMatchObject({ booting: 0, ready: 1, draining: 0 });
  });
});

describe("min", () => {
  test("D3: it is held for ever: a runner that dies is replaced without a call", () => {
    const lab = CoreLab.idle(2, { min: 2 });
    for (let runner = 1; runner <= 20; runner++) {
      expect(lab.gone(runner)).toEqual([`boot ${runner + 2}`]);
      lab.booted(runner + 2);
      lab.call();
      lab.done(runner);
    }
    expect(lab.core.ready).toBe(2);
  });

  test("it is held through idle time and old age", () => {
    const lab = CoreLab.idle(2, { min: 2, lifetimeMs: 100_000, idleMs: 1_000, max: 4 });
    expect(lab.wait(90_000)).toEqual([]);
    expect(lab.wait(10_000).toSorted()).toEqual(["boot 3", "boot 4", "drain 1 lifetime", "drain 2 lifetime"]);
  });

  test("it is held with single-use runners, which do not count once they were used", () => {
    const lab = new CoreLab({ min: 2, singleUse: true });
    lab.start();
    lab.booted(1, 2);
    expect(lab.call()).toEqual(["call 1 on 2", "boot 3"]);
  });
});

describe("shrinking", () => {
  test("a runner above min is drained after its idle time, not earlier", () => {
    const lab = CoreLab.idle(1, { idleMs: 500 });
    expect(lab.wait(499)).toEqual([]);
    expect(lab.wait(1)).toEqual(["drain 1 idle"]);
    expect(lab.core).toMatchObject({ ready: 0, draining: 1, freeSlots: 0 });
    lab.gone(1);
    expect(lab.core.draining).toBe(0);
  });

  test("the time counts from the end of the last call", () => {
    const lab = CoreLab.idle(1, { idleMs: 500 });
    lab.wait(400);
    lab.call();
    expect(lab.wait(1_000)).toEqual([]);
    lab.done(1);
    expect(lab.wait(499)).toEqual([]);
    expect(lab.wait(1)).toEqual(["drain 1 idle"]);
  });

  test("only what is above min goes", () => {
    const lab = CoreLab.idle(5, { min: 2, idleMs: 500 });
    expect(lab.wait(500)).toHaveLength(3);
    expect(lab.wait(100_000)).toEqual([]);
    expect(lab.core.ready).toBe(2);
  });

  test("only what is above the spare slots goes", () => {
    const lab = CoreLab.idle(5, { spare: 3, idleMs: 500, slotsPerRunner: 2 });
    expect(lab.wait(500)).toHaveLength(3);
    expect(lab.core.ready).toBe(2);
  });

  test("a busy runner never goes", () => {
    const lab = CoreLab.idle(2, { idleMs: 500 });
    lab.calls(2);
    expect(lab.wait(5_000)).toEqual([]);
  });

  test("an endless idle time keeps runners", () => {
    const lab = CoreLab.idle(2, { idleMs: Infinity, lifetimeMs: Infinity });
    expect(lab.wait(5_000)).toEqual([]);
    expect(lab.core.tickAt).toBe(Infinity);
  });

  test("a tick that comes too early does no harm and is asked for again", () => {
    const lab = CoreLab.idle(1, { idleMs: 500 });
    lab.now += 100;
    expect(lab.step({ type: "tick" })).toEqual([]);
    expect(lab.wait(400)).toEqual(["drain 1 idle"]);
  });
});

describe("lifetime", () => {
  test("an idle runner of that age is drained", () => {
    const lab = CoreLab.idle(1, { lifetimeMs: 10_000 });
    expect(lab.wait(9_000)).toEqual([]);
    expect(lab.wait(1_000)).toEqual(["drain 1 lifetime"]);
  });

  test("runners that came up together are not replaced together", () => {
    const lab = CoreLab.idle(10, { lifetimeMs: 10_000, min: 10, max: 20 });
    lab.wait(9_000);
    for (let turn = 0; turn < 10; turn++) {
      const drained = lab.wait(100).filter((command) => command.endsWith("lifetime"));
      expect(drained, `in the ${turn + 1}. hundred ms`).toHaveLength(1);
    }
  });

  test("no runner becomes older than it may, or goes long before", () => {
    for (let id = 1; id < 1_000; id++) {
      expect(lifetimeOf(id, 1_000)).toBeGreaterThan(899);
      expect(lifetimeOf(id, 1_000)).toBeLessThanOrEqual(1_000);
    }
    expect(lifetimeOf(1, Infinity)).toBe(Infinity);
  });

  test("a busy one finishes its calls, gets no more, and is replaced", () => {
    const lab = CoreLab.idle(1, { lifetimeMs: 10_000, slotsPerRunner: 2 });
    lab.call();
    expect(lab.wait(10_000)).toEqual([]);
    expect(lab.core).toMatchObject({ ready: 1, freeSlots: 0, running: 1 });
    expect(lab.call()).toEqual(["boot 2"]);
    expect(lab.done(1)).toEqual(["drain 1 lifetime"]);
    expect(lab.booted(2)).toEqual(["call 2 on 2"]);
  });
});

describe("an object that was placed", () => {
  test("is told to leave by a runner that has become too old, which goes when it has", () => {
    const lab = CoreLab.idle(1, { lifetimeMs: 10_000, slotsPerRunner: 2 });
    lab.call();
    expect(lab.placed(1)).toEqual([]);
    expect(lab.wait(10_000)).toEqual(["leave 1"]);
    expect(lab.done(1)).toEqual(["drain 1 lifetime"]);
  });

  test("is told so also when its runner was closed while it was being made, and once", () => {
    const lab = CoreLab.idle(2, { slotsPerRunner: 2 });
    const [, runner] = /on (\d)/.exec(lab.call()[0]!)!;
    expect(lab.retire(Number(runner))).toEqual([]);
    expect(lab.placed(1)).toEqual([`leave ${runner}`]);
    expect(lab.placed(1)).toEqual([]);
    expect(lab.retire(Number(runner))).toEqual([]);
  });

  test("stays on a runner that was made for it alone, and on one that is idle otherwise", () => {
    const single = CoreLab.idle(0, { singleUse: true, slotsPerRunner: 1 });
    single.call();
    single.booted(1);
    expect(single.placed(1)).toEqual([]);
    const lab = CoreLab.idle(1, { idleMs: 1_000 });
    lab.call();
    lab.placed(1);
    expect(lab.wait(100_000)).toEqual([]);
  });

  test("keeps its slot, and says nothing about how long calls take", () => {
    const lab = CoreLab.idle(1, { slotsPerRunner: 1, max: 8, scale: drainWithin("1s"), idleMs: Infinity });
    for (let call = 1; call <= 30; call++) {
      lab.call();
      lab.now += 10;
      lab.done(call);
    }
    lab.call();
    lab.placed(31);
    lab.now += 3_600_000;
    expect([lab.call(), lab.call(), lab.call()].flat()).toEqual(["boot 2"]);
    expect(lab.booted(2)).toEqual(["call 32 on 2"]);
    expect(lab.done(31)).toEqual(["call 33 on 1"]);
    // The runner that it is on counts no more when that goes, nor does the object.
    lab.call();
    lab.placed(33);
    lab.retire(1);
    expect([lab.done(33), lab.done(32)].flat()).toEqual(["drain 1 retired", "call 34 on 2"]);
  });
});

describe("a call for one runner", () => {
  test("goes there although a fuller runner has a free slot", () => {
    const lab = CoreLab.idle(2, { slotsPerRunner: 2 });
    expect(lab.call()).toEqual(["call 1 on 2"]);
    expect(lab.pin(1)).toEqual(["call 2 on 1"]);
  });

  test("waits for a slot of it, boots nothing, and comes before those who wait for any", () => {
    const lab = CoreLab.idle(1, { max: 1 });
    lab.call();
    lab.call();
    expect(lab.pin(1)).toEqual([]);
    expect(lab.core).toMatchObject({ queued: 1, pinned: 1 });
    expect(lab.done(1)).toEqual(["call 3 on 1"]);
    expect(lab.done(3)).toEqual(["call 2 on 1"]);
  });

  test.each([
    ["unknown", (lab: CoreLab) => lab.pin(7)],
    ["gone", (lab: CoreLab) => (lab.pin(1), lab.gone(1))],
    ["retired", (lab: CoreLab) => (lab.pin(1), lab.retire(1))],
  ])("is refused when its runner is %s", (_, act) => {
    const lab = CoreLab.idle(1, { max: 1 });
    lab.call();
    expect(act(lab)).toContain("reject 2");
    expect(lab.core).toMatchObject({ pinned: 0 });
  });

  test("is refused when its runner is still booting: nobody can know of it", () => {
    const lab = new CoreLab({ max: 1 });
    lab.call();
    expect(lab.pin(1)).toEqual(["reject 2"]);
  });

  test("leaves no trace when it is given up", () => {
    const lab = CoreLab.idle(1, { max: 1 });
    lab.call();
    lab.pin(1);
    lab.done(2);
    expect(lab.core).toMatchObject({ pinned: 0 });
    expect(lab.done(1)).toEqual([]);
  });
});

describe("single use", () => {
  test("D2: a used runner never gets the next caller, who gets another runner", () => {
    const lab = new CoreLab({ singleUse: true, max: 1 });
    lab.calls(2);
    expect(lab.booted(1)).toEqual(["call 1 on 1"]);
    expect(lab.done(1)).toEqual(["drain 1 used"]);
    expect(lab.core).toMatchObject({ queued: 1, ready: 0, draining: 1, freeSlots: 0 });
    expect(lab.gone(1)).toEqual(["boot 2"]);
    expect(lab.booted(2)).toEqual(["call 2 on 2"]);
  });

  test("with room below max the next runner boots while the first call runs", () => {
    const lab = new CoreLab({ singleUse: true, max: 2 });
    lab.call();
    lab.booted(1);
    expect(lab.call()).toEqual(["boot 2"]);
  });

  test("a closing pool boots for those who wait, not for those who run", () => {
    const lab = new CoreLab({ singleUse: true, max: 10 });
    lab.call();
    lab.booted(1);
    lab.call();
    expect(lab.close()).toEqual([]);
    expect(lab.core).toMatchObject({ booting: 1 });
    lab.call();
    expect(lab.core).toMatchObject({ booting: 2 });
  });
});

describe("retire", () => {
  test("an empty runner is drained and replaced where min wants it", () => {
    const lab = CoreLab.idle(1, { min: 1 });
    expect(lab.retire(1)).toEqual(["drain 1 retired", "boot 2"]);
  });

  test("a busy one gets no more calls and is drained after the last", () => {
    const lab = CoreLab.idle(1, { slotsPerRunner: 3 });
    lab.calls(2);
    expect(lab.retire(1)).toEqual([]);
    expect(lab.call()).toEqual(["boot 2"]);
    expect(lab.done(1)).toEqual([]);
    expect(lab.done(2)).toEqual(["drain 1 retired"]);
  });

  test("one that is still booting gets no call at all, and the next one comes after a pause", () => {
    const lab = new CoreLab({ max: 1 });
    lab.call();
    expect(lab.retire(1)).toEqual([]);
    expect(lab.booted(1)).toEqual(["drain 1 retired"]);
    expect(lab.gone(1)).toEqual([]);
    expect(lab.wait(100)).toEqual(["boot 2"]);
    expect(lab.booted(2)).toEqual(["call 1 on 2"]);
  });

  test("twice, or for a runner that drains or is unknown, it changes nothing", () => {
    const lab = CoreLab.idle(1);
    lab.retire(1);
    expect([...lab.retire(1), ...lab.retire(9)]).toEqual([]);
    expect(lab.core).toMatchObject({ ready: 0, draining: 1 });
  });
});

describe("the loss of a runner", () => {
  test("D4: those who wait are served by a new one", () => {
    const lab = new CoreLab({ max: 1, slotsPerRunner: 2 });
    lab.calls(4);
    lab.booted(1);
    expect(lab.gone(1)).toEqual(["boot 2"]);
    expect(lab.booted(2)).toEqual(["call 3 on 2", "call 4 on 2"]);
  });

  test("its calls are no longer running, and may come again", () => {
    const lab = new CoreLab({ max: 1 });
    lab.call();
    lab.booted(1);
    lab.gone(1);
    expect(lab.core).toMatchObject({ running: 0, queued: 0 });
    expect(lab.step({ type: "call", call: 1, priority: 0, key: undefined })).toEqual(["boot 2"]);
    expect(lab.booted(2)).toEqual(["call 1 on 2"]);
  });

  test("it may come while the runner boots or drains", () => {
    const lab = CoreLab.idle(1, { idleMs: 1 });
    lab.wait(1);
    lab.gone(1);
    lab.call();
    lab.gone(2);
    expect(lab.core).toMatchObject({ booting: 1, ready: 0, draining: 0 });
  });
});

describe("resize", () => {
  test("a larger max lets those who wait have their runners at once", () => {
    const lab = new CoreLab({ max: 1 });
    lab.calls(3);
    expect(lab.resize(0, 2)).toEqual(["boot 2"]);
  });

  test("a larger min is filled at once, also after idle time", () => {
    const lab = CoreLab.idle(1);
    expect(lab.resize(3, 10)).toEqual(["boot 2", "boot 3"]);
  });

  test("a smaller min lets runners go after their idle time", () => {
    const lab = CoreLab.idle(2, { min: 2, idleMs: 500 });
    lab.wait(10_000);
    expect(lab.resize(1, 10)).toEqual(["drain 1 idle"]);
  });

  test("a smaller max drains idle runners at once", () => {
    const lab = CoreLab.idle(3);
    expect(lab.resize(0, 1)).toHaveLength(2);
    expect(lab.core).toMatchObject({ ready: 1, draining: 2 });
  });

  test("a smaller max retires the least busy runners, even while calls wait for them", () => {
    const lab = CoreLab.idle(2, { slotsPerRunner: 2, max: 2 });
    lab.calls(5);
    const fuller = lab.core.runnerOf(1)!;
    lab.done(3);
    lab.done(4);
    expect(lab.resize(0, 1)).toEqual([]);
    const less = 3 - fuller;
    expect(lab.core.runnerOf(5)).toBe(less);
    lab.calls(1);
    expect(lab.done(5)).toEqual([`drain ${less} resized`]);
    expect(lab.done(1)).toEqual([`call 6 on ${fuller}`]);
  });

  test("a smaller max takes boots back first", () => {
    const lab = CoreLab.idle(1, { max: 3 });
    lab.calls(3);
    expect(lab.core).toMatchObject({ booting: 2, running: 1 });
    expect(lab.resize(0, 2)).toEqual(["cancelBoot 3"]);
    expect(lab.core).toMatchObject({ booting: 1, draining: 1 });
    lab.bootFailed(3);
    expect(lab.core.draining).toBe(0);
    expect(lab.booted(2)).toEqual(["call 2 on 2"]);
  });

  test("a boot that was taken back counts neither as failure nor as runner", () => {
    const lab = new CoreLab({ max: 2 });
    lab.calls(2);
    lab.resize(0, 1);
    expect([...lab.booted(2), ...lab.bootFailed(2)]).toEqual([]);
    expect(lab.resize(0, 2)).toEqual(["boot 3"]);
  });
});

describe("close", () => {
  test("an idle pool drains all and takes back what boots", () => {
    const lab = CoreLab.idle(2, { min: 3 });
    expect(lab.core).toMatchObject({ ready: 2, booting: 1 });
    expect(lab.close().toSorted()).toEqual(["cancelBoot 3", "drain 1 closed", "drain 2 closed"]);
    lab.bootFailed(3);
    expect([...lab.gone(1), ...lab.gone(2)]).toEqual([]);
    expect(lab.core).toMatchObject({ ready: 0, booting: 0, draining: 0 });
    expect(lab.wait(1e9)).toEqual([]);
  });

  test("calls that wait and run are finished first", () => {
    const lab = new CoreLab({ max: 1 });
    lab.calls(3);
    lab.booted(1);
    expect(lab.close()).toEqual([]);
    expect(lab.done(1)).toEqual(["call 2 on 1"]);
    expect(lab.done(2)).toEqual(["call 3 on 1"]);
    expect(lab.done(3)).toEqual(["drain 1 closed"]);
  });

  test("runners are still booted, again too, for calls that wait", () => {
    const lab = new CoreLab({ max: 2 });
    lab.calls(2);
    lab.close();
    lab.bootFailed(1);
    expect(lab.wait(100)).toEqual(["boot 3"]);
    lab.booted(2);
    expect(lab.gone(2)).toEqual([]);
    expect(lab.booted(3)).toEqual(["call 2 on 3"]);
    expect(lab.done(2)).toEqual(["drain 3 closed"]);
  });

  test("min and spare are no longer held", () => {
    const lab = CoreLab.idle(1, { min: 2, spare: 2, max: 2 });
    lab.call();
    lab.close();
    expect(lab.gone(1)).toEqual([]);
  });

  test("a runner of its own age or fault is drained while others still work", () => {
    const lab = CoreLab.idle(2);
    lab.call();
    const busy = lab.core.runnerOf(1)!;
    expect(lab.close()).toEqual([`drain ${3 - busy} closed`]);
    lab.retire(busy);
    expect(lab.done(1)).toEqual([`drain ${busy} retired`]);
  });
});

describe("an executor that dies", () => {
  test("takes its slots along until it is back, and calls go to the slots that are left", () => {
    const lab = CoreLab.idle(1, { slotsPerRunner: 4, max: 1 });
    expect(lab.slots(1, 2)).toEqual([]);
    expect(lab.core.freeSlots).toBe(2);
    expect(lab.calls(3)).toEqual(["call 1 on 1", "call 2 on 1"]);
    expect(lab.slots(1, 4)).toEqual(["call 3 on 1"]);
    expect(lab.core.freeSlots).toBe(1);
  });

  test("may leave more calls than slots: none is added until enough have ended", () => {
    const lab = CoreLab.idle(1, { slotsPerRunner: 4, max: 1 });
    lab.calls(4);
    lab.slots(1, 2);
    expect(lab.core.freeSlots).toBe(0);
    expect(lab.call()).toEqual([]);
    expect(lab.done(1)).toEqual([]);
    expect(lab.done(2)).toEqual([]);
    expect(lab.done(3)).toEqual(["call 5 on 1"]);
  });

  test("that was the only one leaves the runner without slots, and growth goes on", () => {
    const lab = CoreLab.idle(1, { slotsPerRunner: 2, max: 2 });
    lab.slots(1, 0);
    expect(lab.core.freeSlots).toBe(0);
    expect(lab.calls(3)).toEqual(["boot 2"]);
    expect(lab.slots(1, 2)).toEqual(["call 1 on 1", "call 2 on 1"]);
  });
});

describe("a call that comes again", () => {
  test("goes before those of its priority that wait, and after higher ones", () => {
    const lab = CoreLab.idle(1, { max: 1 });
    lab.call();
    lab.call();
    lab.step({ type: "call", call: 50, priority: 0, key: undefined, again: true });
    lab.step({ type: "call", call: 60, priority: 1, key: undefined });
    expect(lab.done(1)).toEqual(["call 60 on 1"]);
    expect(lab.done(60)).toEqual(["call 50 on 1"]);
    expect(lab.done(50)).toEqual(["call 2 on 1"]);
  });
});

describe("idleCheck", () => {
  const options = { idleMs: 1_000, idleCheck: true };

  test("asks a runner that was idle for long enough, and drains it when it may go", () => {
    const lab = CoreLab.idle(1, options);
    expect(lab.wait(999)).toEqual([]);
    expect(lab.wait(1)).toEqual(["check 1"]);
    expect(lab.checked(1, true)).toEqual(["drain 1 idle"]);
  });

  test("a veto begins the idle time anew", () => {
    const lab = CoreLab.idle(1, options);
    lab.wait(1_000);
    expect(lab.checked(1, false)).toEqual([]);
    expect(lab.wait(999)).toEqual([]);
    expect(lab.wait(1)).toEqual(["check 1"]);
  });

  test("one that does not answer is not asked twice", () => {
    const lab = CoreLab.idle(1, options);
    lab.wait(1_000);
    expect(lab.wait(5_000)).toEqual([]);
    expect(lab.checked(1, true)).toEqual(["drain 1 idle"]);
  });

  test("an answer that comes after a call has come counts for nothing", () => {
    const lab = CoreLab.idle(1, options);
    lab.wait(1_000);
    lab.call();
    lab.done(1);
    expect(lab.checked(1, true)).toEqual([]);
    expect(lab.core.ready).toBe(1);
  });

  test("what min has come to need meanwhile is kept", () => {
    const lab = CoreLab.idle(1, options);
    lab.wait(1_000);
    lab.resize(1, 4);
    expect(lab.checked(1, true)).toEqual([]);
  });

  test("is not asked of what min keeps, nor when it goes for another reason", () => {
    expect(CoreLab.idle(1, { ...options, min: 1 }).wait(10_000)).toEqual([]);
    expect(CoreLab.idle(1, options).close()).toEqual(["drain 1 closed"]);
  });
});

test("with spread the emptiest runner is served first, for comparisons with FLAME", () => {
  const lab = CoreLab.idle(2, { slotsPerRunner: 2, spread: true });
  expect(lab.calls(4)).toEqual(["call 1 on 1", "call 2 on 2", "call 3 on 1", "call 4 on 2"]);
});

test("growth is looked at again while calls wait: those that run may turn out to be long", () => {
  const lab = new CoreLab({ max: 4, scale: ({ serviceMs }) => (serviceMs > 5_000 ? 2 : 1) });
  lab.calls(2);
  lab.booted(1);
  expect(lab.wait(5_000)).toEqual([]);
  expect(lab.wait(1_000)).toEqual(["boot 2"]);
});
