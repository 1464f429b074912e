/** Maps of any shape against what a map is: which results there are, in which order, how often what ran, and how much at a time. */
import assert from "node:assert/strict";
import * as fc from "fast-check";
import { type Context, flame, pool } from "tinderbox";
import { afterAll, test } from "vitest";

interface Work {
  readonly index: number;
  /** Milliseconds, of waiting or of computing. */
  readonly cost: number;
  readonly waits: boolean;
  /** Attempts that fail. */
  readonly fails: number;
}

interface Plan {
  readonly works: readonly Omit<Work, "index">[];
  readonly source: "array" | "generator" | "asynchronous" | "slow";
  readonly concurrency: number | undefined;
  readonly ordered: boolean;
  readonly settle: boolean;
  readonly retries: number;
  /** Results after which the consumer leaves. */
  readonly leaves: number | undefined;
}

const own = pool("map-property", { max: 2, concurrency: 2 });
const capacity = 4;
afterAll(() => own.close());

/** Some computing items in a row make batches of several, of which one is slow. */
const work = fc.record({
  cost: fc.constantFrom(0, 0, 0, 0, 0, 1, 8),
  waits: fc.boolean(),
  fails: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 0, 1, 3),
});
const quiet = fc.record({ cost: fc.constant(0), waits: fc.constant(false), fails: fc.constant(0) });
const plan: fc.Arbitrary<Plan> = fc.record({
  works: fc
    .array(fc.oneof(fc.array(work, { maxLength: 20 }), fc.array(quiet, { maxLength: 60 })), { maxLength: 6 })
    .map((parts) => parts.flat()),
  source: fc.constantFrom("array", "generator", "asynchronous", "slow"),
  concurrency: fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined }),
  ordered: fc.boolean(),
  settle: fc.boolean(),
  retries: fc.integer({ min: 0, max: 2 }),
  leaves: fc.option(fc.integer({ min: 0, max: 40 }), { nil: undefined, freq: 4 }),
});

function perform({ index, cost, waits, fails }: Work, { progress, runner }: Context): number | Promise<number> {
  progress([index, 1]);
  const finish = (): number => {
    progress([index, -1]);
    if (runner.attempt < fails) throw new RangeError(String(index));
    return index;
  };
  if (waits) return new Promise((resolve) => void setTimeout(resolve, cost)).then(finish);
  const end = performance.now() + cost;
  while (performance.now() < end);
  return finish();
}

/** Counts how often it is closed before its end. */
function sourceOf(
  kind: Plan["source"],
  works: readonly Work[],
  closed: () => void,
): AsyncIterable<Work> | Iterable<Work> {
  if (kind === "array") return works;
  function* generate(): Generator<Work, void, undefined> {
    let whole = false;
    try {
      yield* works;
      whole = true;
    } finally {
      if (!whole) closed();
    }
  }
  async function* generateLater(): AsyncGenerator<Work, void, undefined> {
    for (const each of generate()) {
      if (kind === "slow" && each.index % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
      yield each;
    }
  }
  return kind === "generator" ? generate() : generateLater();
}

async function check({ works: plans, source, concurrency, ordered, settle, retries, leaves }: Plan): Promise<void> {
  const works = plans.map((each, index) => ({ ...each, index }));
  const expected = works.map(({ fails }) => fails <= retries);
  const runs = works.map(() => 0);
  let [running, most, closed, over] = [0, 0, 0, false];
  const onProgress = (value: unknown): void => {
    const [index, change] = value as [number, 1 | -1];
    if (over) return;
    running += change;
    most = Math.max(most, running);
    if (change === 1) runs[index]!++;
  };
  const results = flame.map(
    sourceOf(source, works, () => closed++),
    perform,
    { pool: own, ordered, settle, retries, onProgress, ...(concurrency === undefined ? {} : { concurrency }) },
  );
  const delivered: number[] = [];
  let error: unknown;
  let left = false;
  try {
    if (leaves === 0) {
      left = true;
      await results.return(undefined);
    } else
      for await (const result of results) {
        if (typeof result === "number") delivered.push(result);
        else {
          assert.deepEqual(result.item, works[result.index]);
          assert.equal(result.status, expected[result.index] ? "fulfilled" : "rejected");
          if (result.status === "fulfilled") assert.equal(result.value, result.index);
          else assert.equal((result.reason as Error).message, String(result.index));
          delivered.push(result.index);
        }
        left = delivered.length === leaves;
        if (left) break;
      }
  } catch (failure) {
    error = failure;
  }
  over = true;
  const fatal = !settle && expected.includes(false);
  if (error !== undefined && !(error instanceof RangeError)) throw error;
  if (error !== undefined) {
    assert.ok(fatal && expected[Number((error as Error).message)] === false);
    assert.ok(delivered.every((index) => expected[index]));
  } else if (!left) {
    assert.ok(!fatal);
    assert.equal(delivered.length, works.length);
  }
  assert.equal(new Set(delivered).size, delivered.length);
  if (ordered)
    assert.deepEqual(
      delivered,
      delivered.map((_, index) => index),
    );
  for (const [index, { fails }] of works.entries()) {
    const attempts = Math.min(fails, retries) + 1;
    if (delivered.includes(index)) assert.equal(runs[index], attempts);
    else assert.ok(runs[index]! <= attempts);
  }
  assert.ok(most <= Math.min(capacity, concurrency ?? capacity));
  assert.ok(closed <= 1);
  await own.drain();
  assert.deepEqual(await results.next(), { done: true, value: undefined });
}

// oxlint-disable-next-line vitest/expect-expect -- check does, outside of a test by its text
test("any map gives the results that it should, and does no more than it should", { timeout: 120_000 }, async () => {
  await fc.assert(fc.asyncProperty(plan, check), { numRuns: 300, endOnFailure: false });
});
