import { BESIDE, RESIZABLE } from "./memory.ts";
import { broken, type Reader } from "./reader.ts";

/** What one view or buffer shows. */
export interface Shown {
  readonly buffer: ArrayBuffer;
  readonly offset: number;
  readonly length: number;
}

/** Reads the memory section and leaves the reader at the value. */
export function readMemories(reader: Reader, buffers: readonly Uint8Array[]): Shown[] {
  const start = reader.position;
  const section = reader.trailer();
  if (section < start || section > reader.end) throw broken("its memory section lies outside of it");
  reader.position = section;
  const memories = readAll(reader, buffers);
  const shown: Shown[] = [];
  for (let left = reader.count(3); left > 0; left--) {
    const buffer = memories[reader.varint()];
    const offset = reader.varint();
    const length = reader.varint();
    if (!buffer || offset + length > buffer.byteLength) throw broken("a view lies outside of its memory");
    shown.push({ buffer, offset, length });
  }
  if (reader.position !== reader.end) throw broken("something follows its memory section");
  reader.position = start;
  reader.end = section;
  return shown;
}

function readAll(reader: Reader, buffers: readonly Uint8Array[]): ArrayBuffer[] {
  const memories: ArrayBuffer[] = [];
  let next = 0;
  for (let left = reader.count(3); left > 0; left--) {
    const flags = reader.byte();
    const length = reader.varint();
    const maximum = flags & RESIZABLE ? reader.varint() : undefined;
    const pad = reader.varint();
    if (pad > 7 || (pad > 0 && maximum !== undefined)) throw broken("a pad is out of range");
    if (flags & BESIDE) {
      const bytes = buffers[next++];
      if (bytes?.byteLength !== length) throw broken("the memory beside it has another length");
      memories.push(adopt(bytes, pad, maximum));
    } else {
      if (length > reader.end - reader.position) throw broken("it ends too early");
      const buffer = allocate(pad + length, maximum);
      reader.copy(length, new Uint8Array(buffer, pad));
      memories.push(buffer);
    }
  }
  if (next !== buffers.length) throw broken("there is memory beside it that it does not name");
  return memories;
}

/** Takes memory over without a copy when it is a whole ArrayBuffer: the receiver of a message owns what lies beside it. */
function adopt(bytes: Uint8Array, pad: number, maximum: number | undefined): ArrayBuffer {
  const { buffer } = bytes;
  const ready = buffer instanceof ArrayBuffer && !buffer.resizable && buffer.byteLength === bytes.byteLength;
  if (ready && pad === 0 && maximum === undefined) return buffer;
  const copy = allocate(pad + bytes.byteLength, maximum);
  new Uint8Array(copy).set(bytes, pad);
  return copy;
}

function allocate(length: number, maximum: number | undefined): ArrayBuffer {
  return maximum === undefined ? new ArrayBuffer(length) : new ArrayBuffer(length, { maxByteLength: maximum });
}
