/**
 * Where code finds out that it is on a runner, and in which call. Shared by all copies of the package in a process.
 */
import { AsyncLocalStorage } from "node:async_hooks";

/** What a closure gets as its argument, and `context()` anywhere below it. */
export interface Context {
  /** Aborts when the caller aborts, times out, or leaves. */
  readonly signal: AbortSignal;
  readonly runner: { readonly id: string; readonly pool: string; readonly attempt: number };
  /** Sends a value to the caller's `onProgress`. */
  progress(value: unknown): void;
  /** Prints on the parent, marked with pool, runner and call. */
  log(...values: unknown[]): void;
  /** A scratch folder of this call, made at the first use, removed when the call ends. */
  dir(): Promise<string>;
}

export interface RunnerInfo {
  readonly id: string;
  readonly pool: string;
}

interface Place {
  runner: RunnerInfo | undefined;
  readonly calls: AsyncLocalStorage<Context>;
  /** On a runner: makes a call for the closure that asks. The agent fills it in. */
  nested: ((pool: string, request: object) => void) | undefined;
  /** Makes what handles of other parts of the package stand for, by their type. */
  readonly handles: Map<string, (data: unknown) => unknown>;
  /** Tables of live references that are not empty: a test sees that nothing stays in them. */
  readonly exchanges: Set<{ counts(): object }>;
  /** What is kept up here besides calls: its trees for those who look, and its end. One for each copy of the package. */
  readonly upkeep: Set<{ describe(): readonly object[]; stop(): Promise<void> }>;
}

const slot = Symbol.for("tinderbox.place");
const realm = globalThis as { [slot]?: Place };
/** Of this process. The agent fills `runner` in; on a parent it stays undefined. */
export const place: Place = (realm[slot] ??= {
  runner: undefined,
  calls: new AsyncLocalStorage(),
  nested: undefined,
  handles: new Map(),
  exchanges: new Set(),
  upkeep: new Set(),
});

/**
 * The runner this process is, `undefined` on the parent.
 *
 * @example
 * if (!runner()) server.listen(8080);
 */
export function runner(): RunnerInfo | undefined {
  return place.runner;
}

/**
 * The context of the call that this code runs in.
 *
 * @throws TypeError outside of a call.
 */
export function context(): Context {
  const found = place.calls.getStore();
  if (found) return found;
  throw new TypeError("Cannot give a context: this code does not run inside of a flame() call");
}
