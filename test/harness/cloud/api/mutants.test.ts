import { expect, test } from "vitest";
import { startWithRules } from "../cloud.ts";
import { conformance, ownConformance, ownImage, roomyLimits, runCheck, runOwnCheck } from "./conformance.ts";
import { type Mutant, mutants } from "./mutants.ts";
import { strict } from "./state/rules.ts";

async function runMutant({ rules, noticedBy }: Mutant): Promise<void> {
  const broken = { ...strict, ...rules };
  const own = ownConformance.find(({ name }) => name === noticedBy);
  const check = conformance.find(({ name }) => name === noticedBy);
  if (own) return runOwnCheck(own, broken);
  await using cloud = await startWithRules({ limits: roomyLimits }, broken);
  const place = { ...cloud, credentials: cloud.credentials("owner"), imageId: ownImage };
  if (check) await runCheck(check, place);
}

// A check that waits for what a mutant never does, waits until its own deadline.
test.for(Object.entries(mutants))("it is noticed when %s", { timeout: 30_000 }, async ([, mutant]) => {
  const names = [...conformance, ...ownConformance].map(({ name }) => name);
  expect(names).toContain(mutant.noticedBy);
  await expect(runMutant(mutant)).rejects.toBeInstanceOf(Error);
});

test("each rule has a mutant", () => {
  const changed = Object.values(mutants).flatMap(({ rules }) => Object.keys(rules));
  expect(Object.keys(strict).filter((name) => !changed.includes(name))).toEqual([]);
});
