/** Where the items of a map come from, one at a time, no earlier than they are wanted. */
import { systemClock } from "../clock.ts";
import { show } from "../options.ts";

export type Items = Iterable<unknown> | AsyncIterable<unknown>;

/** What a source that is being asked for an item may take to close: it may have nothing to say for ever. */
const closeMs = 250;

export interface SourceHost {
  /** Of an asynchronous source. */
  arrived(item: unknown): void;
  ended(): void;
  failed(error: unknown): void;
}

interface AnyIterator {
  next(): unknown;
  return?(): unknown;
}

/** Throws for what cannot be iterated. */
export function checkItems(items: unknown): asserts items is Items {
  if (typeof items === "string") return;
  const { [Symbol.asyncIterator]: asynchronous, [Symbol.iterator]: synchronous } = (items ?? {}) as Partial<
    AsyncIterable<unknown> & Iterable<unknown>
  >;
  if (typeof asynchronous === "function" || typeof synchronous === "function") return;
  throw new TypeError(`Cannot map ${show(items)}: an array or another iterable, synchronous or not, is wanted`);
}

/** How many there will be, where that is known. */
export function countOf(items: Items): number | undefined {
  const { length, size } = items as { readonly length?: unknown; readonly size?: unknown };
  if (Array.isArray(items) || ArrayBuffer.isView(items)) return length as number;
  return items instanceof Set || items instanceof Map ? (size as number) : undefined;
}

export class Source {
  readonly #items: Items;
  readonly #host: SourceHost;
  #iterator: AnyIterator | undefined;
  /** It is asked for an item. */
  #asking = false;
  over = false;
  readonly isAsync: boolean;

  constructor(items: Items, host: SourceHost) {
    this.#items = items;
    this.#host = host;
    this.isAsync = typeof (items as Partial<AsyncIterable<unknown>>)[Symbol.asyncIterator] === "function";
  }

  /** Gives the next item of a synchronous source to `take`; false when there is none. */
  pull(take: (item: unknown) => void): boolean {
    if (this.over) return false;
    let value: unknown;
    try {
      const step = this.#open().next() as IteratorResult<unknown>;
      if (step.done) {
        this.#end();
        return false;
      }
      value = step.value;
    } catch (error) {
      this.#fail(error);
      return false;
    }
    take(value);
    return true;
  }

  /** Asks an asynchronous source for its next item, unless it is being asked. */
  ask(): void {
    if (this.over || this.#asking) return;
    this.#asking = true;
    let step: unknown;
    try {
      step = this.#open().next();
    } catch (error) {
      this.#asking = false;
      return this.#fail(error);
    }
    Promise.resolve(step).then(
      (result) => this.#hear(result as IteratorResult<unknown>),
      (error: unknown) => {
        this.#asking = false;
        if (!this.over) this.#fail(error);
      },
    );
  }

  /** No more items are wanted. Rejects with what the source throws at that; one that is at a loss is not waited for. */
  async close(): Promise<void> {
    if (this.over) return;
    this.over = true;
    if (!this.#iterator?.return) return;
    const closed = Promise.resolve(this.#iterator.return());
    if (!this.#asking) return void (await closed);
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = systemClock.timer(closeMs, resolve);
    timer.hold(true);
    try {
      await Promise.race([closed, late]);
    } finally {
      timer.cancel();
    }
  }

  #open(): AnyIterator {
    if (this.#iterator) return this.#iterator;
    const items = this.#items as AsyncIterable<unknown> & Iterable<unknown>;
    return (this.#iterator = this.isAsync ? items[Symbol.asyncIterator]() : items[Symbol.iterator]());
  }

  #hear(step: IteratorResult<unknown>): void {
    this.#asking = false;
    if (this.over) return;
    let done: boolean | undefined;
    let value: unknown;
    try {
      ({ done, value } = step);
    } catch (error) {
      return this.#fail(error);
    }
    if (done) this.#end();
    else this.#host.arrived(value);
  }

  #end(): void {
    this.over = true;
    this.#host.ended();
  }

  /** An iterator that throws has ended; it is not to be closed. */
  #fail(error: unknown): void {
    this.over = true;
    this.#host.failed(error);
  }
}
