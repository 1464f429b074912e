/** `flame`: the one function that everything else is for. */
import { capture } from "./closure/capture.ts";
import type { Context } from "./context.ts";
import { place } from "./context.ts";
import { type Duration, resolveDuration } from "./duration.ts";
import { AbortError, TinderboxError } from "./errors.ts";
import { refuseUnknown, resolveBoolean } from "./options.ts";
import type { CallOptions, CallRequest } from "./pool/call.ts";
import { Pool } from "./pool/handle.ts";
import type { PoolOptions } from "./pool/options.ts";
import { type RetryOptions, resolveRetries } from "./pool/retries.ts";
import { registry } from "./runtime.ts";
import { takeTrace } from "./trace.ts";

export interface FlameOptions {
  /** The pool, or its name. @default a pool "default" over local() */
  readonly pool?: Pool | string;
  /** Limit of the execution alone, without queue and boot. @default the pool's, "30s" */
  readonly timeout?: Duration;
  /** Limit of the wait for a slot. @default the pool's, Infinity */
  readonly queueTimeout?: Duration;
  /** Gives the call up: it rejects at once with `AbortError`. */
  readonly signal?: AbortSignal;
  /**
   * Further attempts after an error of the closure's own: their number, or `{ limit, delay, when }`. @default 0
   */
  readonly retries?: number | RetryOptions;
  /** The call may be repeated when its runner is lost, up to 3 times. @default false */
  readonly idempotent?: boolean;
  /** What the call is called in events, logs and errors. @default the function's name */
  readonly name?: string;
  /** Larger goes first. @default 0 */
  readonly priority?: number;
  /** Calls of one key go to the same runner where possible. */
  readonly key?: string;
  /** Gets the values that the closure passes to `context.progress`. */
  readonly onProgress?: (value: unknown) => void;
}

const optionNames: readonly (keyof FlameOptions)[] = [
  "pool",
  "timeout",
  "queueTimeout",
  "signal",
  "retries",
  "idempotent",
  "name",
  "priority",
  "key",
  "onProgress",
];

/**
 * Runs a closure on a runner, which boots for it if there is none, and returns what it returns.
 *
 * Captured variables are copied now; imports and declarations of the same file travel as code (see docs/what-travels.md).
 *
 * @param fn Gets a `Context`: `signal`, `runner`, `progress`, `log`, `dir`.
 * @returns A promise of the result. The closure's own error arrives as itself, its stack joined to the caller's.
 * @throws CaptureError (synchronously as a rejection) when the closure reaches what cannot travel; nothing is sent then.
 * @example
 * const area = await flame(() => width * height);
 */
export function flame<T>(fn: (context: Context) => T, options: FlameOptions = {}): Promise<Awaited<T>> {
  const trace = takeTrace(flame);
  const promise: Promise<Awaited<T>> = new Promise((resolve, refuse) => {
    const reject = (error: unknown): void => {
      // A failure that nobody awaits is an event (call.failed), never the end of the process.
      queueMicrotask(() => void promise.catch(ignore));
      refuse(error);
    };
    try {
      submit(fn, options, trace, resolve as (value: unknown) => void, reject);
    } catch (error) {
      // What is wrong with the call is wrong where it is made.
      if (error instanceof Error) Error.captureStackTrace(error, flame);
      reject(error);
    }
  });
  return promise;
}

function submit(
  fn: (context: Context) => unknown,
  options: FlameOptions,
  trace: CallRequest["trace"],
  resolve: CallRequest["resolve"],
  reject: CallRequest["reject"],
): void {
  if (typeof fn !== "function") throw new TypeError(`Cannot run ${typeof fn} on a runner: a function is wanted`);
  if (place.runner) {
    throw new TinderboxError(
      "Cannot call flame on a runner: nested calls are not there yet; return, and call it from the parent",
    );
  }
  const chosen = poolOf(options);
  const resolved = resolveOptions(fn, options, chosen);
  if (resolved.signal?.aborted)
    throw new AbortError("Cannot start: the call was aborted before it began", {
      cause: resolved.signal.reason as unknown,
    });
  chosen.submit({ captured: capture(fn), options: resolved, trace, resolve, reject });
}

function ignore(): void {}

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

function poolOf(options: FlameOptions): Pool {
  const { pool: chosen } = options;
  if (chosen instanceof Pool) return chosen;
  if (typeof chosen === "string") return registry.get(chosen);
  if (chosen !== undefined) throw new TypeError('Cannot use option "pool" of flame: a pool or its name is wanted');
  return registry.has("default") ? registry.get("default") : registry.declare("default", {}, undefined);
}

function resolveOptions(
  fn: { readonly name: string },
  options: FlameOptions,
  { options: defaults }: Pool,
): CallOptions {
  const { timeoutMs, queueTimeoutMs } = defaults;
  refuseUnknown(options, optionNames, "flame");
  const { timeout, queueTimeout, signal, retries, idempotent, name, priority, key, onProgress } = options;
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw new TypeError('Cannot use option "signal" of flame: an AbortSignal is wanted');
  if (priority !== undefined && !Number.isFinite(priority))
    throw new TypeError(`Cannot use ${String(priority)} as option "priority" of flame: a number is wanted`);
  if (onProgress !== undefined && typeof onProgress !== "function")
    throw new TypeError('Cannot use option "onProgress" of flame: a function is wanted');
  return {
    name: name ?? fn.name,
    timeoutMs: timeout === undefined ? timeoutMs : resolveDuration(timeout, 'option "timeout" of flame'),
    queueTimeoutMs:
      queueTimeout === undefined ? queueTimeoutMs : resolveDuration(queueTimeout, 'option "queueTimeout" of flame'),
    idempotent: idempotent === undefined ? false : resolveBoolean(idempotent, 'option "idempotent" of flame'),
    retries: resolveRetries(retries, 'option "retries" of flame'),
    signal,
    priority: priority ?? 0,
    key,
    onProgress,
  };
}

/** `file:line:column` of whoever called `below`. */
function callerOf(below: (...args: never[]) => unknown): string | undefined {
  const holder: { stack?: string } = {};
  Error.captureStackTrace(holder, below);
  return holder.stack?.split("\n")[1]?.trim();
}
