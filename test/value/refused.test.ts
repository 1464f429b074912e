import vm from "node:vm";
import { createSecretKey } from "node:crypto";
import { describe, expect, test } from "vitest";
import { CaptureError } from "../../src/errors.ts";
import { encode } from "../../src/value/encode.ts";
import { formatPath } from "../../src/value/path.ts";
import { Money, encodeHooks } from "./classes.ts";

const fake = Symbol("fake");

/** What is sent | the message after "Cannot send ". */
const table: Readonly<Record<string, readonly [() => unknown, string]>> = {
  "a promise": [() => ({ a: Promise.resolve() }), "value.a: it is a Promise; await it first and send the result"],
  "a promise of another realm": [
    () => vm.runInNewContext("Promise.resolve()") as unknown,
    "value: it is a Promise; await it first and send the result",
  ],
  "a promise of a derived class": [
    () => new (class Later extends Promise<void> {})(() => {}),
    "value: it is a Promise; await it first and send the result",
  ],
  "a weak map": [() => [new WeakMap()], "value[0]: it is a WeakMap; send a Map, or make it where it is used"],
  "a weak set": [() => [[new WeakSet()]], "value[0][0]: it is a WeakSet; send a Set, or make it where it is used"],
  "a weak reference": [() => ({ "a-b": new WeakRef({}) }), 'value["a-b"]: it is a WeakRef; send what deref() returns'],
  "a finalization registry": [
    () => new FinalizationRegistry(() => {}),
    "value: it is a FinalizationRegistry; make it where it is used",
  ],
  "a proxy of an object": [
    () => ({ list: [1, new Proxy({}, {})] }),
    "value.list[1]: it is a Proxy; send the object behind it, or a plain copy",
  ],
  "a proxy of a function": [
    () => new Proxy(() => 1, {}),
    "value: it is a Proxy; send the object behind it, or a plain copy",
  ],
  "a revoked proxy": [
    () => {
      const { proxy, revoke } = Proxy.revocable([], {});
      revoke();
      return proxy;
    },
    "value: it is a Proxy; send the object behind it, or a plain copy",
  ],
  "a generator": [
    () => (function* () {})(),
    "value: it is a generator object; send an array of its items, or the function that makes it",
  ],
  "an array iterator": [
    () => [1].values(),
    "value: it is an iterator; send an array of its items, or the function that makes it",
  ],
  "a map iterator": [
    () => new Map().keys(),
    "value: it is an iterator; send an array of its items, or the function that makes it",
  ],
  "an iterator helper": [
    () => [1].values().map(String),
    "value: it is an iterator; send an array of its items, or the function that makes it",
  ],
  "a string iterator": [
    () => "a"[Symbol.iterator](),
    "value: it is an iterator; send an array of its items, or the function that makes it",
  ],
  "a unique symbol": [
    () => ({ s: fake }),
    "value.s: it is a unique symbol; use Symbol.for(name), which is the same everywhere",
  ],
  "a unique symbol as a key": [
    () => ({ [fake]: 1 }),
    'value[Symbol("fake")]: it is a unique symbol; use Symbol.for(name), which is the same everywhere',
  ],
  "something under a well-known symbol": [
    () => ({ [Symbol.iterator]: fake }),
    "value[Symbol.iterator]: it is a unique symbol; use Symbol.for(name), which is the same everywhere",
  ],
  "a value of a map": [
    () => new Map([["k", fake]]),
    'value.get("k"): it is a unique symbol; use Symbol.for(name), which is the same everywhere',
  ],
  // prettier-ignore
  "a value of a map under an object": [() => new Map<unknown, unknown>([[1, 1], [{}, fake]]), "value <value 1>: it is a unique symbol; use Symbol.for(name), which is the same everywhere"],
  "a key of a map": [
    () => ({ m: new Map([[{ x: fake }, 1]]) }),
    "value.m <key 0>.x: it is a unique symbol; use Symbol.for(name), which is the same everywhere",
  ],
  "an item of a set": [
    () => new Set([1, 2, fake]),
    "value <item 2>: it is a unique symbol; use Symbol.for(name), which is the same everywhere",
  ],
  // prettier-ignore
  "a getter": [() => ({ a: 1, get b() { throw new Error("must not be called"); } }), "value.b: it is a getter or setter; send its value as a plain property"],
  // prettier-ignore
  "a setter": [() => ({ set b(_: unknown) {} }), "value.b: it is a getter or setter; send its value as a plain property"],
  "a getter of an error": [
    () => Object.defineProperty(new Error("x"), "code", { get: () => 1 }),
    "value.code: it is a getter or setter; send its value as a plain property",
  ],
  "a stack getter of a user": [
    () => Object.defineProperty(new Error("x"), "stack", { get: () => "mine" }),
    "value.stack: it is a getter or setter; send its value as a plain property",
  ],
  // prettier-ignore
  "an arguments object": [() => (function (this: unknown) { return arguments; }).call(1), "value: it is an arguments object; send an array: [...arguments]"],
  "shared memory": [
    () => new SharedArrayBuffer(1),
    "value: it is a SharedArrayBuffer, and other processes cannot share it; send a copy: new Uint8Array(shared).slice()",
  ],
  "a view of shared memory": [
    () => new Uint8Array(new SharedArrayBuffer(1)),
    "value: it is a SharedArrayBuffer, and other processes cannot share it; send a copy: new Uint8Array(shared).slice()",
  ],
  "detached memory": [
    () => {
      const buffer = new ArrayBuffer(1);
      buffer.transfer();
      return { buffer };
    },
    "value.buffer: it is a detached ArrayBuffer; send it before it is transferred",
  ],
  "a number format": [
    () => new Intl.NumberFormat(),
    "value: it is an Intl.NumberFormat; send the locale and options and make it where it is used",
  ],
  "a WebAssembly module": [
    () => vm.runInThisContext("new WebAssembly.Memory({ initial: 0 })") as unknown,
    "value: it is a WebAssembly.Memory; make it where it is used",
  ],
  "a request": [() => new Request("http://x"), "value: it is a Request; send its url, method, headers and body"],
  "a response": [() => [new Response("")], "value[0]: it is a Response; send its status, headers and body"],
  "a form": [() => new FormData(), "value: it is a FormData; send its entries: [...form]"],
  "a key": [
    () => createSecretKey(Buffer.from("abc")),
    "value: it is a KeyObject; export it and import it where it is used",
  ],
  "a derived date": [
    () => new (class Day extends Date {})(),
    "value: it is a Day, whose class derives from Date; send a plain Date, or send the values it is made from",
  ],
  "a derived URL": [
    () => new (class Link extends URL {})("http://x"),
    "value: it is a Link, whose class derives from URL; send a plain URL, or send the values it is made from",
  ],
  "a derived typed array": [
    () => new (class Bytes extends Uint8Array {})(1),
    "value: it is a Bytes, whose class derives from a typed array; send a plain typed array, or send the values it is made from",
  ],
  "what has only the prototype of a map": [
    () => Object.create(Map.prototype) as unknown,
    "value: it is an object with the prototype of a built-in class that it is not an instance of; send the values it is made from",
  ],
  "what has only the prototype of a URL": [
    () => Object.create(URL.prototype) as unknown,
    "value: it is an object with the prototype of a built-in class that it is not an instance of; send the values it is made from",
  ],
  "a map without its prototype": [
    () => Object.setPrototypeOf(new Map(), Object.prototype) as unknown,
    "value: it is an object with the prototype of a built-in class that it is not an instance of; send the values it is made from",
  ],
  "custom state that refers back": [
    () => {
      const state: { self?: unknown } = {};
      state.self = new Money(1, state);
      return state.self;
    },
    "value <state>.currency.self: it is part of the state from which it is to be made, and refers back to it; leave it out of what `serialize` returns or its class captures",
  ],
};

