import { expect, test } from "vitest";
import { drainWithin, fixed, slots } from "../../src/pool/scale.ts";
import { generate, resolveGenerator } from "../../src/pool/simulation/generate.ts";
import { type Measures, measure, percentile } from "../../src/pool/simulation/measure.ts";
import { exponential, seeded } from "../../src/pool/simulation/random.ts";
import { resolveServiceTimes } from "../../src/pool/simulation/service-times.ts";
import { type SimulatedPool, type Trace, simulate } from "../../src/pool/simulation/simulate.ts";
import { labPool, labWorld, stream } from "./simulation-lab.ts";

const boots = { ...labWorld, bootMs: 20_000 };

function run(trace: Trace, pool: Partial<SimulatedPool>): Measures {
  const options = { ...labPool, slotsPerRunner: 4, max: 100, idleMs: 300_000, ...pool };
  return measure(simulate(trace, options, boots), { billingFloorMs: 60_000, pricePerHour: 0 });
}

function made(text: string, service: string): Trace {
  return generate(resolveGenerator(text, "a trace"), resolveServiceTimes(service, "service"), seeded(1));
}

test.each([
  ["a stream", "poisson:10/s:2h", "exp:2s"],
  ["bursts", "bursty:10/s:2h:5", "exp:1s"],
  ["bursts of calls of many lengths", "bursty:10/s:2h:5", "lognormal:1s:3"],
])("of %s remote defaults cost less than FLAME's rule, and nobody waits longer", (_, arrivals, service) => {
  const trace = made(arrivals, service);
  const flame = run(trace, { spread: true, idleMs: 30_000 });
  const ours = run(trace, { scale: drainWithin("5s") });
  expect(ours.runnerSeconds).toBeLessThan(0.9 * flame.runnerSeconds);
  expect(ours.waitSeconds.p95).toBeLessThanOrEqual(flame.waitSeconds.p95);
});

test("calls wait about as long as drainWithin() says where machines boot at once, and a longer time costs less", () => {
  const trace = made("bursty:50/s:30m:5", "exp:500ms");
  const results = [0, 500, 2_000, 8_000].map((ms) => {
    const pool = { ...labPool, max: 1_000, idleMs: 1_000, scale: drainWithin(ms) };
    return measure(simulate(trace, pool, { ...labWorld, bootMs: 0 }), { billingFloorMs: 0, pricePerHour: 0 });
  });
  const waits = results.map(({ waitSeconds }) => waitSeconds.p95);
  expect(waits[0]).toBe(0);
  for (const [at, seconds] of [0, 0.5, 2, 8].entries()) expect(waits[at]).toBeLessThanOrEqual(seconds * 1.25);
  expect(waits[3]).toBeGreaterThan(4);
  const costs = results.map(({ runnerSeconds }) => runnerSeconds);
  expect(costs).toEqual(costs.toSorted((left, right) => right - left));
});

test("the pool learns that calls have become long, also while none of them ends", () => {
  const short = stream(1_000, 100, () => 100);
  const long = 600_000;
  const trace = {
    arrivalsMs: Float64Array.from([...short.arrivalsMs, ...Array.from({ length: 40 }, (_, at) => 200_000 + at)]),
    servicesMs: Float64Array.from([...short.servicesMs, ...Array.from({ length: 40 }, () => long)]),
  };
  const outcome = simulate(trace, { ...labPool, max: 100, scale: drainWithin("5s") }, boots);
  // By the old estimate one runner would do for all of them, and the last one would wait for hours.
  const waits = outcome.waitsMs.slice(1_000).toSorted();
  expect(percentile(waits, 0.5)).toBeLessThan(60_000);
  expect(percentile(waits, 1)).toBeLessThan(long / 2);
});

test("spare slots are there before their calls are, and are paid for", () => {
  const trace = made("poisson:1/s:1h", "exp:2s");
  const [none, some] = [0, 4].map((spare) => run(trace, { slotsPerRunner: 1, scale: drainWithin("5s"), spare }));
  expect(some!.noWait).toBeGreaterThan(none!.noWait);
  expect(some!.runnerSeconds).toBeGreaterThan(none!.runnerSeconds);
});

test("a longer keep-alive means fewer boots", () => {
  const trace = made("bursty:5/s:2h:5", "exp:1s");
  const launches = [10_000, 60_000, 600_000].map((idleMs) => run(trace, { scale: slots(), idleMs }).launches);
  expect(launches).toEqual(launches.toSorted((left, right) => right - left));
  expect(launches[2]).toBeLessThan(launches[0]! / 2);
});

test("a thousand runners serve a hundred thousand calls in a few seconds of real time", () => {
  const trace = stream(100_000, 36, (random) => exponential(34_000, random));
  const started = performance.now();
  const pool = { ...labPool, max: 1_000, idleMs: 300_000, scale: drainWithin("5s") };
  const outcome = simulate(trace, pool, boots);
  expect(outcome.peakRunners).toBe(1_000);
  // About 0.4 s on a quiet machine; ten times that is a core that has become slow.
  expect(performance.now() - started).toBeLessThan(4_000);
});

test("time per call does not grow with the number of runners", () => {
  const perCall = (runners: number): number => {
    const trace = stream(60_000, 10_000 / runners, (random) => exponential(9_000, random));
    const pool = { ...labPool, min: runners, max: runners, scale: fixed(runners), idleMs: Infinity };
    const started = performance.now();
    simulate(trace, pool, { ...labWorld, bootMs: 0 });
    return performance.now() - started;
  };
  perCall(100);
  // A walk over all runners at each event would make it hundreds of times slower.
  expect(perCall(10_000)).toBeLessThan(20 * perCall(100) + 500);
});
