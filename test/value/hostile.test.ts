/* oxlint-disable no-sparse-arrays -- holes are part of the sample */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ProtocolError } from "../../src/errors.ts";
import { decode } from "../../src/value/decode.ts";
import { encode } from "../../src/value/encode.ts";
import type { DecodeHooks, Payload } from "../../src/value/port.ts";
import * as tags from "../../src/value/tags.ts";
import { code, decodeHooks, encodeHooks, Point } from "./classes.ts";
import { everything } from "./graphs.ts";

/** Hooks that take anything: what is thrown then is the codec's own. */
const tolerant: DecodeHooks = {
  ...decodeHooks,
  named: () => Point,
  custom: () => ({}),
};

/** Either a value or a `ProtocolError`. */
function survive(payload: Payload): boolean {
  try {
    decode(payload, tolerant);
    return true;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return error.message.startsWith("Cannot decode the value: ") ? false : raise(error);
  }
}

// prettier-ignore
function raise(error: unknown): never {
  throw error;
}

const sample = {
  id: 1,
  list: [1, , "two", -3, 4.5, 6n, null, undefined, true, Symbol.iterator, Symbol.for("s")],
  text: "日本",
  long: "x".repeat(100),
  map: new Map<unknown, unknown>([["k", new Set([1])]]),
  date: new Date(0),
  re: /a/g,
  error: new TypeError("e", { cause: 1 }),
  url: new URL("http://x"),
  bytes: new Uint8Array([1, 2, 3]),
  buffer: new ArrayBuffer(8, { maxByteLength: 16 }),
  floats: new Float64Array(2),
  big: Buffer.alloc(70_000),
  frozen: Object.freeze({ a: 1 }),
  bare: Object.create(null) as unknown,
  headers: new Headers({ a: "b" }),
  boxed: Object(1) as unknown,
  point: Object.assign(Object.create(Point.prototype) as object, { x: 1 }),
  f: code(1, [code(2, [], [1])], [2]),
  params: new URLSearchParams("a=b"),
  sparse: Object.assign([], { 4_000_000_000: 1 }),
  dom: new DOMException("m", "n"),
};

const shallow = encode(sample, encodeHooks);
let inner: unknown = sample;
for (let i = 0; i < 127; i++) inner = [inner];
const deep = encode(inner, encodeHooks);

describe("a damaged message gives a ProtocolError or a value:", () => {
  const messages = Object.entries({ shallow, deep });
  test.each(messages)("%s, cut off anywhere", (_name, { bytes, buffers }) => {
    expect(survive({ bytes, buffers })).toBe(true);
    for (let end = 0; end < bytes.length; end++) {
      expect(survive({ bytes: bytes.subarray(0, end), buffers })).toBe(false);
    }
  });

  test.each(messages)("%s, any one byte changed", (_name, { bytes, buffers }) => {
    let survived = 0;
    for (let at = 0; at < bytes.length; at++) {
      for (const change of [1, 8, 32, 128, 0x0d]) {
        const damaged = Uint8Array.from(bytes);
        damaged[at] = (damaged[at] as number) ^ change;
        if (survive({ bytes: damaged, buffers })) survived++;
      }
    }
    expect(survived).toBeLessThan(bytes.length * 5);
  });

  test.each(messages)("%s, with a byte too much or other buffers", (_name, { bytes, buffers }) => {
    expect(survive({ bytes: Buffer.concat([bytes, new Uint8Array(1)]), buffers })).toBe(false);
    expect(survive({ bytes, buffers: [] })).toBe(false);
    expect(survive({ bytes, buffers: [...buffers, new Uint8Array(1)] })).toBe(false);
    expect(survive({ bytes, buffers: [new Uint8Array(70_001)] })).toBe(false);
  });

  test("random bytes", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        (bytes) => void expect(survive({ bytes, buffers: [] })).toBeTypeOf("boolean"),
      ),
      { numRuns: 20_000 },
    );
  });

  test("random tags and small numbers", () => {
    // prettier-ignore
    const byte = fc.oneof(fc.integer({ min: 0x80, max: 0xb0 }), fc.integer({ min: 0, max: 8 }), fc.integer({ min: 0x40, max: 0x44 }), fc.integer({ min: 0xe0, max: 0xe4 }));
    const bytes = fc.array(byte, { maxLength: 60 }).map((list) => Uint8Array.from([0, ...list]));
    fc.assert(
      fc.property(bytes, (list) => void expect(survive({ bytes: list, buffers: [] })).toBeTypeOf("boolean")),
      { numRuns: 50_000 },
    );
  });

  test("any graph with a few bytes changed", () => {
    fc.assert(
      fc.property(
        everything,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (value, changes) => {
          const { bytes, buffers } = encode(value, encodeHooks);
          for (const [at, to] of changes) bytes[at % bytes.length] = to;
          expect(survive({ bytes, buffers })).toBeTypeOf("boolean");
        },
      ),
      { numRuns: 5000 },
    );
  });
});

