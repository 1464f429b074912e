/**
 * Values as they stand in a message: the codec's bytes, and before them, when some of what they name stays behind, the
 * references to it: u8 2 | u32 length | references, a value by themselves | bytes.
 */
import { ProtocolError } from "../errors.ts";
import { decode } from "../value/decode.ts";
import { encode } from "../value/encode.ts";
import type { DecodeHooks, EncodeHooks, Payload, Reference } from "../value/port.ts";

/** The codec's own bytes begin with 0 or 1. */
const withReferences = 2;
const headBytes = 5;
/** Deep enough for what a reference tells of itself. */
const maxDepth = 8;
/** Of one value: each costs its reader much more than its few bytes. */
export const maxReferences = 10_000;
const greatestNumber = 0xffff_ffff;
const none: readonly Uint8Array[] = [];

const plainOut: EncodeHooks = {
  describe() {
    throw new TypeError("Cannot tell of a reference: only plain data travels beside a value");
  },
};
const refuse = (): never => {
  throw new ProtocolError("Cannot read references: only plain data is wanted");
};
const plainIn: DecodeHooks = { code: refuse, named: refuse, custom: refuse, handle: refuse };

export function packed({ bytes, references }: Payload): Uint8Array {
  if (!references || references.length === 0) return bytes;
  const table = encode(references, plainOut).bytes;
  const head = Buffer.allocUnsafe(headBytes);
  head[0] = withReferences;
  head.writeUInt32BE(table.length, 1);
  return Buffer.concat([head, table, bytes]);
}

export function unpacked(body: Buffer, buffers: readonly Buffer[], message: string): Payload {
  if (body[0] !== withReferences) return { bytes: body, buffers };
  const start = body.length < headBytes ? Infinity : headBytes + body.readUInt32BE(1);
  if (start >= body.length) throw new ProtocolError(`Cannot read ${message}: its references are cut`);
  const references = decode({ bytes: body.subarray(headBytes, start), buffers: none }, plainIn, { maxDepth });
  if (!Array.isArray(references) || references.length > maxReferences || !references.every(isReference))
    throw new ProtocolError(`Cannot read ${message}: its references are wrong`);
  return { bytes: body.subarray(start), buffers, references };
}

function isReference(value: unknown): value is Reference {
  if (!Array.isArray(value) || value.length !== 3) return false;
  const [kind, number] = value as unknown[];
  if (typeof kind !== "string" || !Number.isInteger(number)) return false;
  return (number as number) > 0 && (number as number) <= greatestNumber;
}

/** The body, when it has at least so many bytes. */
export function longEnough(body: Buffer, least: number, type: string): Buffer {
  if (body.length < least) throw new ProtocolError(`Cannot read ${type}: it is cut`);
  return body;
}
