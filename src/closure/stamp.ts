/**
 * The runtime side of the transform: who a function is. Shared by every copy of the package in this realm, because the
 * transformed file and the code that calls `flame` may have loaded different ones.
 */
import type { FileAnalysis } from "./analysis.ts";

/** Reads the captured variables of one function, at the moment it is called. */
export type Thunk = () => Record<string, unknown>;

export interface Stamp {
  readonly key: string;
  readonly index: number;
  readonly thunk: Thunk | undefined;
}

export interface StampedFile {
  readonly key: string;
  readonly url: string;
  /** JSON of `{ source, analysis }`, or undefined when the load hook kept it in `sources`. */
  readonly embedded: string | undefined;
  readonly imports: Thunk | undefined;
  /** Classes by unit index: how an instance that comes back finds its own class. */
  readonly classes: Map<number, object>;
}

interface Registry {
  readonly stamps: WeakMap<object, Stamp>;
  readonly files: Map<string, StampedFile>;
  readonly sources: Map<string, { readonly source: string; readonly analysis: FileAnalysis }>;
}

const slot = Symbol.for("tinderbox.stamps");
const realm = globalThis as { [slot]?: Registry };
export const registry: Registry = (realm[slot] ??= { stamps: new WeakMap(), files: new Map(), sources: new Map() });

/** Called by transformed code right where a function or class comes into being. Returns it. */
export function stamp<F extends object>(fn: F, key: string, index: number, thunk?: Thunk, name?: string): F {
  registry.stamps.set(fn, { key, index, thunk });
  if (name !== undefined && (fn as { name?: unknown }).name === "") Object.defineProperty(fn, "name", { value: name, configurable: true });
  if ((fn as { prototype?: unknown }).prototype !== undefined) registry.files.get(key)?.classes.set(index, fn);
  return fn;
}

/** Called by transformed code once per evaluation of a file. */
export function stampFile(key: string, url: string, embedded?: string | null, imports?: Thunk): void {
  registry.files.set(key, { key, url, embedded: embedded ?? undefined, imports, classes: registry.files.get(key)?.classes ?? new Map() });
}

/** Called by transformed code with the methods of an object literal. Returns the object. */
export function stampMethods<O extends object>(object: O, key: string, methods: readonly (readonly [name: string, index: number, thunk?: Thunk])[]): O {
  for (const [name, index, thunk] of methods) {
    const method = Object.getOwnPropertyDescriptor(object, name)?.value as unknown;
    if (typeof method === "function") stamp(method, key, index, thunk);
  }
  return object;
}
