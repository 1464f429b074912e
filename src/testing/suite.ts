/** Suites of cases that any test runner can declare: a case is a sentence that holds, and a function that throws where it does not. */
import { systemClock } from "../clock.ts";

export interface Case<Subject> {
  /** A sentence that holds of what is tested. */
  readonly name: string;
  run(subject: Subject): Promise<void>;
}

/** What a test may do with its context; those of `node:test` and vitest have it. */
export interface TestContext {
  skip(reason: string): void;
}

/** `test` of `node:test` or of vitest: a name, a limit in milliseconds, and what throws when it fails. */
export type Test = (
  name: string,
  options: { readonly timeout: number },
  run: (context: TestContext) => Promise<void>,
) => unknown;

export interface SuiteOptions {
  /** `test` of `node:test` or of vitest; of any other test runner a function of the same three parameters. */
  readonly test: Test;
  /** Cases that do not hold, by name, and why. They are skipped with that reason. A name that there is not is a mistake. */
  readonly missing?: readonly { readonly test: string; readonly reason: string }[] | undefined;
  /** What one case may take, in milliseconds. Default: 60000. */
  readonly limitMs?: number | undefined;
}

export const defaultLimitMs = 60_000;

/** Thrown by a case that cannot be run for want of something that its maker has not given. */
export class Unable extends Error {}

/**
 * Declares one test for each case.
 *
 * @throws TypeError for a name in `missing` that no case has.
 */
export function declare<Subject>(
  name: string,
  cases: readonly Case<Subject>[],
  run: (one: Case<Subject>) => Promise<void>,
  { test, missing = [], limitMs = defaultLimitMs }: SuiteOptions,
): void {
  const unknown = missing.filter((each) => !cases.some((one) => one.name === each.test));
  if (unknown.length > 0) {
    const names = unknown.map((each) => `"${each.test}"`).join(", ");
    throw new TypeError(`Cannot leave out ${names}: the suite has no such case; see the names it prints`);
  }
  const reasons = new Map(missing.map((each) => [each.test, each.reason]));
  for (const one of cases) {
    // The case's own limit comes first: it says what it waited for.
    test(`${name}: ${one.name}`, { timeout: limitMs + 5_000 }, async (context) => {
      const reason = reasons.get(one.name);
      if (reason !== undefined) return context.skip(reason);
      try {
        await within(limitMs, run(one));
      } catch (error) {
        if (!(error instanceof Unable)) throw error;
        context.skip(error.message);
      }
    });
  }
}

export interface Failed {
  readonly name: string;
  readonly error: unknown;
}

/** Runs every case by itself, one after another; gives those that fail. One that has not ended after `limitMs` has failed. */
export async function failing<Subject>(
  cases: readonly Case<Subject>[],
  run: (one: Case<Subject>) => Promise<void>,
  limitMs = defaultLimitMs,
): Promise<Failed[]> {
  const failed: Failed[] = [];
  for (const one of cases) {
    try {
      await within(limitMs, run(one));
    } catch (error) {
      if (!(error instanceof Unable)) failed.push({ name: one.name, error });
    }
  }
  return failed;
}

async function within(limitMs: number, running: Promise<void>): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = systemClock.timer(limitMs, () => reject(new Error(`Cannot end: it still runs after ${limitMs} ms`)));
  timer.hold(true);
  // Whichever is later than the other has nobody left to tell.
  running.catch(() => undefined);
  late.catch(() => undefined);
  await Promise.race([running, late]).finally(() => timer.cancel());
}
