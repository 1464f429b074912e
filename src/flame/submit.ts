/** How a function of the user becomes a call of a pool; `flame`, `wrap`, `cast`, `map` and `place` all come through here. */
import { type Captured, capture, captureValue } from "../closure/capture.ts";
import { place } from "../context.ts";
import { AbortError, TinderboxError } from "../errors.ts";
import { Collector } from "../live/collect.ts";
import type { CallOptions, CallRequest } from "../pool/call.ts";
import type { Pool } from "../pool/handle.ts";
import type { CallMode } from "../wire/messages.ts";
import { type FlameOptions, poolOf, resolveFlameOptions } from "./options.ts";

type AnyFunction = (...args: never[]) => unknown;

/** A function that is ready to be called on a runner, once or many times with the same captured values. */
export interface Prepared {
  readonly pool: Pool;
  readonly options: CallOptions;
  readonly captured: Captured;
}

/**
 * Checks everything that can be checked here, and encodes the closure. `owner` names the function that was called.
 *
 * @throws TypeError, CaptureError
 */
export function prepare(fn: AnyFunction, options: FlameOptions, owner: string): Prepared {
  if (typeof fn !== "function") throw new TypeError(`Cannot run ${typeof fn} on a runner: a function is wanted`);
  if (place.runner) {
    throw new TinderboxError(
      `Cannot call ${owner} on a runner: nested calls are not there yet; return, and call it from the parent`,
    );
  }
  const pool = poolOf(options, owner);
  const resolved = resolveFlameOptions(fn, options, pool, owner);
  refuseAborted(resolved.signal);
  return { pool, options: resolved, captured: capture(fn, new Collector()) };
}

export interface Submission {
  readonly mode: CallMode;
  /** What the closure is called with; undefined for the context. */
  readonly args?: readonly unknown[];
  readonly trace: CallRequest["trace"];
  readonly resolve: CallRequest["resolve"];
  readonly reject: CallRequest["reject"];
  readonly accepted?: (() => void) | undefined;
}

/**
 * Hands a call over to its pool; from here on it ends exactly once.
 *
 * @throws CaptureError for arguments that cannot travel.
 */
export function submit({ pool, options, captured }: Prepared, { args, ...submission }: Submission): void {
  refuseAborted(options.signal);
  const sent = args && captureValue(args, "arguments", new Collector({ functions: never }), captured.root);
  pool.submit({ captured, args: sent, options, ...submission });
}

function refuseAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return;
  throw new AbortError("Cannot start: the call was aborted before it began", { cause: signal.reason as unknown });
}

const never = (): boolean => false;
