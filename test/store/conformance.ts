/** The suite of stores, declared with vitest. */
import { test } from "vitest";
import * as suite from "../../src/testing/store.ts";

export { storeCases } from "../../src/testing/store.ts";
export type Opened = suite.StoreUnderTest;
export type SuiteOptions = Omit<suite.StoreSuiteOptions, "test">;

export function testStore(name: string, open: suite.OpenStore, options: SuiteOptions = {}): void {
  suite.testStore(name, open, { ...options, test });
}

/** Runs every case by itself; the names of those that fail. One that has not ended after `limitMs` has failed. */
export async function failingCases(
  open: suite.OpenStore,
  options: SuiteOptions = {},
  limitMs = 60_000,
): Promise<string[]> {
  const failed = await suite.failingStoreCases(open, { ...options, limitMs });
  return failed.map(({ name }) => name);
}
