/** Messages about live references: both sides send them. `id` is the call that the reference belongs to. */
import { ProtocolError } from "../errors.ts";
import type { Payload } from "../value/port.ts";
import { longEnough, packed, unpacked } from "./packing.ts";
import { readText } from "./shape.ts";

export type LiveMessage =
  /** both: call what reference `reference` of call `id` stands for. u32 number | u32 reference | u8 length, method | payload of a list */
  | {
      readonly type: "ref-call";
      readonly id: number;
      readonly number: number;
      readonly reference: number;
      readonly method: string;
      readonly value: Payload;
    }
  /** both: the answer to ref-call `number`. u32 number | u8 failed | payload */
  | {
      readonly type: "ref-result";
      readonly id: number;
      readonly number: number;
      readonly failed: boolean;
      readonly value: Payload;
    }
  /** both: `count` mentions of a reference are needed no more. u32 reference | u32 count */
  | { readonly type: "ref-release"; readonly id: number; readonly reference: number; readonly count: number }
  /**
   * both: an item, the end (1) or the failure (2) of a stream. `back`: from its owner to who reads it. Reference 0, from a
   * runner: results of a batch that goes on with another item; 1: those behind that item are given back.
   * u32 reference | u8 back | u8 mark | payload
   */
  | {
      readonly type: "item";
      readonly id: number;
      readonly reference: number;
      readonly back: boolean;
      readonly mark: number;
      readonly value: Payload;
    }
  /** both: so many more bytes of items may come. u32 reference | u8 back | u32 bytes */
  | {
      readonly type: "credit";
      readonly id: number;
      readonly reference: number;
      readonly back: boolean;
      readonly bytes: number;
    };

export interface EncodedLive {
  readonly id: number;
  readonly body: Uint8Array;
  readonly buffers: readonly Uint8Array[];
}

const none: readonly Uint8Array[] = [];

export function encodeLive(message: LiveMessage): EncodedLive {
  const { id } = message;
  switch (message.type) {
    case "ref-call": {
      const method = Buffer.from(message.method, "utf8");
      const head = Buffer.allocUnsafe(9);
      head.writeUInt32BE(message.number, 0);
      head.writeUInt32BE(message.reference, 4);
      head[8] = method.length;
      const body = Buffer.concat([head, method, packed(message.value)]);
      return { id, body, buffers: message.value.buffers };
    }
    case "ref-result": {
      const head = Buffer.allocUnsafe(5);
      head.writeUInt32BE(message.number, 0);
      head[4] = message.failed ? 1 : 0;
      return { id, body: Buffer.concat([head, packed(message.value)]), buffers: message.value.buffers };
    }
    case "ref-release":
      return { id, body: counts(message.reference, message.count), buffers: none };
    case "credit": {
      const body = Buffer.allocUnsafe(9);
      body.writeUInt32BE(message.reference, 0);
      body[4] = message.back ? 1 : 0;
      body.writeUInt32BE(message.bytes, 5);
      return { id, body, buffers: none };
    }
    case "item": {
      const head = Buffer.allocUnsafe(6);
      head.writeUInt32BE(message.reference, 0);
      head[4] = message.back ? 1 : 0;
      head[5] = message.mark;
      return { id, body: Buffer.concat([head, packed(message.value)]), buffers: message.value.buffers };
    }
  }
}

/** Throws `ProtocolError` for anything that `encodeLive` would not have written. */
export function decodeLive(
  type: LiveMessage["type"],
  id: number,
  body: Buffer,
  buffers: readonly Buffer[],
): LiveMessage {
  const payload = (bytes: Buffer): Payload => unpacked(bytes, buffers, type);
  switch (type) {
    case "ref-call": {
      const end = 9 + longEnough(body, 10, type)[8]!;
      longEnough(body, end + 1, type);
      const method = readText(body.subarray(9, end), type);
      const value = payload(body.subarray(end));
      return { type, id, number: body.readUInt32BE(0), reference: body.readUInt32BE(4), method, value };
    }
    case "ref-result": {
      const failed = readFlag(longEnough(body, 6, type), 4, type);
      return { type, id, number: body.readUInt32BE(0), failed, value: payload(body.subarray(5)) };
    }
    case "ref-release":
      if (body.length !== 8) throw new ProtocolError("Cannot read ref-release: it is cut");
      return { type, id, reference: body.readUInt32BE(0), count: body.readUInt32BE(4) };
    case "credit":
      if (body.length !== 9) throw new ProtocolError("Cannot read credit: it is cut");
      return { type, id, reference: body.readUInt32BE(0), back: readFlag(body, 4, type), bytes: body.readUInt32BE(5) };
    case "item": {
      const back = readFlag(longEnough(body, 7, type), 4, type);
      const mark = body[5]!;
      if (mark > 2) throw new ProtocolError("Cannot read item: its mark is unknown");
      return { type, id, reference: body.readUInt32BE(0), back, mark, value: payload(body.subarray(6)) };
    }
  }
}

function counts(first: number, second: number): Buffer {
  const body = Buffer.allocUnsafe(8);
  body.writeUInt32BE(first, 0);
  body.writeUInt32BE(second, 4);
  return body;
}

function readFlag(body: Buffer, at: number, type: string): boolean {
  if (body[at]! > 1) throw new ProtocolError(`Cannot read ${type}: byte ${at} is no flag`);
  return body[at] === 1;
}
