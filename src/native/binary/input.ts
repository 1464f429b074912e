/** Writes what a caller gives to a program's stdin, as fast as the program reads it. */
import { type Readable, type Writable, finished } from "node:stream";
import { show } from "../../options.ts";
import type { RunInput } from "./options.ts";

export interface Feeding {
  /** The program has ended: whoever produces is told, and nothing more is written. */
  stop(): void;
}

const done: Feeding = { stop() {} };

/** Throws TypeError for what cannot be read. */
export function checkInput(input: unknown): void {
  if (input === undefined || typeof input === "string") return;
  const known = typeof input === "object" && input !== null;
  if (known && (input instanceof Uint8Array || input instanceof Blob || isStream(input) || isIterable(input))) {
    if ((input as { locked?: unknown }).locked === true)
      throw new TypeError("Cannot use this stream as input: it is being read already; release its lock");
    return;
  }
  throw new TypeError(
    `Cannot use ${show(input)} as input: a string, a Uint8Array, a Blob, a stream or an iterable of these is wanted`,
  );
}

/** `failed` is told when the input itself fails; that the program has stopped to read is no failure. */
export function feed(input: RunInput | undefined, stdin: Writable, failed: (error: unknown) => void): Feeding {
  if (input === undefined) stdin.end();
  else if (typeof input === "string" || input instanceof Uint8Array) stdin.end(input);
  else if (isNodeStream(input)) return pipe(input, stdin, failed);
  else return pump(input instanceof Blob ? input.stream() : input, stdin, failed);
  return done;
}

function pipe(input: NodeJS.ReadableStream, stdin: Writable, failed: (error: unknown) => void): Feeding {
  let stopped = false;
  const stop = (): void => {
    if (stopped) return;
    stopped = true;
    input.unpipe(stdin);
    (input as Readable).destroy?.();
  };
  // Its own way to end too early ("premature close") is a failure of the input as well.
  finished(input, { writable: false }, (error) => {
    if (!error || stopped) return;
    stopped = true;
    failed(error);
  });
  stdin.once("close", stop);
  input.pipe(stdin);
  return { stop };
}

type Chunks = Iterable<Uint8Array | string> | AsyncIterable<Uint8Array | string>;

function pump(input: Chunks, stdin: Writable, failed: (error: unknown) => void): Feeding {
  const running = new Pump(stdin);
  void running.run(input).catch((error: unknown) => running.stopped || failed(error));
  return running;
}

class Pump implements Feeding {
  readonly #stdin: Writable;
  #wake: (() => void) | undefined;
  #iterator: Iterator<unknown> | AsyncIterator<unknown> | undefined;
  stopped = false;

  constructor(stdin: Writable) {
    this.#stdin = stdin;
    stdin.on("drain", () => this.#wake?.());
    stdin.once("close", () => this.stop());
  }

  /** Not `for await`: when the program has ended, a producer that is waiting must be told at once. */
  async run(input: Chunks): Promise<void> {
    const asynchronous = (input as AsyncIterable<unknown>)[Symbol.asyncIterator];
    const iterator = asynchronous
      ? asynchronous.call(input as AsyncIterable<unknown>)
      : (input as Iterable<unknown>)[Symbol.iterator]();
    this.#iterator = iterator;
    for (;;) {
      const { done: over, value } = await iterator.next();
      if (this.stopped) return;
      if (over) break;
      if (typeof value !== "string" && !(value instanceof Uint8Array)) {
        this.#letGo();
        throw new TypeError(`Cannot write ${show(value)} as input: a string or a Uint8Array is wanted`);
      }
      if (!this.#stdin.write(value)) await new Promise<void>((resolve) => (this.#wake = resolve));
      if (this.stopped) return;
    }
    this.#stdin.end();
  }

  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.#letGo();
    this.#wake?.();
  }

  #letGo(): void {
    const iterator = this.#iterator;
    this.#iterator = undefined;
    void (async () => iterator?.return?.())().catch(() => {});
  }
}

function isNodeStream(value: object): value is NodeJS.ReadableStream {
  return typeof (value as { pipe?: unknown }).pipe === "function";
}

function isStream(value: object): boolean {
  return isNodeStream(value) || value instanceof ReadableStream;
}

function isIterable(value: object): boolean {
  return Symbol.asyncIterator in value || Symbol.iterator in value;
}
