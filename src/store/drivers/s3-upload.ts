/** Sends a body of any size with little memory: in one request when it is small, in parts when it is not. */
import { crc32 } from "node:zlib";
import { backoffMs } from "../../backoff.ts";
import { StoreError } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { PutOutcome } from "../../ports/store.ts";
import { pauseFor, unlessAborted } from "../../waiting.ts";
import { mostParts, PartBuffer, partSize } from "./s3-parts.ts";

export interface SentPart {
  readonly number: number;
  readonly etag: string;
  readonly crc32: number;
}

/** The requests that an upload is made of. Each is done once; `signal` ends it. */
export interface UploadCalls {
  put(body: Uint8Array): Promise<PutOutcome>;
  /** Gives the id of the upload. */
  create(signal: AbortSignal): Promise<string>;
  part(id: string, number: number, body: PartBuffer, signal: AbortSignal): Promise<SentPart>;
  complete(id: string, parts: readonly SentPart[], whole: number): Promise<PutOutcome>;
  abort(id: string): Promise<void>;
  /** For a body that has more bytes than S3 takes. */
  tooLarge(): Error;
}

export interface UploadOptions {
  readonly partBytes: number;
  readonly clock: Clock;
  /** Aborted by the caller, or because the driver is closed. */
  readonly signals: readonly AbortSignal[];
}

const mostAtOnce = 4;
/** Parts of large objects are large: then there are fewer at once. */
const memoryBytes = 256 * 2 ** 20;
const tries = 4;
const pauses = { initialMs: 100, maxMs: 2_000, factor: 3, jitter: true };

/** Whatever fails, the source too: afterwards there is no part left, as far as the server can be reached. */
export async function upload(
  source: AsyncIterable<Uint8Array>,
  calls: UploadCalls,
  options: UploadOptions,
): Promise<PutOutcome> {
  const reader = new Reader(source);
  const stop = new AbortController();
  const unfollow = following(stop, options.signals);
  try {
    const first = new PartBuffer().reset(partSize(1, options.partBytes));
    await reader.fill(first, stop.signal);
    if (reader.ended) return await calls.put(first.bytes);
    const id = await repeated(options.clock, stop.signal, () => calls.create(stop.signal));
    try {
      const parts = await sendParts(id, first, reader, calls, options, stop);
      const outcome = await calls.complete(id, parts, reader.crc32);
      if (outcome === "lost") await cleared(id, calls, options.clock);
      return outcome;
    } catch (error) {
      await cleared(id, calls, options.clock);
      throw error;
    }
  } finally {
    unfollow();
    await reader.leave();
  }
}

async function sendParts(
  id: string,
  first: PartBuffer,
  reader: Reader,
  calls: UploadCalls,
  { clock, partBytes }: UploadOptions,
  stop: AbortController,
): Promise<SentPart[]> {
  const sent: SentPart[] = [];
  const sending = new Set<Promise<void>>();
  const free: PartBuffer[] = [];
  const send = async (number: number, part: PartBuffer): Promise<void> => {
    sent[number - 1] = await repeated(clock, stop.signal, () => calls.part(id, number, part, stop.signal));
    free.push(part);
  };
  try {
    let part = first;
    for (let number = 1; ;) {
      const task = send(number, part);
      sending.add(task);
      task.then(
        () => sending.delete(task),
        (error: unknown) => stop.abort(error),
      );
      if (reader.ended) break;
      const size = partSize(++number, partBytes);
      while (sending.size >= atOnce(size)) await unlessAborted(Promise.race(sending), [stop.signal]);
      part = (free.pop() ?? new PartBuffer()).reset(size);
      await reader.fill(part, stop.signal);
      if (part.length === 0) break;
      if (number > mostParts) throw calls.tooLarge();
    }
    await unlessAborted(Promise.all(sending), [stop.signal]);
    return sent;
  } catch (error) {
    stop.abort(error);
    // A part that arrived after the upload was aborted would stay.
    await Promise.allSettled(sending);
    throw error;
  }
}

function atOnce(size: number): number {
  return Math.max(2, Math.min(mostAtOnce, Math.floor(memoryBytes / size)));
}

/** Aborts an upload, as well as it can be done. The failure that led to it is what matters. */
async function cleared(id: string, calls: UploadCalls, clock: Clock): Promise<void> {
  await repeated(clock, new AbortController().signal, () => calls.abort(id)).catch(() => undefined);
}

/** Does again what failed for a moment and is the same when it is done twice. */
async function repeated<T>(clock: Clock, signal: AbortSignal, act: () => Promise<T>): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await act();
    } catch (error) {
      const passing = StoreError.is(error) && (error as StoreError).transient;
      if (!passing || failures === tries || signal.aborted) throw error;
      await pauseFor(clock, backoffMs(failures, pauses), signal);
    }
  }
}

/** Aborts `stop` as soon as one of the signals is aborted, until it is disposed. */
function following(stop: AbortController, signals: readonly AbortSignal[]): () => void {
  const forget = signals.map((signal) => {
    const abort = (): void => stop.abort(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    return () => signal.removeEventListener("abort", abort);
  });
  return () => {
    for (const each of forget) each();
  };
}

/** Takes pieces of any size from a source, and fills parts with them. */
class Reader {
  readonly #iterator: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();
  #crc32 = 0;
  #waiting = false;
  #ended = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#iterator = source[Symbol.asyncIterator]();
  }

  /** Of all that was taken. */
  get crc32(): number {
    return this.#crc32;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Until the part is full, or nothing comes any more. Throws what the source throws, or the reason of `signal`. */
  async fill(part: PartBuffer, signal: AbortSignal): Promise<void> {
    while (!part.full) {
      if (this.#rest.length === 0) {
        this.#waiting = true;
        const next = await unlessAborted(this.#next(), [signal]);
        if (next.done) return;
        this.#rest = next.value;
      }
      const count = part.take(this.#rest);
      this.#crc32 = crc32(this.#rest.subarray(0, count), this.#crc32);
      this.#rest = this.#rest.subarray(count);
    }
  }

  /** Lets the source go. One that does not answer is not waited for. */
  async leave(): Promise<void> {
    if (this.#ended) return;
    const left = Promise.resolve(this.#iterator.return?.()).catch(() => undefined);
    if (!this.#waiting) await left;
  }

  async #next(): Promise<IteratorResult<Uint8Array>> {
    try {
      const next = await this.#iterator.next();
      if (next.done) this.#ended = true;
      return next;
    } catch (error) {
      this.#ended = true;
      throw error;
    } finally {
      this.#waiting = false;
    }
  }
}
