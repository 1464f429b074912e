/** Gathers the live values of one payload while it is encoded. */
import { AsyncLocalStorage } from "node:async_hooks";
import { CaptureError } from "../errors.ts";
import { formatPath } from "../value/path.ts";
import type { Description, LiveCollector, LiveKind, LiveValue, PathStep } from "../value/port.ts";
import { maxReferences } from "../wire/packing.ts";
import { As, isAsyncIterable, isConnection, liveKind } from "./kinds.ts";

type Path = () => readonly PathStep[];

export interface CollectOptions {
  /**
   * Functions that nobody has marked are live as well: arguments and results, not what a closure captures. The answer
   * says whether this one is a class or function that travels in another way.
   */
  readonly functions?: (fn: object) => boolean;
}

export class Collector implements LiveCollector {
  readonly found: LiveValue[] = [];
  readonly #functions: CollectOptions["functions"];

  constructor({ functions }: CollectOptions = {}) {
    this.#functions = functions;
  }

  rewind(count: number): void {
    this.found.length = count;
  }

  take(value: object, path: Path): Description | undefined {
    if (value instanceof As) return this.#add(value.kind, value.value);
    if (this.found.length >= maxReferences) throw tooMany(path());
    const kind = liveKind(value);
    if (kind) {
      if ((value as { readonly locked?: unknown }).locked === true) throw locked(path());
      return this.#add(kind, value);
    }
    if (typeof value !== "function" || !this.#functions) return undefined;
    // The class of an instance is described like a function; it is never what the user has sent.
    if (path().at(-1) === "<class>" || isClass(value) || this.#functions(value)) return undefined;
    if (path().at(-1) === "[Symbol.asyncIterator]") throw iterator(path());
    return this.#add("function", value);
  }

  takeRest(value: object): Description | undefined {
    return isAsyncIterable(value) && !isConnection(value) ? this.#add("iterable", value) : undefined;
  }

  #add(kind: LiveKind, value: object): Description {
    this.found.push({ kind, value, run: AsyncLocalStorage.snapshot() });
    return { kind: "handle", type: "live", data: this.found.length - 1 };
  }
}

function isClass(fn: object): boolean {
  return /^class\b/.test(Function.prototype.toString.call(fn));
}

function locked(path: readonly PathStep[]): CaptureError {
  return new CaptureError(
    `Cannot send ${formatPath(path)}: it is a stream that is being read or written already; release its lock, or send what was read`,
    { path },
  );
}

function iterator(path: readonly PathStep[]): CaptureError {
  return new CaptureError(
    `Cannot send ${formatPath(path)}: it is the method of an iterable object; send an async generator: (async function* () { yield* object })()`,
    { path },
  );
}

function tooMany(path: readonly PathStep[]): CaptureError {
  return new CaptureError(
    `Cannot send ${formatPath(path)}: ${maxReferences} live values travel at a time; send fewer, or an object with methods`,
    { path },
  );
}
