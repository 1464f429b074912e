/** Instances keep their class in both directions, and errors arrive as themselves. */
import { flame, revive, serialize } from "tinderbox";
import { Basket, OutOfStock } from "./shop.ts";

/** A class of this file: its code travels to the runner, its instances travel back. */
class Receipt {
  static readonly currency = "EUR";
  readonly lines: Map<string, number>;
  readonly issued = new Date();

  constructor(lines: Map<string, number>) {
    this.lines = lines;
  }

  get total(): number {
    return [...this.lines.values()].reduce((sum, cents) => sum + cents, 0);
  }

  toString(): string {
    return `${(this.total / 100).toFixed(2)} ${Receipt.currency} for ${[...this.lines.keys()].join(" and ")}`;
  }
}

/** Private fields cannot be read from outside, so such a class says what it is made of. */
class Card {
  readonly #digits: string;

  constructor(digits: string) {
    this.#digits = digits;
  }

  get last(): string {
    return this.#digits.slice(-4);
  }

  [serialize](): unknown {
    return this.#digits;
  }

  static [revive](digits: string): Card {
    return new Card(digits);
  }
}

const basket = new Basket().add("tea", 480).add("bread", 350);
const card = new Card("4111111111111111");

const receipt = await flame(() => {
  if (!(basket instanceof Basket)) throw new TypeError("a basket was expected");
  console.log(`paid with the card that ends in ${card.last}`);
  return new Receipt(basket.prices());
});
console.log(`${receipt instanceof Receipt}, ${receipt.issued instanceof Date}: ${receipt}`);

try {
  await flame(() => basket.take("cake"));
} catch (error) {
  if (!(error instanceof OutOfStock)) throw error;
  console.log(`${error.name}: ${error.message} (wanted ${error.item}; cause: ${String(error.cause)})`);
  const lines = error.stack?.split("\n").map((line) => line.replace(/\(?file:\/\/.*\/examples/, "(examples")) ?? [];
  console.log(lines.slice(0, 2).join("\n"));
}
