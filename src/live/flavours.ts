/** Streams of the Web and of Node, on either side: from what the user has, and to what the user expects. */
import { createRequire } from "node:module";
import { callbackify } from "node:util";
import type { Duplex as NodeDuplex, Readable as NodeReadable, Writable as NodeWritable } from "node:stream";
import type { Inflow } from "./stream.ts";
import { RemoteGenerator } from "./stream.ts";
import type { Outflow, Writer } from "./sink.ts";

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

export function webWritable(outflow: Outflow): WritableStream<unknown> {
  let failed: ((reason: unknown) => void) | undefined;
  outflow.onFailure((reason) => failed?.(reason));
  return new WritableStream({
    start: (controller) => void (failed = (reason) => controller.error(reason)),
    write: (chunk) => outflow.write(chunk),
    close: () => outflow.close(),
    abort: (reason) => outflow.abort(reason),
  });
}

export function nodeReadable(inflow: Inflow, objectMode: boolean): NodeReadable {
  const { Readable } = nodeStreams();
  return Readable.from(new RemoteGenerator(inflow), { objectMode });
}

export function nodeWritable(outflow: Outflow, objectMode: boolean): NodeWritable {
  const { Writable } = nodeStreams();
  const stream: NodeWritable = new Writable({ ...writing(outflow), objectMode });
  outflow.onFailure((reason) => void stream.destroy(reason as Error));
  return stream;
}

export function nodeDuplex(inflow: Inflow, outflow: Outflow, objectMode: boolean): NodeDuplex {
  const { Duplex } = nodeStreams();
  const read = (stream: NodeDuplex): void => {
    inflow.next().then(
      ({ done, value }) => void stream.push(done ? null : value),
      (error: unknown) => void stream.destroy(error as Error),
    );
  };
  const stream: NodeDuplex = new Duplex({
    ...writing(outflow),
    objectMode,
    read() {
      read(this);
    },
    destroy(error, done) {
      const left = Promise.allSettled([inflow.finish("return", undefined), error ? outflow.abort(error) : undefined]);
      tell(left, () => done(error));
    },
  });
  outflow.onFailure((reason) => void stream.destroy(reason as Error));
  return stream;
}

type Done = (error?: Error | null) => void;

function tell(promise: Promise<unknown>, done: Done): void {
  callbackify(async () => void (await promise))(done);
}

function writing(outflow: Outflow) {
  return {
    write(chunk: unknown, _encoding: string, done: Done): void {
      tell(outflow.write(chunk), done);
    },
    final(done: Done): void {
      tell(outflow.close(), done);
    },
    destroy(error: Error | null, done: Done): void {
      if (error) tell(outflow.abort(error), () => done(error));
      else done(null);
    },
  };
}

export function webWriter(stream: WritableStream): Writer {
  return stream.getWriter();
}

export function nodeWriter(stream: NodeWritable): Writer {
  let failure: Error | undefined;
  stream.on("error", (error) => void (failure ??= error));
  const settle =
    (resolve: () => void, reject: (error: Error) => void): Done =>
    (error) => {
      if (error) reject(error);
      else resolve();
    };
  return {
    write: (value) =>
      new Promise<void>((resolve, reject) => {
        if (failure) reject(failure);
        else stream.write(value, settle(resolve, reject));
      }),
    close: () => new Promise<void>((resolve, reject) => void stream.end(settle(resolve, reject))),
    abort: (reason) => void stream.destroy(reason instanceof Error ? reason : new Error(String(reason))),
  };
}

export function modeOf(stream: object): { readonly objectMode: boolean } {
  const { readableObjectMode, writableObjectMode } = stream as NodeDuplex;
  return { objectMode: readableObjectMode === true || writableObjectMode === true };
}
