/** Scaling strategies: how many runners a pool should have, as a pure function of what can be counted. */

import { resolveCount } from "../options.ts";

/** Aggregates of a pool at one moment. Ages of running calls are lower bounds of their service time. */
export interface Snapshot {
  readonly queued: number;
  readonly running: number;
  readonly ready: number;
  readonly booting: number;
  readonly slotsPerRunner: number;
  readonly spare: number;
  readonly min: number;
  readonly max: number;
}

/** Wanted number of runners; the pool clamps it to `min` and `max`. */
export type Scale = (snapshot: Snapshot) => number;

/** A slot for every call that waits or runs, and `spare` more: FLAME's rule. */
export function slots(): Scale {
  return ({ queued, running, spare, slotsPerRunner }) => Math.ceil((queued + running + spare) / slotsPerRunner);
}

/** Always `count` runners, whatever there is to do. */
export function fixed(count: number): Scale {
  resolveCount(count, "the count of fixed()", 0);
  return () => count;
}
