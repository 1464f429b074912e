/**
 * A child that ends as soon as it is up is restarted without the event loop having had a turn, so a high `maxRestarts` would
 * keep everybody else from running. After so many restarts in one turn the next one waits for another.
 */
import type { Clock } from "../ports/clock.ts";

const most = 100;

export class Pace {
  readonly #clock: Clock;
  #made = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether one more may be made in this turn. */
  allows(): boolean {
    if (this.#made === 0) this.#clock.timer(0, () => (this.#made = 0));
    return ++this.#made <= most;
  }
}
