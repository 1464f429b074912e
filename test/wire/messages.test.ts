import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ProtocolError } from "../../src/errors.ts";
import { type Frame, FrameReader, FrameWriter } from "../../src/wire/frames.ts";
import { type Message, type ModuleText, decodeMessage, encodeMessage, types } from "../../src/wire/messages.ts";
import { bytes } from "./bytes.ts";

const token = Buffer.alloc(32, 0xab);
const value = { bytes: Buffer.from("value"), buffers: [] };
const module: ModuleText = {
  url: "file:///app/main.ts",
  hash: "0123456789abcdef",
  format: "module",
  source: "export default 1;",
  path: "task",
  single: true,
  early: ["a"],
  late: ["b", "c"],
  links: [{ name: "helper", unit: 2, early: true }],
  siblings: [{ local: "Shape", specifier: "./shape.ts", imported: "default" }],
  binding: false,
};
const moduleJson =
  '{"url":"file:///app/main.ts","hash":"0123456789abcdef","format":"module","source":"export default 1;",' +
  '"path":"task","single":true,"early":["a"],"late":["b","c"],"links":[{"name":"helper","unit":2,"early":true}],' +
  '"siblings":[{"local":"Shape","specifier":"./shape.ts","imported":"default"}],"binding":false}';

/** Every message, and the very bytes of its frame when it is the first one: length, type, flags, id, sequence, body. */
const table: [name: string, message: Message, literal: Buffer][] = [
  [
    "hello",
    { type: "hello", token, protocol: 1, runner: "media-3", node: "v24.9.0", release: "" },
    bytes(
      `0000005e 01 00 00000000 00000000 0001 ${"ab".repeat(32)}`,
      '{"runner":"media-3","node":"v24.9.0","release":""}',
    ),
  ],
  [
    "welcome",
    {
      type: "welcome",
      pool: "media",
      entry: "file:///app/main.ts",
      executors: 4,
      lifetimeMs: 60_000,
      units: 1_048_576,
      secrets: [{ name: "A", value: "b" }],
    },
    bytes(
      "0000008e 02 00 00000000 00000000",
      '{"pool":"media","entry":"file:///app/main.ts","executors":4,"lifetimeMs":60000,"units":1048576,"secrets":[{"name":"A","value":"b"}]}',
    ),
  ],
  [
    "welcome without an entry file",
    { type: "welcome", pool: "p", entry: null, executors: 0, lifetimeMs: 0, units: 0, secrets: [] },
    bytes(
      "00000057 02 00 00000000 00000000",
      '{"pool":"p","entry":null,"executors":0,"lifetimeMs":0,"units":0,"secrets":[]}',
    ),
  ],
  ["ready", { type: "ready" }, bytes("0000000a 03 00 00000000 00000000")],
  [
    "module",
    { type: "module", id: 7, module },
    bytes(`${(10 + moduleJson.length).toString(16).padStart(8, "0")} 04 00 00000007 00000000`, moduleJson),
  ],
  [
    "call",
    { type: "call", id: 258, attempt: 2, mode: "plain", value, args: undefined },
    bytes("00000011 05 00 00000102 00000000 02 00", "value"),
  ],
  [
    "call with arguments",
    { type: "call", id: 258, attempt: 0, mode: "apply", value, args: value },
    bytes("0000001c 05 00 00000102 00000000 00 81 00000005 0000", "valuevalue"),
  ],
  ["accepted", { type: "accepted", id: 0xffff_ffff }, bytes("0000000a 06 00 ffffffff 00000000")],
  ["result", { type: "result", id: 1, value }, bytes("0000000f 07 00 00000001 00000000", "value")],
  ["error", { type: "error", id: 1, value }, bytes("0000000f 08 00 00000001 00000000", "value")],
  ["cancel", { type: "cancel", id: 1, value }, bytes("0000000f 09 00 00000001 00000000", "value")],
  ["progress", { type: "progress", id: 1, value }, bytes("0000000f 0a 00 00000001 00000000", "value")],
  ["log", { type: "log", id: 0, stream: "stdout", line: "é" }, bytes("0000000d 0b 00 00000000 00000000 01", "é")],
  ["log of a call", { type: "log", id: 9, stream: "stderr", line: "" }, bytes("0000000b 0b 00 00000009 00000000 02")],
  [
    "fault",
    { type: "fault", calls: [1, 2], text: "oops" },
    bytes("00000027 0c 00 00000000 00000000", '{"calls":[1,2],"text":"oops"}'),
  ],
  ["drain", { type: "drain" }, bytes("0000000a 0d 00 00000000 00000000")],
  ["ack", { type: "ack" }, bytes("0000000a 0e 00 00000000 00000000")],
  ["start", { type: "start", id: 2, token }, bytes(`0000002a 0f 00 00000002 00000000 ${"ab".repeat(32)}`)],
  ["stop", { type: "stop", id: 2 }, bytes("0000000a 10 00 00000002 00000000")],
  [
    "exited",
    { type: "exited", id: 2, exitCode: null, signal: "SIGKILL", reason: null },
    bytes("0000003c 11 00 00000002 00000000", '{"exitCode":null,"signal":"SIGKILL","reason":null}'),
  ],
  [
    "call for another runner",
    { type: "call", id: 1, attempt: 0, mode: "plain", value, args: undefined, among: [7] },
    Buffer.concat([bytes("00000019 05 00 00000001 00000000 00 40", "value"), bytes("00000007 00000001")]),
  ],
  [
    "ref-call",
    { type: "ref-call", id: 3, number: 4, reference: 5, method: "push", value },
    bytes("0000001c 12 00 00000003 00000000 00000004 00000005 04 70757368", "value"),
  ],
  [
    "ref-result",
    { type: "ref-result", id: 3, number: 4, failed: true, value },
    bytes("00000014 13 00 00000003 00000000 00000004 01", "value"),
  ],
  [
    "ref-release",
    { type: "ref-release", id: 3, reference: 5, count: 2 },
    bytes("00000012 14 00 00000003 00000000 00000005 00000002"),
  ],
  [
    "item",
    { type: "item", id: 3, reference: 5, back: true, mark: 2, value },
    bytes("00000015 15 00 00000003 00000000 00000005 01 02", "value"),
  ],
  [
    "credit",
    { type: "credit", id: 3, reference: 5, back: false, bytes: 65_536 },
    bytes("00000013 16 00 00000003 00000000 00000005 00 00010000"),
  ],
  ["close", { type: "close", id: 3 }, bytes("0000000a 17 00 00000003 00000000")],
  [
    "nested",
    {
      type: "nested",
      id: 3,
      number: 1,
      mode: "plain",
      modules: [{ id: 7, module }],
      units: [7],
      options: value,
      value,
      args: undefined,
    },
    write({
      type: "nested",
      id: 3,
      number: 1,
      mode: "plain",
      modules: [{ id: 7, module }],
      units: [7],
      options: value,
      value,
      args: undefined,
    }),
  ],
  ["tree", { type: "tree", id: 3, text: "[]" }, bytes("0000000c 19 00 00000003 00000000", "[]")],
  [
    "result with references",
    { type: "result", id: 1, value: { ...value, references: [["function", 1, null]] } },
    write({ type: "result", id: 1, value: { ...value, references: [["function", 1, null]] } }),
  ],
];

