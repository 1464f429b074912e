/** Which end a value of each kind gets, on its own side and on the other. */
import type { Duplex, Readable, Writable } from "node:stream";
import { ProtocolError } from "../errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { LiveValue } from "../value/port.ts";
import { type Modes, readFlag, readModes, readNothing } from "./details.ts";
import * as flavours from "./flavours.ts";
import { exportFunction, remoteFunction } from "./function.ts";
import { exportObject, exportPlaced, importObject } from "./object.ts";
import type { Exported, Imported, Line } from "./reference.ts";
import { exportSignal, importSignal } from "./signal.ts";
import { Outflow, Sink, type SinkOptions } from "./sink.ts";
import { type SourceOptions, Source } from "./source.ts";
import { Inflow, RemoteGenerator, type Watch } from "./stream.ts";

export interface Side {
  readonly clock: Clock;
  /** From now on a stream that is let go of is closed: nobody else has it. */
  readonly discards?: boolean;
  /** Whoever reads `value` goes before its end. */
  left?(value: object): void;
}

function iterate(value: object): AsyncIterator<unknown> | Iterator<unknown> {
  const { [Symbol.asyncIterator]: asynchronous, [Symbol.iterator]: synchronous } = value as AsyncIterable<unknown> &
    Iterable<unknown>;
  return asynchronous ? asynchronous.call(value) : synchronous.call(value);
}

/** The owner's end. */
export function exportValue(live: LiveValue, line: Line, side: Side): Exported {
  const { kind, value, run, passedOn } = live;
  const { clock } = side;
  const discards = (): boolean => side.discards === true || passedOn === true;
  const left = (): void => side.left?.(value);
  const source = (options: Partial<SourceOptions> = {}): Source =>
    new Source({ open: () => iterate(value), run, line, clock, left, ...options });
  const sink = (options: Pick<SinkOptions, "open" | "detail" | "discards" | "discard">): Sink =>
    new Sink({ line, run, ...options });
  switch (kind) {
    case "function":
      return exportFunction(live);
    case "object":
      return passedOn
        ? { ...exportObject(value, run), end: async () => (value as AsyncDisposable)[Symbol.asyncDispose]() }
        : exportObject(value, run);
    case "placed":
      return exportPlaced(value, run);
    case "signal":
      return exportSignal(live, line);
    case "iterable":
      return source({
        copy: true,
        discard: passedOn ? () => void (value as AsyncGenerator).return(undefined) : undefined,
      });
    case "readable": {
      const stream = value as ReadableStream;
      const discard = (): void => {
        if (discards()) stream.cancel().catch(() => {});
      };
      return source({ ...flavours.webReader(stream), detail: flavours.isByteStream(stream), discard });
    }
    case "node-readable": {
      const stream = value as Readable;
      flavours.keepFailure(stream);
      const free = flavours.holdOutput(stream);
      const discard = (): void => {
        free();
        if (discards()) stream.destroy();
      };
      return source({ leave: () => void stream.destroy(), detail: flavours.modesOf(stream), discard });
    }
    case "writable": {
      const stream = value as WritableStream;
      const discard = (reason: Error): void => void stream.abort(reason).catch(() => {});
      return sink({ open: (failed) => flavours.webWriter(stream, failed), discards, discard });
    }
    case "node-writable": {
      const stream = value as Writable;
      flavours.keepFailure(stream);
      return sink({
        open: (failed) => flavours.nodeWriter(stream, failed),
        detail: flavours.modesOf(stream),
        discards,
        discard: () => void stream.destroy(),
      });
    }
    case "node-duplex": {
      const stream = value as Duplex;
      flavours.keepFailure(stream);
      return duplex(
        source({
          open: () => flavours.iterateHalf(stream),
          // The other direction goes on.
          leave: () => {},
          last: () => stream.writableEnded || stream.destroyed,
        }),
        sink({ open: (failed) => flavours.nodeWriter(stream, failed) }),
        stream,
        discards,
      );
    }
  }
}

/** What the user of the other side gets, and its end. */
export interface Import {
  readonly value: object;
  readonly end: Imported;
}

const passive: Imported = { end() {} };

/** The other end. What comes from there is checked: `detail` is whatever the peer has sent. */
export function importValue(kind: string, detail: unknown, line: Line, watch: Watch, decode: Decode): Import {
  switch (kind) {
    case "function":
      readNothing(detail, kind);
      return { value: remoteFunction(line), end: passive };
    case "object":
      return { value: importObject(detail, line), end: passive };
    case "signal":
      return importSignal(detail, decode);
    case "iterable":
      readNothing(detail, kind);
      return inflow(line, watch, (from) => new RemoteGenerator(from));
    case "readable": {
      const bytes = readFlag(detail, kind);
      return inflow(line, watch, (from) => flavours.webReadable(from, bytes));
    }
    case "node-readable": {
      const modes = readModes(detail, kind);
      return inflow(line, watch, (from) => flavours.nodeReadable(from, modes));
    }
    case "writable":
      readNothing(detail, kind);
      return outflow(line, watch, (to) => flavours.webWritable(to));
    case "node-writable": {
      const modes = readModes(detail, kind);
      return outflow(line, watch, (to) => flavours.nodeWritable(to, modes));
    }
    case "node-duplex":
      return importDuplex(readModes(detail, kind), line, watch);
    default:
      throw new ProtocolError("Cannot receive a reference: its kind is unknown");
  }
}

/** Reads a value that was encoded by itself. */
export type Decode = (bytes: Uint8Array) => unknown;

function inflow(line: Line, watch: Watch, make: (from: Inflow) => object): Import {
  const end = new Inflow(line, watch);
  return { value: make(end), end };
}

function outflow(line: Line, watch: Watch, make: (to: Outflow) => object): Import {
  const end = new Outflow(line, watch);
  return { value: make(end), end };
}

/** Both directions under one number: items that the owner gets are written, credit that it gets is for what is read. */
function duplex(source: Source, sink: Sink, stream: Duplex, discards: () => boolean): Exported {
  return {
    detail: flavours.modesOf(stream),
    methods: [...source.methods, ...sink.methods],
    get begun() {
      return source.begun || sink.begun;
    },
    item: (mark, item, bytes) => sink.item(mark, item, bytes),
    credit: (bytes) => source.credit(bytes),
    call: (method, args) => (source.methods.includes(method) ? source.call(method, args) : sink.call(method, args)),
    async end(error) {
      await Promise.all([source.end(), sink.end(error)]);
      if (discards()) stream.destroy();
    },
  };
}

function importDuplex(modes: Modes, line: Line, watch: Watch): Import {
  // Neither direction alone lets go of the stream.
  const half = (): Line => {
    let held = true;
    return {
      ...line,
      release() {
        if (held && --open === 0) line.release();
        held = false;
      },
      over() {
        if (open === 0) line.over();
      },
    };
  };
  let open = 2;
  const from = new Inflow(half(), watch);
  const to = new Outflow(half(), watch);
  return {
    value: flavours.nodeDuplex(from, to, modes),
    end: {
      item(mark, value, bytes) {
        from.item(mark, value, bytes);
        if (mark === "fail") to.item(mark, value);
      },
      credit: (bytes) => to.credit(bytes),
      end(error) {
        from.end(error);
        to.end(error);
      },
    },
  };
}
