/**
 * The runtime side of the transform: who a function is. Shared by every copy of the package in this realm, because the
 * transformed file and the code that calls `flame` may have loaded different ones.
 */
import { findPackageJSON } from "node:module";
import { pathToFileURL } from "node:url";
import type { FileAnalysis } from "./analysis.ts";
import { Returned } from "./returned.ts";

/** Reads the captured variables of one function, at the moment it is called. */
export type Thunk = () => Record<string, unknown>;

export interface Stamp {
  readonly key: string;
  readonly index: number;
  readonly thunk: Thunk | undefined;
}

/** Where a bundler says that a file is. */
export type Origin =
  | { readonly url: string }
  /** Units in chunks, at paths from the running output. */
  | { readonly url: string; readonly output: string; readonly chunks: Chunks }
  /** A path in the package that the running output belongs to. */
  | { readonly output: string; readonly path: string };

/** Hash and URL of the chunk of each unit that has one. */
export type Chunks = Readonly<Record<number, readonly [hash: string, url: string]>>;

export interface StampedFile {
  readonly key: string;
  readonly url: string;
  readonly chunks: Chunks | undefined;
  /** JSON of `{ source, analysis }`, or undefined when the load hook kept it in `sources`. */
  readonly embedded: string | undefined;
  readonly imports: Thunk | undefined;
  /** Classes by unit index: how an instance that comes back finds its own class. */
  readonly classes: Map<number, object>;
}

class Mark extends Returned {
  #stamp: Stamp;

  constructor(object: object, made: Stamp) {
    super(object);
    this.#stamp = made;
  }

  static set(object: object, made: Stamp): void {
    if (#stamp in object) (object as Mark).#stamp = made;
    else void new Mark(object, made);
  }

  static get(object: object): Stamp | undefined {
    return #stamp in object ? object.#stamp : undefined;
  }
}

interface Registry {
  set(object: object, made: Stamp): void;
  get(object: object): Stamp | undefined;
  readonly files: Map<string, StampedFile>;
  readonly sources: Map<string, { readonly source: string; readonly analysis: FileAnalysis }>;
}

const slot = Symbol.for("tinderbox.stamps");
const realm = globalThis as { [slot]?: Registry };
export const registry: Registry = (realm[slot] ??= {
  set: Mark.set,
  get: Mark.get,
  files: new Map(),
  sources: new Map(),
});

/** Called by transformed code right where a function or class comes into being. Returns it. */
export function stamp<F extends object>(fn: F, key: string, index: number, thunk?: Thunk, name?: string): F {
  registry.set(fn, { key, index, thunk });
  if (name !== undefined && (fn as { name?: unknown }).name === "")
    Object.defineProperty(fn, "name", { value: name, configurable: true });
  if ((fn as { prototype?: unknown }).prototype !== undefined) registry.files.get(key)?.classes.set(index, fn);
  return fn;
}

/** Called by transformed code once per evaluation of a file. */
export function stampFile(key: string, origin: string | Origin, embedded?: string | null, imports?: Thunk): void {
  const from = typeof origin === "string" ? { url: origin } : origin;
  registry.files.set(key, {
    key,
    imports,
    url: "url" in from ? from.url : inPackage(from.output, from.path),
    chunks: "chunks" in from ? placed(from.chunks, from.output) : undefined,
    embedded: embedded ?? undefined,
    classes: registry.files.get(key)?.classes ?? new Map(),
  });
}

function placed(chunks: Chunks, output: string): Chunks {
  return Object.fromEntries(
    Object.entries(chunks).map(([unit, [hash, path]]) => [unit, [hash, new URL(path, output).href]] as const),
  );
}

function inPackage(output: string, path: string): string {
  const manifest = findPackageJSON(output);
  return manifest
    ? new URL(path, pathToFileURL(manifest)).href
    : new URL(path, `${pathToFileURL(process.cwd()).href}/`).href;
}

/** Called by transformed code with the methods of an object literal. Returns the object. */
export function stampMethods<O extends object>(
  object: O,
  key: string,
  methods: readonly (readonly [name: string, index: number, thunk?: Thunk])[],
): O {
  for (const [name, index, thunk] of methods) {
    const method = Object.getOwnPropertyDescriptor(object, name)?.value as unknown;
    if (typeof method === "function") stamp(method, key, index, thunk);
  }
  return object;
}
