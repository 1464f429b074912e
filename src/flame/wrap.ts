/** `flame.wrap`: a function that runs on runners, called like any other. */
import type { Readable } from "node:stream";
import type { Live } from "../live/function.ts";
import { takeTrace } from "../trace.ts";
import { FlameCall, type Streaming, type Untyped } from "./call.ts";
import { type FlameOptions, checkFlameOptions } from "./options.ts";
import { prepare, submit } from "./submit.ts";

/** A function that runs on runners. */
export interface Wrapped<A extends readonly unknown[], R> {
  (...args: A): R;
  /** The same function with other options, for instance for one call. They are added to those it has. */
  with(options: FlameOptions): Wrapped<A, R>;
}

/** A function among the arguments stays with the caller: called on the runner it can only give a promise. */
export type Sendable<A extends readonly unknown[]> = {
  [I in keyof A]: A[I] extends (...args: never[]) => infer R
    ? [R] extends [void | Promise<unknown>]
      ? A[I]
      : "Cannot pass a function that returns a value to a runner: it must return void or a promise there"
    : A[I];
};
type Checked<A extends readonly unknown[], F> = A extends Sendable<A> ? F : Sendable<A>;

/**
 * Makes a function that runs on a runner each time it is called. What it captures is copied at each call, its arguments
 * travel like captured values, and functions among them are live: called on the runner they run here.
 *
 * @throws TypeError for options that make no sense; each call rejects like `flame`.
 * @example
 * const square = flame.wrap(async (n: number) => n * n);
 * console.log(await square(7), await square.with({ timeout: "5s" })(8));
 */
export function wrap<A extends readonly unknown[]>(
  fn: ((...args: A) => never) & Checked<A, unknown>,
  options?: FlameOptions,
): Wrapped<A, Promise<never>>;
export function wrap<A extends readonly unknown[], T extends Untyped>(
  fn: ((...args: A) => T | Promise<T>) & Checked<A, unknown>,
  options?: FlameOptions,
): Wrapped<A, Promise<T>>;
export function wrap<A extends readonly unknown[], Y, R>(
  fn: ((...args: A) => AsyncGenerator<Y, R, undefined> | Generator<Y, R, undefined>) & Checked<A, unknown>,
  options?: FlameOptions,
): Wrapped<A, Streaming<AsyncGenerator<Y, R, undefined>, Y>>;
export function wrap<A extends readonly unknown[], T>(
  fn: ((...args: A) => ReadableStream<T> | Promise<ReadableStream<T>>) & Checked<A, unknown>,
  options?: FlameOptions,
): Wrapped<A, Streaming<ReadableStream<T>, T>>;
export function wrap<A extends readonly unknown[], T extends Readable>(
  fn: ((...args: A) => T | Promise<T>) & Checked<A, unknown>,
  options?: FlameOptions,
): Wrapped<A, Streaming<T, unknown>>;
export function wrap<A extends readonly unknown[], Y>(
  fn: ((...args: A) => AsyncIterable<Y> | Promise<AsyncIterable<Y>>) & Checked<A, unknown>,
  options?: FlameOptions,
): Wrapped<A, Streaming<AsyncIterable<Y>, Y>>;
export function wrap<A extends readonly unknown[], B extends unknown[], R>(
  fn: ((...args: A) => ((...args: B) => R) | Promise<(...args: B) => R>) & Checked<A, unknown>,
  options?: FlameOptions,
): Wrapped<A, Promise<Live<(...args: B) => R>>>;
export function wrap<A extends readonly unknown[], T>(
  fn: ((...args: A) => T) & Checked<A, unknown>,
  options?: FlameOptions,
): Wrapped<A, Promise<Awaited<T>>>;
export function wrap(fn: (...args: never[]) => unknown, options: FlameOptions = {}): Wrapped<unknown[], unknown> {
  if (typeof fn !== "function") throw new TypeError(`Cannot wrap ${typeof fn}: a function is wanted`);
  checkFlameOptions(options, "flame.wrap");
  const wrapped = (...args: unknown[]): Promise<unknown> => {
    const trace = takeTrace(wrapped);
    return FlameCall.begin(
      (resolve, reject) => submit(prepare(fn, options, "flame.wrap"), { mode: "apply", args, trace, resolve, reject }),
      wrapped,
    );
  };
  wrapped.with = (more: FlameOptions) => {
    checkFlameOptions(more, "with() of a wrapped function");
    return makeWrapped(fn, { ...options, ...more });
  };
  return wrapped;
}

const makeWrapped = wrap as (fn: (...args: never[]) => unknown, options: FlameOptions) => Wrapped<unknown[], unknown>;
