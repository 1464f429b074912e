/** A simulated pool over time, in steps of equal length. */
import type { PoolCore } from "../core.ts";
import type { Outcome, Trace } from "./simulate.ts";

export class Samples {
  readonly stepMs: number;
  /** Most calls that waited during each step. */
  readonly queued: number[] = [];
  /** Most runners that there were, booting and draining ones included. */
  readonly runners: number[] = [];
  #queuedNow = 0;
  #runnersNow = 0;

  constructor(stepMs: number) {
    this.stepMs = stepMs;
  }

  readonly watch = (now: number, core: PoolCore): void => {
    const step = Math.floor(now / this.stepMs);
    // What was there before lasts until now.
    while (this.queued.length <= step) {
      this.queued.push(this.#queuedNow);
      this.runners.push(this.#runnersNow);
    }
    this.#queuedNow = core.queued;
    this.#runnersNow = core.booting + core.ready + core.draining;
    if (this.#queuedNow > this.queued[step]!) this.queued[step] = this.#queuedNow;
    if (this.#runnersNow > this.runners[step]!) this.runners[step] = this.#runnersNow;
  };
}

/** The longest wait, in milliseconds, of the calls that came in each step; 0 where none came. */
export function longestWaits(trace: Trace, outcome: Outcome, stepMs: number): number[] {
  const longest: number[] = [];
  for (const [call, arrivalMs] of trace.arrivalsMs.entries()) {
    const step = Math.floor(arrivalMs / stepMs);
    while (longest.length <= step) longest.push(0);
    longest[step] = Math.max(longest[step]!, outcome.waitsMs[call]!);
  }
  return longest;
}
