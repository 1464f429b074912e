const FEW = 8;

/** Numbers objects by order of appearance. Small messages never pay for a Map. */
export class Identities {
  readonly #few: (object | undefined)[] = new Array<object | undefined>(FEW).fill(undefined);
  #many: Map<object, number> | undefined;
  #count = 0;

  /** The number of an object met before, or -1: it has now got the next number. */
  claim(value: object): number {
    const many = this.#many;
    if (many !== undefined) {
      const known = many.get(value);
      if (known !== undefined) return known;
      many.set(value, this.#count++);
      return -1;
    }
    const count = this.#count;
    const few = this.#few;
    for (let i = 0; i < count; i++) if (few[i] === value) return i;
    if (count < FEW) few[count] = value;
    else this.#promote(value);
    this.#count = count + 1;
    return -1;
  }

  /** The number that `claim` gave last. */
  get latest(): number {
    return this.#count - 1;
  }

  /** Forgets the objects from `count` on. */
  rewind(count: number): void {
    for (let i = count; i < Math.min(this.#count, FEW); i++) this.#few[i] = undefined;
    for (const [value, number] of this.#many ?? []) if (number >= count) this.#many?.delete(value);
    this.#count = count;
  }

  #promote(value: object): void {
    const many = new Map<object, number>();
    for (let i = 0; i < FEW; i++) many.set(this.#few[i] as object, i);
    many.set(value, FEW);
    this.#many = many;
  }

  clear(): void {
    const used = Math.min(this.#count, FEW);
    for (let i = 0; i < used; i++) this.#few[i] = undefined;
    this.#many = undefined;
    this.#count = 0;
  }
}
