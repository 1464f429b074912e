/**
 * A runner that speaks the protocol and does not keep to it. A call names one of its vices in its first argument; the
 * others are lent to it. What it answers, it answers after its vice: a parent that went on gets that.
 */
import { readSync } from "node:fs";
import { startGuard } from "../../../runners/guard.ts";
import { dialUnix } from "../../../src/transport/unix.ts";
import { decode } from "../../../src/value/decode.ts";
import { encode } from "../../../src/value/encode.ts";
import type { Payload, Reference } from "../../../src/value/port.ts";
import { type Message, protocolVersion } from "../../../src/wire/messages.ts";
import { Session } from "../../../src/wire/session.ts";

const [address, runner] = process.argv.slice(2) as [string, string];
const token = Buffer.alloc(32);
readSync(3, token);

/** In a value: the live value number `n` of its message. */
class Live {
  readonly index: number;
  constructor(index: number) {
    this.index = index;
  }
}

function payload(value: unknown, references?: readonly unknown[]): Payload {
  const { bytes, buffers } = encode(value, {
    describe: (found) => ({ kind: "handle", type: "live", data: (found as Live).index }),
  });
  return references ? { bytes, buffers, references: references as Reference[] } : { bytes, buffers };
}

/** What one vice has at hand. */
interface Scene {
  readonly id: number;
  /** Numbers of what was lent, in the order of the arguments. */
  readonly lent: readonly number[];
  say(message: object): void;
  /** The next message of that type that comes. */
  hear(type: Message["type"]): Promise<Message & { readonly value?: Payload; readonly failed?: boolean }>;
  answer(value: unknown, references?: readonly unknown[]): void;
}

const item = (reference: number, back: boolean, mark: number, value: unknown, references?: readonly unknown[]) => ({
  type: "item",
  reference,
  back,
  mark,
  value: payload(value, references),
});
const call = (reference: number, method: string, args: unknown, references?: readonly unknown[]) => ({
  type: "ref-call",
  number: 1,
  reference,
  method,
  value: payload(args, references),
});
/** A call of its own for a pool: the closure is a function that the parent has sent, if any. */
const nested = (pool: unknown, more: object = {}) => ({
  type: "nested",
  number: 1,
  mode: "plain",
  modules: [],
  units: [],
  options: payload({ pool }),
  value: payload(1),
  args: undefined,
  ...more,
});
const text = {
  url: "file:///evil.ts",
  hash: "0",
  format: "module",
  source: "export default 1",
  path: "",
  single: true,
  early: [],
  late: [],
  links: [],
  siblings: [],
  binding: false,
};
const modes = { readableObjectMode: false, writableObjectMode: false, encoding: null };
const generator = ["iterable", 1, null];

/** Answers with what a reference cannot be. */
const lying =
  (...reference: unknown[]) =>
  ({ answer }: Scene): void =>
    answer(new Live(0), [reference]);

