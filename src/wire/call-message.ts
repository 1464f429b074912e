/** A call: a closure, what it is called with, and how. */
import { ProtocolError } from "../errors.ts";
import type { Payload } from "../value/port.ts";
import { type CallMode, callModes } from "./call-modes.ts";
import { longEnough, packed, unpacked } from "./packing.ts";

/**
 * parent -> runner. u8 attempt | u8 mode, flags | [u32 bytes of the closure, u16 its buffers] | closure | [arguments] |
 * [units, u32 each, u32 their number]
 */
export interface CallMessage {
  readonly type: "call";
  readonly id: number;
  readonly attempt: number;
  readonly mode: CallMode;
  readonly value: Payload;
  /** A list, encoded by itself; the closure gets them as its mode says. */
  readonly args: Payload | undefined;
  /** Units by which classes in the result may be named, when it is for another runner; otherwise all that were sent. */
  readonly among?: readonly number[] | undefined;
}

/** In the byte of the mode: arguments follow the closure, units come last. */
const withArguments = 128;
const withUnits = 64;

export function encodeCall({ id, attempt, mode, value, args, among }: CallMessage) {
  const closure = packed(value);
  const number = callModes.indexOf(mode);
  if (!args && !among) {
    const body = Buffer.allocUnsafe(2 + closure.length);
    body[0] = attempt;
    body[1] = number;
    body.set(closure, 2);
    return { id, body, buffers: value.buffers };
  }
  const head = Buffer.allocUnsafe(args ? 8 : 2);
  head[0] = attempt;
  head[1] = number | (args ? withArguments : 0) | (among ? withUnits : 0);
  const parts: Uint8Array[] = [head, closure];
  if (args) {
    head.writeUInt32BE(closure.length, 2);
    head.writeUInt16BE(value.buffers.length, 6);
    parts.push(packed(args));
  }
  if (among) {
    const list = Buffer.allocUnsafe(4 + among.length * 4);
    for (const [index, unit] of among.entries()) list.writeUInt32BE(unit, index * 4);
    list.writeUInt32BE(among.length, among.length * 4);
    parts.push(list);
  }
  const buffers = args && args.buffers.length > 0 ? [...value.buffers, ...args.buffers] : value.buffers;
  return { id, body: Buffer.concat(parts), buffers };
}

/** Throws `ProtocolError` for anything that `encodeCall` would not have written. */
export function decodeCall(id: number, body: Buffer, buffers: readonly Buffer[]): CallMessage {
  const type = "call";
  const flags = longEnough(body, 3, type)[1]!;
  const mode = callModes[flags & ~withArguments & ~withUnits];
  if (!mode) throw new ProtocolError("Cannot read call: its mode is unknown");
  const attempt = body[0]!;
  let end = body.length;
  let among: number[] | undefined;
  if (flags & withUnits) {
    const count = longEnough(body, 7, type).readUInt32BE(end - 4);
    end = longEnough(body, 7 + count * 4, type).length - 4 - count * 4;
    const from = end;
    among = Array.from({ length: count }, (_, index) => body.readUInt32BE(from + index * 4));
  }
  const whole = body.subarray(0, end);
  if (!(flags & withArguments)) {
    const value = unpacked(whole.subarray(2), buffers, type);
    return { type, id, attempt, mode, value, args: undefined, among };
  }
  const [bytes, count] = [longEnough(whole, 10, type).readUInt32BE(2), whole.readUInt16BE(6)];
  longEnough(whole, 9 + bytes, type);
  if (count > buffers.length) throw new ProtocolError("Cannot read call: its buffers are missing");
  const value = unpacked(whole.subarray(8, 8 + bytes), buffers.slice(0, count), type);
  const args = unpacked(whole.subarray(8 + bytes), buffers.slice(count), type);
  return { type, id, attempt, mode, value, args, among };
}
