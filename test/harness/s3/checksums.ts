import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";

export const checksumNames = ["crc32", "crc32c", "crc64nvme", "sha1", "sha256"] as const;
export type ChecksumName = (typeof checksumNames)[number];

/** A digest that grows with the data. */
export interface Digest {
  update(data: Uint8Array): void;
  /** The bytes, most significant first. May be asked once. */
  digest(): Buffer;
}

/** A checksum as the client sees it. A composite one covers the parts' digests and ends in `-N`. */
export interface Checksum {
  readonly name: ChecksumName;
  readonly value: string;
  readonly type: "FULL_OBJECT" | "COMPOSITE";
}

const makers: Readonly<Record<ChecksumName, () => Digest>> = {
  crc32: () => word32((data, value) => crc32(data, value)),
  crc32c: () => word32(crc32c),
  crc64nvme: () => new Crc64(),
  sha1: () => createHash("sha1"),
  sha256: () => createHash("sha256"),
};

export function makeDigest(name: ChecksumName): Digest {
  return makers[name]();
}

export function digestOf(name: ChecksumName, ...pieces: readonly Uint8Array[]): Buffer {
  const digest = makeDigest(name);
  for (const piece of pieces) digest.update(piece);
  return digest.digest();
}

/** How many base64 characters a value has, to tell a wrong value from something that is none. */
export function looksLike(name: ChecksumName, value: string): boolean {
  const bytes = { crc32: 4, crc32c: 4, crc64nvme: 8, sha1: 20, sha256: 32 }[name];
  return Buffer.from(value, "base64").toString("base64") === value && Buffer.from(value, "base64").length === bytes;
}

function word32(step: (data: Uint8Array, value: number) => number): Digest {
  let value = 0;
  return {
    update: (data) => void (value = step(data, value)),
    digest() {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(value >>> 0);
      return bytes;
    },
  };
}

const castagnoli = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value;
});

function crc32c(data: Uint8Array, before: number): number {
  let value = ~before;
  for (const byte of data) value = (castagnoli[(value ^ byte) & 0xff] ?? 0) ^ (value >>> 8);
  return ~value >>> 0;
}

// 64 bits as two words, since BigInt per byte would make a large upload take minutes.
const nvme = Array.from({ length: 256 }, (_, index) => {
  let value = BigInt(index);
  for (let bit = 0; bit < 8; bit++) value = value & 1n ? (value >> 1n) ^ 0x9a6c9329ac4bc9b5n : value >> 1n;
  return [Number(value >> 32n), Number(value & 0xffffffffn)] as const;
});
const nvmeHigh = Uint32Array.from(nvme, ([high]) => high);
const nvmeLow = Uint32Array.from(nvme, ([, low]) => low);

class Crc64 implements Digest {
  #high = -1;
  #low = -1;

  update(data: Uint8Array): void {
    let high = this.#high;
    let low = this.#low;
    for (const byte of data) {
      const index = (low ^ byte) & 0xff;
      low = ((low >>> 8) | (high << 24)) ^ (nvmeLow[index] ?? 0);
      high = (high >>> 8) ^ (nvmeHigh[index] ?? 0);
    }
    this.#high = high;
    this.#low = low;
  }

  digest(): Buffer {
    const bytes = Buffer.alloc(8);
    bytes.writeUInt32BE(~this.#high >>> 0, 0);
    bytes.writeUInt32BE(~this.#low >>> 0, 4);
    return bytes;
  }
}
