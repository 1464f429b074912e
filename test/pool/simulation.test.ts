import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { drainWithin, fixed, slots } from "../../src/pool/scale.ts";
import { measure } from "../../src/pool/simulation/measure.ts";
import { type SimulatedPool, type World, simulate } from "../../src/pool/simulation/simulate.ts";
import { calls, labPool, labWorld, stream, sum } from "./simulation-lab.ts";

describe("one call after the other", () => {
  test("a call waits for its boot, the next one finds the runner", () => {
    const outcome = simulate(calls([0, 500], [2_000, 500]), labPool, labWorld);
    expect([...outcome.waitsMs]).toEqual([1_000, 0]);
    expect(outcome).toMatchObject({ endMs: 2_500, peakRunners: 1, failedBoots: 0 });
  });

  test("a runner lives from its boot to the end of its keep-alive", () => {
    expect(simulate(calls([100, 500]), labPool, labWorld).livesMs).toEqual([1_000 + 500 + 60_000]);
  });

  test("a runner that nobody lets go is paid for until keep-alive has passed once more", () => {
    const min = { ...labPool, min: 1 };
    expect(simulate(calls([2_000, 500]), min, labWorld).livesMs).toEqual([2_500 + 60_000]);
  });

  test("with a keep-alive for ever the pool is closed after the last call", () => {
    const outcome = simulate(calls([0, 500], [600_000, 500]), { ...labPool, idleMs: Infinity }, labWorld);
    expect(outcome.livesMs).toEqual([600_500]);
  });

  test("after a pause longer than keep-alive there is another boot", () => {
    const outcome = simulate(calls([0, 500], [61_501, 500]), labPool, labWorld);
    expect([...outcome.waitsMs]).toEqual([1_000, 1_000]);
    expect(outcome.livesMs).toHaveLength(2);
  });

  test("a slot that becomes free goes to a call that comes in the same moment, and nothing is booted for it", () => {
    const outcome = simulate(calls([0, 500], [1_500, 500]), labPool, labWorld);
    expect([...outcome.waitsMs]).toEqual([1_000, 0]);
    expect(outcome.peakRunners).toBe(1);
  });

  test("an old runner is replaced", () => {
    const pool = { ...labPool, min: 1, lifetimeMs: 10_000, idleMs: Infinity };
    expect(simulate(calls([0, 1], [95_000, 1]), pool, labWorld).livesMs.length).toBeGreaterThan(8);
  });

  test("no calls cost nothing", () => {
    const outcome = simulate(calls(), labPool, labWorld);
    expect(measure(outcome, { billingFloorMs: 60_000, pricePerHour: 1 })).toEqual({
      launches: 0,
      failedBoots: 0,
      peakRunners: 0,
      runnerSeconds: 0,
      cost: 0,
      noWait: 1,
      waitSeconds: { mean: 0, p50: 0, p95: 0, p99: 0, max: 0 },
    });
  });
});

describe("the world", () => {
  const trace = stream(2_000, 100, () => 1_000);
  const pool = { ...labPool, max: 50, idleMs: 5_000 };

  test("boots that fail are paid for and tried again", () => {
    const outcome = simulate(trace, pool, { ...labWorld, bootFailures: 0.3 });
    const share = outcome.failedBoots / outcome.livesMs.length;
    expect(share).toBeGreaterThan(0.2);
    expect(share).toBeLessThan(0.4);
  });

  test("boots take up to their jitter more or less", () => {
    const world = { ...labWorld, bootJitter: 0.5 };
    const waits = Array.from(
      { length: 40 },
      (_, seed) => simulate(calls([0, 1]), pool, { ...world, seed }).waitsMs[0]!,
    );
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(500);
    expect(Math.max(...waits)).toBeLessThanOrEqual(1_500);
    expect(Math.max(...waits) - Math.min(...waits)).toBeGreaterThan(700);
  });

  test("the same seed gives the same world, another one another", () => {
    const world = { ...labWorld, bootJitter: 0.5, bootFailures: 0.1 };
    const once = simulate(trace, pool, world);
    expect(simulate(trace, pool, world)).toEqual(once);
    expect(simulate(trace, pool, { ...world, seed: 2 })).not.toEqual(once);
  });

  test("a strategy that never wants a runner ends the simulation with a reason", () => {
    expect(() => simulate(trace, { ...pool, scale: fixed(0) }, labWorld)).toThrow(
      "Cannot finish the simulation: 2000 calls wait and the strategy wants no runner for them",
    );
  });

  test("a strategy of the user's own that breaks ends the simulation with its error", () => {
    const scale = (): number => {
      throw new Error("broken");
    };
    expect(() => simulate(trace, { ...pool, scale }, labWorld)).toThrow("broken");
  });
});

