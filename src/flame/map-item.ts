/** One item of a map on its way, and the order in which results leave. */
import type { CapturedValue } from "../closure/capture.ts";
import { travelsAlone } from "../wire/batch.ts";
import { Queue } from "./map-queue.ts";

export interface Item {
  readonly index: number;
  /** Kept where it is part of the result. */
  readonly item: unknown;
  /** As it is sent, for as long as it may have to be sent again. */
  sent: CapturedValue | undefined;
  /** Attempts before the next one; of these, after errors of the closure's own, and after runners that were lost. */
  attempt: number;
  retried: number;
  repeated: number;
  done: boolean;
  result: unknown;
  /** Ends the call that a live result keeps open. */
  close: ((error: Error) => void) | undefined;
}

const once: ReadonlySet<string> = new Set([
  "iterable",
  "readable",
  "writable",
  "node-readable",
  "node-writable",
  "node-duplex",
]);

/** One that was tried before would be in the way of others, or they in its. */
export function goesAlone({ attempt, sent }: Item): boolean {
  return attempt > 0 || travelsAlone(sent!.payload);
}

/** Whether what it holds can be used a second time: what a stream has given is gone. */
export function canRepeat({ payload }: CapturedValue): boolean {
  return !payload.live?.some(({ kind }) => once.has(kind));
}

/** Items from their first day to the consumer. */
export class Results {
  readonly #ordered: boolean;
  readonly #line = new Queue<Item>();

  constructor(ordered: boolean) {
    this.#ordered = ordered;
  }

  begin(item: Item): void {
    if (this.#ordered) this.#line.push(item);
  }

  end(item: Item): void {
    item.done = true;
    if (!this.#ordered) this.#line.push(item);
  }

  next(): Item | undefined {
    return this.#line.first?.done ? this.#line.shift() : undefined;
  }

  /** Keeps only what could leave at once, when `ready`, or nothing. Returns the rest. */
  drop(ready: boolean): Item[] {
    const items = this.#line.clear();
    const kept = ready ? items.findIndex(({ done }) => !done) : 0;
    if (kept < 0) for (const item of items.splice(0)) this.#line.push(item);
    else for (const item of items.splice(0, kept)) this.#line.push(item);
    return items;
  }
}
