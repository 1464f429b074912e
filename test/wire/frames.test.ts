import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ProtocolError } from "../../src/errors.ts";
import { type Frame, FrameReader, FrameWriter, defaultLimits, headerBytes } from "../../src/wire/frames.ts";
import { cut, frame, largestAllocation } from "./bytes.ts";

const u32 = fc.nat({ max: 0xffff_ffff });
const anyFrame = fc
  .record({
    type: fc.nat({ max: 255 }),
    id: u32,
    body: fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc.nat({ max: 70_000 }).map((size) => new Uint8Array(size)),
    ),
    attachments: fc.oneof(fc.constant([]), fc.array(u32, { maxLength: 5 })),
    bodyAttached: fc.boolean(),
    flush: fc.boolean(),
  })
  .map((given) => ({ ...given, bodyAttached: given.bodyAttached && given.attachments.length > 0 }));

/** Frames of these chunks, each with a copy of its body as it was when it came. */
function read(chunks: readonly Buffer[], reader = new FrameReader(defaultLimits.frameBytes)): Frame[] {
  const found: Frame[] = [];
  for (const chunk of chunks) reader.push(chunk, (one) => void found.push(one));
  return found;
}

test("any frames, written and cut in any way, are read as they were", () => {
  fc.assert(
    fc.property(fc.array(anyFrame, { maxLength: 20 }), fc.array(fc.nat(), { maxLength: 20 }), (frames, places) => {
      const writer = new FrameWriter();
      const out: Buffer[] = [];
      for (const { type, id, body, attachments, bodyAttached, flush } of frames) {
        const full = writer.add(type, id, body, attachments, bodyAttached);
        if (full) out.push(full);
        const gathered = flush ? writer.take() : undefined;
        if (gathered) out.push(gathered);
      }
      out.push(writer.take() ?? Buffer.alloc(0));
      expect(writer.empty).toBe(true);
      expect(read(cut(Buffer.concat(out), places))).toEqual(
        frames.map(({ type, id, body, attachments, bodyAttached }) => {
          return { type, id, body: Buffer.from(body), attachments, bodyAttached };
        }),
      );
    }),
    { numRuns: 300 },
  );
});

test("a frame that comes byte by byte is read once, when it is complete", () => {
  const bytes = frame({ type: 9, id: 7, body: Buffer.from("body") });
  const reader = new FrameReader(100);
  for (const byte of bytes.subarray(0, -1)) expect(read([Buffer.from([byte])], reader)).toEqual([]);
  expect(read([bytes.subarray(-1)], reader)).toMatchObject([{ type: 9, id: 7, body: Buffer.from("body") }]);
});

describe("the writer", () => {
  test("gathers small frames into one piece", () => {
    const writer = new FrameWriter();
    for (let id = 0; id < 100; id++) expect(writer.add(5, id, Buffer.from("small"))).toBeUndefined();
    expect(read([writer.take()!])).toHaveLength(100);
    expect(writer.take()).toBeUndefined();
  });

  test("gives out what is full before a frame that has no room", () => {
    const writer = new FrameWriter();
    writer.add(5, 1, Buffer.alloc(60_000));
    const full = writer.add(5, 2, Buffer.alloc(60_000));
    expect(read([full!, writer.take()!]).map(({ id }) => id)).toEqual([1, 2]);
  });

  test("never writes into memory that it has given out", () => {
    const writer = new FrameWriter();
    const given: Buffer[] = [];
    const copies: Buffer[] = [];
    for (let id = 0; id < 500; id++) {
      const piece = writer.add(5, id, Buffer.alloc(1 + (id % 700), id)) ?? (id % 3 === 0 ? writer.take() : undefined);
      if (!piece) continue;
      given.push(piece);
      copies.push(Buffer.from(piece));
    }
    expect(given.every((piece, index) => piece.equals(copies[index]!))).toBe(true);
  });

  test("makes a header for a body that leaves from its own memory", () => {
    const writer = new FrameWriter();
    writer.add(5, 1, Buffer.from("before"));
    const gathered = writer.take()!;
    const body = Buffer.from("alone");
    const header = writer.header(0, 77, body.length);
    writer.add(5, 2, Buffer.from("after"));
    expect(header).toHaveLength(headerBytes);
    expect(read([gathered, header, body, writer.take()!]).map(({ id, body: found }) => [id, String(found)])).toEqual([
      [1, "before"],
      [77, "alone"],
      [2, "after"],
    ]);
  });
});

