/* oxlint-disable no-sparse-arrays -- holes must arrive */
import vm from "node:vm";
import { describe, expect, test } from "vitest";
import { decode } from "../../src/value/decode.ts";
import { encode } from "../../src/value/encode.ts";
import { arrive, decodeHooks, encodeHooks, Failure, Point, Registry, Stack, Tags } from "./classes.ts";
import { difference } from "./same.ts";

const make = <T extends object>(value: T, fields: object): T => Object.assign(value, fields);
const define = <T extends object>(value: T, key: PropertyKey, descriptor: PropertyDescriptor): T =>
  Object.defineProperty(value, key, descriptor);
// prettier-ignore
const strings = ["", "a", "id", "éÿ", "x".repeat(63), "x".repeat(64), "ÿ".repeat(100), "日本", "😀".repeat(40), "\ud800", "a\udfffb".repeat(50), "\0", "y".repeat(100_000)];
// prettier-ignore
const numbers = [0, -0, 1, -1, 63, 64, 127, 128, 16_383, 16_384, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), -(2 ** 31) - 1, 2 ** 53, -(2 ** 53), 0.1, 1e308, 5e-324, NaN, Infinity, -Infinity];
const bigints = [0n, 1n, -1n, 255n, 256n, -(2n ** 64n), 2n ** 64n - 1n, 3n ** 5000n];
const bytes = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);

const otherRealm = "arrays and objects of another realm";
const kinds = `{ list: [1, , { a: 1 }], map: new Map([[1, new Set([2])]]), date: new Date(5), error: new TypeError("t"),
  re: /x/g, bytes: new Uint8Array([1]), deep: { f: Object.freeze({ a: 1 }) }, boxed: Object(1n) }`;

