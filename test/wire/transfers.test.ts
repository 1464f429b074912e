import * as fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { ProtocolError } from "../../src/errors.ts";
import { defaultLimits } from "../../src/wire/frames.ts";
import { type Chunk, IncomingTransfers, OutgoingTransfers, chunkBytes } from "../../src/wire/transfers.ts";
import { bytes, largestAllocation } from "./bytes.ts";

const limits = { ...defaultLimits, transferBytes: 1_000, openBytes: 10_000 };

/** What a chunk's frame carries. */
function bodyOf({ prefix, bytes: own }: Chunk): Buffer {
  return Buffer.concat([prefix ?? Buffer.alloc(0), own]);
}

/** The first chunk of a transfer of `total` bytes. */
function first(total: number, body: Uint8Array = Buffer.alloc(0)): Buffer {
  const prefix = Buffer.alloc(8);
  prefix.writeUInt32BE(Math.floor(total / 2 ** 32), 0);
  prefix.writeUInt32BE(total % 2 ** 32, 4);
  return Buffer.concat([prefix, body]);
}

describe("outgoing", () => {
  test.each([0, 1, chunkBytes - 1, chunkBytes, chunkBytes + 1, 4 * chunkBytes, 5_000_000])(
    "%d bytes arrive as they were",
    (size) => {
      const sent = Buffer.alloc(size, "pattern ");
      const [outgoing, incoming] = [new OutgoingTransfers(), new IncomingTransfers(defaultLimits)];
      const number = outgoing.open(sent);
      let chunks = 0;
      for (let chunk = outgoing.next(); chunk; chunk = outgoing.next()) {
        incoming.chunk(chunk.number, bodyOf(chunk));
        expect(chunk.bytes.length).toBeLessThanOrEqual(chunkBytes);
        expect(chunk.last).toBe(++chunks === Math.max(1, Math.ceil(size / chunkBytes)));
      }
      expect(incoming.claim(number).equals(sent)).toBe(true);
      expect([outgoing.empty, incoming.size]).toEqual([true, 0]);
    },
  );

  test("any transfers, opened at any time, arrive complete and take turns", () => {
    const change = fc.oneof(
      fc.record({ size: fc.constantFrom(0, 1, chunkBytes, chunkBytes + 1, 3 * chunkBytes) }),
      fc.constant({ size: -1 }),
    );
    fc.assert(
      fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
        const [outgoing, incoming] = [new OutgoingTransfers(), new IncomingTransfers(defaultLimits)];
        const sent = new Map<number, Buffer>();
        const done = new Set<number>();
        const served: number[] = [];
        const send = (): boolean => {
          const chunk = outgoing.next();
          if (!chunk) return false;
          incoming.chunk(chunk.number, bodyOf(chunk));
          if (chunk.last) done.add(chunk.number);
          served.push(chunk.number);
          return true;
        };
        for (const { size } of changes) {
          if (size < 0) send();
          else {
            const part = Buffer.alloc(size, sent.size + 1);
            sent.set(outgoing.open(part), part);
          }
        }
        while (send());
        for (const [number, part] of sent) expect(incoming.claim(number).equals(part)).toBe(true);
        expect(done.size).toBe(sent.size);
        // Nobody is served twice while another, opened before, waits: gaps between turns are at most all others.
        for (const number of sent.keys()) {
          const turns = served.flatMap((each, at) => (each === number ? [at] : []));
          for (const [index, at] of turns.slice(1).entries()) expect(at - turns[index]!).toBeLessThanOrEqual(sent.size);
        }
      }),
      { numRuns: 200 },
    );
  });

  test("a small transfer behind one of 64 MB needs two turns", () => {
    const outgoing = new OutgoingTransfers();
    outgoing.open(Buffer.alloc(64 * 2 ** 20));
    const small = outgoing.open(Buffer.from("small"));
    const order = [outgoing.next(), outgoing.next(), outgoing.next()].map((chunk) => [chunk!.number, chunk!.last]);
    expect(order).toEqual([
      [1, false],
      [small, true],
      [1, false],
    ]);
  });

  test("the bytes leave from the caller's own memory", () => {
    const outgoing = new OutgoingTransfers();
    const own = Buffer.alloc(2 * chunkBytes);
    outgoing.open(own);
    for (let chunk = outgoing.next(); chunk; chunk = outgoing.next()) expect(chunk.bytes.buffer).toBe(own.buffer);
  });

  test("the first chunk starts with the length, in 8 bytes", () => {
    const outgoing = new OutgoingTransfers();
    outgoing.open(Buffer.alloc(0x1_0203));
    expect([outgoing.next()!.prefix, outgoing.next()!.prefix]).toEqual([bytes("00000000 00010203"), undefined]);
  });

  test("numbers start at 1: 0 is none", () => {
    expect(new OutgoingTransfers().open(Buffer.alloc(1))).toBe(1);
  });
});

