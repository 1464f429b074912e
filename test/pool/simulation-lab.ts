import { slots } from "../../src/pool/scale.ts";
import type { Outcome, SimulatedPool, Trace, World } from "../../src/pool/simulation/simulate.ts";
import { type Random, exponential, seeded } from "../../src/pool/simulation/random.ts";

export const labPool: SimulatedPool = {
  min: 0,
  max: 10,
  slotsPerRunner: 1,
  spare: 0,
  idleMs: 60_000,
  lifetimeMs: Infinity,
  singleUse: false,
  scale: slots(),
};

export const labWorld: World = { bootMs: 1_000, bootJitter: 0, bootFailures: 0, seed: 1 };

/** Calls as pairs of arrival and service time. */
export function calls(...pairs: readonly (readonly [arrivalMs: number, serviceMs: number])[]): Trace {
  return {
    arrivalsMs: Float64Array.from(pairs, ([arrival]) => arrival),
    servicesMs: Float64Array.from(pairs, ([, service]) => service),
  };
}

/** Poisson arrivals; service times as `draw` gives them. */
export function stream(count: number, gapMs: number, draw: (random: Random) => number, seed = 1): Trace {
  const random = seeded(seed);
  const trace = { arrivalsMs: new Float64Array(count), servicesMs: new Float64Array(count) };
  for (let call = 0, at = 0; call < count; call++) {
    trace.arrivalsMs[call] = at += exponential(gapMs, random);
    trace.servicesMs[call] = draw(random);
  }
  return trace;
}

export function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

export function meanWait({ waitsMs }: Outcome): number {
  return sum(waitsMs) / waitsMs.length;
}
