/** The reader's end of what is iterated on the other side. */
import { AbortError, ProtocolError } from "../errors.ts";
import type { Imported, Line, Mark } from "./reference.ts";
import { Allowance, windowBytes } from "./window.ts";

interface Reader {
  readonly resolve: (result: IteratorResult<unknown>) => void;
  readonly reject: (error: unknown) => void;
  /** What it was asked of: garbage only when nobody waits any more. */
  readonly holder: object | undefined;
}

interface Item {
  readonly value: unknown;
  readonly bytes: number;
}

type End = { readonly value: unknown } | { readonly error: unknown };

export interface Watch {
  /** Somebody waits for an item, or nobody does any more. */
  readonly waiting?: (waits: boolean) => void;
}

/** What has come and was not read, and who waits. Outlives whatever reads from it only in the hands of its scope. */
export class Inflow implements Imported {
  readonly #line: Line;
  readonly #watch: Watch;
  readonly #allowance = new Allowance();
  /** Read from `#read` on; those before it are gone. */
  #items: (Item | undefined)[] = [];
  #read = 0;
  readonly #readers: Reader[] = [];
  #end: End | undefined;
  #begun = false;
  #owed = 0;
  /** `return` or `throw` is under way: what comes meanwhile was made before. */
  #skipping = 0;
  #waits = false;

  constructor(line: Line, watch: Watch) {
    this.#line = line;
    this.#watch = watch;
  }

  item(mark: Mark, value: unknown, bytes: number): void {
    if (this.#end) return;
    if (mark === "item" && !this.#allowance.take(bytes))
      throw new ProtocolError("Cannot take an item of a stream: it was sent without credit");
    if (this.#skipping > 0) {
      if (mark === "item") this.#owed += bytes;
      return;
    }
    if (mark !== "item") return this.#finish(mark === "end" ? { value } : { error: value });
    const reader = this.#readers.shift();
    if (!reader) return void this.#items.push({ value, bytes });
    this.#look();
    this.#repay(bytes);
    reader.resolve({ done: false, value });
  }

  /** While it is waited for, `holder` is kept. */
  next(holder?: object): Promise<IteratorResult<unknown>> {
    const item = this.#take();
    if (item) {
      this.#repay(item.bytes);
      return Promise.resolve({ done: false, value: item.value });
    }
    if (this.#end) return this.#last();
    return new Promise((resolve, reject) => {
      this.#readers.push({ resolve, reject, holder });
      this.#look();
      this.#begin();
    });
  }

  /** `return` and `throw`: items that were produced ahead are dropped, the generator answers. */
  async finish(method: "return" | "throw", value: unknown): Promise<IteratorResult<unknown>> {
    this.#drop();
    if (this.#end) {
      this.#end = { value: undefined };
      this.#line.over();
      if (method === "throw") throw value;
      return { done: true, value };
    }
    this.#skipping++;
    this.#look();
    try {
      const { done, value: next } = (await this.#line.call(method, [value])) as IteratorResult<unknown>;
      if (done === true) this.#leave();
      return { done: done === true, value: next };
    } catch (error) {
      this.#leave();
      throw error;
    } finally {
      this.#skipping--;
      this.#look();
      this.#resume();
    }
  }

  /** What has come before is still to be read; not so when the reader himself has given up. */
  end(error: Error): void {
    if (error instanceof AbortError) this.#drop();
    this.#finish({ error });
  }

  #take(): Item | undefined {
    const item = this.#items[this.#read];
    if (!item) return undefined;
    this.#items[this.#read++] = undefined;
    // Moving the others up for each that goes would cost more the more there are.
    if (this.#read > this.#items.length / 2) {
      this.#items = this.#items.slice(this.#read);
      this.#read = 0;
    }
    return item;
  }

  #drop(): void {
    for (let item = this.#take(); item; item = this.#take()) this.#owed += item.bytes;
  }

  #begin(): void {
    if (this.#begun || this.#skipping > 0 || this.#end) return;
    this.#begun = true;
    this.#line.credit(windowBytes);
  }

  #repay(bytes: number): void {
    this.#owed += bytes;
    if (this.#owed >= windowBytes / 2 && !this.#end) this.#settle();
  }

  #settle(): void {
    this.#allowance.give(this.#owed);
    this.#line.credit(this.#owed);
    this.#owed = 0;
  }

  /** After an answer that was an item the generator stands still until it hears that more are wanted. */
  #resume(): void {
    if (this.#end || this.#skipping > 0) return;
    if (this.#begun) this.#settle();
    else if (this.#readers.length > 0) this.#begin();
  }

  #look(): void {
    const waits = !this.#end && (this.#readers.length > 0 || this.#skipping > 0);
    if (waits === this.#waits) return;
    this.#waits = waits;
    this.#watch.waiting?.(waits);
  }

  #finish(end: End): void {
    if (this.#end) return;
    this.#end = end;
    this.#look();
    this.#line.release();
    const readers = this.#readers.splice(0);
    for (const { resolve, reject } of readers) this.#last().then(resolve, reject);
  }

  #leave(): void {
    this.#finish({ value: undefined });
    this.#line.over();
  }

  /** Said once; after it there is nothing. */
  #last(): Promise<IteratorResult<unknown>> {
    const end = this.#end!;
    this.#end = { value: undefined };
    this.#line.over();
    return "error" in end ? Promise.reject(end.error) : Promise.resolve({ done: true, value: end.value });
  }
}

/** What a reader holds: when it is dropped, the other side is told. */
export class RemoteGenerator implements AsyncGenerator<unknown, unknown, undefined> {
  readonly #inflow: Inflow;
  /** What is asked of a generator waits its turn. Any number of `next` may be under way, with `return` and `throw` alone. */
  #latest: Promise<unknown> | undefined;
  #finishing: Promise<unknown> | undefined;

  constructor(inflow: Inflow) {
    this.#inflow = inflow;
  }

  next(...[value]: [] | [undefined]): Promise<IteratorResult<unknown>> {
    if (value !== undefined) {
      const message =
        "Cannot pass a value to next(): a generator on a runner is ahead of its reader; capture a live function that it asks";
      return Promise.reject(new TypeError(message));
    }
    const step = this.#finishing ? this.#finishing.then(() => this.#inflow.next(this)) : this.#inflow.next(this);
    this.#latest = step;
    return step;
  }

  return(value?: unknown): Promise<IteratorResult<unknown>> {
    return this.#finish("return", value);
  }

  throw(error: unknown): Promise<IteratorResult<unknown>> {
    return this.#finish("throw", error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return(undefined);
  }

  get [Symbol.toStringTag](): string {
    return "AsyncGenerator";
  }

  #finish(method: "return" | "throw", value: unknown): Promise<IteratorResult<unknown>> {
    const before = Promise.resolve(this.#latest).catch(() => {});
    const step = before.then(() => this.#inflow.finish(method, value));
    const finishing = step
      .catch(() => {})
      .then(() => {
        if (this.#finishing === finishing) this.#finishing = undefined;
      });
    this.#finishing = finishing;
    this.#latest = step;
    return step;
  }
}