describe("incoming", () => {
  test("memory is taken once, when the transfer opens, and is of the very length", () => {
    const incoming = new IncomingTransfers(defaultLimits);
    const size = largestAllocation(() => incoming.chunk(1, first(500_000)));
    expect(size).toBe(500_000);
    expect(largestAllocation(() => incoming.chunk(1, Buffer.alloc(1)))).toBeLessThanOrEqual(1);
    incoming.chunk(1, Buffer.alloc(499_999));
    const found = incoming.claim(1);
    expect([found.length, found.byteOffset, found.buffer.byteLength]).toEqual([500_000, 0, 500_000]);
  });

  test("a transfer of nothing is complete at once", () => {
    const incoming = new IncomingTransfers(limits);
    incoming.chunk(1, first(0));
    expect(incoming.claim(1)).toHaveLength(0);
  });

  test("the first chunk may hold the length alone", () => {
    const incoming = new IncomingTransfers(limits);
    incoming.chunk(1, first(2));
    incoming.chunk(1, Buffer.from("ab"));
    expect(String(incoming.claim(1))).toBe("ab");
  });

  const vices: [string, (incoming: IncomingTransfers) => void, string][] = [
    [
      "a first chunk without a length",
      (incoming) => incoming.chunk(1, Buffer.alloc(7)),
      "Cannot open transfer 1: its length is missing",
    ],
    [
      "a transfer above the limit",
      (incoming) => incoming.chunk(1, first(1_001)),
      "Cannot open a transfer of 1001 bytes: at most 1000 are allowed",
    ],
    [
      "one whose length needs the upper half",
      (incoming) => incoming.chunk(1, first(2 ** 32 + 5)),
      "Cannot open a transfer of 4294967301 bytes: at most 1000 are allowed",
    ],
    [
      "the longest length there is",
      (incoming) => incoming.chunk(1, bytes("ffffffff ffffffff")),
      "Cannot open a transfer of 18446744073709552000 bytes: at most 1000 are allowed",
    ],
    [
      "a first chunk that is longer than it said",
      (incoming) => incoming.chunk(1, first(2, Buffer.from("abc"))),
      "Cannot add to transfer 1: it is longer than it said",
    ],
    [
      "a later chunk that is longer than was said",
      (incoming) => {
        incoming.chunk(1, first(5, Buffer.from("abc")));
        incoming.chunk(1, Buffer.from("def"));
      },
      "Cannot add to transfer 1: it is longer than it said",
    ],
    [
      "a chunk after the last",
      (incoming) => {
        incoming.chunk(1, first(3, Buffer.from("abc")));
        incoming.chunk(1, Buffer.from("d"));
      },
      "Cannot add 1 bytes to transfer 1: it has 3 of 3",
    ],
    [
      "a chunk of nothing",
      (incoming) => {
        incoming.chunk(1, first(5, Buffer.from("abc")));
        incoming.chunk(1, Buffer.alloc(0));
      },
      "Cannot add 0 bytes to transfer 1: it has 3 of 5",
    ],
    ["a claim of what is not known", (incoming) => void incoming.claim(1), "Cannot use transfer 1: it is not known"],
    [
      "a claim of what is not complete",
      (incoming) => {
        incoming.chunk(1, first(5, Buffer.from("abc")));
        incoming.claim(1);
      },
      "Cannot use transfer 1: it is not complete",
    ],
    [
      "a second claim",
      (incoming) => {
        incoming.chunk(1, first(3, Buffer.from("abc")));
        incoming.claim(1);
        incoming.claim(1);
      },
      "Cannot use transfer 1: it is not known",
    ],
  ];
  test.each(vices)("%s is refused", (_, act, message) => {
    expect(() => act(new IncomingTransfers(limits))).toThrow(new ProtocolError(message));
  });

  test("what is refused was never allocated", () => {
    const incoming = new IncomingTransfers(limits);
    const wish = first(2 ** 40);
    expect(largestAllocation(() => expect(() => incoming.chunk(1, wish)).toThrow(ProtocolError))).toBe(0);
  });

  test("all open transfers together have a limit, and what was claimed does not count", () => {
    const incoming = new IncomingTransfers(limits);
    let number = 0;
    const errors: unknown[] = [];
    const fill = (): number => {
      let opened = 0;
      try {
        for (; ; opened++) incoming.chunk(++number, first(1_000, Buffer.alloc(1_000)));
      } catch (error) {
        errors.push(error);
        return opened;
      }
    };
    const fits = fill();
    expect(fits).toBeGreaterThan(5);
    expect(fits * 1_000).toBeLessThanOrEqual(limits.openBytes);
    for (let claimed = 1; claimed <= fits; claimed++) incoming.claim(claimed);
    expect(fill()).toBe(fits);
    expect(errors).toEqual([expect.any(ProtocolError), expect.any(ProtocolError)]);
  });

  test("empty transfers have a limit as well", () => {
    const incoming = new IncomingTransfers(limits);
    const open = (): void => {
      for (let number = 1; number <= 10_000; number++) incoming.chunk(number, first(0));
    };
    expect(open).toThrow(ProtocolError);
    expect(incoming.size).toBeLessThan(100);
  });

  test("a wish for more memory than there is ends the connection, not the process", () => {
    const spy = vi.spyOn(Buffer, "allocUnsafeSlow").mockImplementation(() => {
      throw new RangeError("Array buffer allocation failed");
    });
    try {
      const incoming = new IncomingTransfers(limits);
      expect(() => incoming.chunk(1, first(900))).toThrow(
        new ProtocolError("Cannot open a transfer of 900 bytes: there is no memory for it"),
      );
    } finally {
      spy.mockRestore();
    }
  });
});
