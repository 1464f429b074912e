/** The body of an open version, whole or piece by piece. */
import type { FileHandle } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { type Place, damaged, explained } from "./file-errors.ts";
import { headerBytes } from "./file-header.ts";
import type { FileRequests, Ongoing } from "./file-requests.ts";
import type { OpenVersion } from "./file-versions.ts";

const pieceBytes = 128 * 1024;

export interface BodyOptions {
  readonly place: Place;
  readonly start: number;
  readonly end: number;
  /** Its time begins anew with each piece. */
  readonly ongoing: Ongoing;
  readonly requests: Pick<FileRequests, "late">;
}

/** Closes its version when it has been read, or was left, or failed, or has to end. */
export class Body implements AsyncIterableIterator<Uint8Array> {
  readonly #version: OpenVersion;
  readonly #options: BodyOptions;
  readonly #end: number;
  readonly #isWhole: boolean;
  #at: number;
  #crc = 0;
  #isReading = false;
  readonly #closed = Promise.withResolvers<void>();
  #closing: Promise<void> | undefined;

  constructor(version: OpenVersion, options: BodyOptions) {
    const { size } = version.header;
    this.#version = version;
    this.#options = options;
    this.#end = Math.min(options.end, size);
    this.#at = Math.min(options.start, this.#end);
    this.#isWhole = this.#at === 0 && this.#end === size;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const { ongoing, place, requests } = this.#options;
    try {
      ongoing.check();
      const at = this.#at;
      if (this.#closing || at >= this.#end) {
        if (!this.#closing && this.#isWhole) checkSum(this.#crc, this.#version, place);
        await this.close();
        return { done: true, value: undefined };
      }
      this.#at = Math.min(at + pieceBytes, this.#end);
      const piece = await this.#inTime(readPart(this.#version.handle, at, this.#at, place));
      ongoing.check();
      this.#crc = crc32(piece, this.#crc);
      return { done: false, value: piece };
    } catch (error) {
      const closed = this.close();
      if (!ongoing.late) await closed;
      throw ongoing.late ? requests.late("read", place, false) : explained(error, "read", place);
    }
  }

  async #inTime<T>(work: Promise<T>): Promise<T> {
    const { ongoing } = this.#options;
    this.#isReading = true;
    ongoing.continue();
    try {
      return await ongoing.race(work);
    } finally {
      this.#isReading = false;
      ongoing.rest();
    }
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    await this.close();
    return { done: true, value: undefined };
  }

  /** Resolves when the version is closed. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  close(): Promise<void> {
    // A read that is under way ends by its time also when the system does not even close the file.
    if (!this.#isReading) this.#options.ongoing[Symbol.dispose]();
    this.#closing ??= this.#version.handle.close().finally(() => this.#closed.resolve());
    return this.#closing;
  }
}

export async function readWhole(version: OpenVersion, place: Place): Promise<Uint8Array> {
  const body = await readPart(version.handle, 0, version.header.size, place);
  checkSum(crc32(body), version, place);
  return body;
}

function checkSum(crc: number, { header }: OpenVersion, place: Place): void {
  if (crc !== header.crc) throw damaged(place, `the checksum of version ${header.number} does not fit its bytes`);
}

async function readPart(handle: FileHandle, start: number, end: number, place: Place): Promise<Uint8Array> {
  const part = new Uint8Array(end - start);
  for (let at = 0; at < part.length;) {
    const { bytesRead } = await handle.read(part, at, part.length - at, headerBytes + start + at);
    if (bytesRead === 0) throw damaged(place, `its bytes end at ${start + at}`);
    at += bytesRead;
  }
  return part;
}
