import { createHash, randomBytes } from "node:crypto";
import { describe, expect, test, vi } from "vitest";
import { ProtocolError } from "../../src/errors.ts";
import type { ConnectionHandlers } from "../../src/ports/transport.ts";
import { defaultLimits } from "../../src/wire/frames.ts";
import { type Message, type ModuleText, encodeMessage, types } from "../../src/wire/messages.ts";
import { Session } from "../../src/wire/session.ts";
import { until } from "../harness/until.ts";
import { frame } from "./bytes.ts";
import {
  type Conversation,
  converse,
  hello,
  kinds,
  parentWithStranger,
  Party,
  runnerWithStranger,
  type Stranger,
  token,
  welcome,
} from "./parties.ts";

const value = (bytes: Uint8Array = Buffer.from("v"), ...buffers: Uint8Array[]) => ({ bytes, buffers });
const call = (id: number, ...buffers: Uint8Array[]): Message => {
  return { type: "call", id, attempt: 0, mode: "plain", value: value(Buffer.from("v"), ...buffers), args: undefined };
};
const result = (id: number, bytes: Uint8Array = Buffer.from("v"), ...buffers: Uint8Array[]): Message => {
  return { type: "result", id, value: value(bytes, ...buffers) };
};
const module: ModuleText = {
  url: "file:///app.ts",
  hash: "h",
  format: "module",
  source: "1",
  path: "",
  single: true,
  early: [],
  late: [],
  links: [],
  siblings: [],
  binding: false,
};
const example: Record<Message["type"], Message> = {
  hello,
  welcome,
  ready: { type: "ready" },
  module: { type: "module", id: 1, module },
  call: call(1),
  accepted: { type: "accepted", id: 1 },
  result: result(1),
  error: { type: "error", id: 1, value: value() },
  cancel: { type: "cancel", id: 1, value: value() },
  progress: { type: "progress", id: 1, value: value() },
  log: { type: "log", id: 0, stream: "stdout", line: "x" },
  fault: { type: "fault", calls: [], text: "x" },
  drain: { type: "drain" },
  ack: { type: "ack" },
  start: { type: "start", id: 0, token: Buffer.alloc(32, 7) },
  stop: { type: "stop", id: 0 },
  exited: { type: "exited", id: 0, exitCode: 0, signal: null, reason: null },
  "ref-call": { type: "ref-call", id: 1, number: 1, reference: 1, method: "", value: value() },
  "ref-result": { type: "ref-result", id: 1, number: 1, failed: false, value: value() },
  "ref-release": { type: "ref-release", id: 1, reference: 1, count: 1 },
  item: { type: "item", id: 1, reference: 1, back: true, mark: 0, value: value() },
  credit: { type: "credit", id: 1, reference: 1, back: true, bytes: 1 },
  close: { type: "close", id: 1 },
  nested: {
    type: "nested",
    id: 1,
    number: 1,
    mode: "plain",
    modules: [],
    units: [],
    options: value(),
    value: value(),
    args: undefined,
  },
  tree: { type: "tree", id: 1, text: "[]" },
};
const all = Object.keys(example) as Message["type"][];
const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
/** A turn of the event loop and a half: whatever was on its way within this process has come. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

test("there is an example of every message here", () => {
  expect(["chunk", ...all].toSorted()).toEqual(types.toSorted());
});

describe.each(kinds)("over %s", (kind) => {
  test("the greeting: hello, welcome, ready, each as it was sent, and then both are open", async () => {
    const { parent, runner } = await converse(kind);
    expect([parent.session.open, runner.session.open]).toEqual([true, true]);
    parent.session.send(call(7));
    await runner.see("call");
    runner.session.send(result(7));
    await parent.see("result");
    expect(runner.messages).toEqual([call(7)]);
    expect(parent.messages).toEqual([result(7)]);
  });

  test("messages of one tick arrive in order", async () => {
    const { parent, runner } = await converse(kind);
    for (let id = 1; id <= 5_000; id++) parent.session.send(call(id));
    await runner.see("call", 5_000);
    expect(runner.messages.map((message) => "id" in message && message.id)).toEqual(
      Array.from({ length: 5_000 }, (_, index) => index + 1),
    );
  });

  const [KiB, sizes] = [
    1024,
    [0, 1, 64, 256].flatMap((size) => (size < 64 ? [size] : [size * 1024 - 1, size * 1024, size * 1024 + 1])),
  ];
  test.each([...sizes, 5_000_000])(
    "a buffer of %d bytes beside the value arrives identical, both ways",
    async (size) => {
      const { parent, runner } = await converse(kind);
      const [there, back] = [randomBytes(size), randomBytes(size)];
      parent.session.send(call(1, there));
      runner.session.send(result(2, Buffer.from("v"), back));
      await Promise.all([runner.see("call"), parent.see("result")]);
      const [got] = runner.messages as [Extract<Message, { type: "call" }>];
      const [came] = parent.messages as [Extract<Message, { type: "result" }>];
      expect([got.value.buffers.map(digest), String(got.value.bytes)]).toEqual([[digest(there)], "v"]);
      expect(came.value.buffers.map(digest)).toEqual([digest(back)]);
    },
  );

  test.each([...sizes.filter((size) => size > 0), 5_000_000])("a value of %d bytes arrives identical", async (size) => {
    const { parent, runner } = await converse(kind);
    const [bytes, beside] = [randomBytes(size), randomBytes(100 * KiB)];
    // As each value of the codec begins; another byte says that references come first.
    bytes[0] = 1;
    runner.session.send(result(1, bytes));
    runner.session.send(result(2, bytes, beside));
    await parent.see("result", 2);
    const found = parent.messages as Extract<Message, { type: "result" }>[];
    expect(found.map((message) => digest(message.value.bytes))).toEqual([digest(bytes), digest(bytes)]);
    expect(found.map((message) => message.value.buffers.map(digest))).toEqual([[], [digest(beside)]]);
    expect(runner.closes).toEqual([]);
  });

  test("many buffers of one value arrive in their order", async () => {
    const { parent, runner } = await converse(kind);
    const buffers = [70_000, 0, 200_000, 1, 64 * KiB, 64 * KiB + 1].map((size) => randomBytes(size));
    parent.session.send(call(1, ...buffers));
    await runner.see("call");
    const [got] = runner.messages as [Extract<Message, { type: "call" }>];
    expect(got.value.buffers.map(digest)).toEqual(buffers.map(digest));
  });

  test("a small call sent after one with 64 MB beside it arrives before it", async () => {
    const { parent, runner } = await converse(kind);
    const big = Buffer.alloc(64 * 2 ** 20, "big ");
    parent.session.send(call(1, big));
    await turn();
    parent.session.send(call(2));
    await runner.see("call", 2);
    const found = runner.messages as Extract<Message, { type: "call" }>[];
    expect(found.map(({ id }) => id)).toEqual([2, 1]);
    expect(digest(found[1]!.value.buffers[0]!)).toBe(digest(big));
  });

  test("two large calls share the way: the shorter one ends first", async () => {
    const { parent, runner } = await converse(kind);
    parent.session.send(call(1, Buffer.alloc(20 * 2 ** 20)));
    parent.session.send(call(2, Buffer.alloc(5 * 2 ** 20)));
    await runner.see("call", 2);
    expect(runner.messages.map((message) => "id" in message && message.id)).toEqual([2, 1]);
  });

  test("end flushes what was sent, and both sides are closed once, cleanly", async () => {
    const { parent, runner } = await converse(kind);
    for (let id = 1; id <= 100; id++) runner.session.send(result(id, Buffer.alloc(1_000)));
    runner.session.end();
    expect([await parent.seeClosed(), await runner.seeClosed()]).toEqual([undefined, undefined]);
    expect(parent.types).toEqual(Array.from({ length: 100 }, () => "result"));
    runner.session.end();
    runner.session.destroy();
    parent.session.destroy(new Error("too late"));
    await turn();
    expect([parent.closes, runner.closes]).toEqual([[undefined], [undefined]]);
    expect([parent.session.open, runner.session.open]).toEqual([false, false]);
  });

  test("what is sent after the end is dropped", async () => {
    const { parent, runner } = await converse(kind);
    parent.session.destroy();
    await runner.seeClosed();
    for (const party of [parent, runner]) party.session.send(call(1, Buffer.alloc(1_000_000)));
    await turn();
    expect([parent.messages, runner.messages]).toEqual([[], []]);
    expect([parent.closes.length, runner.closes.length]).toEqual([1, 1]);
  });

  test("destroy(error) tells the own side that error, the other one only the end", async () => {
    const { parent, runner } = await converse(kind);
    const error = new Error("enough");
    parent.session.destroy(error);
    parent.session.destroy(new Error("a second reason does not count"));
    expect(await parent.seeClosed()).toBe(error);
    await runner.seeClosed();
    expect([parent.closes.length, runner.closes.length]).toEqual([1, 1]);
  });

  test("a handler that finds a breach of the protocol ends the connection with it", async () => {
    const { parent, runner } = await converse(kind);
    const breach = new ProtocolError("Cannot go on: it says nonsense");
    parent.onMessage = () => {
      throw breach;
    };
    runner.session.send(result(1));
    runner.session.send(result(2));
    expect(await parent.seeClosed()).toBe(breach);
    expect(parent.messages).toEqual([result(1)]);
    await runner.seeClosed();
  });
});

const live = ["ref-call", "ref-result", "ref-release", "item", "credit"] as const;
/** Which messages each side accepts, by phase; any other ends the connection. */
const accepted: Record<"parent" | "runner", Record<string, Message["type"][]>> = {
  parent: {
    hello: ["hello"],
    opening: ["ready", "log", "fault"],
    open: [
      "accepted",
      "result",
      "error",
      "progress",
      "log",
      "fault",
      "drain",
      "exited",
      "close",
      "nested",
      "tree",
      ...live,
    ],
  },
  runner: {
    opening: ["welcome"],
    open: ["module", "call", "cancel", "drain", "ack", "start", "stop", "close", "tree", ...live],
  },
};
const cases = Object.entries(accepted).flatMap(([role, phases]) =>
  Object.entries(phases).flatMap(([phase, right]) =>
    all.map((type) => ({ role, phase, type, right: right.includes(type) })),
  ),
);

