/** `flame`: the one function that everything else is for. */
import type { Readable } from "node:stream";
import type { Context } from "../context.ts";
import type { Live } from "../live/function.ts";
import type { Pool } from "../pool/handle.ts";
import type { PoolOptions } from "../pool/options.ts";
import { registry } from "../runtime.ts";
import { takeTrace } from "../trace.ts";
import { FlameCall, type Streaming, type Untyped } from "./call.ts";
import { cast } from "./cast.ts";
import { map } from "./map.ts";
import { type FlameOptions, checkFlameOptions } from "./options.ts";
import { place } from "./place.ts";
import { prepare, submit } from "./submit.ts";
import { wrap } from "./wrap.ts";

/**
 * Runs a closure on a runner, which boots for it if there is none, and returns what it returns.
 *
 * Captured variables are copied now; imports and declarations of the same file travel as code (see docs/what-travels.md).
 * A generator, stream or function that it returns stays on the runner, and the call goes on, with its slot, until that is
 * read to its end or let go (see docs/live.md).
 *
 * @param fn Gets a `Context`: `signal`, `runner`, `progress`, `log`, `dir`.
 * @returns A promise of the result, which can be iterated when the result can. The closure's own error arrives as itself,
 * its stack joined to the caller's.
 * @throws CaptureError (synchronously as a rejection) when the closure reaches what cannot travel; nothing is sent then.
 * @example
 * const area = await flame(() => width * height);
 * for await (const square of flame(async function* () { for (let n = 1; n < 4; n++) yield n * n; })) console.log(square);
 */
export function flame(fn: (context: Context) => never, options?: FlameOptions): Promise<never>;
export function flame<T extends Untyped>(fn: (context: Context) => T | Promise<T>, options?: FlameOptions): Promise<T>;
export function flame<Y, R>(
  fn: (context: Context) => AsyncGenerator<Y, R, undefined> | Generator<Y, R, undefined>,
  options?: FlameOptions,
): Streaming<AsyncGenerator<Y, R, undefined>, Y>;
export function flame<T>(
  fn: (context: Context) => ReadableStream<T> | Promise<ReadableStream<T>>,
  options?: FlameOptions,
): Streaming<ReadableStream<T>, T>;
export function flame<T extends Readable>(
  fn: (context: Context) => T | Promise<T>,
  options?: FlameOptions,
): Streaming<T, unknown>;
export function flame<Y>(
  fn: (context: Context) => AsyncIterable<Y> | Promise<AsyncIterable<Y>>,
  options?: FlameOptions,
): Streaming<AsyncIterable<Y>, Y>;
export function flame<A extends unknown[], R>(
  fn: (context: Context) => ((...args: A) => R) | Promise<(...args: A) => R>,
  options?: FlameOptions,
): Promise<Live<(...args: A) => R>>;
export function flame<T>(fn: (context: Context) => T, options?: FlameOptions): Promise<Awaited<T>>;
export function flame(fn: (context: Context) => unknown, options: FlameOptions = {}): Promise<unknown> {
  const trace = takeTrace(flame);
  return FlameCall.begin((resolve, reject) => {
    checkFlameOptions(options, "flame");
    submit(prepare(fn, options, "flame"), { mode: "plain", trace, resolve, reject });
  }, flame);
}

flame.cast = cast;
flame.map = map;
flame.wrap = wrap;
flame.place = place;

/** Says that a function travels: for wrappers of `flame` in files that do not import it. Returns it unchanged. */
export function closure<F extends (...args: never[]) => unknown>(fn: F): F {
  return fn;
}

/**
 * Declares a pool. It boots nothing until its first call, `start()`, or a supervisor starts it.
 *
 * @throws TinderboxError when another place has declared a pool of that name.
 * @example
 * const media = pool("media", { max: 4, concurrency: 2, timeout: "2m" });
 */
export function pool(name: string, options: PoolOptions = {}): Pool {
  if (typeof name !== "string" || !/^[\w.-]{1,64}$/.test(name)) {
    throw new TypeError(
      `Cannot declare pool ${JSON.stringify(name)}: a name has 1 to 64 letters, digits, ".", "_" or "-"`,
    );
  }
  return registry.declare(name, options, callerOf(pool));
}

/** `file:line:column` of whoever called `below`. */
function callerOf(below: (...args: never[]) => unknown): string | undefined {
  const holder: { stack?: string } = {};
  Error.captureStackTrace(holder, below);
  return holder.stack?.split("\n")[1]?.trim();
}