function write(message: Message): Buffer {
  const writer = new FrameWriter();
  const { type, id, body } = encodeMessage(message);
  return writer.add(type, id, body) ?? writer.take()!;
}

function read(literal: Buffer): Message {
  let found: Frame | undefined;
  new FrameReader(2 ** 20).push(literal, (frame) => (found = frame));
  return decodeMessage(found!.type, found!.id, found!.body, []);
}

test.each(table)("%s is written and read as its literal frame", (_, message, literal) => {
  expect(write(message).toString("latin1")).toBe(literal.toString("latin1"));
  expect(read(literal)).toEqual(message);
});

test("the table has every message, and numbers on the wire never move", () => {
  expect([...new Set(["chunk", ...table.map(([, { type }]) => type)])]).toEqual(types);
});

test("buffers stay beside the value, in order, and are the very ones", () => {
  const buffers = [Buffer.from("one"), Buffer.from("two")];
  for (const type of ["call", "result", "error", "cancel", "progress"] as const) {
    const message = {
      type,
      id: 1,
      attempt: 0,
      mode: "plain",
      args: undefined,
      value: { bytes: value.bytes, buffers },
    } as const;
    const encoded = encodeMessage(message);
    expect(encoded.buffers).toBe(buffers);
    const decoded = decodeMessage(encoded.type, 1, Buffer.from(encoded.body), buffers) as typeof message;
    expect(decoded.value.buffers).toBe(buffers);
  }
});

