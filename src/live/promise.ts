/** What asks for something on another machine gives: a promise that can be iterated when its result can. */
import { show } from "../options.ts";
import { isAsyncIterable } from "./kinds.ts";

export class IterablePromise<T> extends Promise<T> {
  /** Iterates the result. Leaving the loop lets go of it. */
  async *[Symbol.asyncIterator](): AsyncGenerator<unknown, unknown, undefined> {
    const result: unknown = await this;
    if (!isAsyncIterable(result))
      throw new TypeError(`Cannot iterate the result of a call: it is ${show(result)}; await it`);
    return yield* result;
  }

  /** `promise` with that; as with it, a failure that nobody awaits is not the end of the process. */
  static of(promise: Promise<unknown>): IterablePromise<unknown> {
    const iterable = new IterablePromise<unknown>((resolve, reject) => void promise.then(resolve, reject));
    iterable.catch(() => {});
    return iterable;
  }
}

// For `await` it is a promise like any other, which saves it three turns; what `then` makes is a plain one.
Object.defineProperty(IterablePromise.prototype, "constructor", { value: Promise });
