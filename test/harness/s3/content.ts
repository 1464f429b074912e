import { createReadStream, createWriteStream, rmSync, type WriteStream } from "node:fs";
import { join } from "node:path";
import { finished } from "node:stream/promises";

/** One piece of a body: in memory, or in a file of its own. */
interface Segment {
  readonly size: number;
  readonly place: Buffer | string;
}

/** Files are removed when the last content that has them as a segment is let go. */
const users = new Map<string, number>();

/**
 * The bytes of an object or a part. Owned by whoever made it; each further owner (a download under way, a copy) calls
 * `share` and everyone calls `release` once. Its files are gone with the last of them.
 */
export class Content {
  readonly size: number;
  readonly #segments: readonly Segment[];
  #released = false;

  constructor(segments: readonly Segment[]) {
    this.#segments = segments;
    this.size = segments.reduce((sum, { size }) => sum + size, 0);
    for (const { place } of segments) if (typeof place === "string") users.set(place, (users.get(place) ?? 0) + 1);
  }

  /** The parts of an upload after one another, without copying a byte. */
  static join(parts: readonly Content[]): Content {
    return new Content(parts.flatMap((part) => part.#segments));
  }

  share(): Content {
    return new Content(this.#segments);
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    for (const { place } of this.#segments) {
      if (typeof place !== "string") continue;
      const left = (users.get(place) ?? 1) - 1;
      if (left > 0) users.set(place, left);
      else {
        users.delete(place);
        rmSync(place, { force: true });
      }
    }
  }

  /** The bytes from `start` up to, not including, `end`. */
  async *read(start = 0, end = this.size): AsyncGenerator<Buffer> {
    let offset = 0;
    for (const { size, place } of this.#segments) {
      const from = Math.max(0, start - offset);
      const to = Math.min(size, end - offset);
      if (from < to) {
        if (typeof place === "string") {
          for await (const piece of createReadStream(place, { start: from, end: to - 1 })) yield piece as Buffer;
        } else yield place.subarray(from, to);
      }
      offset += size;
    }
  }

  async bytes(): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for await (const piece of this.read()) pieces.push(piece);
    return Buffer.concat(pieces);
  }
}

export interface ContentSinkOptions {
  readonly folder: string;
  /** Bodies of more bytes than this go to a file. */
  readonly spillBytes: number;
}

let files = 0;

/** Takes a body piece by piece and decides on the way whether it stays in memory. */
export class ContentSink {
  readonly #options: ContentSinkOptions;
  #pieces: Buffer[] = [];
  #size = 0;
  #file: { readonly path: string; readonly stream: WriteStream } | undefined;

  constructor(options: ContentSinkOptions) {
    this.#options = options;
  }

  async write(piece: Buffer): Promise<void> {
    this.#size += piece.length;
    if (!this.#file) {
      this.#pieces.push(piece);
      if (this.#size <= this.#options.spillBytes) return;
      const path = join(this.#options.folder, `body-${process.pid}-${files++}`);
      this.#file = { path, stream: createWriteStream(path) };
      for (const waiting of this.#pieces) await this.#append(waiting);
      this.#pieces = [];
    } else await this.#append(piece);
  }

  async finish(): Promise<Content> {
    if (!this.#file) return new Content([{ size: this.#size, place: Buffer.concat(this.#pieces) }]);
    const { path, stream } = this.#file;
    stream.end();
    await finished(stream);
    return new Content([{ size: this.#size, place: path }]);
  }

  /** Drops what was taken so far, when the rest never came. */
  abandon(): void {
    this.#file?.stream.destroy();
    if (this.#file) rmSync(this.#file.path, { force: true });
  }

  #append(piece: Buffer): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#file?.stream.write(piece, (error) => (error ? reject(error) : resolve()));
    return promise;
  }
}
