/** A value that all machines share: read, written, changed by compare-and-swap, watched. */
import { type Duration, resolveDuration } from "../duration.ts";
import { StoreDataError } from "../errors.ts";
import { refuseUnknown, show } from "../options.ts";
import type { Commits } from "./commits.ts";
import type { Lease } from "./lease.ts";
import { handleOf } from "../value/port.ts";
import { type CellState, textOf, valueOf } from "./record.ts";
import type { Requests } from "./requests.ts";
import { type StandardSchema, resolveSchema, validated } from "./schema.ts";
import { type WatchOptions, type Watches, watchOptions } from "./watch.ts";

export interface CellOptions<T> {
  /** What the cell holds as long as nobody has written it. It is not stored until then. Default: undefined. */
  readonly initial?: T;
  /** A Standard Schema (zod, valibot, arktype, ...) that every value has to pass, when it is written and when it is read back. */
  readonly schema?: StandardSchema<T> | undefined;
}

export interface UpdateOptions {
  /** Written only as long as this lease is held, and never after a younger token of it. Default: none. */
  readonly lease?: Lease | undefined;
  /** Gives up. A write that is under way may still be done. */
  readonly signal?: AbortSignal | undefined;
  /** For how long it is tried against others and a failing store. Default: "30s". */
  readonly timeout?: Duration | undefined;
}

export interface ReadCellOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * A shared value. Everything that this process does to one cell goes through one place, however many handles of it there are.
 *
 * @example
 * const hits = openStore("s3://my-bucket/app").cell("hits", { initial: 0 });
 * await hits.update((count) => count + 1);
 */
export interface Cell<T> {
  readonly key: string;
  /**
   * The value now: every write that was answered before is in it, whoever made it. One read.
   *
   * @throws StoreDataError when what is stored is no cell, or the schema refuses it.
   * @throws StoreError when the store cannot be read for 30 seconds.
   */
  get(options?: ReadCellOptions): Promise<T>;
  /**
   * Writes a value, whatever was there.
   *
   * @throws StoreDataError when the schema refuses it, TypeError when it is no data; then nothing is written.
   * @throws LeaseLostError, StoreConflictError, StoreError as `update` does.
   */
  set(value: T, options?: UpdateOptions): Promise<void>;
  /**
   * Writes what `change` makes of the value, and returns it. Nobody else writes in between: when somebody has, `change` is called
   * again with the newer value, so it is to have no effects of its own. When it throws, nothing is written and the error is yours. Updates
   * that are asked for at the same time in this process become one write, in their order.
   *
   * @throws StoreConflictError `"contended"` when others were faster until `timeout`; `"unknown"` when it cannot be told whether it was done.
   * @throws LeaseLostError when `lease` is lost, or its token is older than one that has written.
   * @throws StoreDataError when the schema refuses what `change` returned, TypeError when that is no data.
   * @throws StoreError when the store fails until `timeout`, or for good.
   * @example
   * const stock = store.cell("stock", { initial: 10 });
   * await stock.update((left) => {
   *   if (left === 0) throw new Error("sold out");
   *   return left - 1;
   * });
   */
  update(change: (value: T) => T | PromiseLike<T>, options?: UpdateOptions): Promise<T>;
  /**
   * The value now, and then each that it changes to; those in between may be left out. What this process writes is seen at once, what others
   * write after at most `every`. Goes on for ever: leave the loop, or abort `signal`. A store that fails for a moment is waited for.
   *
   * @throws StoreDataError, StoreError as `get` does, but for failures that pass.
   * @example
   * for await (const config of store.cell("config").watch({ every: "10s" })) apply(config);
   */
  watch(options?: WatchOptions): AsyncGenerator<T, void, undefined>;
}

/** What a cell or blob is sent as when a closure has captured it: the other side opens the same store. */
export interface HandleMaker {
  store(): { readonly type: string; readonly data: unknown };
  cell(
    key: string,
    initial: unknown,
    schema: StandardSchema | undefined,
  ): { readonly type: string; readonly data: unknown };
  blob(key: string): { readonly type: string; readonly data: unknown };
}

export interface CellDeps {
  readonly requests: Requests;
  readonly commits: Commits;
  readonly watches: Watches;
  readonly handles: HandleMaker;
}

const defaultTimeoutMs = 30_000;

