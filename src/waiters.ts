/** Those who wait for something to have changed. */

/** The part of a clock that is needed here. */
interface Timers {
  timer(delayMs: number, fire: () => void): { cancel(): void };
}

export class Waiters {
  readonly #resolves: (() => void)[] = [];

  wait(): Promise<void> {
    return new Promise((resolve) => this.#resolves.push(resolve));
  }

  wake(): void {
    for (const resolve of this.#resolves.splice(0)) resolve();
  }

  /** Looks at each change until `done`, or until that time is over: true when it was. */
  async until(done: () => boolean, withinMs: number, clock: Timers): Promise<boolean> {
    let late = false;
    const timer = clock.timer(withinMs, () => {
      late = true;
      this.wake();
    });
    while (!late && !done()) await this.wait();
    timer.cancel();
    return late;
  }
}
