import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Scale, type Snapshot, drainWithin, fixed, judge, slots } from "../../src/pool/scale.ts";

const nothing: Snapshot = {
  queued: 0,
  running: 0,
  placed: 0,
  ready: 0,
  booting: 0,
  slotsPerRunner: 1,
  spare: 0,
  min: 0,
  max: 100,
  completed: 0,
  serviceMs: 0,
};
/** Calls take a second, as far as is known. */
const known: Snapshot = { ...nothing, completed: 100, serviceMs: 1_000 };

type Row = [reason: string, snapshot: Partial<Snapshot>, wanted: number];

const ofSlots: Row[] = [
  ["nothing to do needs no runner", {}, 0],
  ["each call that waits or runs needs a slot", { queued: 2, running: 3 }, 5],
  ["slots of one runner are shared", { queued: 2, running: 3, slotsPerRunner: 4 }, 2],
  ["a full runner needs no second", { running: 4, slotsPerRunner: 4 }, 1],
  ["spare slots come on top", { running: 4, spare: 1, slotsPerRunner: 4 }, 2],
  ["spare slots count in slots, not in runners", { spare: 5, slotsPerRunner: 4 }, 2],
  ["what is there already changes nothing", { queued: 1, ready: 7, booting: 3, min: 5 }, 1],
  ["how long calls take changes nothing", { queued: 7, serviceMs: 1, completed: 1_000 }, 7],
];
test.each(ofSlots)("slots(): %s", (_, snapshot, wanted) => {
  expect(slots()({ ...nothing, ...snapshot })).toBe(wanted);
});

const ofDrain: Row[] = [
  ["nothing to do needs no runner", {}, 0],
  ["a slot begins six calls of a second within five, one of them at once", { queued: 6 }, 1],
  ["one call more needs another slot", { queued: 7 }, 2],
  ["slots that run begin five calls within that time", { queued: 50, running: 10 }, 10],
  ["a queue that they do not reach needs more", { queued: 51, running: 10 }, 11],
  ["running calls keep their slots, however short they are", { running: 40, serviceMs: 1 }, 40],
  ["slots of one runner are shared", { queued: 60, slotsPerRunner: 4 }, 3],
  ["spare slots come on top", { queued: 60, slotsPerRunner: 4, spare: 3 }, 4],
  ["spare slots are there without any call", { spare: 2 }, 2],
  ["slots that objects keep come on top: nobody waits for those", { queued: 6, running: 3, placed: 3 }, 4],
  ["calls as long as the time share a slot by twos", { queued: 10, serviceMs: 5_000 }, 5],
  ["calls much longer than the time get a slot each", { queued: 10, serviceMs: 3_600_000 }, 10],
  ["calls of no length are worked off by one slot", { queued: 1_000, serviceMs: 0 }, 1],
  ["before 20 calls have ended each gets a slot", { queued: 50, completed: 19 }, 50],
  ["after 20 calls the estimate counts", { queued: 48, completed: 20 }, 8],
  ["what is there already changes nothing", { queued: 6, ready: 7, booting: 3, min: 5 }, 1],
];
test.each(ofDrain)('drainWithin("5s"): %s', (_, snapshot, wanted) => {
  expect(drainWithin("5s")({ ...known, ...snapshot })).toBe(wanted);
});

test("drainWithin(0) is slots(), also for calls of no length", () => {
  for (const serviceMs of [0, 1, 1_000]) expect(drainWithin(0)({ ...known, queued: 7, running: 2, serviceMs })).toBe(9);
});

test("drainWithin(Infinity) never adds a runner for a queue, but begins with one", () => {
  const scale = drainWithin(Infinity);
  expect(scale({ ...known, queued: 1_000 })).toBe(1);
  expect(scale({ ...known, queued: 1_000, running: 3 })).toBe(3);
});

test("a number is a duration in milliseconds", () => {
  expect(drainWithin(5_000)({ ...known, queued: 60 })).toBe(drainWithin("5s")({ ...known, queued: 60 }));
});

test.each([
  ["5", '"5"'],
  ["5 s", '"5 s"'],
  [-1, "-1"],
  [Number.NaN, "NaN"],
  [undefined, "undefined"],
])("drainWithin() refuses %s, which is no duration", (duration, shown) => {
  expect(() => drainWithin(duration as never)).toThrow(
    new TypeError(
      `Cannot use ${shown} as the duration of drainWithin(): a duration is "250ms", "30s", "5m", "2h", ` +
        "a number of milliseconds from 0, or Infinity",
    ),
  );
});

test("fixed() wants its number whatever there is to do", () => {
  expect(fixed(3)(nothing)).toBe(3);
  expect(fixed(3)({ ...nothing, queued: 50 })).toBe(3);
  expect(fixed(0)({ ...nothing, queued: 50 })).toBe(0);
});

