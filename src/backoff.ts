/** Growing pauses between tries. */

export interface Backoff {
  readonly initialMs: number;
  readonly maxMs: number;
  /** What each failure multiplies the pause by. */
  readonly factor: number;
  /** Takes up to half of each pause away, so that what failed together does not come back in step. */
  readonly jitter: boolean;
}

/** The pause after so many failures in a row, 1 or more. */
export function backoffMs(failures: number, backoff: Backoff, random: () => number = Math.random): number {
  const { initialMs, maxMs, factor, jitter } = backoff;
  const pause = Math.min(maxMs, initialMs * factor ** (failures - 1));
  return jitter ? pause * (0.5 + random() / 2) : pause;
}
