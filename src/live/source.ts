/** The owner's end of what is iterated on the other side: runs ahead of its reader as far as it has credit. */
import type { Clock } from "../ports/clock.ts";
import type { Exported, Line } from "./reference.ts";

/** A producer that never waits lets others have a turn after so long: a `break` must reach it. */
const turnMs = 5;

export interface SourceOptions {
  readonly open: () => AsyncIterator<unknown> | Iterator<unknown>;
  readonly run: <T>(act: () => T) => T;
  readonly line: Line;
  readonly clock: Clock;
  readonly detail?: unknown;
  /** For values that hold something open even when nobody has begun to read. */
  readonly discard?: (() => void) | undefined;
}

export class Source implements Exported {
  readonly detail: unknown;
  readonly #options: SourceOptions;
  #iterator: AsyncIterator<unknown> | Iterator<unknown> | undefined;
  #credit = 0;
  #pumping = false;
  #ended = false;
  /** The step of the iterator that is under way; `return` and `throw` come after it. */
  #step: Promise<unknown> = Promise.resolve();

  constructor(options: SourceOptions) {
    this.#options = options;
    this.detail = options.detail;
  }

  /** It has begun: what was read is gone. */
  get begun(): boolean {
    return this.#iterator !== undefined;
  }

  credit(bytes: number): void {
    this.#credit += bytes;
    if (!this.#pumping) void this.#pump();
  }

  /** `return` and `throw` of the reader. What the generator answers may be another item. */
  async call(method: string, [value]: readonly unknown[]): Promise<IteratorResult<unknown>> {
    const way = method === "return" ? "return" : "throw";
    if (way === "throw" && this.#ended) throw value;
    if (this.#ended) return { done: true, value };
    if (!this.#iterator && way === "return") {
      this.#close();
      return { done: true, value };
    }
    const iterator = this.#open();
    await this.#step;
    const finish = iterator[way] as ((value: unknown) => unknown) | undefined;
    if (!finish) {
      this.#close();
      if (way === "throw") throw value;
      return { done: true, value };
    }
    const step = this.#options.run(async () => (await finish.call(iterator, value)) as IteratorResult<unknown>);
    this.#step = step.catch(() => {});
    try {
      const result = await step;
      if (result.done) this.#ended = true;
      return { done: result.done ?? false, value: result.value };
    } catch (error) {
      this.#ended = true;
      throw error;
    }
  }

  async end(): Promise<void> {
    if (this.#ended) return;
    if (!this.#iterator) return this.#close();
    await this.call("return", [undefined]).catch(() => {});
    this.#ended = true;
  }

  #close(): void {
    this.#ended = true;
    this.#options.discard?.();
  }

  #open(): AsyncIterator<unknown> | Iterator<unknown> {
    return (this.#iterator ??= this.#options.run(this.#options.open));
  }

  async #pump(): Promise<void> {
    const { line, clock, run } = this.#options;
    this.#pumping = true;
    try {
      const iterator = this.#open();
      let turnAt = clock.now();
      while (this.#credit > 0 && !this.#ended) {
        const step = run(async () => iterator.next());
        this.#step = step.catch(() => {});
        const { done, value } = await step;
        if (this.#ended) return;
        if (done) {
          this.#ended = true;
          line.end(value);
          return;
        }
        const sent = line.item(value);
        this.#credit -= typeof sent === "number" ? sent : await sent;
        if (clock.now() - turnAt > turnMs) {
          await new Promise((resolve) => void setImmediate(resolve));
          turnAt = clock.now();
        }
      }
    } catch (error) {
      const first = !this.#ended;
      this.#ended = true;
      if (first) line.fail(error);
    } finally {
      this.#pumping = false;
    }
  }
}