const huge = [0xff, 0xff, 0xff, 0xff, 0x0f];
const gigabyte = [0x80, 0x80, 0x80, 0x80, 0x04];
/** Messages of a few bytes that claim to hold much. */
const claims: Readonly<Record<string, readonly number[]>> = {
  "a string of 4 GB": [0, tags.STRING_ONE_BYTE, ...huge],
  "a wide string of 4 GB": [0, tags.STRING_TWO_BYTE, ...huge],
  "a bigint of 4 GB": [0, tags.BIGINT, ...huge],
  "an array of 4 G elements": [0, tags.ARRAY, ...huge, 1, 1],
  "an array of too many elements": [0, tags.ARRAY, 0xff, 0xff, 0xff, 0xff, 0x1f, 1],
  "a map of 4 G entries": [0, tags.MAP, ...huge, 1, 1],
  "a set of 4 G items": [0, tags.SET, ...huge, 1],
  "a record of 4 G keys": [0, tags.NEW_SHAPE, ...huge, 0x41, 0x61],
  "an object of 4 G properties": [0, tags.OBJECT, ...huge, 0x41, 0x61],
  "code with 4 G values": [0, tags.CODE, 1, 0x41, 0x61, ...huge],
  "4 G headers": [0, tags.HEADERS, ...huge],
  "memory of 1 GB": [1, tags.ARRAY_BUFFER, 0, 1, 0, ...gigabyte, 0, 1, 0, 0, ...gigabyte, 3, 0, 0, 0],
  "a resizable buffer of 8 PB": [
    1,
    tags.ARRAY_BUFFER,
    0,
    1,
    2,
    0,
    0xff,
    0xff,
    0xff,
    0xff,
    0xff,
    0xff,
    0xff,
    0x0f,
    0,
    1,
    0,
    0,
    0,
    3,
    0,
    0,
    0,
  ],
  "4 G memories": [1, tags.ARRAY_BUFFER, 0, ...huge, 3, 0, 0, 0],
  "4 G views": [1, tags.ARRAY_BUFFER, 0, 0, ...huge, 3, 0, 0, 0],
  "a sparse array with 4 G elements": [0, tags.ARRAY, ...huge, tags.SPARSE, ...huge, 1, 1],
  "the length of an array as a property": [
    0,
    tags.FULL_ARRAY,
    0,
    12,
    0x46,
    ...Buffer.from("length"),
    tags.HIDDEN | tags.FIXED,
    tags.INTEGER,
    ...[0x80, 0x80, 0x80, 0x0e],
  ],
  "a reference to nothing": [0, tags.REFERENCE, ...huge],
};

describe("a small message that claims much is refused at once, without the memory:", () => {
  test.each(Object.entries(claims))("%s", (_name, claim) => {
    const before = process.memoryUsage();
    const started = performance.now();
    expect(survive({ bytes: Uint8Array.from(claim), buffers: [] })).toBe(false);
    const after = process.memoryUsage();
    expect(after.heapTotal + after.external - before.heapTotal - before.external).toBeLessThan(100e6);
    expect(performance.now() - started).toBeLessThan(2000);
  });

  test("an array of 30 M elements that are not there takes no memory", () => {
    const before = process.memoryUsage().heapTotal;
    const array = decode(
      { bytes: Uint8Array.from([0, tags.ARRAY, 0x80, 0x87, 0xa7, 0x0e, tags.SPARSE, 0]), buffers: [] },
      decodeHooks,
    );
    expect(array).toHaveLength(30_000_000);
    expect(process.memoryUsage().heapTotal - before).toBeLessThan(50e6);
  });
});

test.each([
  ["arrays", new Array<number>(1_000_000).fill(0xe1)],
  ["classes", Array.from({ length: 1_000_000 }, (_, i) => (i % 2 ? 0 : tags.INSTANCE))],
  ["states", Array.from({ length: 1_000_000 }, (_, i) => (i % 2 ? 1 : tags.CUSTOM))],
  [
    "dates",
    Array.from({ length: 1_000_000 }, (_, i) => [tags.DATE, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0x41, 0x61][i % 12] as number),
  ],
])("a million levels of %s are refused before the stack ends", (_name, list) => {
  const payload = { bytes: Uint8Array.from([0, ...list]), buffers: [] };
  expect(() => decode(payload, tolerant)).toThrow(/nested too deeply/);
});

test("nothing may follow the value", () => {
  const { bytes } = encode({ a: 1 }, encodeHooks);
  expect(survive({ bytes: Buffer.concat([bytes, new Uint8Array(1)]), buffers: [] })).toBe(false);
});

test("a class that is not one, or has no prototype, makes no instance", () => {
  for (const value of [1, [], {}]) {
    const { bytes } = encode(value, encodeHooks);
    expect(survive({ bytes: Uint8Array.from([0, tags.INSTANCE, 0, ...bytes.subarray(1), 0]), buffers: [] })).toBe(
      false,
    );
  }
});

test("no message reaches a prototype", () => {
  const before = Reflect.ownKeys(Object.prototype);
  const steps = [tags.OBJECT, 8, 0x49, ...Buffer.from("__proto__"), tags.OBJECT, 8, 0x43, ...Buffer.from("bad"), 1];
  const value = decode({ bytes: Uint8Array.from([0, ...steps]), buffers: [] }, decodeHooks) as object;
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  expect(Object.keys(value)).toEqual(["__proto__"]);
  expect(Reflect.ownKeys(Object.prototype)).toEqual(before);
});
