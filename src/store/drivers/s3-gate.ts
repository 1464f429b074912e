/** So many requests at a time; the others wait for their turn, and their clocks begin only then. */
import { unlessAborted } from "../../waiting.ts";

export class Gate {
  #free: number;
  readonly #line: (() => void)[] = [];

  constructor(places: number) {
    this.#free = places;
  }

  /** In the order of asking. The result is called when the place is free again; rejects with the reason of a signal. */
  async enter(signals: readonly (AbortSignal | undefined)[]): Promise<() => void> {
    if (this.#free > 0) this.#free--;
    else await this.#wait(signals);
    let left = false;
    return () => {
      if (!left) this.#leave();
      left = true;
    };
  }

  async #wait(signals: readonly (AbortSignal | undefined)[]): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#line.push(resolve);
    try {
      await unlessAborted(promise, signals);
    } catch (error) {
      const at = this.#line.indexOf(resolve);
      // Its turn came in the same moment: it is the next one's.
      if (at < 0) this.#leave();
      else this.#line.splice(at, 1);
      throw error;
    }
  }

  #leave(): void {
    const next = this.#line.shift();
    if (next) next();
    else this.#free++;
  }
}