describe("is refused with its path and a fix:", () => {
  test.each(Object.entries(table))("%s", (_name, [make, message]) => {
    const refusal = caught(() => encode(make(), encodeHooks));
    expect(refusal).toBeInstanceOf(CaptureError);
    expect(refusal.message).toBe(`Cannot send ${message}`);
  });
});

test("a module namespace is refused", async () => {
  const native = await (vm.runInThisContext('import("node:path")', {
    importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  }) as Promise<object>);
  expect(() => encode({ native }, encodeHooks)).toThrow(
    /^Cannot send value\.native: it is a module namespace; import the module/,
  );
});

test("the path is a field, and the root has the name that was asked for", () => {
  const refusal = caught(() => encode({ options: { ssl: [{ check: fake }] } }, encodeHooks, { root: "db" }));
  expect(refusal.message).toMatch(/^Cannot send db\.options\.ssl\[0\]\.check: /);
  expect(refusal.path).toEqual(["db", "options", "ssl", 0, "check"]);
});

test("the hook gets the path to what it describes, and what it throws passes as it is", () => {
  expect(() => encode({ a: [1, () => {}] }, encodeHooks)).toThrow(
    new TypeError("refused by the hook at value / a / 1"),
  );
});

test.each([1, 126, 127, 128, 129, 130, 300, 20_000])("the path to a culprit %i levels down is right", (levels) => {
  let value: unknown = fake;
  for (let i = 0; i < levels; i++) value = { [`k${i}`]: value, sibling: [{}, { a: [] }] };
  const refusal = caught(() => encode(value, encodeHooks));
  expect(refusal.path).toEqual(["value", ...Array.from({ length: levels }, (_, i) => `k${levels - 1 - i}`)]);
  expect(refusal.message.length).toBeLessThan(500);
});

