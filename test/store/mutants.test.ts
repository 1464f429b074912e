import { expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import type { StoreDriver } from "../../src/ports/store.ts";
import { memoryDriver } from "../../src/store/drivers/memory.ts";
import { failingCases, storeCases } from "./conformance.ts";
import { mutants, page, spoilt } from "./mutants.ts";

const failing = (make: () => StoreDriver, limitMs?: number): Promise<string[]> =>
  failingCases(
    async () => {
      const driver = make();
      return { driver, close: () => driver.close() };
    },
    { page },
    limitMs,
  );

test("a driver without a vice fails no case", async () => {
  expect(await failing(() => memoryDriver({ clock: systemClock, page }))).toEqual([]);
});

test.for(Object.entries(mutants))("the suite notices a driver that %s", { timeout: 60_000 }, async ([, mutant]) => {
  expect(await failing(() => spoilt(mutant), 1_000)).toContain(mutant.noticedBy);
});

test("every case that one driver can run notices some vice", () => {
  const bitten = new Set(Object.values(mutants).map(({ noticedBy }) => noticedBy));
  expect(storeCases.filter((each) => !each.needsTwo && !bitten.has(each.name)).map(({ name }) => name)).toEqual([]);
});
