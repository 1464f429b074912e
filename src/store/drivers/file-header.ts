/**
 * What each version begins with: 256 bytes.
 *
 *     0 "tinderb1"   8 kind: 1 object, 2 removal   12 CRC32 of the body   16 size of the body   24 number of the version
 *     32 id: 16 random bytes   48 the first 8 bytes of the ids of the 24 versions before, latest first   240 mark, or zeros
 *     252 CRC32 of all this
 */
import { randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";

export const headerBytes = 256;

const magic = Buffer.from("tinderb1");
const mostAncestors = 24;
const ancestorBytes = 8;
const [crcAt, sizeAt, numberAt, idAt, ancestorsAt, markAt, endAt] = [12, 16, 24, 32, 48, 240, 252];
const noMark = "0".repeat(2 * (endAt - markAt));

export interface Header {
  /** A removal is a version, too, and the last one. */
  readonly removed: boolean;
  readonly number: number;
  readonly size: number;
  /** CRC32 of the body. */
  readonly crc: number;
  /** Nothing else ever had it, in hex. */
  readonly id: string;
  /** Beginnings of the ids of the versions before, latest first. */
  readonly ancestors: readonly string[];
  readonly mark: string | undefined;
}

export interface Content {
  readonly size: number;
  readonly crc: number;
  readonly mark?: string | undefined;
}

/** The header of what follows `before`. */
export function successor(before: Header | undefined, content: Content | "removed"): Header {
  const removed = content === "removed";
  return {
    removed,
    number: (before?.number ?? 0) + 1,
    size: removed ? 0 : content.size,
    crc: removed ? 0 : content.crc,
    id: randomBytes(16).toString("hex"),
    ancestors: before ? [shortened(before.id), ...before.ancestors].slice(0, mostAncestors) : [],
    mark: removed ? undefined : content.mark,
  };
}

/** In place of one that cannot be read. */
export function unknownHeader(number: number): Header {
  return {
    removed: false,
    number,
    size: 0,
    crc: 0,
    id: randomBytes(16).toString("hex"),
    ancestors: [],
    mark: undefined,
  };
}

/** Whether `later` came of `earlier`; "unknown" when too many lie between. */
export function descends(later: Header, earlier: Header): boolean | "unknown" {
  if (later.id === earlier.id) return true;
  const generation = later.number - earlier.number - 1;
  return generation >= mostAncestors ? "unknown" : later.ancestors[generation] === shortened(earlier.id);
}

export function etagOf({ number, id }: Header): string {
  return `"${number}-${id}"`;
}

export function encodeHeader({ removed, number, size, crc, id, ancestors, mark = noMark }: Header): Buffer {
  const bytes = Buffer.alloc(headerBytes);
  magic.copy(bytes);
  bytes.writeUInt8(removed ? 2 : 1, magic.length);
  bytes.writeUInt32BE(crc, crcAt);
  bytes.writeBigUInt64BE(BigInt(size), sizeAt);
  bytes.writeBigUInt64BE(BigInt(number), numberAt);
  bytes.write(id, idAt, "hex");
  bytes.write(ancestors.join(""), ancestorsAt, "hex");
  bytes.write(mark, markAt, "hex");
  bytes.writeUInt32BE(crc32(bytes.subarray(0, endAt)), endAt);
  return bytes;
}

/** Undefined for what is not whole, or not a header. */
export function decodeHeader(bytes: Buffer): Header | undefined {
  if (bytes.length < headerBytes || !bytes.subarray(0, magic.length).equals(magic)) return undefined;
  if (bytes.readUInt32BE(endAt) !== crc32(bytes.subarray(0, endAt))) return undefined;
  const number = Number(bytes.readBigUInt64BE(numberAt));
  const count = Math.min(number - 1, mostAncestors);
  const mark = bytes.toString("hex", markAt, endAt);
  return {
    removed: bytes.readUInt8(magic.length) === 2,
    number,
    size: Number(bytes.readBigUInt64BE(sizeAt)),
    crc: bytes.readUInt32BE(crcAt),
    id: bytes.toString("hex", idAt, ancestorsAt),
    ancestors: Array.from({ length: count }, (_, index) => {
      const at = ancestorsAt + index * ancestorBytes;
      return bytes.toString("hex", at, at + ancestorBytes);
    }),
    mark: mark === noMark ? undefined : mark,
  };
}

const shortened = (id: string): string => id.slice(0, 2 * ancestorBytes);
