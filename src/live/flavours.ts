/** Streams of the Web and of Node, on either side: from what the user has, and to what the user expects. */
import { createRequire } from "node:module";
import { callbackify } from "node:util";
import type { Duplex as NodeDuplex, Readable as NodeReadable, Writable as NodeWritable } from "node:stream";
import type { Modes } from "./details.ts";
import type { Outflow, Writer } from "./sink.ts";
import type { SourceOptions } from "./source.ts";
import type { Inflow } from "./stream.ts";

/** Loaded when a stream of Node's is met: whoever has one has loaded it already. */
function nodeStreams(): typeof import("node:stream") {
  return createRequire(import.meta.url)("node:stream") as typeof import("node:stream");
}

/** Byte streams tell by the kind of reader that they give. */
export function isByteStream(stream: ReadableStream): boolean {
  try {
    stream.getReader({ mode: "byob" }).releaseLock();
    return true;
  } catch {
    return false;
  }
}

export function webReadable(inflow: Inflow, bytes: boolean): ReadableStream<unknown> {
  const source = {
    async pull(controller: ReadableStreamDefaultController<unknown> | ReadableByteStreamController): Promise<void> {
      const { done, value } = await inflow.next();
      if (!done) return controller.enqueue(value as Uint8Array<ArrayBuffer>);
      controller.close();
      // A reader that brought its own memory waits until it gets it back.
      (controller as ReadableByteStreamController).byobRequest?.respond(0);
    },
    async cancel(reason: unknown): Promise<void> {
      await inflow.finish("return", reason);
    },
  };
  // No queue of its own: what is under way is bounded already.
  return bytes ? new ReadableStream({ ...source, type: "bytes" }) : new ReadableStream(source, { highWaterMark: 0 });
}

/** How a stream is read, and left, by whoever has its only lock. */
export function webReader(stream: ReadableStream): Pick<SourceOptions, "open" | "leave"> {
  let reader: ReadableStreamDefaultReader<unknown> | undefined;
  return {
    open() {
      const own = (reader = stream.getReader());
      return { next: () => own.read() as Promise<IteratorResult<unknown>> };
    },
    async leave(reason) {
      await reader?.cancel(reason);
      reader?.releaseLock();
    },
  };
}

export function webWritable(outflow: Outflow): WritableStream<unknown> {
  return new WritableStream({
    start(controller) {
      // Held, the stream would never be garbage: its scope holds the outflow.
      const weak = new WeakRef(controller);
      outflow.onFailure((reason) => weak.deref()?.error(reason));
    },
    write: (chunk) => outflow.write(chunk),
    close: () => outflow.close(),
    abort: (reason) => outflow.abort(reason),
  });
}

export function nodeReadable(inflow: Inflow, modes: Modes): NodeReadable {
  const { Readable } = nodeStreams();
  const stream: NodeReadable = new Readable({
    objectMode: modes.readableObjectMode,
    read() {
      read(this, inflow, modes);
    },
    destroy(error, done) {
      tell(leave(inflow), () => done(error));
    },
  });
  return guarded(decoded(stream, modes));
}

export function nodeWritable(outflow: Outflow, { writableObjectMode }: Modes): NodeWritable {
  const { Writable } = nodeStreams();
  const stream: NodeWritable = new Writable({
    ...writing(outflow),
    objectMode: writableObjectMode,
    destroy(error, done) {
      tell(outflow.abort(error ?? destroyed()), () => done(error));
    },
  });
  return failing(stream, outflow);
}

export function nodeDuplex(inflow: Inflow, outflow: Outflow, modes: Modes): NodeDuplex {
  const { Duplex } = nodeStreams();
  const stream: NodeDuplex = new Duplex({
    ...writing(outflow),
    readableObjectMode: modes.readableObjectMode,
    writableObjectMode: modes.writableObjectMode,
    read() {
      read(this, inflow, modes, (ended) => {
        if (ended !== true) return;
        // Nothing more can be written over there: who only reads need not end what it does not use.
        outflow.ended();
        this.allowHalfOpen = false;
      });
    },
    destroy(error, done) {
      tell(Promise.allSettled([leave(inflow), outflow.abort(error ?? destroyed())]), () => done(error));
    },
  });
  return failing(decoded(stream, modes), outflow);
}

type Done = (error?: Error | null) => void;

function tell(promise: Promise<unknown>, done: Done): void {
  callbackify(async () => void (await promise))(done);
}

/** Who destroys a stream does not hear how its source has taken it. */
async function leave(inflow: Inflow): Promise<void> {
  await inflow.finish("return", undefined).catch(() => {});
}