export class StoreCell<T> implements Cell<T> {
  readonly key: string;
  readonly #deps: CellDeps;
  readonly #schema: StandardSchema | undefined;
  readonly #initial: string | undefined;

  get [handleOf](): { readonly type: string; readonly data: unknown } {
    const initial = this.#initial === undefined ? undefined : valueOf(this.#initial, `cell "${this.key}"`, this.#facts);
    return this.#deps.handles.cell(this.key, initial, this.#schema);
  }

  constructor(key: string, options: CellOptions<T>, deps: CellDeps) {
    this.key = key;
    this.#deps = deps;
    refuseUnknown(options, ["initial", "schema"], `cell "${key}"`);
    this.#schema = resolveSchema(options.schema, `cell "${key}"`);
    this.#initial = options.initial === undefined ? undefined : textOf(options.initial, "initial");
  }

  async get({ signal, ...rest }: ReadCellOptions = {}): Promise<T> {
    refuseUnknown(rest, ["signal"], `get of cell "${this.key}"`);
    return this.#read(await this.#deps.commits.read(signal));
  }

  async set(value: T, options: UpdateOptions = {}): Promise<void> {
    if (value === undefined) throw this.#missing("set");
    // At once: what the caller does to it afterwards is not written.
    const text = this.#schema ? await this.#write(value) : textOf(value, `cell "${this.key}"`);
    await this.#deps.commits.update({ apply: () => Promise.resolve(text), ...this.#resolve(options) });
  }

  async update(change: (value: T) => T | PromiseLike<T>, options: UpdateOptions = {}): Promise<T> {
    if (typeof change !== "function")
      throw new TypeError(
        `Cannot update cell "${this.key}" with ${show(change)}: a function is wanted; use set() for a value`,
      );
    const text = await this.#deps.commits.update({
      apply: async (before) => {
        const next = await change(await this.#valueOf(before));
        if (next === undefined) throw this.#missing("update");
        return this.#write(next);
      },
      ...this.#resolve(options),
    });
    return this.#valueOf(text);
  }

  async *watch(options: WatchOptions = {}): AsyncGenerator<T, void, undefined> {
    const { commits, watches } = this.#deps;
    for await (const state of watches.follow(commits, watchOptions(options, `watch of cell "${this.key}"`)))
      yield await this.#read(state);
  }

  #read(state: CellState): Promise<T> {
    return this.#valueOf(state.text);
  }

  async #valueOf(text: string | undefined, what = `read cell "${this.key}" of ${this.#facts.store}`): Promise<T> {
    const stored = text ?? this.#initial;
    if (stored === undefined) return undefined as T;
    const facts = this.#facts;
    const value = valueOf(stored, `cell "${this.key}" of ${facts.store}`, facts);
    return (await validated(this.#schema, value, what, facts)) as T;
  }

  async #write(value: unknown): Promise<string> {
    const facts = this.#facts;
    const stored = await validated(this.#schema, value, `write cell "${this.key}" of ${facts.store}`, facts);
    const text = textOf(stored, `cell "${this.key}"`);
    // What it makes of a value it has to take for one when that is read.
    if (this.#schema) await this.#valueOf(text, `write cell "${this.key}" of ${facts.store}: it is not read back`);
    return text;
  }

  #resolve({ lease, signal, timeout, ...rest }: UpdateOptions) {
    refuseUnknown(rest, ["lease", "signal", "timeout"], `an update of cell "${this.key}"`);
    const timeoutMs = timeout === undefined ? defaultTimeoutMs : resolveDuration(timeout, "timeout");
    if (lease !== undefined && typeof (lease as Partial<Lease>).check !== "function")
      throw new TypeError(
        `Cannot use ${show(lease)} as lease of cell "${this.key}": what store.lease() gave is wanted`,
      );
    return { lease, signal, timeoutMs };
  }

  #missing(what: string): StoreDataError {
    const hint =
      what === "update"
        ? "its function returned undefined; return the new value"
        : "the value is undefined; use null, or store.delete(key)";
    return new StoreDataError(`Cannot ${what} cell "${this.key}": ${hint}`, this.#facts);
  }

  get #facts(): { readonly store: string; readonly key: string } {
    return { store: this.#deps.requests.name, key: this.key };
  }
}
