/** What a map is to do, checked and complete. */
import type { CallRequest } from "../pool/call.ts";
import type { Progress } from "./map-progress.ts";
import type { Items } from "./map-source.ts";
import type { Prepared } from "./submission.ts";

/** Most tiny items inside, however many slots there are: more than can be sent in the time that a batch takes. */
const mostTiny = 16_384;

export interface MapJob {
  readonly prepared: Prepared;
  readonly items: Items;
  /** Batches in flight; undefined for as many as the pool has slots. */
  readonly concurrency: number | undefined;
  readonly ordered: boolean;
  readonly settle: boolean;
  readonly signal: AbortSignal | undefined;
  readonly trace: CallRequest["trace"];
  readonly progress: Progress | undefined;
}

export function slotsOf({ concurrency, prepared }: MapJob): number {
  if (concurrency !== undefined) return concurrency;
  const { max, processes, concurrency: each } = prepared.pool.options;
  return (prepared.options.node === undefined ? max : 1) * processes * each;
}

/** Items that may be inside of a map, taken and not delivered, for batches of so many: enough that no slot waits. */
export function windowOf(job: MapJob, size: number): number {
  const slots = slotsOf(job);
  return Math.max(2 * slots, Math.min(2 * slots * size, mostTiny));
}
