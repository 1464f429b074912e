/** Which end a value of each kind gets, on its own side and on the other. */
import { ProtocolError } from "../errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { LiveValue } from "../value/port.ts";
import * as flavours from "./flavours.ts";
import { exportFunction, remoteFunction } from "./function.ts";
import { type ObjectShape, disposeOf, exportObject, remoteObject } from "./object.ts";
import type { Exported, Imported, Line } from "./reference.ts";
import { exportSignal, importSignal } from "./signal.ts";
import { Outflow, Sink } from "./sink.ts";
import { type SourceOptions, Source } from "./source.ts";
import { Inflow, RemoteGenerator, type Watch } from "./stream.ts";

type Writable = Parameters<typeof flavours.nodeWriter>[0];

export interface Side {
  readonly clock: Clock;
  /** A stream that nobody has read is closed: nobody else has it. */
  readonly discards?: boolean;
}

function iterate(value: object): AsyncIterator<unknown> | Iterator<unknown> {
  const { [Symbol.asyncIterator]: asynchronous, [Symbol.iterator]: synchronous } = value as AsyncIterable<unknown> &
    Iterable<unknown>;
  return asynchronous ? asynchronous.call(value) : synchronous.call(value);
}

/** The owner's end. */
export function exportValue(live: LiveValue, line: Line, { clock, discards }: Side): Exported {
  const { kind, value, run } = live;
  const source = (options: Partial<SourceOptions> = {}): Source =>
    new Source({ open: () => iterate(value), run, line, clock, ...options });
  switch (kind) {
    case "function":
      return exportFunction(live);
    case "object":
      return exportObject(value, run, () => {});
    case "placed":
      return exportObject(value, run, () => disposeOf(value));
    case "signal":
      return exportSignal(live, line);
    case "iterable":
      return source();
    case "readable": {
      const stream = value as ReadableStream;
      const discard = discards ? (): void => void stream.cancel().catch(() => {}) : undefined;
      return source({ detail: flavours.isByteStream(stream), discard });
    }
    case "node-readable":
      return source({
        detail: flavours.modeOf(value),
        discard: discards ? () => void (value as Writable).destroy() : undefined,
      });
    case "writable":
      return new Sink(line, run, () => flavours.webWriter(value as WritableStream));
    case "node-writable":
      return new Sink(line, run, () => flavours.nodeWriter(value as Writable), flavours.modeOf(value));
    case "node-duplex":
      return duplex(source(), new Sink(line, run, () => flavours.nodeWriter(value as Writable)), value as Writable);
  }
}

/** What the user of the other side gets, and its end. */
export interface Import {
  readonly value: object;
  readonly end: Imported;
}

const passive: Imported = { end() {} };

/** The other end. What comes from there is checked: `detail` is whatever the peer has sent. */
export function importValue(kind: string, detail: unknown, line: Line, watch: Watch): Import {
  switch (kind) {
    case "function":
      return { value: remoteFunction(line), end: passive };
    case "object":
      return { value: remoteObject(detail as ObjectShape, line), end: passive };
    case "signal":
      return importSignal(detail);
    case "iterable":
      return inflow(line, watch, (from) => new RemoteGenerator(from));
    case "readable":
      return inflow(line, watch, (from) => flavours.webReadable(from, detail === true));
    case "node-readable":
      return inflow(line, watch, (from) => flavours.nodeReadable(from, (detail as NodeDetail).objectMode));
    case "writable":
      return outflow(line, (detail as NodeDetail).credit, (to) => flavours.webWritable(to));
    case "node-writable": {
      const { credit, objectMode } = detail as NodeDetail;
      return outflow(line, credit, (to) => flavours.nodeWritable(to, objectMode));
    }
    case "node-duplex":
      return importDuplex(detail as NodeDetail, line, watch);
    default:
      throw new ProtocolError("Cannot receive a reference: its kind is unknown");
  }
}

interface NodeDetail {
  readonly credit: number;
  readonly objectMode: boolean;
}

function inflow(line: Line, watch: Watch, make: (from: Inflow) => object): Import {
  const end = new Inflow(line, watch);
  return { value: make(end), end };
}

function outflow(line: Line, credit: number, make: (to: Outflow) => object): Import {
  const end = new Outflow(line, credit);
  return { value: make(end), end };
}

/** Both directions under one number: items that the owner gets are written, credit that it gets is for what is read. */
function duplex(source: Source, sink: Sink, stream: Writable): Exported {
  return {
    detail: { ...sink.detail, ...flavours.modeOf(stream) },
    item: (mark, item, bytes) => sink.item(mark, item, bytes),
    credit: (bytes) => source.credit(bytes),
    call: (method, args) =>
      method === "return" || method === "throw" ? source.call(method, args) : sink.call(method, args),
    async end() {
      await Promise.all([source.end(), sink.end()]);
      stream.destroy();
    },
  };
}

function importDuplex({ credit, objectMode }: NodeDetail, line: Line, watch: Watch): Import {
  // Neither direction alone lets go of the stream.
  let open = 2;
  const half = { ...line, release: () => void (--open === 0 && line.release()) };
  const from = new Inflow(half, watch);
  const to = new Outflow(half, credit);
  return {
    value: flavours.nodeDuplex(from, to, objectMode),
    end: {
      item: (mark, value, bytes) => from.item(mark, value, bytes),
      credit: (bytes) => to.credit(bytes),
      end(error) {
        from.end(error);
        to.end(error);
      },
    },
  };
}
