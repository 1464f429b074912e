/**
 * Scaling strategies: how many runners a pool should have, as a pure function of what can be counted. A pool asks
 * after every event; what it wants beyond what it has is booted at once, what it has beyond that may go when idle.
 */
import { type Duration, resolveDuration } from "../duration.ts";
import { resolveCount } from "../options.ts";

/** Aggregates of a pool at one moment. */
export interface Snapshot {
  /** Calls that wait for a slot. */
  readonly queued: number;
  /** Calls that run. */
  readonly running: number;
  /** Of these, the ones that keep their slot for as long as the object lives that they have placed. */
  readonly placed: number;
  /** Runners that take calls. */
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

/** Wanted number of runners; the pool rounds it up and clamps it to `min` and `max`. */
export type Scale = (snapshot: Snapshot) => number;

/** Fewer completed calls than this say nothing about how long calls take. */
const leastCompleted = 20;

/** What a strategy says; `slots()` where it throws or gives no number, which is told to `failed`. */
export function judge(scale: Scale, snapshot: Snapshot, failed?: (error: unknown) => void): number {
  try {
    const target = scale(snapshot);
    if (typeof target === "number" && !Number.isNaN(target)) return target;
    throw new TypeError(`Cannot scale the pool: its strategy gave ${String(target)}, a number of runners is wanted`);
  } catch (error) {
    failed?.(error);
    return everySlot(snapshot);
  }
}

/**
 * A slot for every call that waits or runs, and `spare` more: the least waiting, and the most machines. Right where a
 * runner costs little and boots in no time, as local ones do, whose default it is. FLAME grows in this way.
 *
 * @example
 * const media = pool("media", { scale: slots() });
 */
export function slots(): Scale {
  return everySlot;
}

function everySlot({ queued, running, spare, slotsPerRunner }: Snapshot): number {
  return Math.ceil((queued + running + spare) / slotsPerRunner);
}

/**
 * As many runners as it takes for each call that waits now to begin within `duration`, once they are up: `"5s"`,
 * `"500ms"`, a number of milliseconds. Slots are used again: where calls take one second, six of them fit into the
 * five seconds of one slot, the first one at once. Calls that run keep their slots, and `spare` slots come on top.
 *
 * Never more than `slots()`, which is `drainWithin(0)` and is used until 20 calls have ended, as before that nobody
 * knows how long they take. Calls that take much longer than `duration` get a slot each, too. With `Infinity` a
 * queue alone never adds a second runner.
 *
 * Throws `TypeError` when `duration` is none.
 *
 * @example
 * const media = pool("media", { max: 50, scale: drainWithin("5s") });
 */
export function drainWithin(duration: Duration): Scale {
  const withinMs = resolveDuration(duration, "the duration of drainWithin()");
  return (snapshot) => {
    const { queued, placed, spare, slotsPerRunner, completed, serviceMs } = snapshot;
    const running = snapshot.running - placed;
    if (completed < leastCompleted || withinMs === 0) return everySlot(snapshot);
    // Each of n slots begins a call every serviceMs. Those that are free or new begin one at once as well:
    // n * withinMs / serviceMs + (n - running) >= queued.
    const enough = (queued + running) * (serviceMs / (serviceMs + withinMs));
    const least = Math.max(running, Math.min(1, queued));
    return Math.ceil((Math.max(least, enough) + placed + spare) / slotsPerRunner);
  };
}

/**
 * Always `count` runners, a whole number from 0, whatever there is to do; `max` still limits it. For machines that
 * are paid for anyway. Throws `TypeError` for any other count.
 *
 * @example
 * const always = pool("always", { scale: fixed(3) });
 */
export function fixed(count: number): Scale {
  resolveCount(count, "the count of fixed()", 0);
  return () => count;
}
