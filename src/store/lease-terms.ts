/** What is asked of a lease, and of waiting for one. */
import { type Duration, resolveDuration } from "../duration.ts";
import { refuseUnknown, show } from "../options.ts";

export interface LeaseOptions {
  /**
   * How long others have to see nothing of the holder before they may take over. It is written three times in this time. From 100 ms to 1 h.
   * @default "30s"
   */
  readonly ttl?: Duration | undefined;
  /** Gives up waiting; for `elect`, also tells who was elected to stop. */
  readonly signal?: AbortSignal | undefined;
  /** How long to wait at most. @default Infinity */
  readonly timeout?: Duration | undefined;
}

export type LockOptions = LeaseOptions;

export interface LeaseTerms {
  readonly ttlMs: number;
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number;
}

const shortestMs = 100;
const longestMs = 3_600_000;

export function resolveTerms(options: LeaseOptions, known: readonly string[], owner: string): LeaseTerms {
  refuseUnknown(options, known, owner);
  const { ttl = "30s", signal, timeout = Infinity } = options;
  const ttlMs = resolveDuration(ttl, `ttl of ${owner}`);
  if (ttlMs < shortestMs || ttlMs > longestMs)
    throw new TypeError(`Cannot use ${show(ttl)} as ttl of ${owner}: from ${shortestMs} ms to 1 h is wanted`);
  return { ttlMs, signal, timeoutMs: resolveDuration(timeout, `timeout of ${owner}`) };
}