function destroyed(): Error {
  return Object.assign(new Error("Cannot finish a stream: it was destroyed before its end"), {
    code: "ERR_STREAM_PREMATURE_CLOSE",
  });
}

function read(stream: NodeReadable, inflow: Inflow, modes: Modes, ended?: (value: unknown) => void): void {
  inflow.next().then(
    ({ done, value }) => {
      if (!done) return void stream.push(value, modes.encoding ?? undefined);
      ended?.(value);
      stream.push(null);
    },
    (error: unknown) => void stream.destroy(error as Error),
  );
}

/** One that gives strings does so on the other side, too. */
function decoded<S extends NodeReadable>(stream: S, { encoding }: Modes): S {
  return encoding === null ? stream : stream.setEncoding(encoding);
}

/**
 * For streams that come from elsewhere: what happens there must not be the end of this process, whether or not somebody
 * listens. Its reads and writes fail all the same.
 */
function guarded<S extends NodeReadable | NodeWritable>(stream: S): S {
  keepFailure(stream);
  return stream;
}

/** Held, the stream would never be garbage: its scope holds the outflow. */
function failing<S extends NodeWritable>(stream: S, outflow: Outflow): S {
  const weak = new WeakRef(stream);
  outflow.onFailure((reason) => void weak.deref()?.destroy(reason as Error));
  return guarded(stream);
}

function writing(outflow: Outflow) {
  return {
    // Strings stay strings: the stream that they are for may have an encoding of its own.
    decodeStrings: false,
    write(chunk: unknown, encoding: BufferEncoding, done: Done): void {
      const text = typeof chunk === "string" && !/^utf-?8$/i.test(encoding);
      tell(outflow.write(text ? Buffer.from(chunk, encoding) : chunk), done);
    },
    final(done: Done): void {
      tell(outflow.close(), done);
    },
  };
}

export function webWriter(stream: WritableStream, failed: (error: unknown) => void): Writer {
  const writer = stream.getWriter();
  writer.closed.catch(failed);
  return {
    write: (chunk) => writer.write(chunk),
    close: () => writer.close(),
    abort: (reason) => writer.abort(reason),
    // Its lock is not ours when it has failed in between.
    leave: () => writer.releaseLock(),
  };
}

export function nodeWriter(stream: NodeWritable, failed: (error: unknown) => void): Writer {
  let failure: unknown;
  stream.on("error", (error) => failed((failure ??= error)));
  stream.on("close", () => {
    if (!stream.writableFinished) failed((failure ??= destroyed()));
  });
  const settle =
    (resolve: () => void, reject: (error: unknown) => void): Done =>
    (error) => {
      if (error) reject(error);
      else resolve();
    };
  return {
    write: (value) =>
      new Promise<void>((resolve, reject) => {
        if (failure !== undefined) reject(failure);
        else stream.write(value, settle(resolve, reject));
      }),
    async close() {
      // What is read from may have been written to by its owner, and the output of this process goes on.
      if (stream.writableEnded || stream.destroyed || isStandard(stream)) return;
      await new Promise<void>((resolve, reject) => void stream.end(settle(resolve, reject)));
    },
    abort(reason) {
      if (isStandard(stream)) return;
      stream.destroy(reason instanceof Error ? reason : new Error(String(reason)));
    },
    leave() {},
  };
}

/** As Node marks `process.stdout` and `process.stderr`, which cannot be closed. */
function isStandard(stream: NodeWritable): boolean {
  return (stream as { readonly _isStdio?: unknown })._isStdio === true;
}

export function modesOf(stream: object): Modes {
  const { readableObjectMode, writableObjectMode, readableEncoding } = stream as NodeDuplex;
  return {
    readableObjectMode: readableObjectMode === true,
    writableObjectMode: writableObjectMode === true,
    encoding: readableEncoding ?? null,
  };
}

/** A reader that leaves a stream with two directions leaves the other one alone. */
export function iterateHalf(stream: NodeDuplex): AsyncIterator<unknown> {
  return stream.iterator({ destroyOnReturn: false });
}

/**
 * When a process ends, what it has said and nobody reads is thrown away. Whoever reads it here is only on his way. Gives
 * what ends that, for a stream that was not read after all.
 */
export function holdOutput(stream: NodeReadable): () => void {
  if (!("setKeepAlive" in stream)) return () => {};
  const hold = (): void => {};
  stream.on("readable", hold);
  return () => void stream.off("readable", hold);
}

/** Until somebody reads, a failure has nobody to hear it, and would be the end of this process. The reader is told. */
export function keepFailure(stream: NodeReadable | NodeWritable): void {
  stream.on("error", () => {});
}