const vices: Readonly<Record<string, (scene: Scene) => unknown>> = {
  none: ({ answer }) => answer("well"),
  "items, credit and ends for what nobody knows": ({ say, answer }) => {
    for (const back of [true, false]) {
      say(item(77, back, 0, "x"));
      say(item(77, back, 0, new Live(0), [["function", 5, null]]));
      say({ type: "credit", reference: 77, back, bytes: 0xffff_ffff });
      say(item(77, back, 1, "x"));
      say(item(77, back, 2, "x"));
    }
    answer("well");
  },
  "calls what it was never lent": async ({ say, hear, answer }) => {
    say(call(77, "", []));
    const { failed, value } = await hear("ref-result");
    answer({ failed, length: value!.bytes.length > 0 });
  },
  "asks for a pool that it may not use": async ({ say, hear, answer }) => {
    say(nested("forbidden"));
    const { failed } = await hear("ref-result");
    answer({ failed });
  },
  "asks for a pool that is no name": async ({ say, hear, answer }) => {
    say(nested({ evil: true }));
    const { failed } = await hear("ref-result");
    answer({ failed });
  },
  "asks with an option that does not exist": async ({ say, hear, answer }) => {
    say(nested("hostile", { options: payload({ pool: "hostile", backend: 1 }) }));
    const { failed } = await hear("ref-result");
    answer({ failed });
  },
  "asks for code that nobody has": ({ say }) => say(nested("hostile", { units: [5_000_000] })),
  "asks to keep code under a number of the parent": ({ say }) =>
    say(nested("hostile", { modules: [{ id: 1, module: text }], units: [1] })),
  "asks to place an object": ({ say }) => say(nested("hostile", { mode: "place" })),
  "asks for a batch": ({ say }) => say(nested("hostile", { mode: "each" })),
  "calls a function by a name": ({ lent, say }) => say(call(lent[0]!, "call", [1])),
  "calls without a list": ({ lent, say }) => say(call(lent[0]!, "", { length: 1 })),
  "calls with code": ({ lent, say }) =>
    say({ ...call(lent[0]!, "", []), value: { bytes: Buffer.from([0, 255, 1, 2]), buffers: [] } }),
  "calls a stream by another name": ({ lent, say }) => say(call(lent[0]!, "constructor", [1])),
  "gives credit to a function": ({ lent, say }) => say({ type: "credit", reference: lent[0]!, back: false, bytes: 1 }),
  "sends items to a function": ({ lent, say }) => say(item(lent[0]!, false, 0, 1)),
  "ends what it writes to by a mark": ({ lent, say }) => say(item(lent[0]!, false, 1, 1)),
  "lets go too often": ({ lent, say }) => say({ type: "ref-release", reference: lent[0]!, count: 0xffff_ffff }),
  "lets go of what it never had": ({ say }) => say({ type: "ref-release", reference: 4_000_000, count: 1 }),
  "answers what nobody asked": ({ say }) => say({ type: "ref-result", number: 9, failed: false, value: payload(1) }),
  "answers with what is not there": ({ answer }) => answer(new Live(3), [generator]),
  "answers with a live value and no references": ({ answer }) => answer(new Live(0)),
  "an unknown kind": lying("socket", 1, null),
  "a kind of every object": lying("__proto__", 1, null),
  "its own, never lent": lying("own", 12, null),
  "a number beyond any": lying("function", 2 ** 40, null),
  "the number zero": lying("function", 0, null),
  "a function with details": lying("function", 1, { evil: true }),
  "a stream that is maybe of bytes": lying("readable", 1, "yes"),
  "a writable with credit of its own": lying("writable", 1, { credit: NaN }),
  "a Node stream of no mode": lying("node-readable", 1, { ...modes, readableObjectMode: 1 }),
  "a Node stream of an unknown encoding": lying("node-readable", 1, { ...modes, encoding: "rot13" }),
  "a duplex without details": lying("node-duplex", 1, null),
  "a signal with a reason that is no value": lying("signal", 1, new Uint8Array([9, 9, 9])),
  "a signal with a text for a reason": lying("signal", 1, "why"),
  "an object without methods": lying("object", 1, { name: "x" }),
  "an object whose methods are no texts": lying("object", 1, { name: "x", methods: [1], others: [] }),
  "an object whose methods are no list": lying("object", 1, { name: "x", methods: "then", others: [] }),
  "details that are nested without end": ({ answer }) => {
    let deep: unknown = null;
    for (let n = 0; n < 1000; n++) deep = [deep];
    answer(new Live(0), [["object", 1, deep]]);
  },
  "more references than anybody has": ({ answer }) =>
    answer(
      null,
      Array.from({ length: 20_000 }, (_, n) => ["function", n + 1, null]),
    ),
  "an object of dangerous methods": async ({ say, hear, answer }) => {
    const methods = ["__proto__", "constructor", "then", "toString", "hasOwnProperty", "valueOf", "fine"];
    answer(new Live(0), [["object", 1, { name: "__proto__", methods, others: ["__defineGetter__"] }]]);
    await hear("close");
    say({ type: "close" });
  },
  "methods that an object does not have": async ({ lent, say, hear, answer }) => {
    const refused: unknown[] = [];
    for (const [number, method] of ["constructor", "__proto__", "then", "secret", "__defineGetter__"].entries()) {
      say({ ...call(lent[0]!, method, ["polluted"]), number: number + 1 });
      refused.push((await hear("ref-result")).failed);
    }
    say({ ...call(lent[0]!, "open", []), number: 99 });
    const { failed } = await hear("ref-result");
    answer({ refused, open: failed === false });
  },
  "items without credit": ({ say, answer }) => {
    answer(new Live(0), [generator]);
    const megabyte = new Uint8Array(50_000);
    for (let n = 0; n < 2000; n++) say(item(1, true, 0, megabyte));
  },
  "writes without credit": ({ lent, say, answer }) => {
    for (let n = 0; n < 2000; n++) say(item(lent[0]!, false, 0, new Uint8Array(50_000)));
    answer("well");
  },
  "credit without end": async ({ lent, say, hear, answer }) => {
    for (let n = 0; n < 1000; n++) say({ type: "credit", reference: lent[0]!, back: false, bytes: 0xffff_ffff });
    let items = 0;
    for (;;) {
      const late = new Promise<false>((resolve) => setTimeout(resolve, 300, false));
      if ((await Promise.race([hear("item"), late])) === false || ++items === 1000) return answer({ items });
    }
  },
  "an item that is broken": ({ say, answer }) => {
    answer(new Live(0), [generator]);
    say({ ...item(1, true, 0, 1), value: { bytes: Buffer.from([0, 250]), buffers: [] } });
  },
  "ends twice, and goes on": async ({ say, hear, answer }) => {
    answer(new Live(0), [generator]);
    await hear("credit");
    say(item(1, true, 0, "first"));
    for (const mark of [1, 1, 2, 0]) say(item(1, true, mark, "last"));
    await hear("close");
    say({ type: "close" });
  },
  "answers return with nothing": async ({ say, hear, answer }) => {
    answer(new Live(0), [generator]);
    await hear("credit");
    say(item(1, true, 0, "first"));
    await hear("ref-call");
    say({ type: "ref-result", number: 1, failed: false, value: payload(null) });
    await hear("close");
    say({ type: "close" });
  },
  "closes what is not open": ({ say, answer }) => {
    say({ type: "close" });
    answer("well");
  },
};

