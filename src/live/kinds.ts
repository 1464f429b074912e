/** Which values stay where they are when something else travels, and as what the other side sees them. */
import { types } from "node:util";
import type { LiveKind } from "../value/port.ts";

const slot = Symbol.for("tinderbox.live");
/** Functions and objects that are live wherever they are met; shared by all copies of the package in a process. */
const marks = ((globalThis as { [slot]?: WeakMap<object, LiveKind> })[slot] ??= new WeakMap<object, LiveKind>());

/** From here on `value` is sent as a live reference, also when a closure captures it. */
export function mark<T extends object>(value: T, kind: "function" | "object" | "iterable"): T {
  marks.set(value, kind);
  return value;
}

/** The kind of a value that never travels in another way. */
export function liveKind(value: object): LiveKind | undefined {
  const marked = marks.get(value);
  if (marked || typeof value === "function") return marked;
  if (value instanceof AbortSignal) return "signal";
  if (isA("ReadableStream", value)) return "readable";
  if (isA("WritableStream", value)) return "writable";
  if (types.isGeneratorObject(value)) return Symbol.asyncIterator in value ? "iterable" : undefined;
  return nodeStream(value as NodeStream);
}

/** Says what a value is sent as, whatever it looks like. */
export class As {
  readonly kind: LiveKind;
  readonly value: object;

  constructor(kind: LiveKind, value: object) {
    this.kind = kind;
    this.value = value;
  }
}

/** What a call returns: generators and iterable objects are iterated on the other side, whatever their class. */
export function asResult(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype === Object.prototype || prototype === null)
    return isAsyncIterable(value) ? new As("iterable", value) : value;
  return types.isGeneratorObject(value) ? new As("iterable", value) : value;
}

/** Instances of classes that cannot travel, but can be iterated. */
export function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    typeof (value as Partial<AsyncIterable<unknown>>)[Symbol.asyncIterator] === "function"
  );
}

/** What has two directions and a peer of its own: it cannot be iterated by somebody else. */
export function isConnection(value: object): boolean {
  return typeof (value as NodeStream).setKeepAlive === "function";
}

/** Asked by name: touching the global would load the streams of every process. */
function isA(name: "ReadableStream" | "WritableStream", value: object): boolean {
  if (value.constructor?.name !== name) return false;
  return value instanceof (globalThis[name] as new () => object);
}

interface NodeStream {
  readonly on?: unknown;
  readonly pipe?: unknown;
  readonly _read?: unknown;
  readonly _write?: unknown;
  readonly readable?: unknown;
  readonly writable?: unknown;
  readonly setKeepAlive?: unknown;
  readonly _handle?: object | null;
  listeners?(event: string): readonly unknown[];
}

/** A pipe is a socket by class. One with a single direction is a stream like others; what has two is a connection. */
function nodeStream(value: NodeStream): LiveKind | undefined {
  if (typeof value.on !== "function") return undefined;
  const reads = typeof value._read === "function" && typeof value.pipe === "function";
  const writes = typeof value._write === "function";
  if (typeof value.setKeepAlive === "function") {
    if (value._handle?.constructor.name === "TCP") return undefined;
    if (reads && value.readable === true && (value.writable !== true || isOutput(value))) return "node-readable";
    return writes && value.writable === true && value.readable !== true ? "node-writable" : undefined;
  }
  if (reads) return writes ? "node-duplex" : "node-readable";
  return writes ? "node-writable" : undefined;
}

/**
 * The output of a child process is a socket that could be written to, with nobody at the other end. Nothing tells it from
 * a connection but that its process waits for its end.
 */
function isOutput(stream: NodeStream): boolean {
  return stream.listeners?.("close").some((listener) => /\bmaybeClose\b/.test(String(listener))) === true;
}
