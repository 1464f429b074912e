/** The owner's end of what is iterated on the other side: runs ahead of its reader as far as it has credit. */
import { types } from "node:util";
import type { Clock } from "../ports/clock.ts";
import type { Exported, Line } from "./reference.ts";
import { windowBytes } from "./window.ts";

/** A producer that never waits lets others have a turn after so long: a `break` must reach it. */
const turnMs = 5;

type Anything = AsyncIterator<unknown> | Iterator<unknown>;
type Step = IteratorResult<unknown, unknown>;

export interface SourceOptions {
  readonly open: () => Anything;
  readonly run: <T>(act: () => T) => T;
  readonly line: Line;
  readonly clock: Clock;
  readonly detail?: unknown;
  /** Whoever makes the items may write to their memory again as soon as the next one is wanted. */
  readonly copy?: boolean;
  /**
   * For streams: how their reader leaves, at once, whatever they are waiting for. A generator has to come to its next
   * `yield` first.
   */
  readonly leave?: (reason: unknown) => unknown;
  /** For values that hold something open even when nobody has begun to read. */
  readonly discard?: (() => void) | undefined;
  /** The reader goes before the end: what the iterator waits for need not come any more. */
  readonly left?: (() => void) | undefined;
  /** What the last word says, where that is not what the iterator has returned. */
  readonly last?: () => unknown;
}

export class Source implements Exported {
  readonly detail: unknown;
  readonly methods = ["return", "throw"];
  readonly #options: SourceOptions;
  #iterator: Anything | undefined;
  #credit = 0;
  #pumping = false;
  #ended = false;
  /** A `return` or `throw` has come: not a step more, unless the reader asks for one after the answer. */
  #held = false;
  /** Whatever touches the iterator comes after what did so before. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: SourceOptions) {
    this.#options = options;
    this.detail = options.detail;
  }

  /** It has begun: what was read is gone. */
  get begun(): boolean {
    return this.#iterator !== undefined;
  }

  credit(bytes: number): void {
    // More than a window is never under way, whatever the reader says.
    this.#credit = Math.min(windowBytes, this.#credit + bytes);
    this.#held = false;
    if (this.#pumping || this.#ended || this.#credit <= 0) return;
    this.#pumping = true;
    this.#after(() => this.#pump()).catch(() => {});
  }

  /** `return` and `throw` of the reader. What the generator answers may be another item. */
  call(method: string, [value]: readonly unknown[]): Promise<Step> {
    this.#held = true;
    if (method === "return") return this.#leave(value);
    return this.#after(() => this.#finish("throw", value));
  }

  async end(): Promise<void> {
    this.#held = true;
    await this.#leave(undefined).catch(() => {});
    this.#ended = true;
  }

  #leave(value: unknown): Promise<Step> {
    const { left, leave, run } = this.#options;
    if (this.#ended || !this.#iterator) return this.#after(() => this.#finish("return", value));
    left?.();
    if (!leave) return this.#after(() => this.#finish("return", value));
    this.#ended = true;
    return run(async () => {
      await leave(value);
      return { done: true, value };
    });
  }

  #after<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#last.then(act);
    this.#last = done.catch(() => {});
    return done;
  }

  async #finish(method: "return" | "throw", value: unknown): Promise<Step> {
    if (!this.#ended && !this.#iterator && method === "return") {
      this.#ended = true;
      this.#options.discard?.();
    }
    if (this.#ended) {
      if (method === "throw") throw value;
      return { done: true, value };
    }
    try {
      const iterator = this.#open();
      const { done, value: next } = await this.#options.run(async () => finish(iterator, method, value));
      if (done) this.#ended = true;
      return { done: done === true, value: next };
    } catch (error) {
      this.#ended = true;
      throw error;
    }
  }

  #open(): Anything {
    return (this.#iterator ??= this.#options.run(this.#options.open));
  }

  async #pump(): Promise<void> {
    const { clock, run, line, last } = this.#options;
    try {
      const iterator = this.#open();
      for (let turnAt = clock.now(); this.#credit > 0 && !this.#held && !this.#ended;) {
        const { done, value: next } = await run(() => iterator.next());
        // A synchronous iterator may give promises: `for await` waits for them.
        const value = types.isPromise(next) ? await next : next;
        if (this.#ended) return;
        if (done) {
          this.#ended = true;
          return line.end(last ? last() : value);
        }
        if (!(await this.#send(value))) return;
        if (clock.now() - turnAt <= turnMs) continue;
        await new Promise((resolve) => void setImmediate(resolve));
        turnAt = clock.now();
      }
    } catch (error) {
      const left = this.#ended;
      this.#ended = true;
      if (!left) line.fail(error);
    } finally {
      this.#pumping = false;
    }
  }

  /** An item that cannot be sent ends the iteration: its reader is told after the iterator has cleaned up. */
  async #send(value: unknown): Promise<boolean> {
    const { line, copy = false } = this.#options;
    try {
      const sent = line.item(value, copy);
      const bytes = typeof sent === "number" ? sent : await sent;
      this.#credit -= bytes;
      return true;
    } catch (error) {
      await this.#finish("return", undefined).catch(() => {});
      this.#ended = true;
      line.fail(error);
      return false;
    }
  }
}

/** As `yield*` does it: what cannot be thrown at is closed. */
async function finish(iterator: Anything, method: "return" | "throw", value: unknown): Promise<Step> {
  const act = iterator[method] as ((value: unknown) => Promise<Step> | Step) | undefined;
  if (act) return act.call(iterator, value);
  if (method === "throw") {
    await iterator.return?.();
    throw value;
  }
  return { done: true, value };
}
