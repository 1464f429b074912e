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
  /** None is started before. */
  notBefore = -Infinity;
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

  /** One has ended. False when that was one too many. */
  count(now: number, useless: boolean): boolean {
    if (!this.#intensity.allows(now)) {
      this.exceeded = true;
      this.notBefore = now + this.#withinMs;
      return false;
    }
    this.#inVain = useless ? this.#inVain + 1 : 0;
    if (this.#inVain > 0)
      this.notBefore = Math.max(this.notBefore, now + Math.min(longestDelayMs, firstDelayMs * 2 ** (this.#inVain - 1)));
    return true;
  }

  /** The time is over: it begins from nothing. */
  again(): void {
    this.#intensity = new Intensity(this.#most, this.#withinMs);
    this.#inVain = 0;
    this.exceeded = false;
    this.notBefore = -Infinity;
  }
}
