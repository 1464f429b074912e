/**
 * Where shared state is kept: objects by key, each with an etag that is never given twice to different contents. A driver does one
 * request at a time and nothing else; what it means, and whether to try again, is decided above it.
 *
 * - Keys are non-empty strings of up to 900 bytes as UTF-8, in the order of which `list` gives them. Any character is allowed.
 * - Reads see every write that has been answered, whoever made it.
 * - `put` and `remove` check their condition and act in one step: of many with the same `ifMatch` at most one is done.
 * - A body is there whole or not at all, also after a crash.
 * - A write that failed with `maybe: true` may have been done, or may yet be done. Anything else that throws has done nothing.
 * - Every request ends: a driver has its own deadline for each, and `signal` ends it sooner.
 */

/** A condition of a write: what the object has to be at this moment. `"absent"` is no object at all. */
export type Condition = { readonly ifMatch: string } | "absent";

export interface StoredObject {
  readonly etag: string;
  readonly body: Uint8Array;
  /**
   * How long ago it was written, in milliseconds by the store's own clock. A hint to save waiting, never a proof; undefined when the
   * store does not say.
   */
  readonly ageMs: number | undefined;
}

export interface ObjectInfo {
  readonly key: string;
  readonly etag: string;
  readonly size: number;
  /** Milliseconds since 1970 by the store's clock; some know it to the second. */
  readonly modified: number;
}

/** What is known of an object without its bytes. */
export interface ObjectHead extends Omit<ObjectInfo, "key"> {
  /** That of the write that made it; undefined when it had none. */
  readonly mark: string | undefined;
}

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface GetOptions extends RequestOptions {
  /** Answers "unchanged" when the object still has this etag. */
  readonly ifNoneMatch?: string | undefined;
}

export interface PutOptions extends RequestOptions {
  readonly condition?: Condition | undefined;
  /** 24 hexadecimal digits, kept with the object until it is written again: by them `head` tells a writer its own write. */
  readonly mark?: string | undefined;
}

export interface ReadOptions extends RequestOptions {
  /** First byte, from 0. Default: 0. */
  readonly start?: number | undefined;
  /** One more than the last byte. Default: the end. */
  readonly end?: number | undefined;
  /** "lost" when the object has another etag by now. */
  readonly ifMatch?: string | undefined;
}

/** A large body as it comes. `size` is that of the whole object, also when a part was asked for. */
export interface ObjectStream {
  readonly etag: string;
  readonly size: number;
  /** Of all its bytes, also when a part was asked for; undefined where the store has none to give. */
  readonly crc32?: number | undefined;
  /** Throws where bytes are missing, or are not those that were written. Leaving it early ends the request. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** "lost": the condition did not hold, and nothing was done. */
export type PutOutcome = { readonly etag: string } | "lost";

/** Requests as a store charges them: objects read or looked at, changed, listed. */
export interface Tally {
  read: number;
  write: number;
  list: number;
}

export interface StoreDriver {
  /** Names the store in messages: its address, without anything secret. */
  readonly name: string;
  /** All requests so far, also those that a large body is divided into, and those that failed. */
  readonly counts: Readonly<Tally>;
  /** What each kind of request costs in dollars for a thousand; zero where nothing is paid. */
  readonly prices: { readonly read: number; readonly write: number };
  get(key: string, options?: GetOptions): Promise<StoredObject | "unchanged" | undefined>;
  head(key: string, options?: RequestOptions): Promise<ObjectHead | undefined>;
  put(key: string, body: Uint8Array, options?: PutOptions): Promise<PutOutcome>;
  /** "done" when there is nothing any more, also when there was nothing; "lost" when `ifMatch` did not hold. */
  remove(key: string, options?: RequestOptions & { readonly ifMatch?: string | undefined }): Promise<"done" | "lost">;
  /** Objects whose key begins with `prefix` and is greater than `after`, in order; fewer than there are, when there are many. */
  list(
    prefix: string,
    options?: RequestOptions & { readonly after?: string | undefined },
  ): Promise<{ readonly objects: readonly ObjectInfo[]; readonly more: boolean }>;
  /** Like `get` and `put` for bodies that do not fit into memory. A write that fails leaves nothing behind. */
  read(key: string, options?: ReadOptions): Promise<ObjectStream | "lost" | undefined>;
  write(key: string, body: AsyncIterable<Uint8Array>, options?: PutOptions): Promise<PutOutcome>;
  /** Frees what it holds. Requests under way fail. */
  close(): Promise<void>;
}
