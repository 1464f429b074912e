/** Calls for one runner and no other, which wait for a slot of it. They come before all calls that any runner may take. */
export class PinnedCalls {
  readonly #byRunner = new Map<number, number[]>();

  get size(): number {
    let size = 0;
    for (const calls of this.#byRunner.values()) size += calls.length;
    return size;
  }

  get runners(): Iterable<number> {
    return this.#byRunner.keys();
  }

  /** `again` puts it before the others. */
  add(call: number, runner: number, again: boolean): void {
    const calls = this.#byRunner.get(runner);
    if (!calls) this.#byRunner.set(runner, [call]);
    else if (again) calls.unshift(call);
    else calls.push(call);
  }

  /** Takes the next call of a runner. */
  shift(runner: number): number | undefined {
    const calls = this.#byRunner.get(runner);
    const call = calls?.shift();
    if (calls?.length === 0) this.#byRunner.delete(runner);
    return call;
  }

  delete(call: number): boolean {
    for (const [runner, calls] of this.#byRunner) {
      const index = calls.indexOf(call);
      if (index < 0) continue;
      calls.splice(index, 1);
      if (calls.length === 0) this.#byRunner.delete(runner);
      return true;
    }
    return false;
  }
}
