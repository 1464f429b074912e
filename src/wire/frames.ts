/**
 * Frames: what a connection carries once it is cut into pieces. No sockets, no meaning.
 *
 *   u32 length of what follows | u8 type | u8 flags | u32 id | u32 sequence | [attachments] | body
 *
 * Attachments are the numbers of transfers (see transfers.ts) that were completed before this frame:
 * u16 count, then u32 each. With `bodyAttached` the first of them is the body itself.
 */
import { ProtocolError } from "../errors.ts";

export const headerBytes = 14;
export const flags = { attachments: 1, bodyAttached: 2 } as const;

export interface Limits {
  /** Longest frame. Anything longer travels as a transfer of many chunks, so that no call waits behind another. */
  readonly frameBytes: number;
  /** Longest transfer: one buffer, or one encoded value. */
  readonly transferBytes: number;
  /** Sum of all transfers that one connection may have open. */
  readonly openBytes: number;
}

export const defaultLimits: Limits = { frameBytes: 256 * 1024, transferBytes: 2 ** 31, openBytes: 2 ** 32 };

export interface Frame {
  readonly type: number;
  readonly id: number;
  readonly body: Buffer;
  readonly attachments: readonly number[];
  readonly bodyAttached: boolean;
}

const noAttachments: readonly number[] = [];

/** Cuts a byte stream into frames. Throws `ProtocolError` before it allocates for a frame that is too long. */
export class FrameReader {
  /** Longest frame accepted from now on: short until the peer is authenticated. */
  frameBytes: number;
  #pending: Buffer | undefined;
  #filled = 0;
  #head: Buffer | undefined;
  #sequence = 0;

  constructor(frameBytes: number) {
    this.frameBytes = frameBytes;
  }

  /** Calls `take` for each frame that `chunk` completes, in order. */
  push(chunk: Buffer, take: (frame: Frame) => void): void {
    let at = 0;
    if (this.#head) {
      chunk = Buffer.concat([this.#head, chunk]);
      this.#head = undefined;
    }
    if (this.#pending) {
      at = Math.min(this.#pending.length - this.#filled, chunk.length);
      chunk.copy(this.#pending, this.#filled, 0, at);
      this.#filled += at;
      if (this.#filled < this.#pending.length) return;
      const whole = this.#pending;
      this.#pending = undefined;
      take(this.#parse(whole, 4, whole.length));
    }
    while (chunk.length - at >= 4) {
      const length = chunk.readUInt32BE(at);
      if (length < headerBytes - 4 || length > this.frameBytes) {
        throw new ProtocolError(
          `Cannot read a frame of ${length} bytes: ${headerBytes - 4} to ${this.frameBytes} are allowed`,
        );
      }
      const end = at + 4 + length;
      if (end > chunk.length) {
        this.#pending = Buffer.allocUnsafe(4 + length);
        this.#filled = chunk.copy(this.#pending, 0, at);
        return;
      }
      take(this.#parse(chunk, at + 4, end));
      at = end;
    }
    if (at < chunk.length) this.#head = chunk.subarray(at);
  }

  #parse(chunk: Buffer, at: number, end: number): Frame {
    const type = chunk[at]!;
    const bits = chunk[at + 1]!;
    const id = chunk.readUInt32BE(at + 2);
    const sequence = chunk.readUInt32BE(at + 6);
    if (sequence !== this.#sequence) {
      throw new ProtocolError(`Cannot accept frame ${sequence}: frame ${this.#sequence} is next`);
    }
    this.#sequence = (sequence + 1) >>> 0;
    if (bits > 3 || bits === flags.bodyAttached)
      throw new ProtocolError(`Cannot read a frame with flags ${bits}: they have no meaning`);
    at += 10;
    if (!bits) return { type, id, body: chunk.subarray(at, end), attachments: noAttachments, bodyAttached: false };
    const count = end - at >= 2 ? chunk.readUInt16BE(at) : 0;
    at += 2;
    if (count === 0 || at + count * 4 > end)
      throw new ProtocolError("Cannot read a frame: its list of attachments is cut");
    const attachments = Array.from({ length: count }, (_, index) => chunk.readUInt32BE(at + index * 4));
    return { type, id, body: chunk.subarray(at + count * 4, end), attachments, bodyAttached: bits > 1 };
  }
}

const slabBytes = 64 * 1024;

/** Gathers small frames so that those of one tick leave in one write. Memory handed out is never written again. */
export class FrameWriter {
  #slab = Buffer.allocUnsafeSlow(slabBytes);
  #start = 0;
  #end = 0;
  #sequence = 0;

  get empty(): boolean {
    return this.#start === this.#end;
  }

  /** Adds one frame, or returns the full bytes that must leave before there is room for it. */
  add(
    type: number,
    id: number,
    body: Uint8Array,
    attachments: readonly number[] = noAttachments,
    bodyAttached = false,
  ): Buffer | undefined {
    const extra = attachments.length === 0 ? 0 : 2 + attachments.length * 4;
    const size = headerBytes + extra + body.length;
    let full: Buffer | undefined;
    if (this.#slab.length - this.#end < size) {
      full = this.take();
      this.#slab = Buffer.allocUnsafeSlow(Math.max(slabBytes, size));
      this.#start = this.#end = 0;
    }
    const slab = this.#slab;
    let at = this.#end;
    at = slab.writeUInt32BE(size - 4, at);
    slab[at++] = type;
    slab[at++] = extra === 0 ? 0 : bodyAttached ? 3 : 1;
    at = slab.writeUInt32BE(id, at);
    at = slab.writeUInt32BE(this.#sequence, at);
    this.#sequence = (this.#sequence + 1) >>> 0;
    if (extra > 0) {
      at = slab.writeUInt16BE(attachments.length, at);
      for (const attachment of attachments) at = slab.writeUInt32BE(attachment, at);
    }
    slab.set(body, at);
    this.#end = at + body.length;
    return full;
  }

  /** A frame header alone, for a body that is written from its own memory right after. */
  header(type: number, id: number, bodyBytes: number): Buffer {
    const head = Buffer.allocUnsafe(headerBytes);
    head.writeUInt32BE(headerBytes - 4 + bodyBytes, 0);
    head[4] = type;
    head[5] = 0;
    head.writeUInt32BE(id, 6);
    head.writeUInt32BE(this.#sequence, 10);
    this.#sequence = (this.#sequence + 1) >>> 0;
    return head;
  }

  /** The bytes gathered so far; they are the receiver's now. */
  take(): Buffer | undefined {
    if (this.empty) return undefined;
    const bytes = this.#slab.subarray(this.#start, this.#end);
    this.#start = this.#end;
    return bytes;
  }
}
