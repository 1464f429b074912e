/**
 * What goes over one link of a resumable connection. A frame begins with four bytes, the type in the upper four bits and a length
 * below: of the bytes that follow, which is 6 for a count (48 bits) and 0 where nothing follows. Positions count the bytes of one direction from the
 * connection's beginning; its end counts as one more.
 */
import { ProtocolError } from "../errors.ts";
import type { Link } from "./resumable-links.ts";

/** Longest piece that goes as one frame: acks of the other direction wait for no more than that. */
export const pieceBytes = 256 * 1024;

const data = 1;
const ack = 2;
const fin = 3;
const ping = 4;
const pong = 5;
const close = 6;
const bye = 7;
const fail = 8;
const headBytes = 4;
const countBytes = 6;
const lengths: Readonly<Record<number, number>> = {
  [ack]: countBytes,
  [fin]: 0,
  [ping]: 0,
  [pong]: 0,
  [close]: countBytes,
  [bye]: 0,
  [fail]: countBytes,
};

/** Handlers, named as the frames are. */
export interface Frames {
  /** The next bytes of the other side: whatever has come of a frame, not all of it at once. */
  data(piece: Buffer): void;
  /** The other side has everything before this position. */
  ack(position: number): void;
  /** The other side will write no more. */
  fin(): void;
  /** Asks for a pong: is anybody there? */
  ping(): void;
  pong(): void;
  /** The other side has closed at once; up to this position it has read. */
  close(position: number): void;
  /** The same, and not because it was asked to: this side has an error. */
  fail(position: number): void;
  /** It is over, by both ends, a close or a failure, and this side knows: who has dialled need not come back. */
  bye(): void;
}

const bare = (type: number): Buffer => Buffer.from([type << 4, 0, 0, 0]);
export const finFrame = bare(fin);
export const pingFrame = bare(ping);
export const pongFrame = bare(pong);
export const byeFrame = bare(bye);
export const ackFrame = (position: number): Buffer => putCount(Buffer.allocUnsafe(10), 0, ack, position);
export const closeFrame = (position: number): Buffer => putCount(Buffer.allocUnsafe(10), 0, close, position);
export const failFrame = (position: number): Buffer => putCount(Buffer.allocUnsafe(10), 0, fail, position);

function putCount(buffer: Buffer, at: number, type: number, position: number): Buffer {
  putHead(buffer, at, type, countBytes);
  // `writeUIntBE` would do, several times slower.
  buffer.writeUInt16BE(Math.floor(position / 2 ** 32), at + headBytes);
  buffer.writeUInt32BE(position % 2 ** 32, at + headBytes + 2);
  return buffer;
}

function putHead(buffer: Buffer, at: number, type: number, length: number): void {
  buffer.writeUInt32BE(((type << 28) | length) >>> 0, at);
}

/** Below this a piece is copied behind its header: one write costs more than the copy. */
const copiedBytes = 4_096;

/** Sends a piece, behind an ack where there is one. False when the link does not keep up. */
export function sendData(link: Link, piece: Uint8Array, ackPosition: number | undefined): boolean {
  const frame = dataFrame(piece, ackPosition);
  return piece.length <= copiedBytes ? link.write(frame) : link.writeBoth(frame, piece);
}

/** A data frame, or the head of one whose piece is too long to be copied. */
export function dataFrame(piece: Uint8Array, ackPosition: number | undefined): Buffer {
  const { length } = piece;
  const before = ackPosition === undefined ? 0 : headBytes + countBytes;
  const frame = Buffer.allocUnsafe(before + headBytes + (length <= copiedBytes ? length : 0));
  if (ackPosition !== undefined) putCount(frame, 0, ack, ackPosition);
  putHead(frame, before, data, length);
  if (length <= copiedBytes) frame.set(piece, before + headBytes);
  return frame;
}

/** Frames out of the bytes of one link. Allocates nothing for what a peer announces. */
export class FrameReader {
  readonly #frames: Frames;
  readonly #head = Buffer.alloc(headBytes + countBytes);
  #filled = 0;
  /** Bytes of a data frame that are still to come. */
  #left = 0;
  #stopped = false;

  constructor(frames: Frames) {
    this.#frames = frames;
  }

  /** Nothing is handed over any more, not even the rest of the chunk that is being read. */
  stop(): void {
    this.#stopped = true;
  }

  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length && !this.#stopped;) {
      if (this.#left === 0) {
        at = this.#readHead(chunk, at);
        continue;
      }
      const end = Math.min(chunk.length, at + this.#left);
      const piece = at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end);
      this.#left -= end - at;
      at = end;
      this.#frames.data(piece);
    }
  }

  #readHead(chunk: Buffer, start: number): number {
    let at = start;
    // Nearly always the head of a data frame lies in one piece.
    if (this.#filled === 0 && chunk.length - at >= headBytes && chunk[at]! >> 4 === data) {
      this.#left = checkedLength(data, chunk.readUInt32BE(at));
      return at + headBytes;
    }
    const wanted = this.#filled < headBytes ? headBytes : headBytes + countBytes;
    while (this.#filled < wanted && at < chunk.length) this.#head[this.#filled++] = chunk[at++]!;
    if (this.#filled < wanted) return at;
    const type = this.#head[0]! >> 4;
    if (wanted === headBytes) {
      const length = checkedLength(type, this.#head.readUInt32BE(0));
      if (type === data) this.#left = length;
      else if (length > 0) return at;
    }
    this.#filled = 0;
    this.#handle(type);
    return at;
  }

  #handle(type: number): void {
    switch (type) {
      case ack:
        return this.#frames.ack(this.#head.readUIntBE(headBytes, countBytes));
      case fin:
        return this.#frames.fin();
      case ping:
        return this.#frames.ping();
      case pong:
        return this.#frames.pong();
      case close:
        return this.#frames.close(this.#head.readUIntBE(headBytes, countBytes));
      case fail:
        return this.#frames.fail(this.#head.readUIntBE(headBytes, countBytes));
      case bye:
        return this.#frames.bye();
      default:
    }
  }
}

function checkedLength(type: number, head: number): number {
  const length = head & 0xfffffff;
  if (type === data ? length > 0 && length <= pieceBytes : lengths[type] === length) return length;
  throw new ProtocolError(`Cannot read a frame of type ${type} and ${length} bytes: there is no such frame`);
}
