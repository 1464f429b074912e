/**
 * The messages between parent and runner: one union, one codec, no sockets.
 * `value` and `values` are payloads of the value codec; everything rare is JSON with a checked shape.
 */
import { ProtocolError } from "../errors.ts";
import type { Payload } from "../value/port.ts";
import { type CallMessage, decodeCall, encodeCall } from "./call-message.ts";
import { type LiveMessage, decodeLive, encodeLive } from "./live-messages.ts";
import { type ModuleText, checkModule, moduleShape } from "./module-text.ts";
import { type NestedMessage, decodeNested, encodeNested } from "./nested-message.ts";
import { packed, unpacked } from "./packing.ts";
import { readJson, readText } from "./shape.ts";

/** Exit code of a runner that cannot start however often it is tried: EX_CONFIG of sysexits.h. */
export const hopelessExit = 78;

/** The call by which a pool asks for itself: `setup`, `idleCheck`. */
export const ownCall = 0;

/** Parent and runner must have the same one. */
export const protocolVersion = 1;

export type Message =
  /** runner -> parent, first. u16 protocol | 32 bytes token | JSON {runner, node, release} */
  | {
      readonly type: "hello";
      readonly token: Buffer;
      readonly protocol: number;
      readonly runner: string;
      readonly node: string;
      readonly release: string;
    }
  /** parent -> runner, the answer. JSON */
  | {
      readonly type: "welcome";
      readonly pool: string;
      readonly entry: string | null;
      /** Executors that it will be told to start; 0: it runs the calls itself. */
      readonly executors: number;
      /** Age at which it ends itself, whatever the parent does; 0: never. */
      readonly lifetimeMs: number;
      /** The first of its numbers for units that it makes itself. */
      readonly units: number;
      /** For its environment. */
      readonly secrets: readonly { readonly name: string; readonly value: string }[];
    }
  /** runner -> parent: calls may come. JSON {} */
  | { readonly type: "ready" }
  /** parent -> runner: code of unit `id`, once per runner. JSON */
  | { readonly type: "module"; readonly id: number; readonly module: ModuleText }
  | CallMessage
  /** runner -> parent: the call has started. Left out when its end leaves in the same write. */
  | { readonly type: "accepted"; readonly id: number }
  | { readonly type: "result"; readonly id: number; readonly value: Payload }
  | { readonly type: "error"; readonly id: number; readonly value: Payload }
  /** parent -> runner: abort the call's signal. payload of the reason */
  | { readonly type: "cancel"; readonly id: number; readonly value: Payload }
  /** runner -> parent. payload of the value */
  | { readonly type: "progress"; readonly id: number; readonly value: Payload }
  /** runner -> parent: one line of output of call `id`, 0 when it belongs to none. u8 stream | utf8 */
  | { readonly type: "log"; readonly id: number; readonly stream: "stdout" | "stderr"; readonly line: string }
  /** runner -> parent: an exception that no call caught; the runner must be replaced. JSON */
  | { readonly type: "fault"; readonly calls: readonly number[]; readonly text: string }
  /** parent -> runner: finish what runs. runner -> parent: nothing runs any more, and all is sent. */
  | { readonly type: "drain" }
  /** parent -> runner: all is received; exit. */
  | { readonly type: "ack" }
  | LiveMessage
  | NestedMessage
  /** parent -> runner: the live result of a call is needed no more. runner -> parent: nothing of the call is left. */
  | { readonly type: "close"; readonly id: number }
  /** parent -> runner: start executor `id`, which shows this token when it dials in. 32 bytes */
  | { readonly type: "start"; readonly id: number; readonly token: Buffer }
  /** parent -> runner: end executor `id` at once. */
  | { readonly type: "stop"; readonly id: number }
  /** runner -> parent: executor `id` has ended. JSON */
  | {
      readonly type: "exited";
      readonly id: number;
      readonly exitCode: number | null;
      readonly signal: string | null;
      /** When the runner ended it itself, and knows better than the signal. */
      readonly reason: string | null;
    }
  /** parent -> runner: what do you keep up? Without a text. runner -> parent, the answer of that number: JSON, see tree.ts */
  | { readonly type: "tree"; readonly id: number; readonly text: string };

export { type CallMode, callModes } from "./call-modes.ts";
export type { ModuleText } from "./module-text.ts";

export type MessageType = Message["type"];

/** Position is the number on the wire. 0 is a chunk of a transfer, which is no message. */
export const types: readonly (MessageType | "chunk")[] = [
  "chunk",
  "hello",
  "welcome",
  "ready",
  "module",
  "call",
  "accepted",
  "result",
  "error",
  "cancel",
  "progress",
  "log",
  "fault",
  "drain",
  "ack",
  "start",
  "stop",
  "exited",
  "ref-call",
  "ref-result",
  "ref-release",
  "item",
  "credit",
  "close",
  "nested",
  "tree",
];
const numbers = new Map(types.map((type, number) => [type, number]));

export interface Encoded {
  readonly type: number;
  readonly id: number;
  readonly body: Uint8Array;
  readonly buffers: readonly Uint8Array[];
}

const nothing = Buffer.alloc(0);
const none: readonly Uint8Array[] = [];
const tokenBytes = 32;

