import { expect, test } from "vitest";
import { conformance, runCheck } from "./conformance.ts";
import { mutants, startMutant } from "./mutants.ts";
import { startS3 } from "./server.ts";

test.for(Object.entries(mutants))("it is noticed when %s", async ([, mutant]) => {
  const check = conformance.find(({ name }) => name === mutant.noticedBy);
  if (!check) throw new Error(`Cannot find the check "${mutant.noticedBy}"`);
  await using server = await startMutant(mutant);
  await expect(runCheck(check, server)).rejects.toBeInstanceOf(Error);
});

test("a server without conditional writes fails the checks about them and no other", { timeout: 60_000 }, async () => {
  await using server = await startS3({ conditionalWrites: false });
  const failed: string[] = [];
  for (const check of conformance) await runCheck(check, server).catch(() => failed.push(check.name));
  const others = failed.filter((name) => !/If-(None-)?Match|creators|increments/.test(name));
  expect([failed.length, others]).toEqual([11, []]);
});
