/** Calls that wait for a slot: by priority, then in order of arrival. Taking a call out of the middle is O(1). */
import { type InLine, Line } from "./line.ts";

interface Waiting extends InLine<Waiting> {
  readonly call: number;
  readonly lane: Lane;
}

interface Lane {
  readonly priority: number;
  readonly calls: Line<Waiting>;
}

export class WaitingCalls {
  readonly #waiting = new Map<number, Waiting>();
  /** Highest priority first, none of them empty: a priority may well be a date, and used once. */
  readonly #lanes: Lane[] = [];

  get size(): number {
    return this.#waiting.size;
  }

  has(call: number): boolean {
    return this.#waiting.has(call);
  }

  /** `again` puts it before all others of its priority. */
  add(call: number, priority: number, again = false): void {
    const lane = this.#lane(priority);
    const waiting: Waiting = { call, lane, previous: undefined, next: undefined };
    if (again) lane.calls.prepend(waiting);
    else lane.calls.append(waiting);
    this.#waiting.set(call, waiting);
  }

  delete(call: number): boolean {
    const waiting = this.#waiting.get(call);
    if (!waiting) return false;
    this.#waiting.delete(call);
    const { calls, priority } = waiting.lane;
    calls.remove(waiting);
    if (calls.size > 0) return true;
    if (this.#lanes.length === 1) this.#lanes.pop();
    else this.#lanes.splice(this.#place(priority), 1);
    return true;
  }

  /** The next call, which stays where it is. */
  first(): number | undefined {
    return this.#lanes[0]?.calls.first?.call;
  }

  /** In order of arrival, whatever the priority. */
  [Symbol.iterator](): Iterator<number> {
    return this.#waiting.keys();
  }

  #lane(priority: number): Lane {
    const place = this.#place(priority);
    const found = this.#lanes[place];
    if (found?.priority === priority) return found;
    const lane: Lane = { priority, calls: new Line() };
    if (place === this.#lanes.length) this.#lanes.push(lane);
    else this.#lanes.splice(place, 0, lane);
    return lane;
  }

  /** Where the lane of this priority is, or belongs. */
  #place(priority: number): number {
    let low = 0;
    let high = this.#lanes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#lanes[middle]!.priority > priority) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
