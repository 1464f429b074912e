import { setTimeout as sleep } from "node:timers/promises";
import { type Rules, strict } from "./rules.ts";
import { type S3Options, type S3Server, startWithRules } from "./server.ts";

/** A server that is broken in one way, and a conformance check that has to notice. */
export interface Mutant {
  readonly rules: Partial<Rules>;
  readonly noticedBy: string;
}

export const mutants: Readonly<Record<string, Mutant>> = {
  "If-Match of writes is ignored": {
    rules: { matches: () => true },
    noticedBy: "a PUT with If-Match of a former ETag leaves the object as it is, with 412",
  },
  "If-Match holds for an absent key": {
    rules: { matches: (etag, current) => current === undefined || strict.matches(etag, current) },
    noticedBy: "a PUT with If-Match on an absent key creates nothing, with 404 NoSuchKey",
  },
  "If-Match is compared with its quotes": {
    rules: { matches: (etag, current) => strict.matches(etag.replace(/^/, '"'), current) },
    noticedBy: "a PUT with If-Match of the current ETag replaces the object",
  },
  "If-None-Match of writes is ignored": {
    rules: { isFree: () => true },
    noticedBy: "a Complete with If-None-Match: * leaves an existing key as it is, with 412",
  },
  "a creator's condition is checked in one step and its write done in another": {
    rules: { settle: inTwoSteps },
    noticedBy: "of 50 concurrent creators exactly one wins",
  },
  "a replacer's condition is checked in one step and its write done in another": {
    rules: { settle: inTwoSteps },
    noticedBy: "of 50 concurrent increments by compare-and-set none is lost",
  },
  "a completed upload's condition is checked in one step and its write done in another": {
    rules: { settle: inTwoSteps },
    noticedBy: "of 10 uploads completed at once with If-None-Match: * exactly one wins",
  },
  "a list has one page": {
    rules: { pageSize: () => Infinity },
    noticedBy: "a list in pages has every key once, in order",
  },
  "a delete does nothing": {
    rules: { remove: () => undefined },
    noticedBy: "a deleted object is gone, and deleting it again is no error",
  },
  "signatures are not verified": {
    rules: { sameSignature: () => true },
    noticedBy: "a request signed with a wrong secret is refused",
  },
  "signatures of links are not verified": {
    rules: { sameSignature: () => true },
    noticedBy: "a presigned GET of another key is refused",
  },
  "digests are not verified": {
    rules: { sameDigest: () => true },
    noticedBy: "a wrong checksum is refused and nothing is stored",
  },
  "the ETag is always the same": {
    rules: { etag: () => "d41d8cd98f00b204e9800998ecf8427e" },
    noticedBy: "a DELETE with If-Match of a former ETag leaves the object, with 412",
  },
  "a range ends one byte early": {
    rules: { range: (start, end) => [start, Math.max(start + 1, end - 1)] },
    noticedBy: "ranges give the bytes they name",
  },
  "a range begins one byte late": {
    rules: { range: (start, end) => [Math.min(start + 1, end - 1), end] },
    noticedBy: "ranges give the bytes they name",
  },
};

async function inTwoSteps<T>(check: () => void, apply: () => T): Promise<T> {
  check();
  // Long enough for every other request of a race to have looked.
  await sleep(20);
  return apply();
}

export function startMutant({ rules }: Mutant, options: S3Options = {}): Promise<S3Server> {
  return startWithRules(options, { ...strict, ...rules });
}
