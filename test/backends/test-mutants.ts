/** The suite of backends bites: each vice is noticed, and each case notices some vice. In several files, which run side by side. */
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { backendCases, failingBackendCases } from "../../src/testing.ts";
import { processesOf } from "../harness/processes.ts";
import { testRun } from "../harness/run.ts";
import { until } from "../harness/until.ts";
import { makeSpoilt, mutants, open } from "./mutants.ts";

/** `wanted`: cases of this file, by name. */
export function testMutants(wanted: (name: string) => boolean): void {
  // Some of them wait for what never comes: side by side they wait together.
  afterAll(cleanUp);

  const vices = Object.entries(mutants).flatMap(([vice, { noticedBy }]) =>
    noticedBy.filter(wanted).map((name) => [vice, name] as const),
  );

  test.concurrent.for(vices)("a backend that %s: %s", { timeout: 60_000 }, async ([vice, name]) => {
    const module = new URL(`./spoilt-under-test.ts?vice=${encodeURIComponent(vice)}`, import.meta.url);
    const cases = backendCases.filter((each) => each.name === name);
    expect(cases).toHaveLength(1);
    const failed = await failingBackendCases(() => makeSpoilt(vice), { module, bootMs: 4_000, endMs: 1_500 }, cases);
    expect(failed.map((each) => each.name)).toEqual([name]);
  });

  test("every case notices some vice", () => {
    const bitten = new Set(vices.map(([, name]) => name));
    const rest = backendCases.filter(({ name }) => wanted(name) && !bitten.has(name));
    expect(rest.map(({ name }) => name)).toEqual([]);
  });
}

/** Some vices are that something is left. */
async function cleanUp(): Promise<void> {
  for (const close of open.splice(0)) close();
  await until("no process left", () => {
    const left = processesOf();
    for (const { pid } of left) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended.
      }
    }
    return left.length === 0;
  });
  // Those who clear a killed parent's folder away may have been among them.
  for (const name of readdirSync(testRun.folder)) rmSync(join(testRun.folder, name), { recursive: true, force: true });
}

export const isOfPools = (name: string): boolean => name.startsWith("a pool: ");
export const isOfParents = (name: string): boolean => /^a parent |the parent alive/.test(name);
