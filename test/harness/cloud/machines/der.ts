/** As much of ASN.1's DER as a certificate and a PKCS #7 signature need. */

export type Der = Buffer;

function tagged(tag: number, ...contents: readonly Uint8Array[]): Der {
  const content = Buffer.concat(contents);
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(length);
  const significant = bytes.subarray(bytes.findIndex((byte) => byte !== 0));
  return Buffer.concat([Buffer.from([tag, 0x80 | significant.length]), significant, content]);
}

export const sequence = (...items: readonly Uint8Array[]): Der => tagged(0x30, ...items);
export const set = (...items: readonly Uint8Array[]): Der => tagged(0x31, ...items);
export const octets = (bytes: Uint8Array): Der => tagged(0x04, bytes);
export const bits = (bytes: Uint8Array): Der => tagged(0x03, Buffer.from([0]), bytes);
export const text = (value: string): Der => tagged(0x0c, Buffer.from(value));
export const nothing: Der = tagged(0x05);
/** A field `[number]` around others. */
export const field = (number: number, ...items: readonly Uint8Array[]): Der => tagged(0xa0 | number, ...items);

/** A number from 0 to 127. */
export const integer = (value: number): Der => tagged(0x02, Uint8Array.of(value));

/** An identifier as "1.2.840.113549". */
export function identifier(dotted: string): Der {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = [first * 40 + second];
  for (const part of rest) {
    const digits = [part & 0x7f];
    for (let left = part >>> 7; left > 0; left >>>= 7) digits.unshift((left & 0x7f) | 0x80);
    bytes.push(...digits);
  }
  return tagged(0x06, Uint8Array.from(bytes));
}

/** A time between 1950 and 2049, in seconds. */
export function time(at: Date): Der {
  return tagged(0x17, Buffer.from(`${at.toISOString().replaceAll(/[-:T]/g, "").slice(2, 14)}Z`));
}
