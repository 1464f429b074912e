import type { FlameOptions } from "tinderbox";
import type { Receipt, Slip } from "./on-runner.ts";
import type { Random } from "./random.ts";

/** A call on its way, and how to know its right end. */
export interface Job {
  readonly result: Promise<Receipt>;
  readonly rightValue?: (value: unknown) => boolean;
  readonly rightError?: (error: unknown) => boolean;
}

/** Makes one. */
export type Start = (slip: Slip, options: FlameOptions, random: Random) => Job;
