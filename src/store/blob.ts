/** Objects of any size: written and read as a stream, or at once. */
import { randomBytes } from "node:crypto";
import { StoreConflictError, StoreDataError } from "../errors.ts";
import { refuseUnknown, resolveBoolean, resolveCount, show } from "../options.ts";
import type { Condition } from "../ports/store.ts";
import { handleOf } from "../value/port.ts";
import { bodyOf, streamOf } from "./blob-body.ts";
import { type BlobData, sourceOf } from "./blob-source.ts";
import type { HandleMaker } from "./cell.ts";
import type { Requests } from "./requests.ts";
import { remove, settle } from "./settle.ts";

export type { BlobData } from "./blob-source.ts";

export interface WriteBlobOptions {
  /** Written only over the version with this etag. Default: over whatever is there. */
  readonly ifMatch?: string | undefined;
  /** Written only where nothing is. Default: false. */
  readonly ifAbsent?: boolean | undefined;
  /** Gives up. A write that is nearly done may still be done; its error has `maybe: true` then. */
  readonly signal?: AbortSignal | undefined;
}

export interface ReadBlobOptions {
  /** First byte, from 0. Default: 0. */
  readonly start?: number | undefined;
  /** One more than the last byte; there may be fewer. Default: the end. */
  readonly end?: number | undefined;
  /** Only the version with this etag is read. Default: the one that is there. */
  readonly ifMatch?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface DeleteBlobOptions {
  /** Only the version with this etag is deleted. Default: whatever is there. */
  readonly ifMatch?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface AskBlobOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface BlobInfo {
  readonly etag: string;
  /** In bytes. */
  readonly size: number;
  /** When it was written, in milliseconds since 1970 by the store's clock. */
  readonly modified: number;
}

/**
 * A large object. It is there whole or not at all: nobody sees a part of a write, and a read is of one version. Where the store keeps
 * checksums, as S3 does, the bytes are compared with them.
 *
 * @example
 * import { createReadStream } from "node:fs";
 * import { openStore } from "tinderbox/store";
 *
 * await using store = openStore("s3://my-bucket/app");
 * const video = store.blob("videos/1.mp4");
 * const { etag } = await video.write(createReadStream("1.mp4"), { ifAbsent: true });
 * for await (const piece of video.stream({ ifMatch: etag })) process.stdout.write(piece);
 */
export interface StoreBlob {
  readonly key: string;
  /**
   * Writes it, with little memory whatever its size: a stream or an async iterable is read as fast as the store takes it. When anything
   * fails, what was there stays. What is all there (a string, bytes, a Blob) is sent again for up to 30 seconds when the store fails for a
   * moment; of a stream only the parts that are under way.
   *
   * @returns Its etag, and its size in bytes.
   * @throws StoreConflictError `"changed"` when `ifMatch` or `ifAbsent` does not hold; then nothing is written. `"unknown"`, with
   *   `maybe: true`, when an answer was lost and others have written since, so that nobody can tell any more.
   * @throws StoreError when the store fails; with `maybe: true` when it may have been written. What the stream throws, as it is.
   * @throws AbortError when `signal` aborts; nothing is written, unless its `maybe` is true.
   * @throws TypeError for data or options that make no sense.
   * @example
   * await store.blob("report.txt").write("all is well\n");
   */
  write(data: BlobData, options?: WriteBlobOptions): Promise<{ readonly etag: string; readonly size: number }>;
  /**
   * Its bytes, read from the store as fast as the stream is read. A connection that breaks is made again up to 5 times in a row, and goes on
   * with the next byte of the same version. `cancel` ends the request. Errors come from reading the stream:
   *
   * @throws StoreError when there is none (`missing: true`), or the store fails; StoreDataError when the bytes are not those that were
   *   written, which is known at their end.
   * @throws StoreConflictError `"changed"` when it is another version than `ifMatch`, or was written while it was read.
   * @throws AbortError when `signal` aborts.
   * @example
   * const response = new Response(store.blob("videos/1.mp4").stream({ start: 1024, end: 2048 }));
   */
  stream(options?: ReadBlobOptions): ReadableStream<Uint8Array>;
  /** All of its bytes, in memory. @throws As `stream` does. */
  bytes(options?: ReadBlobOptions): Promise<Uint8Array<ArrayBuffer>>;
  /** Its text, as UTF-8. @throws As `stream` does. */
  text(options?: ReadBlobOptions): Promise<string>;
  /** Its value, from JSON. Nothing is checked but the syntax. @throws As `stream` does; StoreDataError when it is no JSON. */
  json<T = unknown>(options?: ReadBlobOptions): Promise<T>;
  /** What is known of it without its bytes; undefined when there is none. One read. */
  info(options?: AskBlobOptions): Promise<BlobInfo | undefined>;
  exists(options?: AskBlobOptions): Promise<boolean>;
  /**
   * Deletes it; no matter if there is none.
   *
   * @throws StoreConflictError `"changed"` when it is another version than `ifMatch`; `"unknown"` as `write` does.
   */
  delete(options?: DeleteBlobOptions): Promise<void>;
}

/** How often all of it is read when its checksum is wrong: it may have been the way. */
const readings = 3;

export function blobOf(requests: Requests, key: string, handles: Pick<HandleMaker, "blob">): StoreBlob {
  return new OpenBlob(requests, key, handles);
}

class OpenBlob implements StoreBlob {
  readonly key: string;
  readonly #requests: Requests;
  readonly #handles: Pick<HandleMaker, "blob">;

  constructor(requests: Requests, key: string, handles: Pick<HandleMaker, "blob">) {
    this.key = key;
    this.#requests = requests;
    this.#handles = handles;
  }

  get [handleOf](): { readonly type: string; readonly data: unknown } {
    return this.#handles.blob(this.key);
  }

  async write(
    data: BlobData,
    options: WriteBlobOptions = {},
  ): Promise<{ readonly etag: string; readonly size: number }> {
    const { signal } = options;
    const condition = this.#conditionOf(options);
    const source = sourceOf(data, `blob "${this.key}"`);
    const mark = randomBytes(12).toString("hex");
    let size = 0;
    let begun = false;
    async function* counted(): AsyncGenerator<Uint8Array> {
      begun = true;
      size = 0;
      for await (const piece of source.open()) {
        size += piece.length;
        yield piece;
      }
    }
    const outcome = await settle<{ readonly etag: string }>(this.#requests, {
      ...this.#facts,
      named: this.#named,
      action: "written",
      signal,
      act: () => this.#requests.write(this.key, counted(), { condition, mark, signal }),
      look: async (patienceMs) => {
        const looking = this.#requests.head(this.key, { signal }, condition === undefined ? 0 : patienceMs);
        // Without a condition it can be written again all the same.
        const found = await (condition === undefined ? looking.catch(() => undefined) : looking);
        if (found?.mark === mark) return { kind: "done", result: found };
        const holds = condition === undefined || (condition === "absent" ? !found : found?.etag === condition.ifMatch);
        return { kind: holds ? "open" : "other" };
      },
      again: () => source.again || !begun,
    }).finally(() => begun || source.leave());
    if (outcome !== "lost") return { etag: outcome.etag, size };
    throw this.#changed("write", condition === "absent" ? "it exists" : 'it is not what "ifMatch" names');
  }

  stream(options: ReadBlobOptions = {}): ReadableStream<Uint8Array> {
    return streamOf(this.#requests, this.key, this.#reading(options));
  }

  async bytes(options: ReadBlobOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    const reading = this.#reading(options);
    for (let times = 1; ; times++) {
      try {
        const pieces: Uint8Array[] = [];
        for await (const piece of bodyOf(this.#requests, this.key, reading)) pieces.push(piece);
        return joined(pieces);
      } catch (error) {
        if (!StoreDataError.is(error) || times === readings) throw error;
        this.#requests.retried++;
      }
    }
  }

  async text(options: ReadBlobOptions = {}): Promise<string> {
    return new TextDecoder().decode(await this.bytes(options));
  }

  async json<T = unknown>(options: ReadBlobOptions = {}): Promise<T> {
    const text = await this.text(options);
    try {
      return JSON.parse(text) as T;
    } catch {
      // Its message would show a piece of the content.
      throw new StoreDataError(
        `Cannot read ${this.#named} as JSON: it is something else; use text() or bytes()`,
        this.#facts,
      );
    }
  }

  async info({ signal, ...rest }: AskBlobOptions = {}): Promise<BlobInfo | undefined> {
    refuseUnknown(rest, ["signal"], this.#named);
    const found = await this.#requests.head(this.key, { signal });
    return found && { etag: found.etag, size: found.size, modified: found.modified };
  }

  async exists(options: AskBlobOptions = {}): Promise<boolean> {
    return (await this.info(options)) !== undefined;
  }

  async delete({ ifMatch, signal, ...rest }: DeleteBlobOptions = {}): Promise<void> {
    refuseUnknown(rest, ["ifMatch", "signal"], `delete of ${this.#named}`);
    checkEtag(ifMatch);
    const outcome = await remove(this.#requests, this.key, this.#named, { ifMatch, signal });
    if (outcome === "lost") throw this.#changed("delete", 'it is not what "ifMatch" names');
  }

  #conditionOf(options: WriteBlobOptions): Condition | undefined {
    const { ifMatch, ifAbsent = false } = options;
    refuseUnknown(options, ["ifMatch", "ifAbsent", "signal"], `write of ${this.#named}`);
    checkEtag(ifMatch);
    if (resolveBoolean(ifAbsent, "ifAbsent") && ifMatch !== undefined)
      throw new TypeError(`Cannot write ${this.#named} with ifMatch and ifAbsent: both cannot hold; use one of them`);
    if (ifAbsent) return "absent";
    return ifMatch === undefined ? undefined : { ifMatch };
  }

  #reading(options: ReadBlobOptions): ReadBlobOptions {
    const { start = 0, end = Infinity, ifMatch } = options;
    refuseUnknown(options, ["start", "end", "ifMatch", "signal"], `read of ${this.#named}`);
    checkEtag(ifMatch);
    resolveCount(end, "end", resolveCount(start, "start", 0), true);
    return options;
  }

  #changed(action: string, what: string): StoreConflictError {
    return new StoreConflictError(`Cannot ${action} ${this.#named}: ${what}; read it again`, {
      ...this.#facts,
      reason: "changed",
    });
  }

  get #named(): string {
    return `blob "${this.key}" of ${this.#requests.name}`;
  }

  get #facts(): { readonly store: string; readonly key: string } {
    return { store: this.#requests.name, key: this.key };
  }
}

function checkEtag(ifMatch: unknown): void {
  if (ifMatch === undefined || (typeof ifMatch === "string" && ifMatch !== "")) return;
  throw new TypeError(`Cannot use ${show(ifMatch)} as ifMatch: an etag is wanted, as write() and info() give it`);
}

/** In memory of its own, of which nothing else is a part. */
function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
