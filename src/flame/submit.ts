/** How a function of the user becomes a call of a pool; `flame`, `wrap`, `cast`, `map` and `place` all come through here. */
import { capture, captureValue } from "../closure/capture.ts";
import { place } from "../context.ts";
import { AbortError, TinderboxError } from "../errors.ts";
import { Collector } from "../live/collect.ts";
import { submitNested } from "./nested.ts";
import type { Prepared, Submission } from "./submission.ts";
import { type FlameOptions, poolOf, resolveFlameOptions } from "./options.ts";

type AnyFunction = (...args: never[]) => unknown;

/** What works on a runner as well. */
const nestable: ReadonlySet<string> = new Set(["flame", "flame.wrap", "flame.cast"]);

/**
 * Checks everything that can be checked here, and encodes the closure. `owner` names the function that was called.
 *
 * @throws TypeError, CaptureError
 */
export function prepare(fn: AnyFunction, options: FlameOptions, owner: string): Prepared {
  if (typeof fn !== "function") throw new TypeError(`Cannot run ${typeof fn} on a runner: a function is wanted`);
  if (place.runner && !nestable.has(owner)) {
    throw new TinderboxError(
      `Cannot call ${owner} on a runner: only flame, flame.wrap and flame.cast work there; return, and call it on the parent`,
    );
  }
  const pool = poolOf(options, owner);
  const resolved = resolveFlameOptions(fn, options, pool, owner);
  refuseAborted(resolved.signal);
  return { pool, options: resolved, given: options, captured: capture(fn, new Collector()) };
}

/**
 * Hands a call over to its pool; from here on it ends exactly once.
 *
 * @throws CaptureError for arguments that cannot travel.
 */
export function submit(prepared: Prepared, submission: Submission): void {
  const { pool, options, captured } = prepared;
  const { mode, args, trace, resolve, reject, accepted } = submission;
  refuseAborted(options.signal);
  const sent = args && captureValue(args, "arguments", new Collector({ functions: never }), captured.root);
  if (place.runner) submitNested(prepared, sent, submission);
  // Field by field: a rest and a spread take V8's slow way, which shows in the profile of small calls.
  else pool.submit({ captured, args: sent, options, mode, trace, resolve, reject, accepted });
}

function refuseAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return;
  throw new AbortError("Cannot start: the call was aborted before it began", { cause: signal.reason as unknown });
}

const never = (): boolean => false;
