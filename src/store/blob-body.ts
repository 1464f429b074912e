/** The bytes of a blob as they come, also over a connection that breaks. */
import { crc32 } from "node:zlib";
import { AbortError, StoreConflictError, StoreDataError, StoreError } from "../errors.ts";
import { isTransient, type Requests } from "./requests.ts";

export interface BodyOptions {
  readonly start?: number | undefined;
  readonly end?: number | undefined;
  readonly ifMatch?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How often in a row a read goes on after it broke. */
const mostResumptions = 5;
/** Of who got as far as that since, it is the first time again. */
const progressBytes = 1024 * 1024;

/**
 * Each byte once, in order, all of the same version: after a cut it goes on where it was. When it is read from its first byte to its last,
 * all of it is compared with the checksum that the store has of it, in however many requests it came.
 *
 * @throws StoreError, with `missing: true` when there is no object; StoreConflictError when it is, or becomes, another version;
 *   StoreDataError at the end when the bytes are not those that were written.
 */
export async function* bodyOf(requests: Requests, key: string, options: BodyOptions): AsyncGenerator<Uint8Array> {
  const { start = 0, end = Infinity, signal } = options;
  const facts = { store: requests.name, key };
  const named = `blob "${key}" of ${requests.name}`;
  const aborted = (): AbortError =>
    new AbortError(`Cannot read ${named}: it was aborted`, { cause: signal?.reason as unknown });
  let etag = options.ifMatch;
  let at = start;
  let failures = 0;
  let progress = 0;
  let sum = 0;
  let wanted: number | undefined;
  for (let begun = false; ; begun = true) {
    const found = await requests.read(key, { start: at, end, ifMatch: etag, signal });
    if (found === undefined && !begun)
      throw new StoreError(`Cannot read ${named}: there is none; write it first`, { ...facts, missing: true });
    if (found === undefined || found === "lost") {
      const what = begun ? "it was changed or deleted while it was read" : 'it is not what "ifMatch" names';
      throw new StoreConflictError(`Cannot read ${named}: ${what}; read it again`, { ...facts, reason: "changed" });
    }
    etag = found.etag;
    if (!begun && start === 0 && end >= found.size) wanted = found.crc32;
    try {
      for await (const piece of found.body) {
        at += piece.length;
        progress += piece.length;
        if (wanted !== undefined) sum = crc32(piece, sum);
        yield piece;
      }
      break;
    } catch (error) {
      // What has been given away already cannot be taken back.
      if (signal?.aborted) throw aborted();
      if (!isTransient(error) || StoreDataError.is(error)) throw error;
      failures = progress >= progressBytes ? 1 : failures + 1;
      if (failures > mostResumptions) throw error;
      progress = 0;
      if (at >= Math.min(end, found.size)) break;
    }
    requests.retried++;
    await requests.pause(requests.pauseMs(failures), signal).catch(() => Promise.reject(aborted()));
  }
  if (wanted === undefined || sum === wanted) return;
  throw new StoreDataError(
    `Cannot read ${named}: its checksum is not that of what was written; read it again, or write it anew`,
    { ...facts, transient: true },
  );
}

/** As a stream that asks for no more than is read; `cancel` ends the request. */
export function streamOf(requests: Requests, key: string, options: BodyOptions): ReadableStream<Uint8Array> {
  const cancelled = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, cancelled.signal]) : cancelled.signal;
  const body = bodyOf(requests, key, { ...options, signal });
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = await body.next();
        if (next.done) controller.close();
        else controller.enqueue(next.value);
      },
      cancel(reason) {
        cancelled.abort(reason);
        // It ends with the request; what it says then nobody wants to know.
        void body.return(undefined).catch(() => undefined);
      },
    },
    { highWaterMark: 0 },
  );
}
