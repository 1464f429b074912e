import { ProtocolError } from "../errors.ts";

const double = new DataView(new ArrayBuffer(8));
const doubleBytes = new Uint8Array(double.buffer);
const char = String.fromCharCode;

/** Recently read keys by a hash of their bytes: the same few names come in every message. */
const keyCache: string[] = new Array<string>(512).fill("");

/** Reads the primitive forms and checks every length against what is left. */
export class Reader {
  readonly #bytes: Uint8Array;
  /** Made at the first string that is too long to be put together by hand. */
  #buffer: Buffer | undefined;
  position = 0;
  end: number;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.end = bytes.length;
  }

  byte(): number {
    if (this.position >= this.end) throw truncated();
    return this.#bytes[this.position++] as number;
  }

  peek(): number {
    if (this.position >= this.end) throw truncated();
    return this.#bytes[this.position] as number;
  }

  varint(): number {
    const first = this.byte();
    if (first < 128) return first;
    let value = first & 127;
    let scale = 128;
    for (let i = 0; i < 7; i++) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      scale *= 128;
    }
    throw broken("a number is out of range");
  }

  /** A count of things that each take at least `size` bytes. */
  count(size: number): number {
    const count = this.varint();
    if (count * size > this.end - this.position) throw truncated();
    return count;
  }

  double(): number {
    const start = this.#skip(8);
    for (let i = 0; i < 8; i++) doubleBytes[i] = this.#bytes[start + i] as number;
    return double.getFloat64(0, true);
  }

  bigint(): bigint {
    const length = this.count(1);
    const start = this.#skip(length);
    return length === 0 ? 0n : BigInt(`0x${this.#view().toString("hex", start, start + length)}`);
  }

  oneByteString(length: number): string {
    const start = this.#skip(length);
    if (length > 16) return this.#view().latin1Slice(start, start + length);
    if (length <= 8) return shortString(this.#bytes, start, length);
    return shortString(this.#bytes, start, 8) + shortString(this.#bytes, start + 8, length - 8);
  }

  twoByteString(length: number): string {
    const start = this.#skip(length * 2);
    return this.#view().toString("utf16le", start, start + length * 2);
  }

  /** A short string that will be a property name. */
  keyString(length: number): string {
    if (length > 24) return this.oneByteString(length);
    const start = this.#skip(length);
    const bytes = this.#bytes;
    let hash = length;
    for (let i = 0; i < length; i++) hash = (Math.imul(hash, 31) + (bytes[start + i] as number)) & 511;
    const known = keyCache[hash] as string;
    if (known.length === length) {
      let i = 0;
      while (i < length && known.charCodeAt(i) === bytes[start + i]) i++;
      if (i === length) return known;
    }
    this.position = start;
    return (keyCache[hash] = internalize(this.oneByteString(length)));
  }

  /** A copy in memory of its own. */
  copy(length: number, target: Uint8Array): void {
    const start = this.#skip(length);
    target.set(this.#bytes.subarray(start, start + length));
  }

  /** The number in the last four bytes, which are no longer there afterwards. */
  trailer(): number {
    if (this.end - this.position < 4) throw truncated();
    const start = (this.end -= 4);
    const bytes = this.#bytes as Uint8Array & Record<number, number>;
    return (
      ((bytes[start] as number) | ((bytes[start + 1] as number) << 8) | ((bytes[start + 2] as number) << 16)) +
      (bytes[start + 3] as number) * 0x1000000
    );
  }

  #skip(length: number): number {
    const start = this.position;
    if (length > this.end - start) throw truncated();
    this.position = start + length;
    return start;
  }

  #view(): Buffer & { latin1Slice(start: number, end: number): string } {
    const { buffer, byteOffset, length } = this.#bytes;
    this.#buffer ??= Buffer.from(buffer as ArrayBuffer, byteOffset, length);
    return this.#buffer as Buffer & { latin1Slice(start: number, end: number): string };
  }
}

/** A native call costs more than eight characters do. */
function shortString(bytes: Uint8Array, at: number, length: number): string {
  const b = bytes as Uint8Array & Record<number, number>;
  // prettier-ignore
  switch (length) {
    case 0: return "";
    case 1: return char(b[at]!);
    case 2: return char(b[at]!, b[at + 1]!);
    case 3: return char(b[at]!, b[at + 1]!, b[at + 2]!);
    case 4: return char(b[at]!, b[at + 1]!, b[at + 2]!, b[at + 3]!);
    case 5: return char(b[at]!, b[at + 1]!, b[at + 2]!, b[at + 3]!, b[at + 4]!);
    case 6: return char(b[at]!, b[at + 1]!, b[at + 2]!, b[at + 3]!, b[at + 4]!, b[at + 5]!);
    case 7: return char(b[at]!, b[at + 1]!, b[at + 2]!, b[at + 3]!, b[at + 4]!, b[at + 5]!, b[at + 6]!);
    default: return char(b[at]!, b[at + 1]!, b[at + 2]!, b[at + 3]!, b[at + 4]!, b[at + 5]!, b[at + 6]!, b[at + 7]!);
  }
}

/** The engine's own copy of a name, with which stores by name take the short way. */
function internalize(name: string): string {
  for (const key in { [name]: 0 }) return key;
  return name;
}

export function broken(what: string, cause?: unknown): ProtocolError {
  return new ProtocolError(`Cannot decode the value: ${what}; check that both ends run the same version`, { cause });
}

function truncated(): ProtocolError {
  return broken("it ends too early");
}