export function encodeMessage(message: Message): Encoded {
  const type = numbers.get(message.type)!;
  switch (message.type) {
    case "hello": {
      const head = Buffer.alloc(2);
      head.writeUInt16BE(message.protocol);
      const rest = json({ runner: message.runner, node: message.node, release: message.release });
      return { type, id: 0, body: Buffer.concat([head, message.token, rest]), buffers: none };
    }
    case "welcome": {
      const { pool, entry, executors, lifetimeMs, units, secrets } = message;
      return { type, id: 0, body: json({ pool, entry, executors, lifetimeMs, units, secrets }), buffers: none };
    }
    case "ready":
    case "drain":
    case "ack":
      return { type, id: 0, body: nothing, buffers: none };
    case "module":
      return { type, id: message.id, body: json(message.module), buffers: none };
    case "call":
      return typed(type, encodeCall(message));
    case "ref-call":
    case "ref-result":
    case "ref-release":
    case "item":
    case "credit":
      return typed(type, encodeLive(message));
    case "nested":
      return typed(type, encodeNested(message));
    case "accepted":
    case "close":
    case "stop":
      return { type, id: message.id, body: nothing, buffers: none };
    case "start":
      return { type, id: message.id, body: message.token, buffers: none };
    case "exited": {
      const { exitCode, signal, reason } = message;
      return { type, id: message.id, body: json({ exitCode, signal, reason }), buffers: none };
    }
    case "result":
    case "error":
    case "cancel":
    case "progress":
      return { type, id: message.id, body: packed(message.value), buffers: message.value.buffers };
    case "log": {
      const body = Buffer.from(`0${message.line}`, "utf8");
      body[0] = message.stream === "stdout" ? 1 : 2;
      return { type, id: message.id, body, buffers: none };
    }
    case "tree":
      return { type, id: message.id, body: Buffer.from(message.text, "utf8"), buffers: none };
    case "fault":
      return { type, id: 0, body: json({ calls: message.calls, text: message.text }), buffers: none };
  }
}

/** Field by field: a spread that does not come first takes V8's slow way, which shows in the profile of small calls. */
function typed(type: number, { id, body, buffers }: Omit<Encoded, "type">): Encoded {
  return { type, id, body, buffers };
}

/** Messages that belong to a call, a unit, an executor, or (output) to none. All others have 0 for an id. */
const numbered: ReadonlySet<string> = new Set<MessageType>([
  "module",
  "call",
  "accepted",
  "result",
  "error",
  "cancel",
  "progress",
  "log",
  "start",
  "stop",
  "exited",
  "ref-call",
  "ref-result",
  "ref-release",
  "item",
  "credit",
  "close",
  "nested",
  "tree",
]);
/** Messages that carry values: only these have buffers beside them. */
const valued: ReadonlySet<string> = new Set<MessageType>([
  "call",
  "result",
  "error",
  "cancel",
  "progress",
  "ref-call",
  "ref-result",
  "item",
  "nested",
]);
const welcomeShape = {
  pool: "string",
  entry: "string or null",
  executors: "count",
  lifetimeMs: "count",
  units: "count",
  secrets: [{ name: "string", value: "string" }],
} as const;
const exitShape = { exitCode: "count or null", signal: "string or null", reason: "string or null" } as const;

/** Throws `ProtocolError` for anything that `encodeMessage` would not have written. */
export function decodeMessage(number: number, id: number, body: Buffer, buffers: readonly Buffer[]): Message {
  const type = types[number];
  if (type === undefined || type === "chunk") throw new ProtocolError(`Cannot read message ${number}: it is unknown`);
  if (id !== 0 && !numbered.has(type))
    throw new ProtocolError(`Cannot read ${type}: it has the number ${id}, and none is wanted`);
  if (buffers.length > 0 && !valued.has(type))
    throw new ProtocolError(`Cannot read ${type}: it has buffers, and no value for them`);
  const payload = (bytes: Buffer): Payload => unpacked(bytes, buffers, type);
  switch (type) {
    case "hello": {
      if (body.length < 2 + tokenBytes) throw new ProtocolError("Cannot read hello: it is cut");
      const facts = readJson(body.subarray(2 + tokenBytes), type, {
        runner: "string",
        node: "string",
        release: "string",
      });
      return { type, protocol: body.readUInt16BE(0), token: body.subarray(2, 2 + tokenBytes), ...facts };
    }
    case "welcome":
      return { type, ...readJson(body, type, welcomeShape) };
    case "ready":
    case "drain":
    case "ack":
      empty(body, type);
      return { type };
    case "module":
      return { type, id, module: checkModule(readJson(body, type, moduleShape)) };
    case "call":
      return decodeCall(id, body, buffers);
    case "ref-call":
    case "ref-result":
    case "ref-release":
    case "item":
    case "credit":
      return decodeLive(type, id, body, buffers);
    case "nested":
      return decodeNested(id, body, buffers);
    case "accepted":
    case "close":
    case "stop":
      empty(body, type);
      return { type, id };
    case "start":
      if (body.length !== tokenBytes) throw new ProtocolError("Cannot read start: its token is cut");
      return { type, id, token: body };
    case "exited":
      return { type, id, ...readJson(body, type, exitShape) };
    case "result":
    case "error":
    case "cancel":
    case "progress":
      return { type, id, value: payload(body) };
    case "log":
      if (body[0] !== 1 && body[0] !== 2) throw new ProtocolError("Cannot read log: its stream is unknown");
      return { type, id, stream: body[0] === 1 ? "stdout" : "stderr", line: readText(body.subarray(1), type) };
    case "tree":
      return { type, id, text: readText(body, type) };
    case "fault":
      return { type, ...readJson(body, type, { calls: ["count"], text: "string" }) };
  }
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value), "utf8");
}

function empty(body: Buffer, type: MessageType): void {
  if (body.length > 0) throw new ProtocolError(`Cannot read ${type}: it has ${body.length} bytes, and none are wanted`);
}
