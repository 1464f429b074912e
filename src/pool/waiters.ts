/** Those who wait for something to have changed. */
export class Waiters {
  readonly #resolves: (() => void)[] = [];

  wait(): Promise<void> {
    return new Promise((resolve) => this.#resolves.push(resolve));
  }

  wake(): void {
    for (const resolve of this.#resolves.splice(0)) resolve();
  }
}
