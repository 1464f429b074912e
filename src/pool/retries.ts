/** When a call is made again: after the closure's own error, and after the loss of its runner. */
import { type Duration, resolveDuration } from "../duration.ts";
import { refuseUnknown, resolveCount, show } from "../options.ts";

export interface RetryOptions {
  /** Further attempts after the first. */
  readonly limit: number;
  /** Pause before each, or a function of the number of the attempt that failed (1, 2, ...). @default 0 */
  readonly delay?: Duration | ((attempt: number) => Duration);
  /** Whether this error is worth another attempt. @default every error of the closure's own */
  readonly when?: (error: unknown, attempt: number) => boolean;
}

export interface Retries {
  readonly limit: number;
  /** Milliseconds. */
  delay(attempt: number): number;
  when(error: unknown, attempt: number): boolean;
}

/** Furthest attempts of an idempotent call after runners that were lost; of others, after runners that never read it. */
export const maxRepeats = 3;

/** The attempt travels as one byte. */
const mostRetries = 200;

const never: Retries = { limit: 0, delay: () => 0, when: () => false };

export function resolveRetries(given: number | RetryOptions | undefined, name: () => string): Retries {
  if (given === undefined) return never;
  const option = name();
  if (typeof given !== "object") return { ...never, limit: limitOf(given, option), when: () => true };
  if (given === null) throw new TypeError(`Cannot use null as ${option}: a number or { limit, delay, when } is wanted`);
  refuseUnknown(given, ["limit", "delay", "when"], option);
  const { limit, delay = 0, when = () => true } = given;
  if (typeof when !== "function")
    throw new TypeError(`Cannot use ${show(when)} as when of ${option}: a function is wanted`);
  const fixed = typeof delay === "function" ? undefined : resolveDuration(delay, `delay of ${option}`);
  return {
    limit: limitOf(limit, `limit of ${option}`),
    delay: (attempt) =>
      fixed ?? resolveDuration((delay as (attempt: number) => Duration)(attempt), `delay of ${option}`),
    when,
  };
}

/**
 * Milliseconds until the next attempt after the `attempt`-th has failed; undefined when it is not worth one. A hook of
 * the user's that throws ends the attempts, and is told to `hookFailed`.
 */
export function pauseBefore(
  retries: Retries,
  error: unknown,
  attempt: number,
  hookFailed: (error: unknown) => void,
): number | undefined {
  try {
    return retries.when(error, attempt) ? retries.delay(attempt) : undefined;
  } catch (failure) {
    hookFailed(failure);
    return undefined;
  }
}

function limitOf(limit: number, option: string): number {
  const count = resolveCount(limit, option, 0);
  if (count <= mostRetries) return count;
  throw new TypeError(`Cannot use ${count} as ${option}: at most ${mostRetries} are possible`);
}
