import { expect, test, vi } from "vitest";
import { decode } from "../../src/value/decode.ts";
import { encode } from "../../src/value/encode.ts";
import type { DecodeHooks } from "../../src/value/port.ts";
import { code, decodeHooks, encodeHooks, Money, pass, Point, type Code } from "./classes.ts";

const reference = (values: unknown[]): Code => code(1, [], values, "f");

test("code arrives with its unit, name, early and late values", () => {
  const shared = { s: 1 };
  const received = pass([code(7, [shared, 1], [shared, "x"], "handler"), shared]) as [Code, unknown];
  expect({ ...received[0] }).toEqual({ unit: 7, early: [{ s: 1 }, 1], late: [{ s: 1 }, "x"] });
  expect(received[0].name).toBe("handler");
  expect(received[0].early[0]).toBe(received[1]);
  expect(received[0].late[0]).toBe(received[1]);
});

test("functions that reach each other and themselves keep doing so", () => {
  const late: unknown[] = [];
  const f = reference(late);
  const g = code(2, [f], [], "g");
  late.push(g, f, { f });
  const received = pass({ g, f }) as { g: Code; f: Code };
  expect(received.g.early[0]).toBe(received.f);
  expect(received.f.late[0]).toBe(received.g);
  expect(received.f.late[1]).toBe(received.f);
  expect((received.f.late[2] as { f: unknown }).f).toBe(received.f);
});

test("early values are complete, with what they capture, before the code that needs them is made", () => {
  const base = code(2, [], [{ a: 1 }, reference(["x"])], "Base");
  const made: unknown[] = [];
  const hooks: DecodeHooks = {
    ...decodeHooks,
    code(unit, early, name) {
      if (unit === 3) made.push((early[0] as Code).late.length, ((early[0] as Code).late[1] as Code).late[0]);
      return decodeHooks.code(unit, early, name);
    },
  };
  decode(encode(code(3, [base], [], "Derived"), encodeHooks), hooks);
  expect(made).toEqual([2, "x"]);
});

test("a base class that captures the class derived from it arrives, through data and other functions too", () => {
  const late: unknown[] = [];
  const helper = code(4, [], late, "helper");
  const base = code(2, [], [{ helper }, new Map([["x", helper]])], "Base");
  const middle = code(3, [base], [late], "Middle");
  const derived = code(5, [middle, { base }], [helper, late], "Derived");
  late.push(derived, middle, derived.late);
  const around = {
    keys: 1,
    before: [{ a: 1 }],
    buffer: Buffer.from("x"),
    derived,
    after: { keys: 2 },
    again: [helper, base],
  };
  const received = pass(around) as {
    derived: Code;
    again: [Code, Code];
    after: unknown;
    buffer: Buffer;
    before: unknown;
  };
  const [gotHelper, gotBase] = received.again;
  const gotMiddle = received.derived.early[0] as Code;
  expect(gotMiddle.early[0]).toBe(gotBase);
  expect(gotHelper.late[0]).toBe(received.derived);
  expect(gotHelper.late[1]).toBe(gotMiddle);
  expect(gotHelper.late[2]).toEqual([gotHelper, gotMiddle.late[0]]);
  expect((gotBase.late[0] as { helper: unknown }).helper).toBe(gotHelper);
  expect((gotBase.late[1] as Map<string, unknown>).get("x")).toBe(gotHelper);
  expect(received).toMatchObject({ before: [{ a: 1 }], after: { keys: 2 }, buffer: Buffer.from("x") });
});

test("late values are filled in once, when all of them exist", () => {
  const fill = vi.fn<(late: readonly unknown[]) => void>();
  const hooks = { ...decodeHooks, code: () => ({ value: {}, fill }) };
  const value = decode(encode([reference([1, { a: 2 }])], encodeHooks), hooks) as [object];
  expect(fill.mock.calls).toEqual([[[1, { a: 2 }]]]);
  expect(value).toEqual([{}]);
});

test("code that is needed to make itself is refused", () => {
  const early: unknown[] = [];
  const f = code(1, early, []);
  early.push([f]);
  expect(() => encode(f, encodeHooks)).toThrow(/^Cannot send value\.early0\[0\]: it is part of the state/);
});

test("an instance may be reached from its own class before it is complete", () => {
  const instance = Object.create(Point.prototype) as Point & { self?: unknown };
  const Class = code(3, [], [instance, new Map([[instance, 1]])], "Point");
  instance.x = 1;
  instance.self = instance;
  const received = decode(
    encode(
      { instance, again: instance },
      {
        describe: (value, path) =>
          value === instance ? { kind: "instance", class: Class, base: "Object" } : encodeHooks.describe(value, path),
      },
    ),
    {
      ...decodeHooks,
      code(unit, early, name) {
        const { fill } = decodeHooks.code(unit, early, name);
        const Received = Object.assign(function () {}, { late: [] as readonly unknown[] });
        return { value: Received, fill: (late) => (fill(late), void (Received.late = late)) };
      },
    },
  ) as {
    instance: Point & { self: unknown; constructor: { late: [unknown, Map<unknown, unknown>]; prototype: object } };
    again: unknown;
  };
  const { late } = received.instance.constructor;
  expect(late[0]).toBe(received.instance);
  expect(late[1].has(received.instance)).toBe(true);
  expect(received.instance.self).toBe(received.instance);
  expect(received.again).toBe(received.instance);
  expect(Object.getPrototypeOf(received.instance)).toBe(received.instance.constructor.prototype);
});

test("each object and function is described once", () => {
  const describe = vi.spyOn(encodeHooks, "describe");
  const f = reference([]);
  const point = Object.create(Point.prototype) as Point;
  encode([f, f, { f }, point, point], encodeHooks);
  expect(describe.mock.calls.map(([value]) => value)).toEqual([f, point, Point]);
  describe.mockRestore();
});

test("custom, named and handled values are made by the hooks, and stay shared", () => {
  const money = new Money(5, "EUR");
  const signal = new AbortController().signal;
  const received = pass({ money, again: [money], Money, signal, other: signal }) as Record<string, unknown>;
  expect(received["money"]).toMatchObject({ made: { cents: 5, currency: "EUR" } });
  expect((received["again"] as unknown[])[0]).toBe(received["money"]);
  expect(received["Money"]).toBe(Money);
  expect(received["signal"]).toEqual({ type: "signal", data: { aborted: false, path: ["value", "signal"] } });
  expect(received["other"]).toBe(received["signal"]);
});

test("a handle may stand for any value, also undefined", () => {
  const signal = new AbortController().signal;
  expect(decode(encode([signal, signal], encodeHooks), { ...decodeHooks, handle: () => undefined })).toEqual([
    undefined,
    undefined,
  ]);
});

test("what a decode hook throws passes as it is", () => {
  const failure = new RangeError("mine");
  const hooks = {
    ...decodeHooks,
    handle: () => {
      throw failure;
    },
  };
  expect(() => decode(encode([new AbortController().signal], encodeHooks), hooks)).toThrow(failure);
});
