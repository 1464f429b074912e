import { vi } from "vitest";

/** Frames as they stand on the wire: hexadecimal digits with spaces between the fields, then text. */
export function bytes(hex: string, text = ""): Buffer {
  return Buffer.concat([Buffer.from(hex.replaceAll(" ", ""), "hex"), Buffer.from(text, "utf8")]);
}

/** A frame made by hand, so that it can be wrong in any way. */
export function frame(fields: {
  readonly length?: number;
  readonly type?: number;
  readonly flags?: number;
  readonly id?: number;
  readonly sequence?: number;
  readonly body?: Uint8Array;
}): Buffer {
  const { type = 3, flags = 0, id = 0, sequence = 0, body = Buffer.alloc(0) } = fields;
  const head = Buffer.alloc(14);
  head.writeUInt32BE(fields.length ?? 10 + body.length, 0);
  head[4] = type;
  head[5] = flags;
  head.writeUInt32BE(id, 6);
  head.writeUInt32BE(sequence, 10);
  return Buffer.concat([head, body]);
}

/** Cuts bytes at any places. */
export function cut(whole: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...places.map((place) => place % (whole.length + 1)), whole.length].toSorted((a, b) => a - b);
  // Copies: what a reader keeps of one chunk must not come from its neighbour's memory.
  return ends.map((end, index) => Buffer.from(whole.subarray(ends[index - 1] ?? 0, end)));
}

/** The largest piece of memory that `act` asks for through any of Buffer's makers. */
export function largestAllocation(act: () => void): number {
  let largest = 0;
  const note = (size: number): void => void (largest = Math.max(largest, size));
  const { alloc, allocUnsafe, allocUnsafeSlow, concat } = Buffer;
  const spies = [
    vi.spyOn(Buffer, "alloc").mockImplementation((size, ...rest) => (note(size), alloc(size, ...rest))),
    vi.spyOn(Buffer, "allocUnsafe").mockImplementation((size) => (note(size), allocUnsafe(size))),
    vi.spyOn(Buffer, "allocUnsafeSlow").mockImplementation((size) => (note(size), allocUnsafeSlow(size))),
    vi.spyOn(Buffer, "concat").mockImplementation((list, total) => {
      const made = concat(list, total);
      note(made.length);
      return made;
    }),
  ];
  try {
    act();
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  return largest;
}
