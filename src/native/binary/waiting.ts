/** First come, first served; whoever waits may step out from the middle at once. */
export class Waiting<T extends object> {
  /** Those who have left are holes until the line is closed up. */
  #line: (T | undefined)[] = [];
  #first = 0;
  readonly #places = new Map<T, number>();

  get size(): number {
    return this.#places.size;
  }

  add(item: T): void {
    this.#places.set(item, this.#line.length);
    this.#line.push(item);
  }

  delete(item: T): boolean {
    const place = this.#places.get(item);
    if (place === undefined) return false;
    this.#places.delete(item);
    this.#line[place] = undefined;
    if (this.#places.size === 0) {
      this.#line = [];
      this.#first = 0;
    } else if (this.#line.length > 64 && this.#places.size * 2 < this.#line.length) this.#closeUp();
    return true;
  }

  /** The first in line leaves it. */
  take(): T | undefined {
    if (this.#places.size === 0) return undefined;
    while (this.#line[this.#first] === undefined) this.#first++;
    const item = this.#line[this.#first++]!;
    this.delete(item);
    return item;
  }

  /** All of them, in order; they may leave meanwhile. */
  all(): T[] {
    return this.#line.filter((item) => item !== undefined);
  }

  #closeUp(): void {
    this.#line = this.all();
    this.#first = 0;
    for (const [place, item] of this.#line.entries()) this.#places.set(item!, place);
  }
}
