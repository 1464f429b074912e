import { createHash } from "node:crypto";
import { S3Error } from "./errors.ts";
import { chunkSignature, type ChunkSigning, trailerSignature } from "./sigv4.ts";

/** AWS refuses smaller chunks, except the last: a client that streams without a buffer learns it here, not there. */
const minChunkBytes = 8192;
const maxLineBytes = 8192;

export interface ChunkedOptions {
  /** Set when each chunk has a signature. */
  readonly signing?: ChunkSigning;
  /** Receives the trailers, with lower-case names. */
  readonly trailers: Map<string, string>;
  /** Names announced by x-amz-trailer. */
  readonly announced: readonly string[];
  readonly sameSignature: (expected: string, given: string) => boolean;
}

/** Takes lines and runs of bytes from a stream that breaks anywhere. */
class ByteReader {
  readonly #source: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** False when the stream has ended. */
  async #more(): Promise<boolean> {
    const { done, value } = await this.#source.next();
    if (!done) this.#rest = this.#rest.length > 0 ? Buffer.concat([this.#rest, value]) : value;
    return !done;
  }

  /** A line without its CRLF, or undefined at the end of the stream. */
  async line(): Promise<string | undefined> {
    for (;;) {
      const end = this.#rest.indexOf("\n");
      if (end >= 0) {
        const line = this.#rest.toString("latin1", 0, end).replace(/\r$/, "");
        this.#rest = this.#rest.subarray(end + 1);
        return line;
      }
      if (this.#rest.length > maxLineBytes) throw incomplete();
      if (!(await this.#more())) return undefined;
    }
  }

  async *take(count: number): AsyncGenerator<Buffer> {
    for (let left = count; left > 0;) {
      if (this.#rest.length === 0 && !(await this.#more())) throw incomplete();
      const piece = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(piece.length);
      left -= piece.length;
      yield piece;
    }
  }
}

function incomplete(): S3Error {
  return new S3Error("IncompleteBody", "The request body terminated unexpectedly");
}

function wrongSignature(): S3Error {
  return new S3Error(
    "SignatureDoesNotMatch",
    "The chunk signature we calculated does not match the signature you provided.",
  );
}

/**
 * The data of an aws-chunked body. Lines are `<hex size>[;chunk-signature=<hex>]`, the chunk of size 0 is followed by
 * `name:value` trailers. Data is handed on before its chunk's signature is checked, so nobody may use it before the end.
 */
export async function* dechunk(source: AsyncIterable<Buffer>, options: ChunkedOptions): AsyncGenerator<Buffer> {
  const { signing } = options;
  const reader = new ByteReader(source);
  let previous = signing?.seed ?? "";
  let small: number | undefined;
  for (let number = 1; ; number++) {
    const [, digits, given] =
      /^([\da-f]+)(?:;chunk-signature=([\da-f]{64}))?$/i.exec((await reader.line()) ?? "") ?? [];
    if (digits === undefined) throw incomplete();
    const size = Number.parseInt(digits, 16);
    if (size > 0 && small !== undefined) {
      throw new S3Error("InvalidChunkSizeError", "Only the last chunk is allowed to have a size less than 8192 bytes", {
        Chunk: number,
        BadChunkSize: small,
      });
    }
    if (size < minChunkBytes) small = size;
    const hash = signing && createHash("sha256");
    for await (const piece of reader.take(size)) {
      hash?.update(piece);
      yield piece;
    }
    if (signing && hash) {
      const expected = chunkSignature(signing, previous, hash.digest("hex"));
      if (!options.sameSignature(expected, given ?? "")) throw wrongSignature();
      previous = expected;
    }
    if (size === 0) break;
    if ((await reader.line()) !== "") throw incomplete();
  }
  await readTrailers(reader, previous, options);
}

async function readTrailers(reader: ByteReader, previous: string, options: ChunkedOptions): Promise<void> {
  const { signing, announced, trailers } = options;
  for (let line = await reader.line(); line; line = await reader.line()) {
    const colon = line.indexOf(":");
    trailers.set(line.slice(0, Math.max(0, colon)).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  const given = trailers.get("x-amz-trailer-signature");
  trailers.delete("x-amz-trailer-signature");
  if (announced.some((name) => !trailers.has(name)) || [...trailers.keys()].some((name) => !announced.includes(name))) {
    throw new S3Error(
      "MalformedTrailerError",
      "The request contained trailing data that was not well-formed or did not conform to our published schema.",
    );
  }
  if (!signing || announced.length === 0) return;
  if (!options.sameSignature(trailerSignature(signing, previous, [...trailers]), given ?? "")) throw wrongSignature();
}
