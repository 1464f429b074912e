/** The body of an answer, as it comes: counted, checked, and never waited for longer than it may take. */
import { crc32 } from "node:zlib";
import { StoreDataError } from "../../errors.ts";
import type { Deadline } from "./deadline.ts";
import { type Asked, failureOf, storeError } from "./s3-errors.ts";
import type { S3Requests } from "./s3-requests.ts";

/** What the answer says of it. */
export interface Announced {
  /** Where it comes from; leaving it early ends the connection. */
  readonly source: AsyncIterable<Uint8Array>;
  /** Bytes that are to come; undefined when the server has not said. */
  readonly length: number | undefined;
  /** CRC32 of all of them; undefined when there is nothing to compare with. */
  readonly crc32: number | undefined;
}

/**
 * The bytes. Throws when there are fewer than were announced, when they are not those that were stored, when the connection is lost.
 * Leaving it early ends the request. Without `stallMs` the deadline is one for all of it.
 */
export async function* received(
  { source, length, crc32: expected }: Announced,
  deadline: Deadline,
  stallMs: number | undefined,
  fail: (fault: "short" | "checksum" | { readonly error: unknown }) => unknown,
): AsyncGenerator<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  let count = 0;
  let sum = 0;
  let ended = false;
  try {
    for (;;) {
      const next = await deadline.race(iterator.next()).catch((error: unknown) => {
        throw fail({ error });
      });
      if (next.done) break;
      count += next.value.length;
      if (expected !== undefined) sum = crc32(next.value, sum);
      // While the reader is busy, the server is not to blame.
      if (stallMs !== undefined) deadline.extend(Infinity);
      yield next.value;
      if (stallMs !== undefined) deadline.extend(stallMs);
    }
    ended = true;
    if (length !== undefined && count !== length) throw fail("short");
    if (expected !== undefined && sum !== expected) throw fail("checksum");
  } finally {
    deadline[Symbol.dispose]();
    // Not waited for: it may be that it does not answer.
    if (!ended) void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}

/** Tells what a body lacks, in our words. */
export function faults(
  requests: Pick<S3Requests<unknown>, "place" | "ended">,
  asked: Asked,
  deadline: Deadline,
  signal: AbortSignal | undefined,
): Parameters<typeof received>[3] {
  const { place } = requests;
  return (fault) => {
    if (deadline.ending !== undefined) return requests.ended(deadline, true, asked, signal);
    if (typeof fault === "object") return failureOf(fault.error, asked, place);
    if (fault === "short")
      return storeError(
        { what: "bytes are missing at its end", todo: "try again", transient: true, maybe: false },
        asked,
        place,
      );
    const facts = { store: place.name, key: asked.key, transient: true };
    return new StoreDataError(
      `Cannot read "${asked.key}" of ${place.name}: its checksum is not that of what was written; read it again, or write it anew`,
      facts,
    );
  };
}

/** A CRC32 as S3 writes it. */
export function base64Of(sum: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(sum >>> 0);
  return bytes.toString("base64");
}
