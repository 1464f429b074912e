/** Waits of the suites: by looking again, never by a pause. */
import { systemClock } from "../clock.ts";

/** Resolves after `ms`, and keeps the process alive until then. */
export function pass(ms: number): Promise<void> {
  return new Promise((resolve) => systemClock.timer(ms, resolve).hold(true));
}

/** Looks until there is something, and gives that. Throws "Cannot see <what>" once `withinMs` have passed. */
export async function until<T>(what: string, withinMs: number, look: () => T | Promise<T>): Promise<NonNullable<T>> {
  const end = systemClock.now() + withinMs;
  for (;;) {
    const late = systemClock.now() >= end;
    const seen = await look();
    if (seen) return seen;
    if (late) throw new Error(`Cannot see ${what}: still ${String(seen)} after ${withinMs} ms`);
    await pass(10);
  }
}

/** The same for a promise. */
export async function settled<T>(what: string, withinMs: number, promise: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = systemClock.timer(withinMs, () => reject(new Error(`Cannot see ${what}: not within ${withinMs} ms`)));
  timer.hold(true);
  return Promise.race([promise, late]).finally(() => timer.cancel());
}
