/** What another parent has left behind is ended by whoever is there. */
import type { Clock } from "../../ports/clock.ts";

export interface SweepsOptions {
  readonly clock: Clock;
  look(): Promise<unknown>;
  trouble(error: unknown): void;
  /** Of a look that is worth it sooner than the next one, after the first. */
  readonly againMs?: number;
}

const everyMs = 5 * 60_000;

/** Looks at once, and from time to time until it is stopped. */
export function sweeps({ clock, look, trouble, againMs = everyMs }: SweepsOptions): () => void {
  let timer = clock.timer(0, () => next(againMs));
  function next(pauseMs: number): void {
    void look().catch(trouble);
    timer = clock.timer(pauseMs, () => next(everyMs));
  }
  return () => timer.cancel();
}
