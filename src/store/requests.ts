/** Requests to a store: counted, and tried again while that can help. */
import { backoffMs } from "../backoff.ts";
import { AbortError, StoreError } from "../errors.ts";
import type { Clock } from "../ports/clock.ts";
import type {
  GetOptions,
  ObjectHead,
  ObjectInfo,
  ObjectStream,
  PutOptions,
  PutOutcome,
  ReadOptions,
  RequestOptions,
  StoreDriver,
  StoredObject,
  Tally,
} from "../ports/store.ts";
import { pauseFor } from "../waiting.ts";

/** What everything that is kept in one store shares. */
export interface StoreDeps {
  readonly driver: StoreDriver;
  readonly clock: Clock;
  /** From 0 to 1, for jitter. Default: Math.random. */
  readonly random?: () => number;
}

export interface RequestCounts extends Readonly<Tally> {
  /** What was asked again after it had failed; requests within the parts of a large body are not told. */
  readonly retried: number;
  /** Conditions that did not hold. */
  readonly lost: number;
}

export interface RemoveOptions extends RequestOptions {
  readonly ifMatch?: string | undefined;
}

/** How long reads are tried again when none is said. */
export const defaultPatienceMs = 30_000;

const pauses = { initialMs: 50, maxMs: 2_000, factor: 2, jitter: true };

/**
 * Reads, and writes that do the same when they are done twice, are tried again while they fail for a moment, for up to `patienceMs`. What
 * has a condition is done once here: `settle` finds out what became of it.
 */
export class Requests {
  readonly deps: StoreDeps;
  /** How often anything was asked again. */
  retried = 0;
  #lost = 0;

  constructor(deps: StoreDeps) {
    this.deps = deps;
  }

  get name(): string {
    return this.deps.driver.name;
  }

  get counts(): RequestCounts {
    const { read, write, list } = this.deps.driver.counts;
    return { read, write, list, retried: this.retried, lost: this.#lost };
  }

  get(
    key: string,
    options: GetOptions = {},
    patienceMs: number = defaultPatienceMs,
  ): Promise<StoredObject | "unchanged" | undefined> {
    return this.persist(options.signal, () => this.deps.driver.get(key, options), patienceMs);
  }

  head(
    key: string,
    options: RequestOptions = {},
    patienceMs: number = defaultPatienceMs,
  ): Promise<ObjectHead | undefined> {
    return this.persist(options.signal, () => this.deps.driver.head(key, options), patienceMs);
  }

  /** Once. */
  async put(key: string, body: Uint8Array, options: PutOptions = {}): Promise<PutOutcome> {
    return this.#counted(await this.deps.driver.put(key, body, options));
  }

  /** With a condition, once. */
  async remove(key: string, options: RemoveOptions = {}): Promise<"done" | "lost"> {
    const act = () => this.deps.driver.remove(key, options);
    return this.#counted(await (options.ifMatch === undefined ? this.persist(options.signal, act) : act()));
  }

  list(
    prefix: string,
    options: RequestOptions & { readonly after?: string | undefined } = {},
  ): Promise<{ readonly objects: readonly ObjectInfo[]; readonly more: boolean }> {
    return this.persist(options.signal, () => this.deps.driver.list(prefix, options));
  }

  /** Tried again until it begins; what comes then is the reader's. */
  read(key: string, options: ReadOptions = {}): Promise<ObjectStream | "lost" | undefined> {
    return this.persist(options.signal, () => this.deps.driver.read(key, options));
  }

  /** Once: what is written can be read only once. */
  async write(key: string, body: AsyncIterable<Uint8Array>, options: PutOptions = {}): Promise<PutOutcome> {
    return this.#counted(await this.deps.driver.write(key, body, options));
  }

  #counted<T>(outcome: T | "lost"): T | "lost" {
    if (outcome === "lost") this.#lost++;
    return outcome;
  }

  /** Does it again, after growing pauses, while it fails with an error that may pass. */
  async persist<T>(
    signal: AbortSignal | undefined,
    act: () => Promise<T>,
    patienceMs: number = defaultPatienceMs,
  ): Promise<T> {
    const aborted = (): AbortError => this.aborted(signal!);
    if (signal?.aborted) throw aborted();
    const end = this.deps.clock.now() + patienceMs;
    for (let failures = 1; ; failures++) {
      try {
        return await act();
      } catch (error) {
        if (signal?.aborted) throw aborted();
        if (!isTransient(error)) throw error;
        const pause = this.pauseMs(failures);
        if (this.deps.clock.now() + pause > end) throw error;
        await this.pause(pause, signal).catch(() => Promise.reject(aborted()));
        this.retried++;
      }
    }
  }

  /** For who has given up. */
  aborted(signal: AbortSignal, facts: { readonly maybe?: true } = {}): AbortError {
    return new AbortError(`Cannot ask ${this.name} any longer: it was aborted`, { cause: signal.reason, ...facts });
  }

  /** With jitter: those who met once are not to meet again. */
  pauseMs(failures: number, backoff = pauses): number {
    return backoffMs(failures, backoff, this.deps.random);
  }

  /** Holds the process. Rejects with the reason of `signal`. */
  pause(ms: number, signal?: AbortSignal): Promise<void> {
    return pauseFor(this.deps.clock, ms, signal);
  }
}

export function isTransient(error: unknown): error is StoreError {
  return StoreError.is(error) && (error as StoreError).transient;
}

/** It may have been done, or may yet be done. */
export function isMaybe(error: unknown): boolean {
  return (error as { readonly maybe?: unknown } | undefined)?.maybe === true;
}
