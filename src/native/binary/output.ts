/**
 * One of the two outputs of a run: gathered for the result, or, once somebody has asked for it, a stream. A stream is read
 * from the program only as fast as it is read here; a gathered one keeps `most` bytes, and then either the first (and the run
 * is ended) or the last. A stream closes only when its source has ended: one that was cut before fails.
 */
import type { Readable } from "node:stream";

export interface OutputOptions {
  readonly most: number;
  /** Told when there is more; without it the oldest is forgotten. */
  readonly overflow?: () => void;
  /** What a stream fails with whose source was cut before its end. */
  readonly cut?: () => Error;
  /** Told 1 when more of a stream is waited for, -1 when no longer: the run may be over by then. */
  readonly live?: (change: 1 | -1) => void;
}

/** What a stream holds before the program has to wait. */
const ahead = 512 * 1024;

export class Output {
  readonly #options: OutputOptions;
  readonly ended: Promise<void>;
  #end!: () => void;
  #source: Readable | undefined;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #stream: ReadableStream<Uint8Array> | undefined;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #outcome: { readonly error: unknown } | undefined;
  #over = false;
  /** The source was there, and has gone without an end. */
  #cut = false;
  #held = false;
  /** Bytes so far. */
  received = 0;

  constructor(options: OutputOptions) {
    this.#options = options;
    this.ended = new Promise((resolve) => (this.#end = resolve));
  }

  get taken(): boolean {
    return this.#stream !== undefined;
  }

  attach(source: Readable): void {
    this.#source = source;
    source.on("data", (chunk: Buffer) => this.#receive(chunk));
    source.on("error", () => this.#finish(true));
    source.once("close", () => this.#finish(true));
    source.once("end", () => this.#finish(false));
    if (this.#outcome) source.destroy();
    else if (this.#isFull()) source.pause();
    this.#hold();
  }

  /** From now on it is a stream; what was gathered comes first. */
  stream(): ReadableStream<Uint8Array> {
    if (this.#stream) return this.#stream;
    const gathered = this.#chunks;
    this.#chunks = [];
    this.#stream = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
          for (const chunk of gathered) controller.enqueue(chunk);
        },
        pull: () => {
          this.#source?.resume();
          this.#hold();
        },
        cancel: () => {
          this.#controller = undefined;
          this.#source?.destroy();
          this.#hold();
        },
      },
      new ByteLengthQueuingStrategy({ highWaterMark: ahead }),
    );
    if (this.#isFull()) this.#source?.pause();
    this.#settle();
    this.#hold();
    return this.#stream;
  }

  /** What was gathered; undefined when it was taken as a stream. */
  bytes(): Uint8Array | undefined {
    if (this.#stream) return undefined;
    const [first] = this.#chunks;
    const all = this.#chunks.length === 1 ? first! : Buffer.concat(this.#chunks);
    this.#chunks = all.length === 0 ? [] : [all];
    const from = this.#options.overflow ? 0 : Math.max(0, all.length - this.#options.most);
    return new Uint8Array(all.buffer, all.byteOffset + from, Math.min(all.length - from, this.#options.most));
  }

  text(): string | undefined {
    const bytes = this.bytes();
    return bytes && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8");
  }

  /** The run is over: the stream closes when it was read to its end, or fails at once. */
  settle(error?: unknown): void {
    if (this.#outcome) return;
    this.#outcome = { error };
    if (error !== undefined) this.#source?.destroy();
    this.#settle();
  }

  /** No more is waited for. */
  abandon(): void {
    this.#source?.destroy();
    this.#finish(true);
  }

  #receive(chunk: Buffer): void {
    this.received += chunk.length;
    if (this.#controller) {
      this.#controller.enqueue(chunk);
      if (this.#isFull()) this.#source!.pause();
      this.#hold();
      return;
    }
    if (this.#over) return;
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    const { most, overflow } = this.#options;
    if (this.#bytes <= most) return;
    if (overflow) {
      this.#over = true;
      overflow();
    } else {
      while (this.#bytes - this.#chunks[0]!.length >= most) this.#bytes -= this.#chunks.shift()!.length;
    }
  }

  #isFull(): boolean {
    return this.#controller !== undefined && (this.#controller.desiredSize ?? 0) <= 0;
  }

  #finish(cut: boolean): void {
    if (this.#source) this.#cut = cut;
    this.#source = undefined;
    this.#end();
    this.#settle();
    this.#hold();
  }

  /** While a stream could take more than has come. One that is full waits for its reader, who has something to do. */
  #hold(): void {
    const waits = this.#source !== undefined && this.#controller !== undefined && !this.#source.isPaused();
    if (waits === this.#held) return;
    this.#held = waits;
    this.#options.live?.(waits ? 1 : -1);
  }

  #settle(): void {
    if (!this.#controller || !this.#outcome) return;
    let { error } = this.#outcome;
    if (error === undefined && this.#source) return;
    if (error === undefined && this.#cut) error = this.#options.cut?.() ?? new Error("cut before its end");
    const controller = this.#controller;
    this.#controller = undefined;
    this.#hold();
    if (error === undefined) controller.close();
    else controller.error(error);
  }
}