describe("dispatch", () => {
  // Four calls at once need four runners; from then on one call a second, of a tenth of a second.
  const trace = calls(
    [0, 1_000],
    [0, 1_000],
    [0, 1_000],
    [0, 1_000],
    ...Array.from({ length: 300 }, (_, at) => [5_000 + at * 1_000, 100] as const),
  );

  test("packs, so that runners that are not needed fall idle", () => {
    const lives = [...simulate(trace, labPool, labWorld).livesMs].toSorted((left, right) => left - right);
    expect(lives.slice(0, 3)).toEqual([62_000, 62_000, 62_000]);
  });

  test("by FLAME's rule serves the emptiest first, and every runner stays", () => {
    const lives = simulate(trace, { ...labPool, spread: true }, labWorld).livesMs;
    expect(Math.min(...lives)).toBeGreaterThan(300_000);
  });
});

describe("whatever comes", () => {
  const trace = fc
    .array(fc.tuple(fc.nat({ max: 3_000 }), fc.nat({ max: 20_000 })), { maxLength: 60, size: "max" })
    .map((pairs) => {
      let at = 0;
      return calls(...pairs.map(([gap, service]) => [(at += gap), service] as const));
    });
  const pool: fc.Arbitrary<SimulatedPool> = fc.record({
    min: fc.nat({ max: 3 }),
    max: fc.integer({ min: 3, max: 12 }),
    slotsPerRunner: fc.integer({ min: 1, max: 4 }),
    spare: fc.nat({ max: 3 }),
    idleMs: fc.constantFrom(0, 1_000, 30_000, Infinity),
    lifetimeMs: fc.constantFrom(Infinity, 15_000),
    singleUse: fc.constant(false),
    spread: fc.boolean(),
    scale: fc.constantFrom(slots(), drainWithin("500ms"), drainWithin("5s"), drainWithin(Infinity), fixed(2)),
  });
  const world: fc.Arbitrary<World> = fc.record({
    bootMs: fc.constantFrom(0, 300, 20_000),
    bootJitter: fc.constantFrom(0, 0.5),
    bootFailures: fc.constantFrom(0, 0.4),
    seed: fc.nat(),
  });

  test("every call runs once, to its end, and machines are paid for as long as they are there, never above max", () => {
    fc.assert(
      fc.property(trace, pool, world, (found, options, around) => {
        let [then, running, machines] = [0, 0, 0];
        let [runningMs, machineMs] = [0, 0];
        const outcome = simulate(found, options, around, (now, core) => {
          expect(now).toBeGreaterThanOrEqual(then);
          runningMs += (now - then) * running;
          machineMs += (now - then) * machines;
          [then, running, machines] = [now, core.running, core.booting + core.ready + core.draining];
          expect(machines).toBeLessThanOrEqual(options.max);
        });
        const closedAt = outcome.endMs + (options.idleMs === Infinity ? 0 : options.idleMs);
        machineMs += (closedAt - then) * machines;
        expect(running).toBe(0);
        expect(runningMs).toBeCloseTo(sum(found.servicesMs), 3);
        expect(sum(outcome.livesMs)).toBeCloseTo(machineMs, 3);
        expect(Math.min(0, ...outcome.waitsMs)).toBe(0);
        expect(outcome.peakRunners).toBeLessThanOrEqual(options.max);
        const billed = measure(outcome, { billingFloorMs: 0, pricePerHour: 3_600 });
        expect(billed.runnerSeconds * 1_000).toBeCloseTo(machineMs, 3);
        expect(billed.cost).toBeCloseTo(billed.runnerSeconds, 6);
      }),
      { numRuns: 500 },
    );
  });
});
