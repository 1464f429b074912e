import { expect, test } from "vitest";
import { CaptureError, ProtocolError } from "../../src/errors.ts";
import { decode } from "../../src/value/decode.ts";
import { encode } from "../../src/value/encode.ts";
import { code, decodeHooks, encodeHooks, Money, pass, Registry, type Code } from "./classes.ts";
import { difference } from "./same.ts";

const nest: Readonly<Record<string, (inner: unknown) => unknown>> = {
  objects: (inner) => ({ inner }),
  arrays: (inner) => [inner],
  "frozen objects": (inner) => Object.freeze({ inner }),
  "objects without prototype": (inner) => Object.assign(Object.create(null) as object, { inner }),
  "map values": (inner) => new Map([[1, inner]]),
  "map keys": (inner) => new Map([[inner, 1]]),
  sets: (inner) => new Set([inner]),
  causes: (cause) => new Error("x", { cause }),
  instances: (inner) => new Registry([[1, inner]]),
};

function wrapped(wrap: (inner: unknown) => unknown, levels: number): unknown {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 1;
  let value: unknown = { end: true };
  for (let i = 0; i < levels; i++) value = wrap(value);
  Error.stackTraceLimit = limit;
  return value;
}

test.each(Object.entries(nest))("10,000 levels of %s arrive", (_name, wrap) => {
  const value = wrapped(wrap, 10_000);
  expect(difference(pass(value), value)).toBeUndefined();
});

test("10,000 levels of captured values arrive", () => {
  let depth = 0;
  const received = pass(wrapped((inner) => code(1, [], [inner]), 10_000)) as Code;
  for (let at = received; typeof at === "function"; at = at.late[0] as Code) depth++;
  expect(depth).toBe(10_000);
});

test("a million levels arrive, shared objects included", () => {
  const end = { end: true };
  let value: unknown = end;
  for (let i = 0; i < 1_000_000; i++) value = i % 100 === 0 ? [value, end] : { value };
  let at = pass([value, end]) as unknown;
  const [list, other] = at as [unknown, unknown];
  let depth = 0;
  for (at = list; !Object.hasOwn(at as object, "end"); depth++)
    at = Array.isArray(at) ? (at as unknown[])[0] : (at as { value: unknown }).value;
  expect(depth).toBe(1_000_000);
  expect(at).toBe(other);
});

test("wide and deep at once arrives in order", () => {
  const tree = (level: number): unknown =>
    level === 0 ? [{ leaf: 1 }, new Map([[1, 2]])] : { a: tree(level - 1), b: { level } };
  const value = Array.from({ length: 50 }, () => tree(140));
  expect(difference(pass(value), value)).toBeUndefined();
});

test("what a class writes itself may contain deep values, complete when it is made again", () => {
  let deep: unknown = { end: 1 };
  for (let i = 0; i < 1000; i++) deep = [deep];
  const value = { list: [new Money(5, deep), deep] };
  let seen = 0;
  decode(encode(value, encodeHooks), {
    ...decodeHooks,
    custom(_, state) {
      let at = (state as { currency: unknown }).currency;
      while (Array.isArray(at)) {
        at = at[0];
        seen++;
      }
      expect(at).toEqual({ end: 1 });
      return {};
    },
  });
  expect(seen).toBe(1000);
});

test("nesting that cannot be put off ends with a path, not with the stack", () => {
  let value: unknown = 1;
  for (let i = 0; i < 100_000; i++) value = new Money(1, value);
  expect(() => encode(value, encodeHooks)).toThrow(CaptureError);
  expect(() => encode(value, encodeHooks)).toThrow(/^Cannot send value <state>\.currency .*it is nested too deeply/);
});

test("200 values nested in each other's state arrive", () => {
  let value: unknown = 1;
  for (let i = 0; i < 200; i++) value = new Money(i, value);
  let depth = 0;
  for (let at = pass(value); at instanceof Money; at = (at as unknown as { made: { currency: unknown } }).made.currency)
    depth++;
  expect(depth).toBe(200);
});

test("the receiver may limit the depth and the size", () => {
  const nested = (levels: number) => {
    let value: unknown = 1;
    for (let i = 0; i < levels; i++) value = [{ value }];
    return value;
  };
  for (const levels of [5, 200]) {
    expect(() => pass(nested(levels), { maxDepth: levels * 2 - 1 })).not.toThrow();
    expect(() => pass(nested(levels), { maxDepth: levels * 2 - 2 })).toThrow(ProtocolError);
  }
  const large = Buffer.alloc(100_000);
  expect(() => pass(large, { maxBytes: 100_100 })).not.toThrow();
  expect(() => pass(large, { maxBytes: 100_000 })).toThrow(/100_?000|allowed/);
});
