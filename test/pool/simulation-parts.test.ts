import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { drainWithin, fixed, slots } from "../../src/pool/scale.ts";
import { Agenda } from "../../src/pool/simulation/agenda.ts";
import { generate, isGenerated, resolveGenerator } from "../../src/pool/simulation/generate.ts";
import { measure, percentile } from "../../src/pool/simulation/measure.ts";
import { exponential, normal, seeded } from "../../src/pool/simulation/random.ts";
import { Samples, longestWaits } from "../../src/pool/simulation/samples.ts";
import { resolveServiceTimes } from "../../src/pool/simulation/service-times.ts";
import { simulate } from "../../src/pool/simulation/simulate.ts";
import { resolveStrategy } from "../../src/pool/simulation/strategies.ts";
import { calls, labPool, labWorld, sum } from "./simulation-lab.ts";

test("an agenda gives its items in order of time", () => {
  const times = fc.array(fc.oneof(fc.nat({ max: 20 }), fc.double({ min: 0, max: 1e9, noNaN: true })));
  fc.assert(
    fc.property(times, fc.nat({ max: 10 }), (all, taken) => {
      const agenda = new Agenda();
      for (const [item, at] of all.entries()) agenda.add(at, item);
      const found: number[] = [];
      for (let left = all.length; left > 0; left--) {
        const at = agenda.nextAt;
        const item = agenda.take();
        expect(all[item]).toBe(at);
        found.push(at);
        // What is added meanwhile takes its place as well.
        if (left === taken) agenda.add(at, item);
      }
      expect(found).toEqual(found.toSorted((left, right) => left - right));
    }),
  );
  expect(new Agenda().nextAt).toBe(Infinity);
});

describe("random numbers", () => {
  const many = (draw: (random: () => number) => number, seed = 7): number[] => {
    const random = seeded(seed);
    return Array.from({ length: 100_000 }, () => draw(random));
  };
  const mean = (values: readonly number[]): number => sum(values) / values.length;

  test("are the same for the same seed, and others for the next seed", () => {
    expect(many((random) => random())).toEqual(many((random) => random()));
    expect(many((random) => random())[0]).not.toBe(many((random) => random(), 8)[0]);
  });

  test("lie evenly from 0 up to 1", () => {
    const values = many((random) => random());
    expect(Math.min(...values.slice(0, 10_000))).toBeGreaterThanOrEqual(0);
    expect(values.every((value) => value < 1)).toBe(true);
    for (let tenth = 0; tenth < 10; tenth++) {
      const share = values.filter((value) => Math.floor(value * 10) === tenth).length / values.length;
      expect(share).toBeCloseTo(0.1, 2);
    }
    const products = values.slice(1).map((value, at) => (value - 0.5) * (values[at]! - 0.5));
    expect(mean(products)).toBeCloseTo(0, 2);
  });

  test("exponential ones have their mean, normal ones have none and a variance of 1", () => {
    expect(mean(many((random) => exponential(5, random)))).toBeCloseTo(5, 1);
    expect(mean(many(normal))).toBeCloseTo(0, 1);
    expect(mean(many((random) => normal(random) ** 2))).toBeCloseTo(1, 1);
  });

  test("lognormal service times have the mean and the variation that were asked for", () => {
    const service = resolveServiceTimes("lognormal:2s:1.5", "service");
    const values = many((random) => service.draw([], random));
    expect(mean(values) / 2_000).toBeCloseTo(1, 1);
    const variance = mean(values.map((value) => (value - 2_000) ** 2));
    expect(Math.sqrt(variance) / 2_000).toBeCloseTo(1.5, 0);
  });
});

describe("service times", () => {
  const random = seeded(1);

  test.each([
    ["1s", [], [], 1_000],
    ["250ms", [], [], 250],
    ["0.5", [], [], 500],
    ["Seconds", ["Seconds"], [3], 3_000],
    ["0.5+0.02*Tokens", ["Tokens"], [100], 2_500],
    [" 2*A + B + 1 ", ["A", "B"], [3, 4], 11_000],
  ])("%s", (text, columns, values, ms) => {
    const service = resolveServiceTimes(text, "--service");
    expect(service.columns).toEqual(columns);
    expect(service.draw(values, random)).toBeCloseTo(ms, 9);
  });

  test.each(["", "exp", "exp:", "exp:1", "exp:1s:2", "normal:1s", "lognormal:1s", "lognormal:1s:x", "1x", "2*", "a-b"])(
    "%j is refused with what is wanted",
    (text) => {
      expect(() => resolveServiceTimes(text, "--service")).toThrow(/^Cannot use .* as --service: /);
    },
  );
});

