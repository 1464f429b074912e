import { expect, test } from "vitest";
import { type Snapshot, fixed, slots } from "../../src/pool/scale.ts";

const nothing: Snapshot = {
  queued: 0,
  running: 0,
  ready: 0,
  booting: 0,
  slotsPerRunner: 1,
  spare: 0,
  min: 0,
  max: 100,
  completed: 0,
  serviceMs: 0,
};

test.each([
  ["nothing to do needs no runner", {}, 0],
  ["each call that waits or runs needs a slot", { queued: 2, running: 3 }, 5],
  ["slots of one runner are shared", { queued: 2, running: 3, slotsPerRunner: 4 }, 2],
  ["a full runner needs no second", { running: 4, slotsPerRunner: 4 }, 1],
  ["spare slots come on top", { running: 4, spare: 1, slotsPerRunner: 4 }, 2],
  ["spare slots count in slots, not in runners", { spare: 5, slotsPerRunner: 4 }, 2],
  ["what is there already changes nothing", { queued: 1, ready: 7, booting: 3, min: 5 }, 1],
])("slots(): %s", (_, snapshot, wanted) => {
  expect(slots()({ ...nothing, ...snapshot })).toBe(wanted);
});

test("fixed() wants its number whatever there is to do", () => {
  expect(fixed(3)(nothing)).toBe(3);
  expect(fixed(3)({ ...nothing, queued: 50 })).toBe(3);
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
