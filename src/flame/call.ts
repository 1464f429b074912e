/** What `flame` returns: a promise of the result that can be iterated when the result can. */
import { IterablePromise } from "../live/promise.ts";

/** A call whose result is iterated: `for await (const item of call)`, or `await` it for what the closure returned. */
export interface Streaming<T, Item> extends Promise<T>, AsyncIterable<Item> {}

declare const nothing: unique symbol;
/** Only `any` and `never` are assignable to it: the former must not be taken for a stream. */
export interface Untyped {
  readonly [nothing]: never;
}

export class FlameCall<T> extends IterablePromise<T> {
  /** One that may fail unheard: a failure that nobody awaits is an event, never the end of the process. */
  static begin(
    start: (resolve: (value: unknown) => void, reject: (error: unknown) => void) => void,
    below: (...args: never[]) => unknown,
  ): FlameCall<unknown> {
    const call = new FlameCall<unknown>((resolve, refuse) => {
      const reject = (error: unknown): void => {
        queueMicrotask(() => void call.catch(ignore));
        refuse(error);
      };
      try {
        start(resolve, reject);
      } catch (error) {
        // What is wrong with the call is wrong where it is made.
        if (error instanceof Error) Error.captureStackTrace(error, below);
        reject(error);
      }
    });
    return call;
  }
}

// For `await` it is a promise like any other, which saves it three turns; what `then` makes is a plain one.
Object.defineProperty(FlameCall.prototype, "constructor", { value: Promise });

function ignore(): void {}
