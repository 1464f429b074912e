/** Packets as Erlang's ports have them: the length in 1, 2 or 4 bytes, the most significant first, then that many bytes. */
import { NoAnswer } from "./no-answer.ts";

/** Up to here it is cheaper to copy a body behind its header than to hand two pieces to the system. */
const copied = 16 * 1024;

/** Throws TypeError when the length does not fit into the prefix. */
export function packetOf(body: Uint8Array, prefix: 1 | 2 | 4): Uint8Array | readonly [Uint8Array, Uint8Array] {
  const { length } = body;
  const most = 2 ** (8 * prefix) - 1;
  if (length > most)
    throw new TypeError(`Cannot send ${length} bytes: a prefix of ${prefix} tells ${most} at most; use a larger one`);
  const both = length <= copied;
  const packet = Buffer.allocUnsafe(both ? prefix + length : prefix);
  packet.writeUIntBE(length, 0, prefix);
  if (!both) return [packet, body];
  packet.set(body, prefix);
  return packet;
}

export class PacketDecoder {
  readonly #prefix: number;
  readonly #longest: number;
  readonly #packet: (body: Uint8Array) => void;
  /** Bytes of the prefix that have come, and what they tell so far. */
  #told = 0;
  #length = 0;
  /** The body that is being gathered. Made when its length is known to be allowed. */
  #body: Uint8Array | undefined;
  #filled = 0;

  constructor(prefix: 1 | 2 | 4, longest: number, packet: (body: Uint8Array) => void) {
    this.#prefix = prefix;
    this.#longest = longest;
    this.#packet = packet;
  }

  get pending(): number {
    return this.#told + this.#filled;
  }

  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#told < this.#prefix) {
        this.#length = this.#length * 256 + chunk[at++]!;
        if (++this.#told < this.#prefix) continue;
        if (this.#length > this.#longest)
          throw new NoAnswer(`announced an answer of ${this.#length} bytes, which is more than ${this.#longest}`);
        if (this.#length > 0) continue;
      }
      at = this.#gather(chunk, at);
    }
  }

  #gather(chunk: Uint8Array, at: number): number {
    const end = at + this.#length - this.#filled;
    if (end <= chunk.length && !this.#body) {
      this.#done(ownBytes(chunk, at, end));
      return end;
    }
    this.#body ??= new Uint8Array(Buffer.allocUnsafeSlow(this.#length).buffer);
    const part = chunk.subarray(at, end);
    this.#body.set(part, this.#filled);
    this.#filled += part.length;
    if (this.#filled === this.#length) this.#done(this.#body);
    return at + part.length;
  }

  #done(body: Uint8Array): void {
    this.#told = this.#length = this.#filled = 0;
    this.#body = undefined;
    this.#packet(body);
  }
}

/** A part of a chunk, without keeping a much larger chunk alive. */
function ownBytes(chunk: Uint8Array, from: number, to: number): Uint8Array {
  const { buffer, byteOffset } = chunk;
  if ((to - from) * 2 >= buffer.byteLength) return new Uint8Array(buffer, byteOffset + from, to - from);
  return Uint8Array.prototype.slice.call(new Uint8Array(buffer, byteOffset + from, to - from));
}
