/**
 * gzip with the same bytes everywhere: what zlib makes of the same input depends on its version, on how Node was built and on what the
 * processor can do, so that releases of two machines would differ. This compressor is plain JavaScript of one version.
 */
import { crc32 } from "node:zlib";
import { Deflate } from "fflate";

/** fflate decides at the end of each piece whether to begin a block. */
const pieceBytes = 64 * 1024;

/** Part of the keys of caches: other bytes come from other versions. */
export const gzipVersion = "fflate-0.8.3-6";

/** No name, no time; the system is "unknown". */
const head = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);

/** Compresses `source`, however it is cut into pieces. */
export async function* gzip(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const made: Uint8Array[] = [head];
  const deflate = new Deflate({ level: 6 }, (piece) => made.push(piece));
  const pending = Buffer.alloc(pieceBytes);
  let filled = 0;
  let sum = 0;
  let size = 0;
  for await (const piece of source) {
    sum = crc32(piece, sum);
    size += piece.length;
    for (let at = 0; at < piece.length;) {
      const part = piece.subarray(at, at + pieceBytes - filled);
      pending.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < pieceBytes) continue;
      deflate.push(pending);
      filled = 0;
      yield* made.splice(0);
    }
  }
  deflate.push(pending.subarray(0, filled), true);
  const tail = Buffer.alloc(8);
  tail.writeUInt32LE(sum >>> 0, 0);
  tail.writeUInt32LE(size % 2 ** 32, 4);
  yield* made.splice(0);
  yield tail;
}
