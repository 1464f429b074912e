/** What EC2 had no capacity of a short while ago: it is not asked for again so soon. */
import type { Clock } from "../../ports/clock.ts";
import type { Market, Offer } from "./api.ts";

const forgetMs = 3 * 60_000;

export class Scarce {
  readonly #clock: Clock;
  readonly #until = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(offer: Offer, market: Market): void {
    this.#until.set(keyOf(offer, market), this.#clock.now() + forgetMs);
  }

  /** Those of the offers that may be had, as far as is known. */
  without(offers: readonly Offer[], market: Market): readonly Offer[] {
    const now = this.#clock.now();
    for (const [key, until] of this.#until) if (until <= now) this.#until.delete(key);
    return offers.filter((offer) => !this.#until.has(keyOf(offer, market)));
  }
}

function keyOf({ type, zone }: Offer, market: Market): string {
  return `${market} ${type} ${zone}`;
}