test("the path to a culprit deep in a state is right, and so is the one after it", () => {
  let deep: unknown = fake;
  for (let i = 0; i < 300; i++) deep = [deep];
  const refusal = caught(() => encode({ a: [new Money(1, deep)] }, encodeHooks));
  expect(refusal.path).toEqual(["value", "a", 0, "<state>", "currency", ...new Array<number>(300).fill(0)]);
  let harmless: unknown = 1;
  for (let i = 0; i < 300; i++) harmless = [harmless];
  const after = caught(() => encode({ a: [new Money(1, harmless), { b: fake }] }, encodeHooks));
  expect(after.path).toEqual(["value", "a", 1, "b"]);
});

test("a tag, a constructor or a method of an object does not make it something else", () => {
  const odd = { [Symbol.toStringTag]: "Promise", constructor: { name: "Map" } };
  expect(() => encode(odd, encodeHooks)).not.toThrow();
  expect(() => encode(Object.assign(Promise.resolve(), { [Symbol.toStringTag]: "Object" }), encodeHooks)).toThrow(
    /Promise/,
  );
});

test("after a refusal the next message is not affected", () => {
  const row = { key: 1, list: [{}] };
  const before = encode(row, encodeHooks);
  expect(() => encode([row, { a: 1, b: { c: fake } }], encodeHooks)).toThrow(CaptureError);
  expect(encode(row, encodeHooks)).toEqual(before);
});

test("a hook may encode something itself", () => {
  const inner = encode({ deep: [1] }, encodeHooks);
  const hooks = {
    describe: () => {
      expect(encode({ deep: [1] }, encodeHooks)).toEqual(inner);
      return { kind: "named", name: "f" } as const;
    },
  };
  const outer = encode({ before: { x: 1 }, f: () => {}, after: { x: 2 } }, hooks);
  expect(
    encode({ before: { x: 1 }, f: () => {}, after: { x: 2 } }, { describe: () => ({ kind: "named", name: "f" }) }),
  ).toEqual(outer);
});

test("paths are rendered as one would write them", () => {
  expect(formatPath(["value", "a", 0, "b c", "é", "1x", "<key 0>", '.get("k")', "[Symbol.iterator]"])).toBe(
    'value.a[0]["b c"].é["1x"] <key 0>.get("k")[Symbol.iterator]',
  );
  expect(formatPath([])).toBe("value");
});

function caught(act: () => unknown): CaptureError {
  try {
    act();
  } catch (error) {
    return error as CaptureError;
  }
  throw new Error("nothing was refused");
}
