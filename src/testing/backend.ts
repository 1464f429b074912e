/** What a backend has to do, sentence by sentence of its port (`src/ports/backend.ts`): one suite for all backends, with real runners. */
import { readProcess } from "../proc.ts";
import { type SuiteOptions, declare, defaultLimitMs, failing } from "./suite.ts";
import type { Failed } from "./suite.ts";
import { bootCases } from "./backend/boot.ts";
import { endCases } from "./backend/ends.ts";
import { lifeCases } from "./backend/life.ts";
import { parentCases } from "./backend/parents.ts";
import { poolCases } from "./backend/pools.ts";
import { type BackendCase, BackendSubject, type BackendUnderTest } from "./backend/subject.ts";

export interface BackendSuiteOptions extends SuiteOptions {
  /** What a machine may take to be ready, in milliseconds. Default: 20000. */
  readonly bootMs?: number | undefined;
  /** What a machine may take to be gone once it is to go, also by the loss of its parent, and what news of it may take. Default: 10000. */
  readonly endMs?: number | undefined;
  /** What a machine may take to be gone whose parent has ended before it heard of it, in milliseconds. Default: `bootMs`. */
  readonly aloneMs?: number | undefined;
  /** By how much news of an end may come before the end: a cloud says that a machine is ending before it has. Default: 0. */
  readonly aheadMs?: number | undefined;
  /**
   * A module that exports `make`, the function that this suite is given: other processes load it to be parents, which are
   * killed then. Without it those cases are skipped.
   */
  readonly module?: URL | string | undefined;
}

export type MakeBackend = () => BackendUnderTest | Promise<BackendUnderTest>;

/** The suite, for those who do more with cases than to declare them. */
export const backendCases: readonly BackendCase[] = [
  ...bootCases,
  ...lifeCases,
  ...endCases,
  ...parentCases,
  ...poolCases,
];

/**
 * Declares the tests of a backend. Each makes a backend of its own, boots real machines with it, and ends them.
 *
 * @param make Called once for each case.
 * @throws TypeError for a name in `missing` that no case has.
 * @example
 * import { test } from "node:test";
 * import { processAlive, testBackend } from "tinderbox/testing";
 * testBackend("mine", () => ({ backend: mine(), isAlive: (id, pid) => processAlive(pid ?? Number(id)) }), { test });
 */
export function testBackend(name: string, make: MakeBackend, options: BackendSuiteOptions): void {
  declare(name, backendCases, (one) => checkBackend(one, make, options), options);
}

/**
 * Runs the cases one after another, without a test runner. Gives those that fail, with what they threw.
 *
 * @param cases Default: all of them.
 */
export function failingBackendCases(
  make: MakeBackend,
  options: Omit<BackendSuiteOptions, "test"> = {},
  cases: readonly BackendCase[] = backendCases,
): Promise<Failed[]> {
  return failing(cases, (one) => checkBackend(one, make, options), options.limitMs ?? defaultLimitMs);
}

async function checkBackend(
  one: BackendCase,
  make: MakeBackend,
  options: Omit<BackendSuiteOptions, "test">,
): Promise<void> {
  const { bootMs = 20_000, endMs = 10_000, aloneMs = bootMs, aheadMs = 0, module } = options;
  const limits = { bootMs, endMs, aloneMs, aheadMs, module: module === undefined ? undefined : String(module) };
  const subject = new BackendSubject(await make(), limits);
  try {
    await one.run(subject);
  } finally {
    await subject.close();
  }
}

/** Whether a process of this very machine still runs; one that has ended and was not yet waited for does not. */
export function processAlive(pid: number): boolean {
  return readProcess(pid) !== undefined;
}