const values: Readonly<Record<string, () => unknown>> = {
  undefined: () => undefined,
  null: () => null,
  booleans: () => [true, false],
  numbers: () => numbers,
  bigints: () => bigints,
  strings: () => strings,
  "symbols that all sides know": () => [Symbol.iterator, Symbol.asyncDispose, Symbol.for("a"), Symbol.for("")],
  "an empty object and array": () => [{}, []],
  "a plain object": () => ({ id: 1, args: [1, 2], name: "x" }),
  "keys in order, integers first": () => ({ b: 1, 2: 1, a: 1, 1: 1 }),
  "rows of the same shape": () => [{ a: 1, b: 2 }, { a: 3, b: 4 }, { b: 1, a: 2 }, { a: 1 }],
  "more shapes than the short form": () => Array.from({ length: 100 }, (_, i) => ({ [`k${i % 50}`]: i, common: i })),
  "a dictionary": () => Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`key ${i}`, i])),
  "names that objects inherit": () =>
    Object.fromEntries(["constructor", "toString", "hasOwnProperty", "then", "valueOf"].map((name, i) => [name, i])),
  "__proto__ as data": () => JSON.parse('{"__proto__": {"polluted": true}, "a": {"__proto__": 1}}') as unknown,
  "symbol keys": () => ({ [Symbol.for("k")]: 1, a: 2, [Symbol.toStringTag]: "Map" }),
  "no prototype": () => make(Object.create(null) as object, { a: 1, __proto__: 2, constructor: 3 }),
  "no prototype, nothing in it": () => Object.create(null) as unknown,
  "hidden, read-only, fixed properties": () => {
    const object = define({ a: 1 }, "hidden", { value: [1], writable: true, configurable: true });
    define(object, "readOnly", { value: 2, enumerable: true, configurable: true });
    return define(object, "fixed", { value: 3 });
  },
  // prettier-ignore
  "frozen, sealed, not extensible": () => [
    Object.freeze({ a: 1, b: Object.freeze([1, 2]) }), Object.seal({ a: 1 }), Object.preventExtensions({ a: 1 }),
    Object.freeze({}), Object.freeze([]), Object.seal([1]), Object.preventExtensions(new Map([[1, 2]])), Object.freeze(new Date(0)),
    Object.freeze(define({ a: 1 }, "hidden", { value: 1 })), Object.freeze(/a/g), Object.freeze(new Error("x")),
  ],
  "a frozen cycle": () => {
    const object: { self?: unknown } = {};
    object.self = object;
    return Object.freeze(object);
  },
  // prettier-ignore
  "holes": () => [[, 1, , undefined, ,], new Array(3), [, ,], new Array(200)],
  "sparse arrays": () => {
    const sparse: unknown[] = [];
    sparse[4_294_967_294] = "last";
    sparse[1000] = "early";
    return [sparse, new Array(4_294_967_295), make(new Array(5000), { 4000: 1, extra: 2 })];
  },
  // prettier-ignore
  "arrays with properties": () => [
    make([1, , 3], { extra: 1, [Symbol.for("s")]: 2 }), /a(?<n>b)/.exec("ab"), define([1], "hidden", { value: 1 }),
    make(Array.from({ length: 1000 }, (_, i) => i), { x: 1 }), make([1], { "01": "no index", "-1": 1, 4294967295: 1 }),
    ((...parts: [TemplateStringsArray, number]) => parts[0])`a${1}b`,
  ],
  dates: () => [new Date(0), new Date(NaN), new Date(8.64e15), make(new Date(1), { note: "x" })],
  "regular expressions": () => [/a\/b/giu, make(/x/y, { lastIndex: 5 }), new RegExp(""), make(/a/v, { tag: 1 })],
  "maps and sets": () => {
    // prettier-ignore
    const map = new Map<unknown, unknown>([[NaN, 1], [-0, 2], ["k", { a: 1 }], [{ key: 1 }, "v"]]);
    map.set(map, map).set("set", new Set([map, 1, "1", undefined]));
    return [map, new Map(), new Set(), make(new Map([[1, 2]]), { field: 1 }), make(new Set([1]), { field: map })];
  },
  "shared and cyclic": () => {
    const a: Record<string, unknown> = { name: "a" };
    const list = [a, a, [a]];
    return make(a, { list, self: a, map: new Map([[a, list]]), set: new Set([list]) });
  },
  "many shared objects": () => {
    const objects = Array.from({ length: 100 }, (_, i) => ({ i }));
    return [objects, objects.toReversed()];
  },
  // prettier-ignore
  "boxed primitives": () => [Object(-0), Object("text"), Object(""), Object(true), Object(10n), Object(Symbol.for("s")), make(Object("ab") as object, { x: 1 })],
  // prettier-ignore
  "errors": () => [
    new Error("a"), new TypeError("b", { cause: new RangeError("c", { cause: undefined }) }), new AggregateError([new Error("d"), 1], "e"),
    make(new Error("f"), { code: "ERR_F", errno: -2, details: { a: [1] } }), Reflect.construct(Error, []) as unknown, define(new Error("g"), "message", { enumerable: true, value: "h" }),
    new DOMException("gone", "AbortError"), AbortSignal.abort().reason as unknown, new DOMException("x", { name: "N", cause: 1 } as never),
  ],
  "errors without a stack, or with another": () => {
    const bare = new Error("a");
    delete (bare as { stack?: string }).stack;
    return [bare, make(new Error("b"), { stack: "mine" })];
  },
  "an error that is its own cause": () => {
    const error: Error = new Error("a");
    error.cause = { error };
    return error;
  },
  // prettier-ignore
  "URLs": () => [new URL("https://user:p%40ss@example.com:8080/a b?c=d#é"), new URLSearchParams("a=1&a=2&b=%20+&c"), make(new URL("data:,x"), { note: 1 })],
  // prettier-ignore
  "headers": () => new Headers([["Set-Cookie", "a=1"], ["set-cookie", "b=2"], ["x", "1, 2"]]),
  // prettier-ignore
  "typed arrays": () => [
    new Uint8Array(bytes), new Int8Array([-1]), new Uint8ClampedArray([255]), new Uint16Array([65535]), new Int16Array([-2]), new Uint32Array([2 ** 32 - 1]),
    new Int32Array([-3]), new Float32Array([1.5, NaN]), new Float64Array([-0, Infinity]), new BigInt64Array([-1n]), new BigUint64Array([2n ** 64n - 1n]), new Uint8Array(),
  ],
  "half floats": () => (typeof Float16Array === "undefined" ? 0 : new Float16Array([1.5, -0])),
  buffers: () => [
    Buffer.from("pooled"),
    Buffer.alloc(3),
    Buffer.alloc(0),
    Buffer.alloc(100_000, 7),
    make(Buffer.alloc(100), { x: 1 }),
  ],
  // prettier-ignore
  "array buffers": () => [bytes.slice().buffer, new ArrayBuffer(0), new ArrayBuffer(4, { maxByteLength: 64 }), new ArrayBuffer(70_000), make(new ArrayBuffer(1), { x: 1 })],
  "views of one buffer": () => {
    const buffer = bytes.slice().buffer;
    return { buffer, view: new DataView(buffer), whole: new Uint8Array(buffer), part: new Uint16Array(buffer, 2, 3) };
  },
  [otherRealm]: () => {
    const foreign = vm.runInNewContext(`(${kinds})`) as Record<string, unknown>;
    return { foreign, type: Object.getPrototypeOf(foreign) !== Object.prototype };
  },
};

