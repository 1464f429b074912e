/** The parts that a large body is sent in. */
import { crc32 } from "node:zlib";

/** S3 takes no more parts of one object. */
export const mostParts = 10_000;
/** S3 takes no smaller ones, but for the last. */
export const leastPartBytes = 5 * 2 ** 20;
/** As many parts have the same size; then they grow, so that what is not very large does not take much memory. */
const evenParts = 1_000;
const doublings = 6;
const lastFactor = 177;

/** Bytes of the part with this number, from 1: with 8 MiB at the beginning all parts together hold more than 5 TiB. */
export function partSize(number: number, firstBytes: number): number {
  const step = Math.floor((number - 1) / evenParts);
  return firstBytes * (step <= doublings ? 2 ** step : lastFactor);
}

/** Memory for one part. It grows with what is in it, and can be used again. */
export class PartBuffer {
  #bytes = Buffer.alloc(0);
  #length = 0;
  #limit = 0;

  get length(): number {
    return this.#length;
  }

  get full(): boolean {
    return this.#length === this.#limit;
  }

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  get crc32(): number {
    return crc32(this.bytes);
  }

  reset(limit: number): this {
    this.#length = 0;
    this.#limit = limit;
    return this;
  }

  /** Copies as many bytes as fit, and says how many these are. */
  take(piece: Uint8Array): number {
    const count = Math.min(piece.length, this.#limit - this.#length);
    const needed = this.#length + count;
    if (needed > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.min(this.#limit, Math.max(needed, this.#bytes.length * 2, 64 * 1024)));
      grown.set(this.bytes);
      this.#bytes = grown;
    }
    this.#bytes.set(piece.subarray(0, count), this.#length);
    this.#length = needed;
    return count;
  }
}