test("what is written as JSON holds any text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "grapheme" }), (one, other) => {
      const fault: Message = { type: "fault", calls: [1], text: one };
      const hello: Message = { type: "hello", token, protocol: 65_535, runner: one, node: other, release: one };
      for (const message of [fault, hello]) expect(read(write(message))).toEqual(message);
    }),
  );
});

describe("refused", () => {
  const json = (fields: object): Buffer => Buffer.from(JSON.stringify(fields));
  const decode = (type: (typeof types)[number], body: Buffer | object, id = 0, buffers: Buffer[] = []): Message =>
    decodeMessage(types.indexOf(type), id, Buffer.isBuffer(body) ? body : json(body), buffers);
  const hello = (fields: object): Buffer => Buffer.concat([Buffer.from([0, 1]), token, json(fields)]);

  test.each([0, types.length, types.length + 1, 200, 255, 256, -1])("message number %d, which is unknown", (number) => {
    expect(() => decodeMessage(number, 0, Buffer.alloc(0), [])).toThrow(
      new ProtocolError(`Cannot read message ${number}: it is unknown`),
    );
  });

  const vices: [string, () => Message, string][] = [
    ["a hello without its whole token", () => decode("hello", Buffer.alloc(33)), "Cannot read hello: it is cut"],
    ["a hello without facts", () => decode("hello", Buffer.alloc(34)), "Cannot read hello: it is not JSON"],
    ["a hello with a list", () => decode("hello", hello([])), "Cannot read hello: it is wrong"],
    [
      "a hello of null",
      () => decode("hello", Buffer.concat([Buffer.alloc(34), Buffer.from("null")])),
      "Cannot read hello: it is wrong",
    ],
    [
      "a hello without a runner",
      () => decode("hello", hello({ node: "", release: "" })),
      "Cannot read hello: runner is wrong",
    ],
    [
      "a hello with a number",
      () => decode("hello", hello({ runner: "a", node: 24, release: "" })),
      "Cannot read hello: node is wrong",
    ],
    [
      "a welcome without an entry",
      () => decode("welcome", { pool: "p", executors: 1 }),
      "Cannot read welcome: entry is wrong",
    ],
    [
      "a welcome with half an executor",
      () => decode("welcome", { pool: "p", entry: null, executors: 1.5 }),
      "Cannot read welcome: executors is wrong",
    ],
    [
      "a welcome with fewer executors than none",
      () => decode("welcome", { pool: "p", entry: null, executors: -1 }),
      "Cannot read welcome: executors is wrong",
    ],
    [
      "a welcome with a secret that is no text",
      () =>
        decode("welcome", {
          pool: "p",
          entry: null,
          executors: 0,
          lifetimeMs: 0,
          units: 0,
          secrets: [{ name: "A", value: 1 }],
        }),
      "Cannot read welcome: secrets[0].value is wrong",
    ],
    ["a start without its whole token", () => decode("start", Buffer.alloc(31)), "Cannot read start: its token is cut"],
    ["a stop that says something", () => decode("stop", {}), "Cannot read stop: it has 2 bytes, and none are wanted"],
    [
      "an exit with half a code",
      () => decode("exited", { exitCode: 0.5, signal: null, reason: null }),
      "Cannot read exited: exitCode is wrong",
    ],
    [
      "a ready that says something",
      () => decode("ready", {}),
      "Cannot read ready: it has 2 bytes, and none are wanted",
    ],
    [
      "a drain that says something",
      () => decode("drain", {}),
      "Cannot read drain: it has 2 bytes, and none are wanted",
    ],
    [
      "an accepted that says something",
      () => decode("accepted", {}, 1),
      "Cannot read accepted: it has 2 bytes, and none are wanted",
    ],
    [
      "a ready of a call",
      () => decode("ready", Buffer.alloc(0), 5),
      "Cannot read ready: it has the number 5, and none is wanted",
    ],
    [
      "a fault of a call",
      () => decode("fault", { calls: [], text: "" }, 5),
      "Cannot read fault: it has the number 5, and none is wanted",
    ],
    [
      "a log with buffers",
      () => decode("log", Buffer.from("\u0001x"), 0, [token]),
      "Cannot read log: it has buffers, and no value for them",
    ],
    [
      "a module with buffers",
      () => decode("module", module, 1, [token]),
      "Cannot read module: it has buffers, and no value for them",
    ],
    ["an empty call", () => decode("call", Buffer.alloc(0), 1), "Cannot read call: it is cut"],
    ["a call without a value", () => decode("call", Buffer.alloc(1), 1), "Cannot read call: it is cut"],
    ["an empty log", () => decode("log", Buffer.alloc(0)), "Cannot read log: its stream is unknown"],
    ["a log of a third stream", () => decode("log", Buffer.from([3])), "Cannot read log: its stream is unknown"],
    ["a fault that is no JSON", () => decode("fault", Buffer.from("{")), "Cannot read fault: it is not JSON"],
    ["a fault without calls", () => decode("fault", { text: "" }), "Cannot read fault: calls is wrong"],
    [
      "a fault of calls that are none",
      () => decode("fault", { calls: [1, {}], text: "" }),
      "Cannot read fault: calls[1] is wrong",
    ],
    [
      "a fault of a negative call",
      () => decode("fault", { calls: [-1], text: "" }),
      "Cannot read fault: calls[0] is wrong",
    ],
  ];
  test.each(vices)("%s", (_, act, message) => {
    expect(act).toThrow(new ProtocolError(message));
  });

  test.each(Object.keys(module))("a module whose %s is missing or of another kind", (name) => {
    const { [name as keyof ModuleText]: _, ...rest } = module;
    expect(() => decode("module", rest, 1)).toThrow(new ProtocolError(`Cannot read module: ${name} is wrong`));
    for (const wrong of [null, 5, {}]) {
      expect(() => decode("module", { ...module, [name]: wrong }, 1)).toThrow(
        new ProtocolError(`Cannot read module: ${name} is wrong`),
      );
    }
  });

  test.each([
    [{ early: ["a", 1] }, "early[1]"],
    [{ late: [null] }, "late[0]"],
    [{ links: [{ name: "x", unit: 1 }] }, "links[0].early"],
    [{ links: [{ name: "x", unit: 1.5, early: true }] }, "links[0].unit"],
    [{ links: [[]] }, "links[0]"],
    [{ siblings: [{ local: "x" }] }, "siblings[0].specifier"],
    [{ format: "wasm" }, "format"],
  ])("a module with %j", (change, path) => {
    expect(() => decode("module", { ...module, ...change }, 1)).toThrow(
      new ProtocolError(`Cannot read module: ${path} is wrong`),
    );
  });

  test("text that no string could hold", () => {
    const huge = Buffer.alloc(64 * 2 ** 20 + 2, 1);
    for (const type of ["fault", "log"] as const) {
      expect(() => decode(type, huge)).toThrow(
        /^Cannot read \w+: it has 6710886\d bytes, at most 67108864 are allowed$/,
      );
    }
  });

  test("any bytes for any message give a message or a ProtocolError, never anything else", () => {
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc.json().map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(fc.nat({ max: 255 }), fc.nat({ max: 3 }), body, (number, id, found) => {
        let error: unknown;
        try {
          decodeMessage(number, id, Buffer.from(found), []);
        } catch (caught) {
          error = caught;
        }
        expect(error === undefined || error instanceof ProtocolError).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("what was not asked for is not kept", () => {
  const decode = (type: Message["type"], body: Buffer): Message => decodeMessage(types.indexOf(type), 0, body, []);
  const facts = { runner: "a", node: "b", release: "c" };

  test("a hello cannot make itself another message, or give itself another token", () => {
    const lie = { ...facts, type: "result", id: 1, token: "mine", protocol: 99, value: {} };
    const body = Buffer.concat([Buffer.from([0, 1]), token, Buffer.from(JSON.stringify(lie))]);
    expect(decode("hello", body)).toEqual({ type: "hello", protocol: 1, token, ...facts });
  });

  test("a fault cannot make itself another message", () => {
    const lie = Buffer.from(JSON.stringify({ calls: [], text: "x", type: "result", id: 1, link: {} }));
    expect(decode("fault", lie)).toEqual({ type: "fault", calls: [], text: "x" });
  });

  test("a field that is inherited is not there", () => {
    expect(() => decode("fault", Buffer.from('{"__proto__":{"calls":[],"text":"x"}}'))).toThrow(ProtocolError);
  });

  test("__proto__ is data, and gone", () => {
    const lie = Buffer.from('{"calls":[],"text":"x","__proto__":{"polluted":1}}');
    expect(Object.getPrototypeOf(decode("fault", lie))).toBe(Object.prototype);
    expect("polluted" in {}).toBe(false);
  });
});