/** Objects of another realm arrive as this realm's; everything else of them must be the same. */
function localize(value: unknown): unknown {
  const { foreign, type } = value as { foreign: Record<string, unknown>; type: boolean };
  const local = vm.runInThisContext(`(${kinds})`) as Record<string, unknown>;
  (local["error"] as Error).stack = (foreign["error"] as Error).stack as string;
  return { foreign: local, type };
}

describe("a value arrives exactly", () => {
  test.each(Object.entries(values))("%s", (name, value) => {
    const sent = value();
    const received = decode(arrive(encode(sent, encodeHooks)), decodeHooks);
    expect(difference(received, name === otherRealm ? localize(sent) : sent)).toBeUndefined();
  });

  test.each(Object.entries(values).filter(([name]) => name !== otherRealm))("%s, deep inside", (_name, value) => {
    let sent = value();
    for (let i = 0; i < 127; i++) sent = i % 2 ? [sent] : { a: sent };
    for (const around of [sent, { around: sent }, [[sent]], [[[new Map([[1, sent]])]]]]) {
      expect(difference(decode(arrive(encode(around, encodeHooks)), decodeHooks), around)).toBeUndefined();
    }
  });
});

test("a pollution attempt reaches no prototype", () => {
  const value = JSON.parse('{"__proto__": {"polluted": true}}') as object;
  const received = decode(encode(Object.assign(Object.create(null), { x: value }), encodeHooks), decodeHooks) as {
    x: object;
  };
  expect(Object.getPrototypeOf(received.x)).toBe(Object.prototype);
  expect("polluted" in {}).toBe(false);
});

describe("Node's own errors arrive as the built-in class that they derive from", () => {
  const causes: Readonly<Record<string, () => unknown>> = {
    ERR_OUT_OF_RANGE: () => Buffer.alloc(-1),
    ERR_INVALID_URL: () => new URL("no"),
    ERR_UNKNOWN_ENCODING: () => Buffer.from("", "none" as BufferEncoding),
  };
  test.each(Object.entries(causes))("%s", (code, cause) => {
    let error: unknown;
    try {
      cause();
    } catch (thrown) {
      error = thrown;
    }
    const received = decode(encode(error, encodeHooks), decodeHooks) as Error;
    const { name, message, stack } = error as Error;
    expect(Object.getPrototypeOf(received)).toBe(name === "RangeError" ? RangeError.prototype : TypeError.prototype);
    expect(received).toMatchObject({ code, message, stack });
  });
});

