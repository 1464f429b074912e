import { describe, expect, test } from "vitest";
import { fixed } from "../../src/pool/scale.ts";
import { percentile } from "../../src/pool/simulation/measure.ts";
import { exponential } from "../../src/pool/simulation/random.ts";
import { type Outcome, simulate } from "../../src/pool/simulation/simulate.ts";
import { labPool, labWorld, meanWait, stream } from "./simulation-lab.ts";

const serviceMs = 1_000;
const count = 400_000;

/** Share of calls that wait, of `servers` at that load: Erlang's formula C. */
function erlangC(servers: number, load: number): number {
  const offered = servers * load;
  let blocked = 1;
  for (let server = 1; server <= servers; server++) blocked = (offered * blocked) / (server + offered * blocked);
  return blocked / (1 - load * (1 - blocked));
}

function run(runners: number, slotsPerRunner: number, load: number, draw = exponentially): Outcome {
  const trace = stream(count, serviceMs / (runners * slotsPerRunner * load), draw);
  const pool = { ...labPool, min: runners, max: runners, slotsPerRunner, scale: fixed(runners), idleMs: Infinity };
  return simulate(trace, pool, { ...labWorld, bootMs: 0 });
}

const exponentially = (random: () => number): number => exponential(serviceMs, random);

describe("a pool of a fixed size waits as Erlang says (M/M/c)", () => {
  test.each([
    [1, 1, 0.5],
    [1, 1, 0.8],
    [5, 1, 0.7],
    [20, 1, 0.9],
    [5, 4, 0.9],
    [1, 20, 0.9],
    [50, 1, 0.85],
  ])("%i runners of %i slots, load %d", (runners, slotsPerRunner, load) => {
    const servers = runners * slotsPerRunner;
    const outcome = run(runners, slotsPerRunner, load);
    const waiting = erlangC(servers, load);
    const mean = (waiting * serviceMs) / (servers * (1 - load));
    const waits = outcome.waitsMs.toSorted();
    const waited = waits.filter((wait) => wait > 0).length / count;
    expect(Math.abs(waited / waiting - 1)).toBeLessThan(0.05);
    expect(Math.abs(meanWait(outcome) / mean - 1)).toBeLessThan(0.05);
    // Who waits, waits exponentially long.
    const p99 = mean * (Math.log(waiting / 0.01) / waiting);
    expect(Math.abs(percentile(waits, 0.99) / p99 - 1)).toBeLessThan(0.07);
  });
});

test("calls that all take as long wait half as long as exponential ones (M/D/1)", () => {
  const mean = (0.8 * serviceMs) / (2 * (1 - 0.8));
  expect(Math.abs(meanWait(run(1, 1, 0.8, () => serviceMs)) / mean - 1)).toBeLessThan(0.03);
});
