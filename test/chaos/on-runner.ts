/** What every closure of the chaos run does on its runner. Imported there; nothing here may lead to `main.ts`. */
import { appendFileSync } from "node:fs";
import type { Context } from "tinderbox";

/** What a call takes along. */
export interface Slip {
  readonly name: string;
  /** File that gets a line for each start. */
  readonly journal: string;
  /** Calls that may run at a time in one process. */
  readonly slots: number;
  /** What it does to its process. */
  readonly harm: string;
}

/** What it brings back, besides its value: who ran it. */
export interface Receipt {
  readonly value: unknown;
  readonly runner: string;
  readonly attempt: number;
}

let busy = 0;
let prepared = false;

/** The `setup` of every pool. */
export async function prepare(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 5));
  prepared = true;
}

/** Writes the start down before anything else, so that a call that ran and was reported as never started is found. */
export async function work(context: Context, slip: Slip, body: () => unknown): Promise<Receipt> {
  const { id, attempt } = context.runner;
  appendFileSync(slip.journal, `${slip.name} ${attempt} ${process.pid} ${slip.harm}\n`);
  busy++;
  try {
    if (!prepared) throw new Error("Cannot work: setup has not run");
    if (busy > slip.slots) throw new Error(`Cannot work: ${busy} calls at a time in a process of ${slip.slots} slots`);
    return { value: await body(), runner: id, attempt };
  } finally {
    busy--;
  }
}

/** Ends early, with the signal's reason, when the call is cancelled. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    });
  });
}

/** Occupies the event loop. */
export function spin(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}