test("what a partial view does not show is not sent", () => {
  const memory = new Uint8Array(1000).fill(1);
  const secret = Buffer.from("secret-secret");
  memory.set(secret, 500);
  const payload = encode(
    [
      memory.subarray(0, 10),
      memory.subarray(5, 20),
      memory.subarray(600, 610),
      new Uint16Array(memory.buffer, 18, 4),
      Buffer.from("pooled"),
    ],
    encodeHooks,
  );
  expect(payload.bytes.length).toBeLessThan(120);
  expect(Buffer.from(payload.bytes).includes(secret)).toBe(false);
});

test("views that overlap share their memory at the other end, at the same distances", () => {
  const memory = new Uint8Array(64);
  // prettier-ignore
  for (const [first, second] of [[3, 8], [8, 3]] as const) {
    const sent = [memory.subarray(first, first + 20), new Float64Array(memory.buffer, 8, 1), memory.subarray(second, second + 20)];
    const [a, b, c] = decode(encode(sent, encodeHooks), decodeHooks) as [Uint8Array, Float64Array, Uint8Array];
    expect(b.buffer === a.buffer && b.buffer === c.buffer).toBe(true);
    b[0] = 1.5;
    expect(a[8 - first + 7]).toBe(0x3f);
    expect(c[8 - second + 7]).toBe(0x3f);
  }
});

test("of many shapes each is written once", () => {
  const shapes = Array.from({ length: 40 }, (_, i) => ({ common: i, [`key ${i}`]: i }));
  const size = (value: unknown) => encode(value, encodeHooks).bytes.length;
  expect(size([...shapes, ...shapes.map((shape) => ({ ...shape }))]) - size(shapes)).toBeLessThan(40 * 5);
});

test("a resizable buffer stays resizable, also when only a view of it is sent", () => {
  const buffer = new ArrayBuffer(4, { maxByteLength: 16 });
  const received = decode(encode(new Uint8Array(buffer), encodeHooks), decodeHooks) as Uint8Array<ArrayBuffer>;
  received.buffer.resize(12);
  expect(received.length).toBe(12);
});

test("memory of 64 KiB and more is referenced, not copied", () => {
  const large = new Uint8Array(65_536);
  const small = new Uint8Array(65_535);
  const payload = encode([large, small, large.subarray(1)], encodeHooks);
  expect(payload.buffers).toHaveLength(1);
  expect(payload.buffers[0]?.buffer).toBe(large.buffer);
  expect(payload.bytes.length).toBeGreaterThan(65_535);
  expect(payload.bytes.length).toBeLessThan(65_700);
});

test("repeated keys and shapes cost a byte or two", () => {
  const row = { identifier: 1, description: 2 };
  const one = encode([row], encodeHooks).bytes.length;
  expect(encode([row, { ...row }], encodeHooks).bytes.length - one).toBe(3);
  expect(encode([row, { description: 1, identifier: 2, x: 3 }], encodeHooks).bytes.length - one).toBe(9);
});

describe("instances", () => {
  const bare = (fields: object) => Object.assign(Object.create(Point.prototype) as Point, fields);
  const cases: Readonly<Record<string, () => unknown>> = {
    "of a class": () => bare({ x: 1, z: [bare({ x: 2 })] }),
    "with a field that the class has a setter for": () =>
      define(bare({}), "y", { value: 1, writable: true, enumerable: true, configurable: true }),
    "of an Error": () => make(new Failure("a", { cause: new Failure("b") }), { code: 7 }),
    "of a Map": () => make(new Registry([[1, 2]]), { owner: "me" }),
    "of a Set": () => make(new Tags([1, { a: 1 }]), { owner: "me" }),
    // prettier-ignore
    "of an Array": () => make(Stack.from([1, , 3]), { owner: "me" }),
    "of an Array, frozen": () => Object.freeze(Stack.of(1, 2)),
    "in a cycle": () => {
      const point = bare({});
      const registry = new Registry([["point", point]]);
      return make(point, { x: registry, self: point });
    },
  };
  test.each(Object.entries(cases))("%s", (_name, value) => {
    const sent = value();
    expect(difference(decode(encode(sent, encodeHooks), decodeHooks), sent)).toBeUndefined();
  });
});
