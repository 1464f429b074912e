/** A closure on a runner calls `flame` itself: the parent makes the call, on whichever runner it chooses. */
import { ProtocolError } from "../errors.ts";
import type { Payload } from "../value/port.ts";
import { type CallMode, callModes } from "./call-modes.ts";
import { type ModuleText, checkModule, moduleShape } from "./module-text.ts";
import { longEnough, packed, unpacked } from "./packing.ts";
import { readJson } from "./shape.ts";

/**
 * runner -> parent: a call for the closure of call `id`; the answer is ref-result `number`, with the result as the other
 * runner has sent it. u32 length, JSON {number, mode, modules} | u32 length, u16 buffers of options, closure and
 * arguments (0: none) | the three of them
 */
export interface NestedMessage {
  readonly type: "nested";
  readonly id: number;
  readonly number: number;
  readonly mode: CallMode;
  /** Code that the parent was not told of yet. */
  readonly modules: readonly { readonly id: number; readonly module: ModuleText }[];
  /** Numbers of all units that the closure and the arguments need. */
  readonly units: readonly number[];
  readonly options: Payload;
  readonly value: Payload;
  readonly args: Payload | undefined;
}

const partBytes = 6;
const headShape = {
  number: "count",
  mode: "string",
  modules: [{ id: "count", module: moduleShape }],
  units: ["count"],
} as const;

export function encodeNested({ id, number, mode, modules, units, options, value, args }: NestedMessage) {
  const head = Buffer.from(JSON.stringify({ number, mode, modules, units }), "utf8");
  const payloads = args ? [options, value, args] : [options, value];
  const parts = payloads.map(packed);
  const lengths = Buffer.alloc(4 + 3 * partBytes);
  lengths.writeUInt32BE(head.length, 0);
  for (const [index, part] of parts.entries()) {
    lengths.writeUInt32BE(part.length, 4 + index * partBytes);
    lengths.writeUInt16BE(payloads[index]!.buffers.length, 8 + index * partBytes);
  }
  return { id, body: Buffer.concat([lengths, head, ...parts]), buffers: payloads.flatMap(({ buffers }) => buffers) };
}

/** Throws `ProtocolError` for anything that `encodeNested` would not have written. */
export function decodeNested(id: number, body: Buffer, buffers: readonly Buffer[]): NestedMessage {
  const type = "nested";
  let at = 4 + 3 * partBytes;
  const headEnd = at + longEnough(body, at + 1, type).readUInt32BE(0);
  const head = readJson(longEnough(body, headEnd, type).subarray(at, headEnd), type, headShape);
  at = headEnd;
  let taken = 0;
  const [options, value, args] = [0, 1, 2].map((index) => {
    const length = body.readUInt32BE(4 + index * partBytes);
    const count = body.readUInt16BE(8 + index * partBytes);
    const bytes = longEnough(body, at + length, type).subarray(at, at + length);
    at += length;
    taken += count;
    return length === 0 ? undefined : unpacked(bytes, buffers.slice(taken - count, taken), type);
  });
  const mode = callModes.find((each) => each === head.mode);
  if (!mode || !options || !value || at !== body.length || taken !== buffers.length)
    throw new ProtocolError("Cannot read nested: a part of it is wrong");
  const modules = head.modules.map((each) => ({ id: each.id, module: checkModule(each.module) }));
  return { type, id, number: head.number, mode, modules, units: head.units, options, value, args };
}
