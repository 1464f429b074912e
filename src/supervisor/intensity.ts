/** How often something may be started again within a time, as OTP counts: the first restart too many is refused. */
export class Intensity {
  readonly #maxRestarts: number;
  readonly #withinMs: number;
  #times: number[] = [];

  constructor(maxRestarts: number, withinMs: number) {
    this.#maxRestarts = maxRestarts;
    this.#withinMs = withinMs;
  }

  /** Counts a restart at `now`; false when it is one too many. */
  allows(now: number): boolean {
    this.#times = this.#times.filter((time) => now - time <= this.#withinMs);
    this.#times.push(now);
    return this.#times.length <= this.#maxRestarts;
  }
}
