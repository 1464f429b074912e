/** Scaling strategies: how many runners a pool should have, as a pure function of what can be counted. */

import { resolveCount } from "../options.ts";

/** Aggregates of a pool at one moment. */
export interface Snapshot {
  readonly queued: number;
  readonly running: number;
  readonly ready: number;
  readonly booting: number;
  readonly slotsPerRunner: number;
  readonly spare: number;
  readonly min: number;
  readonly max: number;
  /** Calls that have run to their end so far. */
  readonly completed: number;
  /** How long a call takes, of late, in milliseconds; at least as long as the running ones have taken on average. */
  readonly serviceMs: number;
}

/** Wanted number of runners; the pool clamps it to `min` and `max`. */
export type Scale = (snapshot: Snapshot) => number;

/** What a strategy says; `slots()` where it throws or gives no number, which is told to `failed`. */
export function judge(scale: Scale, snapshot: Snapshot, failed?: (error: unknown) => void): number {
  try {
    const target = scale(snapshot);
    if (typeof target === "number" && !Number.isNaN(target)) return target;
    throw new TypeError(`Cannot scale the pool: its strategy gave ${String(target)}, a number of runners is wanted`);
  } catch (error) {
    failed?.(error);
    return slots()(snapshot);
  }
}

/** A slot for every call that waits or runs, and `spare` more: FLAME's rule. */
export function slots(): Scale {
  return ({ queued, running, spare, slotsPerRunner }) => Math.ceil((queued + running + spare) / slotsPerRunner);
}

/** Always `count` runners, whatever there is to do. */
export function fixed(count: number): Scale {
  resolveCount(count, "the count of fixed()", 0);
  return () => count;
}
