import type { Checksum, ChecksumName } from "./checksums.ts";
import type { Content } from "./content.ts";

/** An object as it is now. Never changed: a write puts another one in its place. */
export interface StoredObject {
  readonly key: string;
  /** Without quotes. */
  readonly etag: string;
  readonly content: Content;
  readonly modified: Date;
  /** What the writer gave: content-type, cache-control, x-amz-meta-*, ... */
  readonly headers: Readonly<Record<string, string>>;
  readonly checksum?: Checksum;
}

export interface StoredPart {
  readonly number: number;
  readonly md5: string;
  readonly content: Content;
  readonly modified: Date;
  readonly checksums: ReadonlyMap<ChecksumName, string>;
}

export interface Upload {
  readonly id: string;
  readonly key: string;
  readonly started: Date;
  readonly headers: Readonly<Record<string, string>>;
  readonly checksum?: { readonly name: ChecksumName; readonly type: Checksum["type"] };
  readonly parts: Map<number, StoredPart>;
}

export interface Bucket {
  readonly name: string;
  readonly created: Date;
  readonly objects: Map<string, StoredObject>;
  readonly uploads: Map<string, Upload>;
}

/** Puts an object in place of what was there, whose bytes are let go. */
export function place(bucket: Bucket, object: StoredObject): void {
  bucket.objects.get(object.key)?.content.release();
  bucket.objects.set(object.key, object);
}

/** Lets go of an upload and its parts. */
export function discard(bucket: Bucket, upload: Upload): void {
  bucket.uploads.delete(upload.id);
  for (const { content } of upload.parts.values()) content.release();
}

/** S3 sorts keys by their UTF-8 bytes, which is not JavaScript's order of UTF-16 units. */
export function byBytes(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}
