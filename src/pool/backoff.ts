import { type Backoff, backoffMs as pauseMs } from "../backoff.ts";

/** With jitter: a thousand parents must not come back in step. */
const boots: Backoff = { initialMs: 100, maxMs: 30_000, factor: 2, jitter: true };

/** How long a pool waits to boot again after so many failures in a row. */
export function backoffMs(failures: number, random?: () => number): number {
  return pauseMs(failures, boots, random);
}