describe("a hostile stream ends with a ProtocolError", () => {
  const list = (count: number, ...numbers: number[]): Buffer => {
    const found = Buffer.alloc(2 + numbers.length * 4);
    found.writeUInt16BE(count);
    for (const [index, number] of numbers.entries()) found.writeUInt32BE(number, 2 + index * 4);
    return found;
  };
  const vices: [string, Buffer, string][] = [
    ["a length of zero", frame({ length: 0 }), "Cannot read a frame of 0 bytes: 10 to 1000 are allowed"],
    ["a length below the header's", frame({ length: 9 }), "Cannot read a frame of 9 bytes: 10 to 1000 are allowed"],
    [
      "a frame that is one too long",
      frame({ length: 1001 }),
      "Cannot read a frame of 1001 bytes: 10 to 1000 are allowed",
    ],
    [
      "the longest length there is",
      frame({ length: 0xffff_ffff }),
      "Cannot read a frame of 4294967295 bytes: 10 to 1000 are allowed",
    ],
    ["a first frame that is not number 0", frame({ sequence: 1 }), "Cannot accept frame 1: frame 0 is next"],
    ["a frame that comes twice", Buffer.concat([frame({}), frame({})]), "Cannot accept frame 0: frame 1 is next"],
    [
      "a frame that was left out",
      Buffer.concat([frame({}), frame({ sequence: 2 })]),
      "Cannot accept frame 2: frame 1 is next",
    ],
    ["an unknown flag", frame({ flags: 4 }), "Cannot read a frame with flags 4: they have no meaning"],
    ["all flags", frame({ flags: 255 }), "Cannot read a frame with flags 255: they have no meaning"],
    [
      "an attached body without attachments",
      frame({ flags: 2 }),
      "Cannot read a frame with flags 2: they have no meaning",
    ],
    ["attachments without a count", frame({ flags: 1 }), "Cannot read a frame: its list of attachments is cut"],
    [
      "half a count",
      frame({ flags: 1, body: Buffer.from([1]) }),
      "Cannot read a frame: its list of attachments is cut",
    ],
    [
      "a list of no attachments",
      frame({ flags: 1, body: list(0) }),
      "Cannot read a frame: its list of attachments is cut",
    ],
    [
      "a list that is cut",
      frame({ flags: 1, body: list(2, 1) }),
      "Cannot read a frame: its list of attachments is cut",
    ],
    [
      "a list that says more than there is",
      frame({ flags: 3, body: list(0xffff, 1, 2, 3) }),
      "Cannot read a frame: its list of attachments is cut",
    ],
  ];
  test.each(vices)("%s", (_, bytes, message) => {
    expect(() => read([bytes], new FrameReader(1000))).toThrow(new ProtocolError(message));
    expect(() => read(cut(bytes, [1, 3, 5, 13, 15]), new FrameReader(1000))).toThrow(new ProtocolError(message));
  });

  test("a cut frame is no error and no frame: it waits for the rest", () => {
    const whole = frame({ body: Buffer.alloc(50) });
    for (let length = 0; length < whole.length; length++) expect(read([whole.subarray(0, length)])).toEqual([]);
  });

  test("the limit is that of the moment: short before the peer is known, long after", () => {
    const reader = new FrameReader(20);
    const found: number[] = [];
    const take = ({ id }: Frame): void => {
      found.push(id);
      reader.frameBytes = 1000;
    };
    reader.push(Buffer.concat([frame({ id: 1 }), frame({ id: 2, sequence: 1, body: Buffer.alloc(500) })]), take);
    expect(found).toEqual([1, 2]);
    expect(() => read([frame({ body: Buffer.alloc(500) })], new FrameReader(20))).toThrow(ProtocolError);
  });

  test("what the taker throws reaches the caller, and no later frame is taken", () => {
    const found: number[] = [];
    const take = ({ id }: Frame): void => {
      found.push(id);
      throw new ProtocolError("not allowed");
    };
    const two = Buffer.concat([frame({ id: 1 }), frame({ id: 2, sequence: 1 })]);
    expect(() => new FrameReader(100).push(two, take)).toThrow("not allowed");
    expect(found).toEqual([1]);
  });
});

describe("memory", () => {
  test("a frame that is too long is refused before anything is allocated for it", () => {
    const head = frame({ length: 0xffff_fff0 });
    const size = largestAllocation(() => expect(() => read([head], new FrameReader(1024))).toThrow(ProtocolError));
    expect(size).toBeLessThanOrEqual(1028);
  });

  test("no bytes whatever make it allocate more than a frame and the chunk itself", () => {
    const garbage = fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 64 }),
        fc.record({ length: u32, flags: fc.nat({ max: 3 }) }).map((fields) => frame(fields)),
        fc.nat({ max: 1100 }).map((length) => frame({ length })),
      ),
      { maxLength: 10 },
    );
    fc.assert(
      fc.property(garbage, fc.array(fc.nat()), (pieces, places) => {
        const chunks = cut(Buffer.concat(pieces), places);
        const longest = Math.max(...chunks.map(({ length }) => length));
        let error: unknown;
        const size = largestAllocation(() => {
          try {
            read(chunks, new FrameReader(1024));
          } catch (caught) {
            error = caught;
          }
        });
        expect(size).toBeLessThanOrEqual(Math.max(1024 + 4, longest + 3));
        expect(error === undefined || error instanceof ProtocolError).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
