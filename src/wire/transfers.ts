/**
 * Transfers: byte strings too long for one frame. They go out in chunks that take turns, and arrive in memory that is
 * allocated once, from the length in the first chunk.
 *
 *   chunk frame: id = number of the transfer, body = bytes; the first chunk's body starts with u32+u32 total length
 */
import { ProtocolError } from "../errors.ts";
import type { Limits } from "./frames.ts";

export const chunkBytes = 64 * 1024;
const prefixBytes = 8;
/** What keeping track of a transfer costs, so that a million empty ones do not pass as nothing. */
const bookBytes = 256;

export interface Outgoing {
  readonly number: number;
  readonly bytes: Uint8Array;
  sent: number;
}

/** What a chunk frame carries: an own prefix for the first one, then a slice of the caller's memory. */
export interface Chunk {
  readonly number: number;
  readonly prefix: Buffer | undefined;
  readonly bytes: Uint8Array;
  readonly last: boolean;
}

/** Open outgoing transfers; each `next()` serves the one that waited longest. */
export class OutgoingTransfers {
  #queue: Outgoing[] = [];
  #next = 1;

  get empty(): boolean {
    return this.#queue.length === 0;
  }

  open(bytes: Uint8Array): number {
    const number = this.#next;
    this.#next = (this.#next % 0xffff_ffff) + 1;
    this.#queue.push({ number, bytes, sent: 0 });
    return number;
  }

  next(): Chunk | undefined {
    const transfer = this.#queue.shift();
    if (!transfer) return undefined;
    let prefix: Buffer | undefined;
    if (transfer.sent === 0) {
      prefix = Buffer.allocUnsafe(prefixBytes);
      prefix.writeUInt32BE(Math.floor(transfer.bytes.length / 2 ** 32), 0);
      prefix.writeUInt32BE(transfer.bytes.length >>> 0, 4);
    }
    const bytes = transfer.bytes.subarray(transfer.sent, transfer.sent + chunkBytes);
    transfer.sent += bytes.length;
    const last = transfer.sent === transfer.bytes.length;
    if (!last) this.#queue.push(transfer);
    return { number: transfer.number, prefix, bytes, last };
  }
}

/** Incoming transfers: open ones being filled, complete ones waiting for the frame that claims them. */
export class IncomingTransfers {
  readonly #limits: Limits;
  readonly #transfers = new Map<number, { readonly bytes: Buffer; filled: number }>();
  #open = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#transfers.size;
  }

  chunk(number: number, body: Buffer): void {
    let transfer = this.#transfers.get(number);
    let at = 0;
    if (!transfer) {
      if (body.length < prefixBytes) throw new ProtocolError(`Cannot open transfer ${number}: its length is missing`);
      const total = body.readUInt32BE(0) * 2 ** 32 + body.readUInt32BE(4);
      if (total > this.#limits.transferBytes) {
        throw new ProtocolError(
          `Cannot open a transfer of ${total} bytes: at most ${this.#limits.transferBytes} are allowed`,
        );
      }
      if (this.#open + total + bookBytes > this.#limits.openBytes) {
        throw new ProtocolError(
          `Cannot open a transfer of ${total} bytes: ${this.#open} of ${this.#limits.openBytes} are taken`,
        );
      }
      transfer = { bytes: allocate(total), filled: 0 };
      this.#transfers.set(number, transfer);
      this.#open += total + bookBytes;
      at = prefixBytes;
    } else if (transfer.filled === transfer.bytes.length || body.length === 0) {
      throw new ProtocolError(
        `Cannot add ${body.length} bytes to transfer ${number}: it has ${transfer.filled} of ${transfer.bytes.length}`,
      );
    }
    if (body.length - at > transfer.bytes.length - transfer.filled) {
      throw new ProtocolError(`Cannot add to transfer ${number}: it is longer than it said`);
    }
    body.copy(transfer.bytes, transfer.filled, at);
    transfer.filled += body.length - at;
  }

  claim(number: number): Buffer {
    const transfer = this.#transfers.get(number);
    if (!transfer || transfer.filled < transfer.bytes.length) {
      throw new ProtocolError(`Cannot use transfer ${number}: it is ${transfer ? "not complete" : "not known"}`);
    }
    this.#transfers.delete(number);
    this.#open -= transfer.bytes.length + bookBytes;
    return transfer.bytes;
  }
}

/** The other side's wish for more memory than there is must not be this process's end. */
function allocate(total: number): Buffer {
  try {
    return Buffer.allocUnsafeSlow(total);
  } catch (error) {
    throw new ProtocolError(`Cannot open a transfer of ${total} bytes: there is no memory for it`, { cause: error });
  }
}
