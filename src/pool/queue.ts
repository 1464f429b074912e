/** Calls that wait for a slot: by priority, then in order of arrival. Taking a call out of the middle is O(1). */
export class WaitingCalls {
  readonly #lanes = new Map<number, Set<number>>();
  readonly #priorities = new Map<number, number>();
  #order: number[] = [];

  get size(): number {
    return this.#priorities.size;
  }

  has(call: number): boolean {
    return this.#priorities.has(call);
  }

  add(call: number, priority: number): void {
    let lane = this.#lanes.get(priority);
    if (!lane) {
      this.#lanes.set(priority, (lane = new Set()));
      this.#order = [...this.#lanes.keys()].sort((left, right) => right - left);
    }
    lane.add(call);
    this.#priorities.set(call, priority);
  }

  delete(call: number): boolean {
    const priority = this.#priorities.get(call);
    if (priority === undefined) return false;
    this.#priorities.delete(call);
    this.#lanes.get(priority)!.delete(call);
    return true;
  }

  /** The next call, which stays where it is. */
  first(): number | undefined {
    for (const priority of this.#order) for (const call of this.#lanes.get(priority)!) return call;
    return undefined;
  }

  [Symbol.iterator](): Iterator<number> {
    return this.#priorities.keys();
  }
}