describe("the phases", () => {
  async function at(role: string, phase: string): Promise<{ party: Party; stranger: Stranger; refused: () => number }> {
    if (role === "runner") {
      const { runner, stranger } = await runnerWithStranger("memory");
      if (phase === "open") {
        stranger.say(welcome);
        await runner.see("welcome");
      }
      return { party: runner, stranger, refused: () => 0 };
    }
    const { parent, stranger, refused } = await parentWithStranger("memory");
    if (phase !== "hello") stranger.say(hello);
    if (phase === "open") stranger.say({ type: "ready" });
    if (phase !== "hello") await parent.see(phase === "open" ? "ready" : "hello");
    return { party: parent, stranger, refused };
  }

  test.each(cases.filter(({ right }) => right))("at the $role, $phase: $type is taken", async (given) => {
    const { party, stranger } = await at(given.role, given.phase);
    party.messages.length = 0;
    stranger.say(example[given.type]);
    await party.see(given.type);
    expect([party.messages, party.closes]).toEqual([[example[given.type]], []]);
  });

  test.each(cases.filter(({ right }) => !right))("at the $role, $phase: $type ends the connection", async (given) => {
    const { role, phase, type } = given;
    const { party, stranger, refused } = await at(role, phase);
    party.messages.length = 0;
    stranger.say(example[type]);
    await until("the end at the stranger's", () => stranger.closes.length > 0);
    const breach = new ProtocolError(`Cannot accept message ${type}: the session is ${phase} at the ${role}`);
    // Nobody is told of a stranger: there is no one who knows it.
    const told = phase === "hello" ? { refused: 1, closes: [] } : { refused: 0, closes: [breach] };
    expect({ messages: party.messages, refused: refused(), closes: party.closes }).toEqual({ messages: [], ...told });
  });

  test.each([
    [
      "an unknown message",
      (stranger: Stranger) => stranger.frame(200, 0, Buffer.alloc(0)),
      /^Cannot accept message 200/,
    ],
    [
      "a chunk with attachments",
      (stranger: Stranger) => stranger.frame(0, 1, Buffer.alloc(8), [1]),
      /^Cannot read a chunk/,
    ],
    [
      "an attachment that never came",
      (stranger: Stranger) => stranger.frame(7, 1, Buffer.from("v"), [9]),
      /^Cannot use transfer 9/,
    ],
    [
      "garbage",
      (stranger: Stranger) => void stranger.connection.write(Buffer.alloc(100, 0xff)),
      /^Cannot read a frame of 4294967295/,
    ],
    [
      "a transfer of 2 TB",
      (stranger: Stranger) => stranger.frame(0, 1, Buffer.from("0000020000000000", "hex")),
      /^Cannot open a transfer of 2199023255552/,
    ],
    [
      "a frame out of order",
      (stranger: Stranger) => void stranger.connection.write(frame({ sequence: 77 })),
      /^Cannot accept frame 77/,
    ],
    [
      "a broken body",
      (stranger: Stranger) => stranger.frame(12, 0, Buffer.from("{")),
      /^Cannot read fault: it is not JSON/,
    ],
  ])("an open session at the parent ends on %s, which `closed` is told once", async (_, act, message) => {
    const { party, stranger } = await at("parent", "open");
    act(stranger);
    stranger.say(example.result);
    expect(await party.seeClosed()).toMatchObject({
      code: "ERR_TINDERBOX_PROTOCOL",
      message: expect.stringMatching(message),
    });
    await turn();
    expect(party.closes).toHaveLength(1);
    expect(party.types).not.toContain("result");
  });

  test.each(["parent", "runner"])("a transfer before the session is open ends it at the %s", async (role) => {
    const { party, stranger } = await at(role, "opening");
    stranger.frame(0, 1, Buffer.alloc(8));
    expect(await party.seeClosed()).toEqual(new ProtocolError("Cannot open a transfer: the session is not open"));
  });

  test("after a breach nothing more is read, and the end is told once, whatever the connection still says", async () => {
    let handlers: ConnectionHandlers | undefined;
    const runner = new Party();
    let destroyed = 0;
    runner.session = new Session(
      {
        attach: (given) => void (handlers = given),
        write: () => true,
        pause: () => undefined,
        end: () => undefined,
        destroy: () => void destroyed++,
        hold: () => undefined,
      },
      runner,
    );
    handlers!.data(frame({ type: 200 }));
    const { type, body } = encodeMessage(welcome);
    handlers!.data(frame({ type, body, sequence: 1 }));
    for (let time = 0; time < 2; time++) handlers!.close(new Error("reset"));
    handlers!.data(frame({ type, body, sequence: 2 }));
    const breach = new ProtocolError("Cannot accept message 200: the session is opening at the runner");
    expect([runner.messages, runner.closes, destroyed]).toEqual([[], [breach], 1]);
  });

  test("one session that ends so leaves the others alone", async () => {
    const [broken, whole] = [await at("parent", "open"), await at("parent", "open")];
    broken.stranger.connection.write(Buffer.alloc(50, 0xee));
    await broken.party.seeClosed();
    whole.stranger.say(example.result);
    await whole.party.see("result");
    expect(whole.party.closes).toEqual([]);
  });
});

