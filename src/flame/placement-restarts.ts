/** Whether something that keeps ending may be started once more: OTP's intensity, with its defaults. */
import type { Clock } from "../ports/clock.ts";

const maxRestarts = 3;
const withinMs = 5_000;

export class Restarts {
  /** All that there ever were. */
  count = 0;
  readonly #clock: Clock;
  #times: number[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts one more; false when there are too many within the time. */
  allow(): boolean {
    const now = this.#clock.now();
    this.#times = this.#times.filter((time) => now - time <= withinMs);
    if (this.#times.length >= maxRestarts) return false;
    this.#times.push(now);
    this.count++;
    return true;
  }
}
