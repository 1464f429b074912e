/** Whether and when a worker that has ended by itself is started again. */
import { Intensity } from "../../supervisor/intensity.ts";

const firstDelayMs = 100;
const longestDelayMs = 5_000;

export class Restarts {
  readonly #most: number;
  readonly #withinMs: number;
  #intensity: Intensity;
  /** Workers in a row that have ended before they answered anything. */
  #inVain = 0;
  /** Starts in a row that came to nothing at all. */
  #unstarted = 0;
  /** None is started before. */
  notBefore = -Infinity;
  /** None is started before as long as others are there to do the work: one could not be started. */
  notBesides = -Infinity;
  /** Too many have ended: since then, and until `notBefore`, no more are started. */
  exceeded = false;

  constructor(most: number, withinMs: number) {
    this.#most = most;
    this.#withinMs = withinMs;
    this.#intensity = new Intensity(most, withinMs);
  }

  /** One has answered: the next that ends is started again without a delay. */
  worked(): void {
    this.#inVain = 0;
  }

  /** One could not be started. Several that were tried together count once. */
  unstarted(now: number): void {
    if (now < this.notBesides) return;
    this.notBesides = now + delayMs(++this.#unstarted);
  }

  /** One has come up. */
  started(): void {
    this.#unstarted = 0;
    this.notBesides = -Infinity;
  }

  /** One has ended. False when that was one too many. */
  count(now: number, useless: boolean): boolean {
    if (!this.#intensity.allows(now)) {
      this.exceeded = true;
      this.notBefore = now + this.#withinMs;
      return false;
    }
    this.#inVain = useless ? this.#inVain + 1 : 0;
    if (this.#inVain > 0) this.notBefore = Math.max(this.notBefore, now + delayMs(this.#inVain));
    return true;
  }

  /** The time is over: it begins from nothing. */
  again(): void {
    this.#intensity = new Intensity(this.#most, this.#withinMs);
    this.#inVain = 0;
    this.exceeded = false;
    this.notBefore = -Infinity;
    this.started();
  }
}

/** After so many in a row. */
function delayMs(times: number): number {
  return Math.min(longestDelayMs, firstDelayMs * 2 ** (times - 1));
}
