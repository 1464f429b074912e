/** How long somebody will wait for another in all: time passes only while anybody waits. */
import type { Clock } from "../ports/clock.ts";
import type { Deadline, Deadlines } from "./deadlines.ts";

export interface PatienceDeps {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
}

export class Patience implements Deadline {
  readonly #deps: PatienceDeps;
  readonly #expired: () => void;
  #leftMs: number;
  /** How many wait, and since when any of them does. */
  #waiting = 0;
  #since = 0;
  #deadline: Deadline | undefined;

  constructor(deps: PatienceDeps, leftMs: number, expired: () => void) {
    this.#deps = deps;
    this.#leftMs = leftMs;
    this.#expired = expired;
  }

  /** One more waits, or one less. */
  wait(waits: boolean): void {
    const { clock, deadlines } = this.#deps;
    if (waits && this.#waiting++ === 0) {
      this.#since = clock.now();
      this.#deadline = deadlines.add(Math.max(0, this.#leftMs), this.#expired);
    } else if (!waits && this.#waiting > 0 && --this.#waiting === 0) {
      this.#leftMs -= clock.now() - this.#since;
      this.cancel();
    }
  }

  cancel(): void {
    this.#deadline?.cancel();
    this.#deadline = undefined;
  }
}
