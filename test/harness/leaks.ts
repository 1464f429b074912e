import { readdirSync } from "node:fs";
import { place } from "../../src/context.ts";
import { processesOf } from "./processes.ts";
import { testRun } from "./run.ts";
import { until, type UntilOptions } from "./until.ts";

/** Polls until `left` is empty; the failure lists what is left. */
async function expectNothing(what: string, left: () => readonly string[], options: UntilOptions): Promise<void> {
  let last: readonly string[] = [];
  const clean = () => (last = left()).length === 0;
  await until(`no ${what} left`, clean, options).catch((cause: unknown) => {
    throw new Error(`Cannot finish the test: ${last.length} ${what} left\n  ${last.join("\n  ")}`, { cause });
  });
}

/**
 * Waits until no process of this test file is alive. What is left at the deadline is killed, so that one leak fails
 * one test and not its neighbours.
 */
export async function expectNoProcessLeft(marker: string = testRun.marker, options: UntilOptions = {}): Promise<void> {
  const describe = () =>
    processesOf(marker).map(({ pid, parent, command }) => `${pid} (child of ${parent}) ${command}`);
  try {
    await expectNothing("process", describe, options);
  } catch (error) {
    for (const { pid } of processesOf(marker)) kill(pid);
    throw error;
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended between the look and the signal.
  }
}

/** Waits until no `tinderbox-*` folder or socket is left in this test file's temporary folder. */
export async function expectNoFolderLeft(options: UntilOptions = {}): Promise<void> {
  const left = () => readdirSync(testRun.folder).filter((name) => name.startsWith("tinderbox-"));
  await expectNothing("temporary folder", left, options);
}

/** Waits until no live reference is in the tables of this process. */
export async function expectNothingLent(options: UntilOptions = {}): Promise<void> {
  const left = () => [...place.exchanges].map((exchange) => JSON.stringify(exchange.counts()));
  await expectNothing("table of live references", left, options);
}

/** What keeps this process's event loop busy, counted by kind: sockets, servers, timers, child processes, ... */
export function activeResources(): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

/** Waits until no kind of resource is more numerous than in `before` (see `activeResources`). */
export async function expectNoResourceLeft(
  before: ReadonlyMap<string, number>,
  options: UntilOptions = {},
): Promise<void> {
  // The wait itself is a timer, and vitest's deadline for the running test is another that comes and goes.
  const ours = new Set(["Timeout"]);
  const left = () =>
    [...activeResources()]
      .filter(([kind, count]) => !ours.has(kind) && count > (before.get(kind) ?? 0))
      .map(([kind, count]) => `${count} ${kind}, before ${before.get(kind) ?? 0}`);
  await expectNothing("resource", left, options);
}
