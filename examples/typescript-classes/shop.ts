/** Imported on both sides: each has the class once, and instances find their own. */
import { registerClass } from "tinderbox";

export class Basket {
  readonly items: { readonly name: string; readonly cents: number }[] = [];

  add(name: string, cents: number): this {
    this.items.push({ name, cents });
    return this;
  }

  prices(): Map<string, number> {
    return new Map(this.items.map(({ name, cents }) => [name, cents]));
  }

  take(name: string): number {
    const item = this.items.find((candidate) => candidate.name === name);
    if (item) return item.cents;
    throw new OutOfStock(name, { cause: new RangeError(`${this.items.length} items, none of them is ${name}`) });
  }
}

export class OutOfStock extends Error {
  override readonly name = "OutOfStock";
  readonly item: string;

  constructor(item: string, options: ErrorOptions) {
    super(`There is no ${item}`, options);
    this.item = item;
  }
}

// The closure does not mention this class, it only lets its instances out: so it needs a name that both sides know.
registerClass(OutOfStock);
