/**
 * One timer for many clocks. Most deadlines are met, so none is ever taken back: the timer looks when the earliest was due,
 * and is set again for what is left.
 */
import type { Clock, Timer } from "../../ports/clock.ts";

/** A timer that is later than this says more about this process than about time. */
const lateMs = 100;

export class Alarm {
  readonly #clock: Clock;
  readonly #look: (now: number) => number;
  #timer: Timer | undefined;
  #at = Infinity;

  /** `look` does what is due and returns when the next thing is: Infinity for never. */
  constructor(clock: Clock, look: (now: number) => number) {
    this.#clock = clock;
    this.#look = look;
  }

  /** Looks at this time, or earlier. */
  at(time: number): void {
    if (time >= this.#at) return;
    this.#timer?.cancel();
    this.#at = time;
    this.#timer = this.#clock.timer(Math.max(0, time - this.#clock.now()), () => this.#fire());
  }

  close(): void {
    this.#timer?.cancel();
    this.#at = Infinity;
  }

  #fire(): void {
    // This process was stopped, or busy: what has come meanwhile is read before anybody is told that it did not come.
    if (this.#clock.now() - this.#at > lateMs) this.#timer = this.#clock.timer(1, () => this.#ring());
    else this.#ring();
  }

  #ring(): void {
    this.#at = Infinity;
    this.at(this.#look(this.#clock.now()));
  }
}
