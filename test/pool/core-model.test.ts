import assert from "node:assert/strict";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { CoreOptions } from "../../src/pool/decisions.ts";
import { CoreModel } from "./core-model.ts";
import { labOptions } from "./core-lab.ts";

/** Which of several is meant: a number that is folded onto however many there are. */
const which = fc.nat({ max: 1_000 });

const action = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("call" as const),
      priority: fc.integer({ min: -1, max: 1 }),
      key: fc.option(fc.constantFrom("a", "b", "c"), { nil: undefined, freq: 2 }),
      again: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("pin" as const), which, again: fc.boolean() }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("done" as const), which }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("giveUp" as const), which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("keep" as const), which }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("letGo" as const), which }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("booted" as const), which }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("bootFailed" as const), which }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("drained" as const), which }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("lost" as const), which, again: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("retire" as const), which }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.constantFrom(1, 50, 300, 2_000) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("slots" as const), which, slots: fc.nat({ max: 3 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("checked" as const), which, idle: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("stray" as const), which }) },
);
const resize = fc.record({ do: fc.constant("resize" as const), min: fc.nat({ max: 3 }), more: fc.nat({ max: 5 }) });
const close = fc.record({ do: fc.constant("close" as const) });
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;
type Rare = { do: "resize"; min: number; more: number } | { do: "close" };

const options: fc.Arbitrary<CoreOptions> = fc
  .record({
    min: fc.nat({ max: 3 }),
    more: fc.nat({ max: 5 }),
    slots: fc.integer({ min: 1, max: 3 }),
    spare: fc.nat({ max: 2 }),
    singleUse: fc.boolean(),
    lifetimeMs: fc.constantFrom(Infinity, 5_000),
    idleCheck: fc.boolean(),
  })
  .map(({ min, more, slots, spare, singleUse, lifetimeMs, idleCheck }) => ({
    ...labOptions,
    min,
    max: Math.max(1, min + more),
    slotsPerRunner: singleUse ? 1 : slots,
    spare,
    singleUse,
    lifetimeMs,
    idleCheck,
    idleMs: 1_000,
  }));

function pick<T>(from: readonly T[], index: number): T | undefined {
  return from[index % Math.max(1, from.length)];
}

function perform(model: CoreModel, found: Action | Rare, next: () => number): void {
  switch (found.do) {
    case "call":
      model.step({ type: "call", call: next(), priority: found.priority, key: found.key, again: found.again });
      break;
    case "pin": {
      // Also to one that boots or drains, or has never been.
      const runner = pick([...model.machines.keys(), 9_999], found.which)!;
      model.step({ type: "call", call: next(), priority: 0, key: undefined, again: found.again, runner });
      break;
    }
    case "done":
      model.step({ type: "done", call: pick([...model.running.keys()], found.which) ?? 0 });
      break;
    case "keep":
      model.step({ type: "kept", call: pick([...model.running.keys()], found.which) ?? 0 });
      break;
    case "letGo":
      model.step({ type: "done", call: pick([...model.kept.keys()], found.which) ?? 0 });
      break;
    case "giveUp":
      model.step({ type: "done", call: pick([...model.waiting, ...model.pinned], found.which)?.call ?? 0 });
      break;
    case "booted":
    case "bootFailed":
      model.step({ type: found.do, runner: pick(model.of("booting"), found.which) ?? 0 });
      break;
    case "drained":
      model.step({ type: "gone", runner: pick(model.of("draining"), found.which) ?? 0 });
      break;
    case "lost": {
      const runner = pick(model.of("ready"), found.which) ?? 0;
      const calls = [...(model.machines.get(runner)?.calls ?? [])];
      model.step({ type: "gone", runner });
      if (found.again) for (const call of calls) model.step({ type: "call", call, priority: 0, key: undefined });
      break;
    }
    case "retire":
      model.step({ type: "retire", runner: pick([...model.of("ready"), ...model.of("booting")], found.which) ?? 0 });
      break;
    case "slots": {
      const slots = Math.min(found.slots, model.options.slotsPerRunner);
      model.step({ type: "slots", runner: pick(model.of("ready"), found.which) ?? 0, slots });
      break;
    }
    case "checked": {
      const asked = model.of("ready").filter((runner) => model.machines.get(runner)!.checking);
      model.step({ type: "checked", runner: pick(asked, found.which) ?? 0, idle: found.idle });
      break;
    }
    case "wait":
      model.advance(found.ms);
      break;
    case "stray":
      // What comes too late, for runners and calls that are long gone.
      for (const type of ["booted", "bootFailed", "gone", "retire"] as const) model.step({ type, runner: 9_999 });
      model.step({ type: "slots", runner: 9_999, slots: 1 });
      model.step({ type: "checked", runner: 9_999, idle: true });
      model.step({ type: "done", call: 99_999 });
      break;
    case "resize":
      model.step({ type: "resize", min: found.min, max: Math.max(1, found.min + found.more) });
      break;
    case "close":
      model.step({ type: "close" });
      break;
  }
}

/** Runs all, then lets the world work: everybody is served, and nothing is left above what min and spare ask for. */
function live(given: CoreOptions, actions: readonly (Action | Rare)[]): CoreModel {
  const model = new CoreModel(given);
  let last = 0;
  model.step({ type: "start" });
  for (const found of actions) perform(model, found, () => ++last);
  model.settle();
  // Of old age runners come and go; what idles is what is left to look at.
  if (given.lifetimeMs === Infinity) {
    for (let turn = 0; turn < 3; turn++) {
      model.advance(1_000);
      model.settle();
    }
    const { min, max, spare, slotsPerRunner } = model.options;
    const kept = model.closed ? 0 : Math.min(max, Math.max(min, Math.ceil(spare / slotsPerRunner)));
    assert.deepEqual([model.core.ready, model.machines.size], [kept, kept], "it does not shrink to what it keeps");
  }
  return model;
}

const runs = 400;
const actions = (rare: fc.Arbitrary<Rare>): fc.Arbitrary<(Action | Rare)[]> =>
  fc.array(fc.oneof({ weight: 40, arbitrary: action }, { weight: 1, arbitrary: rare }), {
    minLength: 40,
    maxLength: 120,
    size: "max",
  });

/** At least so many steps in all: the runs go on, each with a seed of its own, which is printed. */
const stepsWanted = 150_000;

/** Returns how many steps were taken. */
function search(rare: fc.Arbitrary<Rare>): number {
  const seeds: number[] = [];
  let steps = 0;
  while (steps < stepsWanted) {
    const seed = Number(process.env["TINDERBOX_SEED"] ?? Math.trunc(Math.random() * 2 ** 31));
    seeds.push(seed);
    const property = fc.property(options, actions(rare), (given, found) => {
      steps += live(given, found).steps;
    });
    fc.assert(property, { numRuns: runs, seed });
  }
  console.log(`${steps} steps; seeds (TINDERBOX_SEED=n repeats one): ${seeds.join(" ")}`);
  return steps;
}

test("no order of events makes the core break a rule, stall or leak", { timeout: 60_000 }, () => {
  expect(search(close)).toBeGreaterThanOrEqual(stepsWanted);
});

test("no order of events and resizes makes the core break a rule, stall or leak", { timeout: 60_000 }, () => {
  expect(search(fc.oneof(resize, resize, close))).toBeGreaterThanOrEqual(stepsWanted);
});
