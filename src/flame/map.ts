/** `flame.map`: a function over any number of items, as many at a time as there are slots. */
import type { Context } from "../context.ts";
import { refuseUnknown, resolveBoolean, resolveCount } from "../options.ts";
import { takeTrace } from "../trace.ts";
import { Progress } from "./map-progress.ts";
import type { MapJob } from "./map-job.ts";
import { MapRun } from "./map-run.ts";
import { checkItems, countOf } from "./map-source.ts";
import { type FlameOptions, flameOptionNames } from "./options.ts";
import { prepare } from "./submit.ts";

/** Those of a call hold for each item: its timeout, its retries, its wait for a slot. */
export interface MapOptions extends FlameOptions {
  /** Items that run at a time, at most. @default the slots of the pool at its largest */
  readonly concurrency?: number;
  /** Results in the order of their items; `false`: as they come. @default true */
  readonly ordered?: boolean;
  /** Failures are results: each is `{ status, value or reason, index, item }`. @default false */
  readonly settle?: boolean;
  /** Shows on stderr how far it is. @default false */
  readonly progress?: boolean;
}

/** The end of one item, with `settle`. */
export type MapSettled<T, R> = PromiseSettledResult<R> & { readonly index: number; readonly item: T };

const own = ["concurrency", "ordered", "settle", "progress"] as const satisfies readonly (keyof MapOptions)[];
const optionNames: readonly string[] = [...flameOptionNames, ...own];

/**
 * Runs a function on runners once for each item, and gives the results one by one. Items are taken from their source
 * only as far as there are slots and the consumer keeps up, so there may be any number of them.
 *
 * What the function captures is copied now, each item when it is taken from its source. Nothing starts before the first
 * result is asked for. Leaving the loop cancels what still runs and closes the source; so does the first failure, which
 * is thrown, unless `settle` makes failures results.
 *
 * @param fn Gets an item and a `Context`.
 * @throws TypeError, CaptureError at once, for arguments and captured values that cannot be used.
 * @example
 * for await (const length of flame.map(["a", "bb"], (word) => word.length)) console.log(length);
 */
export function map<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  fn: (item: T, context: Context) => R,
  options?: MapOptions & { readonly settle?: false },
): AsyncGenerator<Awaited<R>, void, undefined>;
export function map<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  fn: (item: T, context: Context) => R,
  options: MapOptions & { readonly settle: true },
): AsyncGenerator<MapSettled<T, Awaited<R>>, void, undefined>;
export function map<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  fn: (item: T, context: Context) => R,
  options: MapOptions,
): AsyncGenerator<Awaited<R> | MapSettled<T, Awaited<R>>, void, undefined>;
export function map(
  items: unknown,
  fn: (item: never, context: Context) => unknown,
  options: MapOptions = {},
): AsyncGenerator<unknown, void, undefined> {
  const trace = takeTrace(map);
  try {
    refuseUnknown(options, optionNames, "flame.map");
    checkItems(items);
    const { concurrency, ordered = true, settle = false, progress = false, signal, ...rest } = options;
    const option = (name: (typeof own)[number]): string => `option "${name}" of flame.map`;
    // A signal that has fired already is no mistake of the caller's: it ends the map at its first step.
    const prepared = prepare(fn, !signal || signal.aborted ? rest : { ...rest, signal }, "flame.map");
    const job: MapJob = {
      prepared,
      items,
      concurrency: concurrency === undefined ? undefined : resolveCount(concurrency, option("concurrency"), 1),
      ordered: resolveBoolean(ordered, option("ordered")),
      settle: resolveBoolean(settle, option("settle")),
      signal,
      trace,
      progress: resolveBoolean(progress, option("progress"))
        ? new Progress(prepared.options.name, countOf(items))
        : undefined,
    };
    return new MapGenerator(new MapRun(job));
  } catch (error) {
    // What is wrong with the call is wrong where it is made.
    if (error instanceof Error) Error.captureStackTrace(error, map);
    throw error;
  }
}

/** One of its own making: `return()` is heard also while a result is waited for. */
class MapGenerator implements AsyncGenerator<unknown, void, undefined> {
  readonly #run: MapRun;

  constructor(run: MapRun) {
    this.#run = run;
  }

  next(): Promise<IteratorResult<unknown, undefined>> {
    return this.#run.next();
  }

  async return(value?: void | PromiseLike<void>): Promise<IteratorResult<unknown, void>> {
    await this.#run.finish();
    return { done: true, value: await value };
  }

  async throw(error: unknown): Promise<never> {
    await this.#run.finish().catch(() => {});
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  get [Symbol.toStringTag](): string {
    return "AsyncGenerator";
  }
}
