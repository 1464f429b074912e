/** Which runner served a key last: the same key goes to the same runner where that is possible. */

/** Keys that are remembered; one used longer ago than that many others starts anew. */
const maxKeys = 10_000;

export class Affinity {
  readonly #keys = new Map<number, string>();
  readonly #runners = new Map<string, number>();

  /** `call` has this key until it is forgotten. */
  note(call: number, key: string | undefined): void {
    if (key !== undefined) this.#keys.set(call, key);
  }

  forget(call: number): void {
    this.#keys.delete(call);
  }

  /** The runner that the key of this call was on last; it may be gone. */
  runnerFor(call: number): number | undefined {
    const key = this.#keys.get(call);
    return key === undefined ? undefined : this.#runners.get(key);
  }

  served(call: number, runner: number): void {
    const key = this.#keys.get(call);
    if (key === undefined) return;
    this.#runners.delete(key);
    this.#runners.set(key, runner);
    if (this.#runners.size > maxKeys)
      for (const oldest of this.#runners.keys()) return void this.#runners.delete(oldest);
  }
}
