import type { Clock, Timer } from "../ports/clock.ts";

interface Pending {
  readonly at: number;
  readonly order: number;
  readonly fire: () => void;
  held: boolean;
}

/**
 * Time that stands still until a test moves it, for code that takes a `Clock`. Timers fire in order of their time, then of their
 * making, synchronously within `advance`.
 *
 * @example
 * const clock = new FakeClock();
 * clock.timer(1_000, () => console.log("a second has passed"));
 * clock.advance(1_000);
 */
export class FakeClock implements Clock {
  #now: number;
  #made = 0;
  readonly #timers = new Set<Pending>();

  /** `start`: what `now()` says at first, in milliseconds. */
  constructor(start = 1_000) {
    this.#now = start;
  }

  now(): number {
    return this.#now;
  }

  wall(): number {
    return Date.UTC(2026, 0, 1) + this.#now;
  }

  timer(delayMs: number, fire: () => void): Timer {
    const timer: Pending = { at: this.#now + Math.max(0, delayMs), order: this.#made++, fire, held: false };
    if (delayMs !== Infinity) this.#timers.add(timer);
    return {
      cancel: () => void this.#timers.delete(timer),
      hold: (alive) => void (timer.held = alive),
    };
  }

  /** Moves time on. Timers that others make on the way fire too, each while `now()` is its own time. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (let timer = this.#first(); timer && timer.at <= end; timer = this.#first()) {
      this.#timers.delete(timer);
      this.#now = Math.max(this.#now, timer.at);
      timer.fire();
    }
    this.#now = end;
  }

  /** Timers that are armed; with `held`, those that keep the process alive. */
  pending(options: { readonly held?: boolean } = {}): number {
    return [...this.#timers].filter((timer) => options.held === undefined || timer.held === options.held).length;
  }

  /** When the next timer fires. */
  get nextAt(): number {
    return this.#first()?.at ?? Infinity;
  }

  #first(): Pending | undefined {
    let first: Pending | undefined;
    for (const timer of this.#timers) {
      if (!first || timer.at < first.at || (timer.at === first.at && timer.order < first.order)) first = timer;
    }
    return first;
  }
}
