/** Options that backends of remote machines have in common. `of` names an option for messages. */
import { type Duration, resolveDuration } from "../../duration.ts";
import { show } from "../../options.ts";

export interface Patience {
  /** What a broken connection may take to come back; up to ten minutes. @default "5s" */
  readonly reconnectWindow?: Duration;
  /** What a machine without its parent may last, also while its agent hangs: at least 5 seconds more than `reconnectWindow`. @default "60s" */
  readonly parentLostAfter?: Duration;
}

const longestWindowMs = 10 * 60_000;
/** Signs of life are 500 ms apart and looked at every few seconds. */
const leastSilenceMs = 5_000;
const longestSilenceMs = 24 * 3_600_000;

/** A machine ends by a clock that knows nothing of connections: it has to leave them their time. */
export function patience(
  { reconnectWindow = "5s", parentLostAfter = "60s" }: Patience,
  of: (option: string) => string,
): { readonly windowMs: number; readonly parentLostMs: number } {
  const windowMs = resolveDuration(reconnectWindow, of("reconnectWindow"));
  const parentLostMs = resolveDuration(parentLostAfter, of("parentLostAfter"));
  if (windowMs > longestWindowMs)
    throw new TypeError(
      `Cannot use ${show(reconnectWindow)} as ${of("reconnectWindow")}: calls would hang for that long; up to "10m" is wanted`,
    );
  if (parentLostMs < windowMs + leastSilenceMs || parentLostMs > longestSilenceMs)
    throw new TypeError(
      `Cannot use ${show(parentLostAfter)} as ${of("parentLostAfter")}: reconnectWindow and 5 seconds are the least, "24h" the most`,
    );
  return { windowMs, parentLostMs };
}

export function releaseId(given: unknown, of: (option: string) => string): string | undefined {
  if (given === undefined || (typeof given === "string" && /^[\da-f]{64}$/.test(given))) return given;
  throw new TypeError(
    `Cannot use ${show(given)} as ${of("release.id")}: the 64 letters and digits that "tinderbox pack" has printed are wanted`,
  );
}

/** A text that says something. */
export function text(given: unknown, option: string): string | undefined {
  if (given === undefined || (typeof given === "string" && given !== "")) return given as string | undefined;
  throw new TypeError(`Cannot use ${show(given)} as ${option}: a text is wanted`);
}
