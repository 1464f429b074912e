/** The reader's end of what is iterated on the other side. */
import type { Imported, Line, Mark } from "./reference.ts";

/** What may be under way and not yet read, in bytes. One item more than this is the most that either side keeps. */
export const windowBytes = 1024 * 1024;

interface Reader {
  readonly resolve: (result: IteratorResult<unknown>) => void;
  readonly reject: (error: unknown) => void;
}

type End = { readonly value: unknown } | { readonly error: unknown };

export interface Watch {
  /** Somebody waits for an item, or nobody does any more. */
  readonly waiting?: (waits: boolean) => void;
}

/** What has come and was not read, and who waits. Outlives whatever reads from it only in the hands of its scope. */
export class Inflow implements Imported {
  readonly line: Line;
  readonly #watch: Watch;
  readonly #items: { readonly value: unknown; readonly bytes: number }[] = [];
  readonly #readers: Reader[] = [];
  #end: End | undefined;
  #begun = false;
  #owed = 0;
  /** `return` or `throw` is under way: what comes meanwhile was made before. */
  #skipping = 0;

  constructor(line: Line, watch: Watch) {
    this.line = line;
    this.#watch = watch;
  }

  item(mark: Mark, value: unknown, bytes: number): void {
    if (this.#end) return;
    if (this.#skipping > 0) return this.#repay(bytes);
    if (mark !== "item") return this.#finish(mark === "end" ? { value } : { error: value });
    const reader = this.#readers.shift();
    if (!reader) {
      this.#items.push({ value, bytes });
      return;
    }
    if (this.#readers.length === 0) this.#watch.waiting?.(false);
    this.#repay(bytes);
    reader.resolve({ done: false, value });
  }

  next(): Promise<IteratorResult<unknown>> {
    const item = this.#items.shift();
    if (item) {
      this.#repay(item.bytes);
      return Promise.resolve({ done: false, value: item.value });
    }
    if (this.#end) return this.#last();
    return new Promise((resolve, reject) => {
      this.#readers.push({ resolve, reject });
      if (this.#readers.length === 1) this.#watch.waiting?.(true);
      if (this.#begun) return;
      this.#begun = true;
      this.line.credit(windowBytes);
    });
  }

  /** `return` and `throw`: items that were produced ahead are dropped, the generator answers. */
  async finish(method: "return" | "throw", value: unknown): Promise<IteratorResult<unknown>> {
    for (const { bytes } of this.#items.splice(0)) this.#owed += bytes;
    if (this.#end) {
      this.#end = { value: undefined };
      if (method === "throw") throw value;
      return { done: true, value };
    }
    this.#skipping++;
    this.#watch.waiting?.(true);
    try {
      const result = (await this.line.call(method, [value])) as IteratorResult<unknown>;
      if (result.done) this.#finish({ value: undefined });
      return { done: result.done ?? false, value: result.value };
    } catch (error) {
      this.#finish({ value: undefined });
      throw error;
    } finally {
      this.#skipping--;
      this.#watch.waiting?.(false);
    }
  }

  end(error: Error): void {
    this.#finish({ error });
  }

  #repay(bytes: number): void {
    this.#owed += bytes;
    if (this.#owed < windowBytes / 2 || this.#end) return;
    this.line.credit(this.#owed);
    this.#owed = 0;
  }

  #finish(end: End): void {
    if (this.#end) return;
    this.#end = end;
    this.line.release();
    if (this.#readers.length > 0) this.#watch.waiting?.(false);
    const readers = this.#readers.splice(0);
    for (const { resolve, reject } of readers) this.#last().then(resolve, reject);
  }

  /** Said once; after it there is nothing. */
  #last(): Promise<IteratorResult<unknown>> {
    const end = this.#end!;
    this.#end = { value: undefined };
    return "error" in end ? Promise.reject(end.error) : Promise.resolve({ done: true, value: end.value });
  }
}

/** What a reader holds: when it is dropped, the other side is told. */
export class RemoteGenerator implements AsyncGenerator<unknown, unknown, undefined> {
  readonly #inflow: Inflow;

  constructor(inflow: Inflow) {
    this.#inflow = inflow;
  }

  next(...[value]: [] | [undefined]): Promise<IteratorResult<unknown>> {
    if (value !== undefined) {
      const message =
        "Cannot pass a value to next(): a generator on a runner is ahead of its reader; capture a live function that it asks";
      return Promise.reject(new TypeError(message));
    }
    return this.#inflow.next();
  }

  return(value: unknown): Promise<IteratorResult<unknown>> {
    return this.#inflow.finish("return", value);
  }

  throw(error: unknown): Promise<IteratorResult<unknown>> {
    return this.#inflow.finish("throw", error);
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
}
