/** The object that a lease is kept in. It is never deleted: the token in it is the one that no later lease may have again. */
import { randomBytes } from "node:crypto";
import { StoreDataError } from "../errors.ts";
import { checkKey, longestKey } from "../keys.ts";

/** Under a prefix of its own: nothing that is done to the key itself touches its lease. */
export const leasePrefix = ".tinderbox/lease/";

export interface LeaseRecord {
  /** That of the lease which was taken last, also when it has been given back. */
  readonly token: number;
  /** Who has it; null when it was given back. */
  readonly holder: string | null;
  /** Milliseconds for which it is held from each write on. */
  readonly ttl: number;
  /** Another one in every write: an etag may be made of the contents alone, and by this a writer knows its own writes again. */
  readonly beat: string;
}

export interface LeaseFacts {
  readonly store: string;
  readonly key: string;
}

const fields = ["tinderbox", "token", "holder", "ttl", "beat"];

export function newBeat(): string {
  return randomBytes(12).toString("base64url");
}

/** Where the record of a lease is. */
export function recordKey(key: unknown): string {
  checkKey(key, "a lease", longestKey - leasePrefix.length);
  return leasePrefix + key;
}

export function writeLease({ token, holder, ttl, beat }: LeaseRecord): Uint8Array {
  return Buffer.from(`${JSON.stringify({ tinderbox: "lease", token, holder, ttl, beat })}\n`);
}

/** @throws StoreDataError for something else, and for what a newer version has written. */
export function readLease(body: Uint8Array, facts: LeaseFacts): LeaseRecord {
  const found = parse(body);
  if (found?.["tinderbox"] !== "lease") throw refused(facts, "was not written by a lease; remove it");
  const { token, holder, ttl, beat, ...more } = found as Record<string, unknown>;
  if (Object.keys(more).some((name) => !fields.includes(name)))
    throw refused(facts, "was written by a newer version; use that version here, too");
  const sound =
    Number.isSafeInteger(token) &&
    (token as number) > 0 &&
    (typeof holder === "string" || holder === null) &&
    typeof ttl === "number" &&
    ttl > 0 &&
    typeof beat === "string";
  if (!sound) throw refused(facts, "is damaged; remove it when nobody holds the lease");
  return { token, holder, ttl, beat } as LeaseRecord;
}

function parse(body: Uint8Array): Record<string, unknown> | undefined {
  try {
    const found: unknown = JSON.parse(Buffer.from(body).toString("utf8"));
    return typeof found === "object" && found !== null ? (found as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function refused({ store, key }: LeaseFacts, state: string): StoreDataError {
  const where = leasePrefix + key;
  return new StoreDataError(`Cannot read lease "${key}" of ${store}: what is stored at "${where}" ${state}`, {
    store,
    key,
  });
}
