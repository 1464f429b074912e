import { setTimeout as sleep } from "node:timers/promises";

export interface UntilOptions {
  /** Milliseconds after which the wait fails. @default 10000 */
  readonly within?: number;
  /** Milliseconds between two looks. @default 20 */
  readonly every?: number;
}

/**
 * Polls `look` until it gives something truthy, and returns that. Fails with "<what>" and the last thing seen.
 * `look` is called at least once, and once more when the deadline has passed.
 */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  options: UntilOptions = {},
): Promise<Exclude<T, false | 0 | "" | null | undefined>> {
  const { within = 10_000, every = 20 } = options;
  const deadline = performance.now() + within;
  for (;;) {
    const late = performance.now() >= deadline;
    const seen = await look();
    if (seen) return seen as Exclude<T, false | 0 | "" | null | undefined>;
    if (late) throw new Error(`Cannot see ${what}: still ${String(seen)} after ${within} ms`);
    await sleep(Math.min(every, Math.max(1, deadline - performance.now())));
  }
}
