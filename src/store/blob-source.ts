/** What a blob may be written from, as bytes. */
import { show } from "../options.ts";

export type BlobData =
  string | Uint8Array | ArrayBuffer | Blob | ReadableStream<Uint8Array | string> | AsyncIterable<Uint8Array | string>;

export interface BlobSource {
  /** The bytes from their beginning. Where it cannot be read `again`, only one of these may be begun. */
  open(): AsyncIterable<Uint8Array>;
  /** Lets go of what nobody has begun to read. */
  leave(): void;
  /** True when it is all there, so that it can be read more than once. */
  readonly again: boolean;
}

const pieceBytes = 1024 * 1024;

/** @throws TypeError for anything else. */
export function sourceOf(data: unknown, what: string): BlobSource {
  const bytes = bytesOf(data);
  if (bytes) return { open: () => slices(bytes), again: true, leave() {} };
  if (data instanceof Blob) return { open: () => data.stream(), again: true, leave() {} };
  if (data instanceof ReadableStream && data.locked)
    throw new TypeError(`Cannot write ${what}: its stream is being read by somebody else; pass a stream of its own`);
  if (isIterable(data)) return begun(encoded(data, what));
  throw new TypeError(
    `Cannot write ${show(data)} as ${what}: a string, bytes, a Blob, a stream or an async iterable of strings and bytes is wanted`,
  );
}

function bytesOf(data: unknown): Uint8Array | undefined {
  if (typeof data === "string") return Buffer.from(data);
  if (data instanceof Uint8Array) return data;
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const raw = data instanceof ArrayBuffer || data instanceof SharedArrayBuffer;
  return raw ? new Uint8Array(data) : undefined;
}

function isIterable(data: unknown): data is AsyncIterable<unknown> {
  return typeof data === "object" && data !== null && Symbol.asyncIterator in data;
}

/** It is asked for its first piece at once: a stream that fails while nobody listens to it ends the process. */
function begun(iterator: AsyncGenerator<Uint8Array>): BlobSource {
  const first = iterator.next();
  first.catch(() => undefined);
  async function* open(): AsyncGenerator<Uint8Array> {
    try {
      for (let next = await first; !next.done; next = await iterator.next()) yield next.value;
    } finally {
      await iterator.return(undefined);
    }
  }
  return { open, again: false, leave: () => void iterator.return(undefined).catch(() => undefined) };
}

// Pieces, so that who takes them need not hold all of it a second time.
async function* slices(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

async function* encoded(data: AsyncIterable<unknown>, what: string): AsyncGenerator<Uint8Array> {
  // A character may be divided between two strings.
  let half = "";
  for await (const piece of data) {
    if (typeof piece === "string") {
      const text = half + piece;
      half = /[\ud800-\udbff]$/.test(text) ? text.slice(-1) : "";
      yield Buffer.from(half ? text.slice(0, -1) : text);
      continue;
    }
    const bytes = bytesOf(piece);
    if (!bytes) throw new TypeError(`Cannot write ${show(piece)} as a piece of ${what}: a string or bytes are wanted`);
    if (half) yield Buffer.from(half);
    half = "";
    yield bytes;
  }
  if (half) yield Buffer.from(half);
}
