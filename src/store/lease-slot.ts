/** The one place in the store that a lease is about: reads and compare-and-swaps of its record, and what became of them. */
import { StoreError } from "../errors.ts";
import { formatDuration } from "../duration.ts";
import type { Clock } from "../ports/clock.ts";
import { type LeaseRecord, readLease, recordKey, writeLease } from "./lease-record.ts";
import type { Requests } from "./requests.ts";

/** A record as it was read. */
export interface Found {
  readonly record: LeaseRecord;
  readonly etag: string;
  /** The store's hint, and when it was given by our own clock. */
  readonly ageMs: number | undefined;
  readonly seenAt: number;
}

/**
 * `done`: the record is there. `other`: something else is, or nothing, and the record will never be there. `open`: it is not there, but may
 * yet come.
 */
export type Outcome =
  | { readonly kind: "done"; readonly etag: string }
  | { readonly kind: "other"; readonly found: Found | undefined }
  | { readonly kind: "open"; readonly error: unknown };

export interface Bounds {
  /** Milliseconds for the write; asking what became of it may take half as long again. */
  readonly withinMs: number;
  /** Whether waiting for the answer holds the process. */
  readonly hold: boolean;
}

export class LeaseSlot {
  readonly key: string;
  readonly requests: Requests;
  readonly #recordKey: string;

  constructor(requests: Requests, key: string) {
    this.requests = requests;
    this.key = key;
    this.#recordKey = recordKey(key);
  }

  get clock(): Clock {
    return this.requests.deps.clock;
  }

  get facts(): { readonly store: string; readonly key: string } {
    return { store: this.requests.name, key: this.key };
  }

  get named(): string {
    return `lease "${this.key}" of ${this.requests.name}`;
  }

  /** Tried again while that can help. Gives `known` when nothing has changed since. */
  async read(signal?: AbortSignal, known?: Found): Promise<Found | undefined> {
    const found = await this.requests.get(this.#recordKey, { signal, ifNoneMatch: known?.etag });
    return found === "unchanged" ? known! : this.#found(found);
  }

  /**
   * Writes the record over what has the etag `over`, or where nothing is. An answer that leaves a doubt is settled by reading back: an error
   * that may have come after the write, and a refusal, which may be that of a second try of a write that had been done.
   */
  async swap(record: LeaseRecord, over: string | undefined, { withinMs, hold }: Bounds): Promise<Outcome> {
    let error: unknown;
    try {
      const condition = over === undefined ? "absent" : { ifMatch: over };
      const body = writeLease(record);
      const put = (signal: AbortSignal) => this.requests.put(this.#recordKey, body, { condition, signal });
      const outcome = await this.#within(withinMs, hold, put);
      if (outcome !== "lost") return { kind: "done", etag: outcome.etag };
    } catch (failure) {
      error = failure;
    }
    try {
      const found = await this.#within(withinMs / 2, hold, (signal) => this.#readOnce(signal));
      if (found?.record.beat === record.beat) return { kind: "done", etag: found.etag };
      if (found?.etag !== over) return { kind: "other", found };
    } catch (failure) {
      error ??= failure;
    }
    return { kind: "open", error };
  }

  async #readOnce(signal: AbortSignal): Promise<Found | undefined> {
    return this.#found(await this.requests.deps.driver.get(this.#recordKey, { signal }));
  }

  #found(stored: Awaited<ReturnType<Requests["get"]>>): Found | undefined {
    if (!stored || stored === "unchanged") return undefined;
    const { etag, body, ageMs } = stored;
    return { record: readLease(body, this.facts), etag, ageMs, seenAt: this.clock.now() };
  }

  /** Ends in time also when the driver does not. */
  #within<T>(ms: number, hold: boolean, act: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const abort = new AbortController();
    const timer = this.clock.timer(ms, () => {
      const late = new StoreError(
        `Cannot reach ${this.named}: the store has not answered for ${formatDuration(ms)}; is it reachable?`,
        { ...this.facts, maybe: true, transient: true },
      );
      reject(late);
      abort.abort(late);
    });
    timer.hold(hold);
    act(abort.signal)
      .finally(() => timer.cancel())
      .then(resolve, reject);
    return promise;
  }
}