describe("before the token is known", () => {
  const wrong: Message = { ...hello, token: randomBytes(32) } as Message;

  test("nothing but the token is looked at", async () => {
    const shown: Buffer[] = [];
    const { stranger, refused } = await parentWithStranger("memory", (given) => void shown.push(given));
    const parse = vi.spyOn(JSON, "parse");
    const body = Buffer.concat([Buffer.from([0, 1]), randomBytes(32), Buffer.from('{"runner":"evil"')]);
    stranger.frame(1, 0, body);
    await until("the end", () => refused() === 1);
    expect(shown.map(String)).toEqual([String(body.subarray(2, 34))]);
    expect(parse).not.toHaveBeenCalled();
    parse.mockRestore();
  });

  test.each<[string, (stranger: Stranger) => void]>([
    ["a hello that is longer than 1024 bytes", (stranger) => stranger.frame(1, 0, Buffer.alloc(1_100))],
    ["a hello that is shorter than a token", (stranger) => stranger.frame(1, 0, Buffer.alloc(33))],
    ["another message", (stranger) => stranger.say({ type: "ready" })],
    ["a chunk", (stranger) => stranger.frame(0, 1, Buffer.alloc(100))],
    ["garbage", (stranger) => void stranger.connection.write(randomBytes(10_000))],
    ["its leaving", (stranger) => stranger.connection.end()],
  ])("%s is refused without asking for the token's owner", async (_, act) => {
    let asked = 0;
    const { stranger, refused } = await parentWithStranger("memory", () => void asked++);
    act(stranger);
    await until("the end", () => refused() === 1 && stranger.closes.length === 1);
    expect([asked, stranger.received]).toEqual([0, 0]);
  });

  test("a wrong token is refused, and what follows is not read", async () => {
    const { parent, stranger, refused } = await parentWithStranger("memory");
    stranger.say(wrong, { type: "ready" }, example.result);
    await until("the end", () => refused() === 1);
    expect([parent.messages, parent.closes]).toEqual([[], []]);
  });

  test("a right token with broken facts tells its owner of the breach", async () => {
    const { parent, stranger, refused } = await parentWithStranger("memory");
    stranger.frame(1, 0, Buffer.concat([Buffer.from([0, 1]), token, Buffer.from("[]")]));
    expect(await parent.seeClosed()).toEqual(new ProtocolError("Cannot read hello: it is wrong"));
    expect([refused(), parent.messages]).toEqual([0, []]);
  });

  test("a hello with attachments that never came tells its owner of the breach", async () => {
    const { parent, stranger } = await parentWithStranger("memory");
    stranger.frame(1, 0, encodeMessage(hello).body as Buffer, [5]);
    expect(await parent.seeClosed()).toEqual(new ProtocolError("Cannot use transfer 5: it is not known"));
    expect(parent.messages).toEqual([]);
  });

  test("frames may be long as soon as it is, even in the same write", async () => {
    const { parent, stranger } = await parentWithStranger("memory");
    const long: Message = { type: "log", id: 0, stream: "stdout", line: "x".repeat(30_000) };
    stranger.say(hello, long);
    await parent.see("log");
    expect(parent.messages).toEqual([hello, long]);
  });
});