describe("traces that are made up", () => {
  const service = resolveServiceTimes("1s", "service");
  const arrivals = (text: string): Float64Array =>
    generate(resolveGenerator(text, "--trace"), service, seeded(3)).arrivalsMs;

  test.each([
    ["poisson:10/s:1h", 36_000],
    ["poisson:600/m:1h", 36_000],
    ["poisson:3600/h:10h", 36_000],
    ["bursty:1/m:6000h", 360_000],
    ["bursty:10/s:10h:2", 360_000],
  ])("%s has as many calls as its rate says, in order", (text, count) => {
    const found = arrivals(text);
    expect(Math.abs(found.length / count - 1)).toBeLessThan(0.05);
    expect(found).toEqual(found.toSorted());
  });

  test("no call comes after the end", () => {
    for (const kind of ["poisson", "bursty"]) expect(arrivals(`${kind}:1/s:1h`).at(-1)).toBeLessThan(3_600_000);
  });

  test("bursts are bursts: most seconds are empty, the others full", () => {
    const seconds = new Set(Array.from(arrivals("bursty:10/s:10h:10"), (at) => Math.floor(at / 1_000)));
    expect(seconds.size / 36_000).toBeGreaterThan(0.05);
    expect(seconds.size / 36_000).toBeLessThan(0.15);
  });

  test.each([
    ["poisson", /"poisson:10\/s:1h" or "bursty:10\/s:1h:8" is wanted/],
    ["poisson:10:1h", /is wanted/],
    ["poisson:10/s:1h:3", /is wanted/],
    ["poisson:10/s:1", /as the length in --trace/],
    ["bursty:10/s:1h:1", /the factor of bursts must be above 1/],
    ["poisson:0/s:1h", /it means 0 calls/],
    ["poisson:1000000/s:1h", /it means 3600000000 calls; 1 to 10000000 are possible/],
  ])("%s is refused", (text, message) => {
    expect(() => resolveGenerator(text, "--trace")).toThrow(message);
  });

  test("a name of a file is none", () => {
    expect(["calls.csv", "./poisson:1/s:1h", "poisson.csv"].map(isGenerated)).toEqual([false, false, false]);
  });
});

describe("strategies by name", () => {
  const busy = { ...labPool, queued: 60, running: 0, placed: 0, ready: 0, booting: 0, completed: 99, serviceMs: 1_000 };

  test.each([
    ["slots", slots(), undefined],
    ["flame", slots(), 30_000],
    ["flame:5m", slots(), 300_000],
    ["drain:5s", drainWithin("5s"), undefined],
    ["drain:500ms", drainWithin("500ms"), undefined],
    ["fixed:7", fixed(7), undefined],
  ])("%s", (name, scale, flameIdleMs) => {
    const strategy = resolveStrategy(name, "--strategy");
    expect(strategy.scale(busy)).toBe(scale(busy));
    expect(strategy).toMatchObject({ name, ...(flameIdleMs && { flameIdleMs }) });
    expect("flameIdleMs" in strategy).toBe(flameIdleMs !== undefined);
  });

  test.each(["", "slot", "slots:1", "drain", "drain:", "fixed", "fixed:x", "fixed:-1", "flame:"])(
    "%j is refused",
    (name) => {
      expect(() => resolveStrategy(name, "--strategy")).toThrow(
        /as --strategy: slots, drain:5s, fixed:10, flame or the path of a module is wanted/,
      );
    },
  );

  test("one of no duration is refused by its own message", () => {
    expect(() => resolveStrategy("drain:5", "--strategy")).toThrow('Cannot use "5" as the duration of drainWithin()');
    expect(() => resolveStrategy("flame:5", "--strategy")).toThrow('Cannot use "5" as the keep-alive in --strategy');
  });
});

describe("measures", () => {
  test("a percentile is the least value that so many do not exceed", () => {
    const values = Float64Array.from([1, 2, 3, 4]);
    expect([0, 0.25, 0.26, 0.5, 0.75, 0.99, 1].map((share) => percentile(values, share))).toEqual([
      1, 1, 2, 2, 3, 4, 4,
    ]);
    expect(percentile(new Float64Array(), 0.5)).toBe(0);
  });

  test("each launch costs the billing floor at least", () => {
    const outcome = {
      waitsMs: Float64Array.from([0, 1_000, 0, 3_000]),
      livesMs: [1_000, 90_000],
      failedBoots: 1,
      peakRunners: 2,
      endMs: 90_000,
    };
    expect(measure(outcome, { billingFloorMs: 60_000, pricePerHour: 3.6 })).toEqual({
      launches: 2,
      failedBoots: 1,
      peakRunners: 2,
      runnerSeconds: 150,
      cost: 0.15,
      noWait: 0.5,
      waitSeconds: { mean: 1, p50: 0, p95: 3, p99: 3, max: 3 },
    });
  });
});

test("samples hold the most of each step, and what was there before it", () => {
  const trace = calls([0, 3_000], [0, 3_000], [10_000, 1_000]);
  const samples = new Samples(1_000);
  const pool = { ...labPool, max: 1, idleMs: 2_000 };
  const outcome = simulate(trace, pool, labWorld, samples.watch);
  expect(samples.queued).toEqual([2, 2, 1, 1, 1, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0].slice(0, samples.queued.length));
  expect(samples.runners).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1].slice(0, samples.runners.length));
  expect(longestWaits(trace, outcome, 5_000)).toEqual([4_000, 0, 1_000]);
});
