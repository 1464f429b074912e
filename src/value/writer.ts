// prettier-ignore
import {
  BIGINT, DOUBLE, INTEGER, MAX_SHORT_STRING, MAX_SMALL, NEGATIVE, NEGATIVE_BIGINT, SHORT_STRING, STRING_ONE_BYTE,
  STRING_TWO_BYTE,
} from "./tags.ts";

const INITIAL_SIZE = 8192;
/** A scratch that has grown beyond this is given back after use. */
const KEPT_SIZE = 1 << 20;

const double = new DataView(new ArrayBuffer(8));
const doubleBytes = new Uint8Array(double.buffer);
const beyondOneByte = /[^\0-\xff]/;

/** Growing memory and the primitive forms in it. Knows nothing of objects. */
export class Writer {
  bytes: Buffer = Buffer.allocUnsafeSlow(INITIAL_SIZE);
  position = 0;

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    if (this.position + count > this.bytes.length) this.#grow(count);
  }

  #grow(count: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.position + count));
    this.bytes.copy(larger, 0, 0, this.position);
    this.bytes = larger;
  }

  byte(value: number): void {
    if (this.position === this.bytes.length) this.#grow(1);
    this.bytes[this.position++] = value;
  }

  /** Seven bits per byte, least significant first; up to 2^53. */
  varint(value: number): void {
    this.reserve(8);
    const bytes = this.bytes;
    let position = this.position;
    while (value > 0x7fffffff) {
      bytes[position++] = (value % 128) | 0x80;
      value = Math.floor(value / 128);
    }
    while (value > 127) {
      bytes[position++] = (value & 127) | 0x80;
      value >>>= 7;
    }
    bytes[position++] = value;
    this.position = position;
  }

  number(value: number): void {
    if ((value | 0) === value && (value !== 0 || 1 / value > 0)) {
      if (value >= 0 && value <= MAX_SMALL) return this.byte(value);
      this.byte(value < 0 ? NEGATIVE : INTEGER);
      return this.varint(value < 0 ? -1 - value : value);
    }
    this.byte(DOUBLE);
    this.double(value);
  }

  double(value: number): void {
    this.reserve(8);
    double.setFloat64(0, value, true);
    const position = this.position;
    for (let i = 0; i < 8; i++) this.bytes[position + i] = doubleBytes[i] as number;
    this.position = position + 8;
  }

  string(text: string): void {
    const length = text.length;
    if (length > MAX_SHORT_STRING) return this.#longString(text);
    this.reserve(length + 1);
    const bytes = this.bytes;
    const start = this.position + 1;
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 255) return this.#wideString(text);
      bytes[start + i] = unit;
    }
    bytes[start - 1] = SHORT_STRING | length;
    this.position = start + length;
  }

  #longString(text: string): void {
    const length = text.length;
    // The native count tells ASCII from the rest faster than any loop over the characters.
    if (Buffer.byteLength(text) !== length && beyondOneByte.test(text)) return this.#wideString(text);
    this.byte(STRING_ONE_BYTE);
    this.varint(length);
    this.reserve(length);
    this.position += this.bytes.write(text, this.position, length, "latin1");
  }

  #wideString(text: string): void {
    this.byte(STRING_TWO_BYTE);
    this.varint(text.length);
    this.reserve(text.length * 2);
    this.position += this.bytes.write(text, this.position, text.length * 2, "utf16le");
  }

  bigint(value: bigint): void {
    const digits = (value < 0n ? -value : value).toString(16);
    this.byte(value < 0n ? NEGATIVE_BIGINT : BIGINT);
    const length = (digits.length + 1) >> 1;
    this.varint(length);
    this.reserve(length);
    this.position += this.bytes.write(digits.length & 1 ? `0${digits}` : digits, this.position, length, "hex");
  }

  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.position);
    this.position += bytes.length;
  }

  /** A copy of exactly what was written; the writer starts again. */
  take(): Uint8Array {
    const length = this.position;
    const copy = Buffer.allocUnsafe(length);
    if (length < 48) for (let i = 0; i < length; i++) copy[i] = this.bytes[i] as number;
    else this.bytes.copy(copy, 0, 0, length);
    this.position = 0;
    if (this.bytes.length > KEPT_SIZE) this.bytes = Buffer.allocUnsafeSlow(INITIAL_SIZE);
    return copy;
  }
}
