/** The two ends of what is written on the other side. The writer has credit for as much as the owner still keeps back. */
import { ProtocolError } from "../errors.ts";
import type { Exported, Imported, Line, Mark } from "./reference.ts";
import type { Watch } from "./stream.ts";
import { Allowance, windowBytes } from "./window.ts";

/** What all kinds of writable streams come down to. */
export interface Writer {
  write(value: unknown): unknown;
  close(): unknown;
  abort(reason: unknown): unknown;
  /** Nobody on the other side writes any more; the stream itself goes on. */
  leave(): void;
}

export interface SinkOptions {
  readonly line: Line;
  readonly run: <T>(act: () => T) => T;
  /** `failed` is told of a failure that comes while nothing is written. */
  readonly open: (failed: (error: unknown) => void) => Writer;
  readonly detail?: unknown;
  /** Nobody else can close it. */
  readonly discards?: () => boolean;
  /** Closes one that has not begun. */
  readonly discard?: (reason: Error) => void;
}

export class Sink implements Exported {
  readonly detail: unknown;
  readonly methods = ["close", "abort"];
  readonly #options: SinkOptions;
  readonly #allowance = new Allowance();
  #writer: Writer | undefined;
  /** The last write. */
  #last: Promise<unknown> = Promise.resolve();
  #ended = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(options: SinkOptions) {
    this.#options = options;
    this.detail = options.detail;
  }

  /** What was written here is gone. */
  get begun(): boolean {
    return this.#writer !== undefined;
  }

  item(mark: Mark, value: unknown, bytes: number): void {
    // It could not be read.
    if (mark !== "item") return this.#fail(value);
    if (!this.#allowance.take(bytes)) throw new ProtocolError("Cannot write to a stream: there is no credit for it");
    if (this.#ended) return;
    const { line, run } = this.#options;
    this.#last = this.#last.then(async () => {
      // It has failed, or was aborted, since this came.
      if (this.#failure) return;
      await run(async () => this.#open().write(value));
      this.#allowance.give(bytes);
      line.credit(bytes);
    });
    this.#last = this.#last.catch((error: unknown) => this.#fail(error));
  }

  /** `close` and `abort` of the writer. */
  async call(method: string, [value]: readonly unknown[]): Promise<void> {
    if (method === "close") {
      await this.#last;
      if (this.#failure) throw this.#failure.error;
      if (this.#ended) return;
      this.#ended = true;
      await this.#options.run(async () => this.#open().close());
    } else if (!this.#ended) {
      this.#ended = true;
      this.#failure = { error: value };
      await this.#options.run(async () => this.#open().abort(value));
    }
  }

  /**
   * Whoever wrote to it has gone. What it wrote is written; the stream itself stays open for its owner, who may go on,
   * unless there was a failure: then whoever reads what was written here must not wait for ever.
   */
  async end(error?: Error): Promise<void> {
    if (this.#ended) return;
    const { run, discard, discards } = this.#options;
    if (!error) await this.#last;
    if (this.#ended) return;
    this.#ended = true;
    const reason = error ?? new Error("whoever wrote to it has gone");
    this.#failure = { error: reason };
    const close = discards?.() === true;
    if (!this.#writer) return close ? discard?.(reason) : undefined;
    if (error || close) await run(async () => this.#writer!.abort(reason));
    else this.#writer.leave();
  }

  #open(): Writer {
    return (this.#writer ??= this.#options.open((error) => this.#fail(error)));
  }

  #fail(error: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#failure = { error };
    this.#options.line.fail(error);
  }
}

/** The writer's end. */
export class Outflow implements Imported {
  readonly #line: Line;
  readonly #watch: Watch;
  #credit = windowBytes;
  #waiting: { resolve(): void; reject(error: unknown): void } | undefined;
  #error: { readonly reason: unknown } | undefined;
  #closed = false;
  #failed: (reason: unknown) => void = () => {};

  constructor(line: Line, watch: Watch) {
    this.#line = line;
    this.#watch = watch;
  }

  /** `tell` hears of a failure that comes while nobody writes. It must not hold the stream that it is for. */
  onFailure(tell: (reason: unknown) => void): void {
    this.#failed = tell;
  }

  /** Resolves when there is room for more; the memory of `value` is the caller's again at once. */
  async write(value: unknown): Promise<void> {
    if (this.#error) throw this.#error.reason;
    if (this.#credit <= 0) await this.#room();
    try {
      const sent = this.#line.item(value, true);
      const bytes = typeof sent === "number" ? sent : await sent;
      this.#credit -= bytes;
    } catch (error) {
      // As for any stream: after a chunk that cannot be written there are no others.
      this.abort(error).catch(() => {});
      throw error;
    }
  }

  async close(): Promise<void> {
    if (this.#error) throw this.#error.reason;
    await this.#finish("close", []);
  }

  async abort(reason: unknown): Promise<void> {
    if (this.#error || this.#closed) return;
    await this.#finish("abort", [reason]);
  }

  /** The owner has ended it himself. */
  ended(): void {
    this.#closed = true;
    this.#letGo();
  }

  credit(bytes: number): void {
    this.#credit = Math.min(windowBytes, this.#credit + bytes);
    if (this.#credit > 0) this.#waiting?.resolve();
  }

  item(_mark: Mark, error: unknown): void {
    this.#fail(error);
    this.#letGo();
  }

  end(error: Error): void {
    if (!this.#closed) this.#fail(error);
  }

  async #finish(method: "close" | "abort", args: readonly unknown[]): Promise<void> {
    this.#closed = true;
    this.#watch.waiting?.(true);
    try {
      await this.#line.call(method, args);
    } finally {
      this.#watch.waiting?.(false);
      this.#letGo();
    }
  }

  async #room(): Promise<void> {
    this.#watch.waiting?.(true);
    try {
      await new Promise<void>((resolve, reject) => void (this.#waiting = { resolve, reject }));
    } finally {
      this.#waiting = undefined;
      this.#watch.waiting?.(false);
    }
  }

  #letGo(): void {
    this.#line.release();
    this.#line.over();
  }

  #fail(reason: unknown): void {
    if (this.#error) return;
    this.#error = { reason };
    this.#waiting?.reject(reason);
    this.#failed(reason);
  }
}
