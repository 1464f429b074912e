import { REFERENCED_SIZE } from "./tags.ts";
import type { Writer } from "./writer.ts";

/** A range of an ArrayBuffer that a view, or the buffer itself, makes visible. */
interface Range {
  readonly buffer: ArrayBuffer;
  readonly start: number;
  readonly end: number;
  /** The buffer itself travels as a value, so that everything in it belongs together. */
  readonly whole: boolean;
  readonly aligned: boolean;
  memory: number;
  offset: number;
}

/** The bytes that some overlapping ranges show. */
interface Memory {
  readonly buffer: ArrayBuffer;
  readonly start: number;
  end: number;
  pad: number;
}

export const BESIDE = 1;
export const RESIZABLE = 2;

/**
 * Collects what views and buffers show, and writes it after the value. Ranges that overlap stay one memory, exactly as
 * they were; of everything else in an ArrayBuffer not a byte is sent (Node's pool holds other people's strings).
 */
export class Memories {
  #ranges: Range[] = [];
  /** Memory whose contents are not there yet must not be copied into the message. */
  #unread = new Set<ArrayBuffer>();

  get count(): number {
    return this.#ranges.length;
  }

  /** Forgets the ranges from `count` on. */
  rewind(count: number): void {
    this.#ranges.length = count;
  }

  addBuffer(buffer: ArrayBuffer): void {
    this.#add(buffer, 0, buffer.byteLength, true, false);
  }

  addView(view: ArrayBufferView, elementSize: number): void {
    const buffer = view.buffer as ArrayBuffer;
    if (buffer.resizable) return this.#add(buffer, view.byteOffset, view.byteOffset + view.byteLength, true, true);
    this.#add(buffer, view.byteOffset, view.byteOffset + view.byteLength, false, elementSize > 1);
  }

  /** Memory that is filled later; the caller fills it. */
  addUnread(size: number): Uint8Array {
    const bytes = new Uint8Array(size);
    if (size > 0) this.#unread.add(bytes.buffer);
    this.#add(bytes.buffer, 0, size, false, false);
    return bytes;
  }

  #add(buffer: ArrayBuffer, start: number, end: number, whole: boolean, aligned: boolean): void {
    this.#ranges.push({ buffer, start, end, whole, aligned, memory: 0, offset: 0 });
  }

  /** Count of memories, each one's flags, length, [maximum], pad, [bytes]; count of ranges, each one's memory, offset, length. */
  write(writer: Writer): Uint8Array[] {
    const buffers: Uint8Array[] = [];
    const memories = this.#merge();
    writer.varint(memories.length);
    for (const { buffer, start, end, pad } of memories) {
      const length = end - start;
      const beside = length >= REFERENCED_SIZE || this.#unread.has(buffer);
      writer.byte((beside ? BESIDE : 0) | (buffer.resizable ? RESIZABLE : 0));
      writer.varint(length);
      if (buffer.resizable) writer.varint(buffer.maxByteLength);
      writer.varint(pad);
      const bytes = new Uint8Array(buffer, start, length);
      if (beside) buffers.push(bytes);
      else writer.raw(bytes);
    }
    writer.varint(this.#ranges.length);
    for (const { memory, offset, start, end } of this.#ranges) {
      writer.varint(memory);
      writer.varint(offset);
      writer.varint(end - start);
    }
    return buffers;
  }

  #merge(): Memory[] {
    const byBuffer = new Map<ArrayBuffer, Range[]>();
    for (const range of this.#ranges) {
      const list = byBuffer.get(range.buffer);
      if (list) list.push(range);
      else byBuffer.set(range.buffer, [range]);
    }
    const memories: Memory[] = [];
    for (const [buffer, ranges] of byBuffer) {
      if (ranges.some((range) => range.whole)) {
        memories.push({ buffer, start: 0, end: buffer.byteLength, pad: 0 });
        for (const range of ranges) place(range, memories);
      } else mergeOverlapping(buffer, ranges, memories);
    }
    return memories;
  }
}

function mergeOverlapping(buffer: ArrayBuffer, ranges: Range[], memories: Memory[]): void {
  let current: Memory | undefined;
  for (const range of ranges.toSorted((a, b) => a.start - b.start || b.end - a.end)) {
    if (!current || range.start >= current.end) {
      current = { buffer, start: range.start, end: range.end, pad: 0 };
      memories.push(current);
    }
    current.end = Math.max(current.end, range.end);
    // An element must lie at a multiple of its size there too; a pad of zeros does that without sending the bytes before.
    if (range.aligned && range.start !== current.start) current.pad = current.start % 8;
    place(range, memories);
  }
  for (const range of ranges) range.offset += (memories[range.memory] as Memory).pad;
}

function place(range: Range, memories: readonly Memory[]): void {
  range.memory = memories.length - 1;
  range.offset = range.start - (memories[range.memory] as Memory).start;
}
