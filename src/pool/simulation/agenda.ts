/** What happens later: numbers with a time each, taken out in order of time. A binary heap. */
export class Agenda {
  readonly #times: number[] = [];
  readonly #items: number[] = [];

  /** `Infinity` when nothing is left. */
  get nextAt(): number {
    return this.#times[0] ?? Infinity;
  }

  add(at: number, item: number): void {
    const [times, items] = [this.#times, this.#items];
    let place = times.length;
    times.push(at);
    items.push(item);
    while (place > 0) {
      const above = (place - 1) >>> 1;
      if (times[above]! <= at) break;
      times[place] = times[above]!;
      items[place] = items[above]!;
      place = above;
    }
    times[place] = at;
    items[place] = item;
  }

  /** The item at `nextAt`; there must be one. */
  take(): number {
    const [times, items] = [this.#times, this.#items];
    const first = items[0]!;
    const at = times.pop()!;
    const item = items.pop()!;
    const { length } = times;
    if (length === 0) return first;
    let place = 0;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= length) break;
      if (below + 1 < length && times[below + 1]! < times[below]!) below++;
      if (times[below]! >= at) break;
      times[place] = times[below]!;
      items[place] = items[below]!;
      place = below;
    }
    times[place] = at;
    items[place] = item;
    return first;
  }
}