describe("writes", () => {
  const written = ({ ends }: Conversation): number => ends[0].writes.length;

  test("everything sent in one tick leaves in one write", async () => {
    const both = await converse("memory");
    for (let id = 1; id <= 100; id++) both.parent.session.send(call(id));
    await Promise.resolve().then(() => both.parent.session.send(call(101)));
    for (let id = 102; id <= 110; id++) both.parent.session.send(call(id));
    await both.runner.see("call", 110);
    expect(written(both)).toBe(1);
  });

  test("flush() leaves at once, and nothing is left for the end of the tick", async () => {
    const both = await converse("memory");
    both.parent.session.send(call(1));
    both.parent.session.flush();
    expect(written(both)).toBe(1);
    both.parent.session.flush();
    await both.runner.see("call");
    expect(written(both)).toBe(1);
  });

  test("large buffers leave from the caller's own memory", async () => {
    const both = await converse("memory");
    const own = Buffer.alloc(1_000_000);
    both.parent.session.send(call(1, own));
    await both.runner.see("call");
    const own64 = both.ends[0].writes.filter(({ buffer }) => buffer === own.buffer);
    expect(own64.reduce((sum, { length }) => sum + length, 0)).toBe(1_000_000);
  });

  test("a slow reader is not sent more than it takes, and gets all of it in the end", async () => {
    const both = await converse("memory");
    const [own] = both.ends;
    const size = (): number => own.writes.reduce((sum, { length }) => sum + length, 0);
    own.stuck = true;
    both.parent.session.send(call(1, Buffer.alloc(10_000_000)));
    await turn();
    const before = size();
    expect(before).toBeLessThan(300_000);
    both.parent.session.send(call(2));
    await turn();
    expect(size() - before).toBeLessThan(1_000);
    own.release();
    await both.runner.see("call", 2);
    expect(size()).toBeGreaterThan(10_000_000);
  });

  test("what comes on a connection that broke meanwhile is not sent", async () => {
    const both = await converse("memory");
    both.ends[0].stuck = true;
    both.parent.session.send(call(1, Buffer.alloc(10_000_000)));
    both.ends[1].destroy();
    await both.parent.seeClosed();
    const before = written(both);
    both.ends[0].release();
    await turn();
    expect(written(both)).toBe(before);
  });
});

describe("limits", () => {
  test("a peer that opens more than is allowed is cut off, and the other sessions live", async () => {
    const limits = { ...defaultLimits, transferBytes: 1_000_000, openBytes: 1_500_000 };
    const { parent, runner } = await converse("memory", limits);
    const other = await converse("memory");
    runner.session.send(result(1, Buffer.from("v"), Buffer.alloc(900_000), Buffer.alloc(900_000)));
    expect(await parent.seeClosed()).toBeInstanceOf(ProtocolError);
    other.runner.session.send(result(1));
    await other.parent.see("result");
  });
});
