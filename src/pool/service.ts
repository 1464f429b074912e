/** How long calls take on a runner, of late. Calls that still run say at least how long they have taken so far. */

/** Weight of the newest call: the last forty or so make the estimate. */
const weight = 1 / 20;

export class ServiceTime {
  completed = 0;
  #mean = 0;
  #running = 0;
  /** Sum of the times at which the running calls began: their ages, without a walk over them. */
  #begun = 0;

  begin(now: number): void {
    this.#running++;
    this.#begun += now;
  }

  /** A call is over. One whose runner was lost says nothing about how long calls take. */
  end(begunAt: number, now: number, lost = false): void {
    this.#running--;
    this.#begun = this.#running === 0 ? 0 : this.#begun - begunAt;
    if (lost) return;
    this.completed++;
    // A plain mean at first, so that the first call does not weigh more than the others.
    this.#mean += (now - begunAt - this.#mean) * Math.max(weight, 1 / this.completed);
  }

  /** Milliseconds; 0 when nothing is known. */
  estimate(now: number): number {
    const age = this.#running === 0 ? 0 : now - this.#begun / this.#running;
    return Math.max(this.#mean, age);
  }
}
