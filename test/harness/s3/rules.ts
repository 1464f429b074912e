import { timingSafeEqual } from "node:crypto";
import type { StoredObject } from "./state.ts";

/**
 * The decisions that make this server strict, each by itself, so that a test can take one away and see that the
 * conformance checks notice. Nobody but the mutants replaces one.
 */
export interface Rules {
  sameSignature(expected: string, given: string): boolean;
  sameDigest(expected: string, given: string): boolean;
  /** Whether a condition of `If-Match` holds. `etag` has no quotes. */
  matches(etag: string, current: StoredObject | undefined): boolean;
  /** Whether the key counts as free for `If-None-Match: *`. */
  isFree(current: StoredObject | undefined): boolean;
  /** Checks a write's conditions and carries it out. */
  settle<T>(check: () => void, apply: () => T): T | Promise<T>;
  etag(md5: string): string;
  /** How many keys a page of a list has at most. */
  pageSize(asked: number): number;
  remove(objects: Map<string, StoredObject>, key: string): void;
  /** The bytes to send: from `start` up to, not including, `end`. */
  range(start: number, end: number): readonly [start: number, end: number];
}

export const strict: Rules = {
  sameSignature(expected, given) {
    return expected.length === given.length && timingSafeEqual(Buffer.from(expected), Buffer.from(given));
  },
  sameDigest: (expected, given) => expected === given,
  matches: (etag, current) => current !== undefined && (etag === "*" || current.etag === etag),
  isFree: (current) => current === undefined,
  // One synchronous step: nothing can come between the look and the write.
  settle(check, apply) {
    check();
    return apply();
  },
  etag: (md5) => md5,
  pageSize: (asked) => Math.min(asked, 1000),
  remove: (objects, key) => void objects.delete(key),
  range: (start, end) => [start, end],
};
