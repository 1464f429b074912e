/**
 * Several values as one payload: the items of a batch of `flame.map` on their way out, and what became of them on their
 * way back.
 *
 *   u8 3 | u32 microseconds that the batch has taken so far | of each value: u8 failed | u32 length | its bytes
 *
 * The first byte is none of the codec's and not that of references. A value with memory beside it, or with something that
 * stays behind, travels alone.
 */
import { ProtocolError } from "../errors.ts";
import type { Payload } from "../value/port.ts";

/** What a runner may keep results back for; then it sends them, and gives back the items that it has not begun. */
export const batchMs = 5;
/** Most items, and most bytes of items or of results, that wait for each other. */
export const batchItems = 256;
export const batchBytes = 64 * 1024;

export interface Entry {
  readonly failed: boolean;
  readonly value: Payload;
}

const mark = 3;
const headBytes = 5;
const entryBytes = 5;
const none: readonly Uint8Array[] = [];

/** True for a value that shares its batch with no other one. */
export function travelsAlone({ buffers, live, pending }: Payload): boolean {
  return buffers.length > 0 || live !== undefined || pending !== undefined;
}

export function packBatch(entries: readonly Entry[], spentMs: number): Payload {
  let length = headBytes;
  for (const { value } of entries) length += entryBytes + value.bytes.length;
  const bytes = Buffer.allocUnsafe(length);
  bytes[0] = mark;
  bytes.writeUInt32BE(Math.min(0xffff_ffff, Math.round(spentMs * 1000)), 1);
  let at = headBytes;
  for (const { failed, value } of entries) {
    bytes[at] = failed ? 1 : 0;
    bytes.writeUInt32BE(value.bytes.length, at + 1);
    bytes.set(value.bytes, at + entryBytes);
    at += entryBytes + value.bytes.length;
  }
  const only = entries.length === 1 ? entries[0]!.value : undefined;
  return only && travelsAlone(only) ? { ...only, bytes } : { bytes, buffers: none };
}

/** Throws `ProtocolError` for anything that `packBatch` would not have written. */
export function unpackBatch({ bytes, buffers, references }: Payload): {
  readonly spentMs: number;
  readonly entries: readonly Entry[];
} {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (data.length < headBytes || data[0] !== mark) throw broken("it is in another format");
  const spentMs = data.readUInt32BE(1) / 1000;
  const entries: Entry[] = [];
  for (let at = headBytes; at < data.length;) {
    const start = at + entryBytes;
    if (start > data.length || data[at]! > 1) throw broken("an entry is wrong");
    const end = start + data.readUInt32BE(at + 1);
    // No value is empty.
    if (end === start || end > data.length) throw broken("an entry is cut");
    entries.push({ failed: data[at] === 1, value: { bytes: data.subarray(start, end), buffers: none } });
    at = end;
  }
  if (buffers.length === 0 && !references) return { spentMs, entries };
  if (entries.length !== 1) throw broken("what belongs to one value belongs to several");
  const [{ failed, value }] = entries as [Entry];
  const whole = references ? { ...value, buffers, references } : { ...value, buffers };
  return { spentMs, entries: [{ failed, value: whole }] };
}

function broken(what: string): ProtocolError {
  return new ProtocolError(`Cannot read a batch: ${what}`);
}
