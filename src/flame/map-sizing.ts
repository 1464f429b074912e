/** How many items of a map travel in one batch: as many as are done in a moment, by what the last ones have taken. */
import { batchItems, batchMs } from "../wire/batch.ts";

/** Well below what the runner keeps a batch for, so that few are cut. */
const aimMs = 3;
/** Weight of the last batch. */
const weight = 1 / 4;
/** A first look says little: growth is step by step. */
const growth = 4;
/** Below such a limit an item must be seen to begin, as only the first one of a batch is. */
const shortTimeoutMs = 100;

export class Sizing {
  /** Items of the next batch. */
  size = 1;
  readonly #most: number;
  #meanMs: number | undefined;

  constructor(timeoutMs: number, single: boolean) {
    this.#most = single || timeoutMs < shortTimeoutMs ? 1 : batchItems;
  }

  /** A batch has spent so much on so many items. */
  learn(spentMs: number, items: number): void {
    // However slow one was, that it goes alone is all that can be said.
    const sample = Math.min(spentMs / items, 2 * batchMs);
    this.#meanMs = this.#meanMs === undefined ? sample : this.#meanMs + (sample - this.#meanMs) * weight;
    const fits = Math.floor(aimMs / Math.max(this.#meanMs, aimMs / this.#most));
    this.size = Math.max(1, Math.min(fits, this.size * growth, this.#most));
  }
}
