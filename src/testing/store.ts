/**
 * What a driver of a store has to do, sentence by sentence of its port (`src/ports/store.ts`): one suite for all drivers.
 */
import type { StoreDriver } from "../ports/store.ts";
import { type Failed, type SuiteOptions, Unable, declare, defaultLimitMs, failing } from "./suite.ts";
import { conditionCases } from "./store/conditions.ts";
import { endingCases } from "./store/endings.ts";
import { keyCases } from "./store/keys.ts";
import { listCases } from "./store/lists.ts";
import { objectCases } from "./store/objects.ts";
import { streamCases } from "./store/streams.ts";
import type { StoreCase, Subject } from "./store/subject.ts";

/** An empty store of its own, which nobody else uses. */
export interface StoreUnderTest {
  readonly driver: StoreDriver;
  /** Another driver of the same store, as another process would have it. Cases that need two are skipped, visibly, without it. */
  readonly reopen?: () => Promise<StoreDriver>;
  /** Closes the driver, which a case may have done already, and removes the store. */
  close(): Promise<void>;
}

export interface StoreSuiteOptions extends SuiteOptions {
  /** How many objects one answer of `list` has at most, as the drivers were opened. From 2 to 100. Default: not known. */
  readonly page?: number | undefined;
  /** How many sets of odd keys are tried. Default: 50. */
  readonly runs?: number | undefined;
}

export type OpenStore = () => Promise<StoreUnderTest>;

/** The suite, for those who do more with cases than to declare them. */
export const storeCases: readonly StoreCase[] = [
  ...keyCases,
  ...objectCases,
  ...conditionCases,
  ...listCases,
  ...streamCases,
  ...endingCases,
];

/**
 * Declares the tests of a driver of a store.
 *
 * @param open Called once for each case.
 * @throws TypeError for a name in `missing` that no case has.
 * @example
 * import { test } from "node:test";
 * import { testStore } from "tinderbox/testing";
 * testStore("mine", async () => { const driver = mine(); return { driver, close: () => driver.close() }; }, { test });
 */
export function testStore(name: string, open: OpenStore, options: StoreSuiteOptions): void {
  declare(name, storeCases, (one) => checkStore(one, open, options), options);
}

/** Runs the cases one after another, without a test runner. Gives those that fail, with what they threw. */
export function failingStoreCases(
  open: OpenStore,
  options: Omit<StoreSuiteOptions, "test"> = {},
  cases: readonly StoreCase[] = storeCases,
): Promise<Failed[]> {
  return failing(cases, (one) => checkStore(one, open, options), options.limitMs ?? defaultLimitMs);
}

/** Runs one case in a store of its own. Throws what it throws. */
async function checkStore(
  each: StoreCase,
  open: OpenStore,
  { page, runs = 50 }: Omit<StoreSuiteOptions, "test">,
): Promise<void> {
  const opened = await open();
  const others: StoreDriver[] = [];
  const subject: Subject = {
    driver: opened.driver,
    page,
    runs,
    async reopen() {
      const other = await opened.reopen!();
      others.push(other);
      return other;
    },
  };
  try {
    if (each.needsTwo && !opened.reopen) throw new Unable("a second driver cannot reach this store");
    await each.run(subject);
  } finally {
    for (const other of others) await other.close();
    await opened.close();
  }
}