test.each([
  [-1, "-1"],
  [1.5, "1.5"],
  [Number.NaN, "NaN"],
  ["3", '"3"'],
])("fixed() refuses %s, which is no number of runners", (count, shown) => {
  expect(() => fixed(count as number)).toThrow(
    new TypeError(`Cannot use ${shown} as the count of fixed(): a whole number from 0 is wanted`),
  );
});

describe("whatever the snapshot", () => {
  const count = fc.nat({ max: 1_000_000 });
  const counts: fc.Arbitrary<Snapshot> = fc.record({
    queued: count,
    running: count,
    placed: count,
    ready: count,
    booting: count,
    slotsPerRunner: fc.integer({ min: 1, max: 1_000 }),
    spare: fc.nat({ max: 1_000 }),
    min: fc.nat({ max: 10 }),
    max: count,
    completed: fc.oneof(fc.nat({ max: 40 }), count),
    serviceMs: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1e12, noNaN: true })),
  });
  const snapshot = counts.map((found) => ({ ...found, placed: Math.min(found.placed, found.running) }));
  const durationMs = fc.oneof(fc.constantFrom(0, Infinity), fc.double({ min: 0, max: 1e9, noNaN: true }));
  const scale: fc.Arbitrary<Scale> = fc.oneof(fc.constant(slots()), durationMs.map(drainWithin));
  const holds = (check: (scale: Scale, snapshot: Snapshot) => void): void =>
    fc.assert(fc.property(scale, snapshot, check), { numRuns: 2_000 });

  test("a strategy wants a whole number from 0", () => {
    holds((strategy, found) => {
      const wanted = strategy(found);
      expect(Number.isSafeInteger(wanted) && wanted >= 0).toBe(true);
    });
  });

  test("a longer queue never makes it want less", () => {
    fc.assert(
      fc.property(scale, snapshot, count, (strategy, found, more) => {
        expect(strategy({ ...found, queued: found.queued + more })).toBeGreaterThanOrEqual(strategy(found));
      }),
      { numRuns: 2_000 },
    );
  });

  test("longer calls never make it want less", () => {
    fc.assert(
      fc.property(scale, snapshot, fc.double({ min: 1, max: 1e6, noNaN: true }), (strategy, found, factor) => {
        const longer = { ...found, serviceMs: found.serviceMs * factor };
        expect(strategy(longer)).toBeGreaterThanOrEqual(strategy(found));
      }),
      { numRuns: 2_000 },
    );
  });

  test("it never wants more than slots()", () => {
    holds((strategy, found) => {
      expect(strategy(found)).toBeLessThanOrEqual(slots()(found));
    });
  });

  test("it wants what running and spare slots need, and a runner for any queue", () => {
    holds((strategy, found) => {
      const needed = Math.max(found.running, Math.min(1, found.queued)) + found.spare;
      expect(strategy(found) * found.slotsPerRunner).toBeGreaterThanOrEqual(needed);
    });
  });

  test("a queue of drainWithin() begins within its time, by the estimate", () => {
    fc.assert(
      fc.property(fc.double({ min: 1, max: 1e6, noNaN: true }), snapshot, (withinMs, found) => {
        const { running, queued, slotsPerRunner, serviceMs } = { ...found, serviceMs: found.serviceMs + 1 };
        const wanted = drainWithin(withinMs)({ ...found, serviceMs, completed: 20 }) * slotsPerRunner;
        const begun = wanted - running + (wanted * withinMs) / serviceMs;
        expect(begun * (1 + 1e-9) + 1e-6).toBeGreaterThanOrEqual(queued);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("a strategy of one's own", () => {
  const busy = { ...nothing, queued: 5 };

  test("is asked with the whole snapshot, and its number is taken", () => {
    expect(judge((found) => found.queued * 2, busy)).toBe(10);
  });

  test.each([
    ["no number", () => "7" as never, "Cannot scale the pool: its strategy gave 7, a number of runners is wanted"],
    ["NaN", () => Number.NaN, "Cannot scale the pool: its strategy gave NaN, a number of runners is wanted"],
    ["nothing", () => undefined as never, "Cannot scale the pool: its strategy gave undefined, a number of runners"],
    [
      "an exception",
      () => {
        throw new Error("broken");
      },
      "broken",
    ],
  ])("that gives %s is told of, and slots() stands in", (_, strategy, message) => {
    const told: unknown[] = [];
    expect(judge(strategy, busy, (error) => told.push(error))).toBe(5);
    expect(told).toEqual([expect.objectContaining({ message: expect.stringContaining(message) as string })]);
  });
});
