/** Requests to a store: counted, and tried again while that can help. */
import { backoffMs } from "../backoff.ts";
import { AbortError, StoreError } from "../errors.ts";
import type { Clock } from "../ports/clock.ts";
import type {
  GetOptions,
  ObjectInfo,
  ObjectStream,
  PutOptions,
  PutOutcome,
  ReadOptions,
  RequestOptions,
  StoreDriver,
  StoredObject,
} from "../ports/store.ts";

/** What everything that is kept in one store shares. */
export interface StoreDeps {
  readonly driver: StoreDriver;
  readonly clock: Clock;
  /** From 0 to 1, for jitter. Default: Math.random. */
  readonly random?: () => number;
}

export interface RequestCounts {
  /** Objects read or looked at. */
  read: number;
  /** Objects written or removed. */
  write: number;
  list: number;
  /** Requests that were made again. They are counted above, too. */
  retried: number;
  /** Conditions that did not hold. */
  lost: number;
}

/** How long reads are tried again when none is said. */
export const defaultPatienceMs = 30_000;

const pauses = { initialMs: 50, maxMs: 2_000, factor: 2, jitter: true };

/**
 * Reads, and writes that do the same when they are done twice, are tried again while they fail for a moment, for up to `patienceMs`. A
 * conditional write is made once: only who knows what is written can tell whether it was done.
 */
export class Requests {
  readonly counts: RequestCounts = { read: 0, write: 0, list: 0, retried: 0, lost: 0 };
  readonly deps: StoreDeps;

  constructor(deps: StoreDeps) {
    this.deps = deps;
  }

  get name(): string {
    return this.deps.driver.name;
  }

  get(
    key: string,
    options: GetOptions = {},
    patienceMs: number = defaultPatienceMs,
  ): Promise<StoredObject | "unchanged" | undefined> {
    const act = (): ReturnType<StoreDriver["get"]> => {
      this.counts.read++;
      return this.deps.driver.get(key, options);
    };
    return this.persist(options.signal, act, patienceMs);
  }

  /** Once. */
  async put(key: string, body: Uint8Array, options: PutOptions = {}): Promise<PutOutcome> {
    this.counts.write++;
    const outcome = await this.deps.driver.put(key, body, options);
    if (outcome === "lost") this.counts.lost++;
    return outcome;
  }

  /** A conditional one is made again only when it was surely not done. */
  async remove(key: string, options: RequestOptions & { readonly ifMatch?: string | undefined } = {}) {
    const act = (): Promise<"done" | "lost"> => {
      this.counts.write++;
      return this.deps.driver.remove(key, options);
    };
    const again = options.ifMatch === undefined ? isTransient : isUndone;
    const outcome = await this.persist(options.signal, act, defaultPatienceMs, again);
    if (outcome === "lost") this.counts.lost++;
    return outcome;
  }

  list(
    prefix: string,
    options: RequestOptions & { readonly after?: string | undefined } = {},
  ): Promise<{ readonly objects: readonly ObjectInfo[]; readonly more: boolean }> {
    return this.persist(options.signal, () => {
      this.counts.list++;
      return this.deps.driver.list(prefix, options);
    });
  }

  /** Tried again until it begins; what comes then is the reader's. */
  read(key: string, options: ReadOptions = {}): Promise<ObjectStream | "lost" | undefined> {
    return this.persist(options.signal, () => {
      this.counts.read++;
      return this.deps.driver.read(key, options);
    });
  }

  /** Once: what is written can be read only once. */
  async write(key: string, body: AsyncIterable<Uint8Array>, options: PutOptions = {}): Promise<PutOutcome> {
    this.counts.write++;
    const outcome = await this.deps.driver.write(key, body, options);
    if (outcome === "lost") this.counts.lost++;
    return outcome;
  }

  /** Does it again, after growing pauses, while it fails with an error that may pass. */
  async persist<T>(
    signal: AbortSignal | undefined,
    act: () => Promise<T>,
    patienceMs: number = defaultPatienceMs,
    again: (error: unknown) => boolean = isTransient,
  ): Promise<T> {
    const aborted = (): AbortError =>
      new AbortError(`Cannot ask ${this.name} any longer: it was aborted`, { cause: signal!.reason });
    if (signal?.aborted) throw aborted();
    const end = this.deps.clock.now() + patienceMs;
    for (let failures = 1; ; failures++) {
      try {
        return await act();
      } catch (error) {
        if (signal?.aborted) throw aborted();
        if (!again(error)) throw error;
        const pause = this.pauseMs(failures);
        if (this.deps.clock.now() + pause > end) throw error;
        await this.pause(pause, signal).catch(() => Promise.reject(aborted()));
        this.counts.retried++;
      }
    }
  }

  /** With jitter: those who met once are not to meet again. */
  pauseMs(failures: number, backoff = pauses): number {
    return backoffMs(failures, backoff, this.deps.random);
  }

  /** Holds the process. Rejects with the reason of `signal`. */
  pause(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason as Error);
      const stop = (): void => {
        timer.cancel();
        reject(signal!.reason as Error);
      };
      const timer = this.deps.clock.timer(ms, () => {
        signal?.removeEventListener("abort", stop);
        resolve();
      });
      timer.hold(true);
      signal?.addEventListener("abort", stop, { once: true });
    });
  }
}

function isUndone(error: unknown): boolean {
  return isTransient(error) && !error.maybe;
}

export function isTransient(error: unknown): error is StoreError {
  return StoreError.is(error) && (error as StoreError).transient;
}