interface Waiting {
  readonly type: Message["type"];
  readonly resolve: (message: Message) => void;
}

const waiting: Waiting[] = [];
const early: Message[] = [];
const session: Session = new Session(await dialUnix(address), { message: receive, closed: () => process.exit(0) });
session.send({ type: "hello", token, protocol: protocolVersion, runner, node: process.version, release: "" });

function receive(message: Message): void {
  if (message.type === "welcome") {
    startGuard({ fd: 3, graceMs: 0, lifetimeMs: 0, parent: undefined, mark: undefined }, () => process.exit(0));
    return session.send({ type: "ready" });
  }
  if (message.type === "drain") return session.send({ type: "drain" });
  if (message.type === "ack") process.exit(0);
  if (message.type === "call") return begin(message);
  const index = waiting.findIndex(({ type }) => type === message.type);
  if (index >= 0) waiting.splice(index, 1)[0]!.resolve(message);
  else early.push(message);
}

function begin({ id, args }: Extract<Message, { type: "call" }>): void {
  early.length = 0;
  const say = (message: object): void => session.send({ id, ...message } as Message);
  const [vice] = decode(args!, { code: refuse, named: refuse, custom: refuse, handle: () => null }) as [string];
  void vices[vice]!({
    id,
    lent: (args!.references ?? []).map(([, number]) => number),
    say,
    hear: (type) =>
      new Promise((resolve) => {
        const index = early.findIndex((message) => message.type === type);
        if (index >= 0) resolve(early.splice(index, 1)[0] as never);
        else waiting.push({ type, resolve: resolve as never });
      }),
    answer: (value, references) => say({ type: "result", value: payload(value, references) }),
  });
}

function refuse(): never {
  throw new Error("a hostile runner reads plain values only");
}
