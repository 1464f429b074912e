import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Encoded, type Protocol, framingOf } from "../../../src/native/binary/framing.ts";

/** What is written, as one piece of memory. */
function joined(encoded: Encoded): Buffer {
  if (typeof encoded === "string") return Buffer.from(encoded);
  return encoded instanceof Uint8Array ? Buffer.from(encoded) : Buffer.concat(encoded);
}

/** Gives the bytes in pieces that end at these places. */
function decode(protocol: Protocol, bytes: Uint8Array, cuts: readonly number[], most = 2 ** 26): unknown[] {
  const found: unknown[] = [];
  const decoder = framingOf(protocol).decoder(most, (answer) => found.push(answer));
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].toSorted((a, b) => a - b);
  let at = 0;
  for (const place of [...places, bytes.length]) {
    decoder.push(bytes.slice(at, place));
    at = place;
  }
  return found;
}

const cuts = fc.array(fc.nat(), { maxLength: 12 });
const line = fc.string({ unit: "binary" }).map((text) => text.replace(/[\n\r]/g, ""));

describe("what was written is read again, however it is cut", () => {
  test("lines", () => {
    fc.assert(
      fc.property(fc.array(line), cuts, (lines, at) => {
        const bytes = Buffer.concat(lines.map((each) => joined(framingOf("lines").encode(each))));
        // A lone half of a character cannot be written in UTF-8.
        expect(decode("lines", bytes, at)).toEqual(lines.map((each) => each.toWellFormed()));
      }),
    );
  });

  test("JSON", () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), cuts, (values, at) => {
        const bytes = Buffer.concat(values.map((each) => joined(framingOf("jsonl").encode(each))));
        const plain = values.map((each) => JSON.parse(JSON.stringify(each)) as unknown);
        expect(decode("jsonl", bytes, at)).toEqual(plain);
      }),
    );
  });

  test.each([1, 2, 4] as const)("packets with a prefix of %i", (packet) => {
    const sizes = fc.oneof(fc.nat({ max: 20 }), fc.constant(255), fc.constant(packet === 1 ? 254 : 40_000));
    const bodies = fc.array(
      sizes.chain((length) => fc.uint8Array({ minLength: length, maxLength: length })),
      { maxLength: 5 },
    );
    fc.assert(
      fc.property(bodies, cuts, (values, at) => {
        const bytes = Buffer.concat(values.map((each) => joined(framingOf({ packet }).encode(each))));
        expect(decode({ packet }, bytes, at)).toEqual(values.map((each) => new Uint8Array(each)));
      }),
      { numRuns: 60 },
    );
  });
});

describe("lines", () => {
  test("end with a line end of either kind, and may be empty", () => {
    expect(decode("lines", Buffer.from("a\r\n\nb\n\r\nc"), [])).toEqual(["a", "", "b", ""]);
    expect(decode("lines", Buffer.from("a\r\n"), [2])).toEqual(["a"]);
  });

  test("are refused with a line end in them, and when they are no text", () => {
    const { encode } = framingOf("lines");
    expect(() => encode("a\nb")).toThrow(/Cannot send "a\\nb": it has a line end in it.*use "jsonl"/);
    expect(() => encode(7)).toThrow("Cannot send 7: the protocol is lines; give a string");
    expect(encode("a\rb")).toBe("a\rb\n");
  });

  test("may be as long as allowed, and not longer, also when they never end", () => {
    expect(decode("lines", Buffer.from("12345\r\n"), [], 5)).toEqual(["12345"]);
    expect(() => decode("lines", Buffer.from("1234567\n"), [], 5)).toThrow("answered with a line of more than 5 bytes");
    expect(() => decode("lines", Buffer.from("1234567"), [1, 2, 3, 4, 5, 6], 5)).toThrow(/more than 5 bytes/);
  });
});

describe("JSON", () => {
  const cyclic: Record<string, unknown> = {};
  cyclic["self"] = cyclic;
  test.each([
    [undefined, /there is no JSON for it; give null/],
    [() => 1, /there is no JSON for it/],
    [cyclic, /it cannot be written as JSON \(Converting circular/],
    [1n, /it cannot be written as JSON/],
  ])("%s is refused", (value, message) => {
    expect(() => framingOf("jsonl").encode(value)).toThrow(message);
  });

  test("an answer that is none is told with its beginning", () => {
    expect(() => decode("jsonl", Buffer.from("{oh\n"), [])).toThrow('answered what is no JSON: "{oh"');
    expect(() => decode("jsonl", Buffer.from("\n"), [])).toThrow(/no JSON/);
  });
});

describe("packets", () => {
  test("are led by their length, the most significant byte first, in one piece when they are small", () => {
    expect(framingOf({ packet: 4 }).encode(new Uint8Array([7, 8]))).toEqual(Buffer.from([0, 0, 0, 2, 7, 8]));
    expect(framingOf({ packet: 2 }).encode(new Uint8Array(258).fill(1))).toEqual(
      Buffer.concat([Buffer.from([1, 2]), Buffer.alloc(258, 1)]),
    );
    const large = new Uint8Array(100_000);
    const encoded = framingOf({ packet: 4 }).encode(large) as readonly Uint8Array[];
    expect(encoded[1]).toBe(large);
  });

  test.each([
    [1, 255],
    [2, 65_535],
  ] as const)("with a prefix of %i may have %i bytes, and not one more", (packet, most) => {
    expect(joined(framingOf({ packet }).encode(new Uint8Array(most)))).toHaveLength(packet + most);
    expect(() => framingOf({ packet }).encode(new Uint8Array(most + 1))).toThrow(
      `Cannot send ${most + 1} bytes: a prefix of ${packet} tells ${most} at most; use a larger one`,
    );
  });

  test("are refused when they are no bytes", () => {
    expect(() => framingOf({ packet: 4 }).encode("text")).toThrow(/give a Uint8Array/);
  });

  test("that are too long are refused by their announcement, before memory is taken", () => {
    expect(decode({ packet: 4 }, Buffer.from([0, 0, 0, 2, 1, 1]), [], 2)).toEqual([new Uint8Array([1, 1])]);
    const before = process.memoryUsage().arrayBuffers;
    expect(() => decode({ packet: 4 }, Buffer.from([0x7f, 0xff, 0xff, 0xff]), [1, 2])).toThrow(
      "announced an answer of 2147483647 bytes, which is more than 67108864",
    );
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20);
  });

  test("do not keep the chunk alive that they came in", () => {
    const found: Uint8Array[] = [];
    const decoder = framingOf({ packet: 1 }).decoder(255, (answer) => found.push(answer as Uint8Array));
    decoder.push(new Uint8Array([...Array.from({ length: 100 }, () => [1, 7]).flat()]));
    expect(found).toHaveLength(100);
    expect(found[0]!.buffer.byteLength).toBe(1);
    expect(found[0]!.constructor).toBe(Uint8Array);
  });
});
