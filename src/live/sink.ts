/** The two ends of what is written on the other side. The writer has credit for as much as the owner still keeps back. */
import type { Exported, Imported, Line, Mark } from "./reference.ts";
import { windowBytes } from "./stream.ts";

/** What all kinds of writable streams come down to. */
export interface Writer {
  write(value: unknown): unknown;
  close(): unknown;
  abort(reason: unknown): unknown;
}

export class Sink implements Exported {
  readonly detail: object;
  readonly #writer: () => Writer;
  readonly #line: Line;
  readonly #run: <T>(act: () => T) => T;
  #opened: Writer | undefined;
  /** The last write, or how the stream has ended. */
  #last: Promise<unknown> = Promise.resolve();
  #ended = false;

  constructor(line: Line, run: <T>(act: () => T) => T, writer: () => Writer, detail: object = {}) {
    this.detail = { credit: windowBytes, ...detail };
    this.#line = line;
    this.#run = run;
    this.#writer = writer;
  }

  /** What was written here is gone. */
  get begun(): boolean {
    return this.#opened !== undefined;
  }

  item(_mark: Mark, value: unknown, bytes: number): void {
    if (this.#ended) return;
    this.#then(async () => {
      await this.#open().write(value);
      this.#line.credit(bytes);
    });
  }

  /** `close` and `abort` of the writer. */
  call(method: string, [value]: readonly unknown[]): unknown {
    if (this.#ended) return undefined;
    this.#ended = true;
    if (method === "close") return this.#last.then(() => this.#run(() => this.#open().close()));
    return this.#run(() => this.#open().abort(value));
  }

  /** Nobody can close it any more: a reader must not wait for ever. */
  async end(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#last.catch(() => {});
    if (this.#opened)
      await this.#run(async () => this.#opened!.abort(new Error("the call that wrote to it has ended")));
  }

  #open(): Writer {
    return (this.#opened ??= this.#writer());
  }

  #then(step: () => Promise<void>): void {
    this.#last = this.#last.then(() => this.#run(step));
    this.#last.catch((error: unknown) => {
      if (this.#ended) return;
      this.#ended = true;
      this.#line.fail(error);
    });
  }
}

/** The writer's end. */
export class Outflow implements Imported, Writer {
  readonly #line: Line;
  #credit: number;
  #waiting: { resolve(): void; reject(error: unknown): void } | undefined;
  #error: { readonly reason: unknown } | undefined;
  #failed: (reason: unknown) => void = () => {};

  constructor(line: Line, credit: number) {
    this.#line = line;
    this.#credit = credit;
  }

  /** `tell` hears of a failure that comes while nobody writes. */
  onFailure(tell: (reason: unknown) => void): void {
    this.#failed = tell;
  }

  async write(value: unknown): Promise<void> {
    if (this.#error) throw this.#error.reason;
    while (this.#credit <= 0) {
      await new Promise<void>((resolve, reject) => void (this.#waiting = { resolve, reject }));
      this.#waiting = undefined;
    }
    const sent = this.#line.item(value);
    this.#credit -= typeof sent === "number" ? sent : await sent;
  }

  async close(): Promise<void> {
    if (this.#error) throw this.#error.reason;
    await this.#line.call("close", []);
    this.#line.release();
  }

  async abort(reason: unknown): Promise<void> {
    if (this.#error) return;
    await this.#line.call("abort", [reason]);
    this.#line.release();
  }

  credit(bytes: number): void {
    this.#credit += bytes;
    if (this.#credit > 0) this.#waiting?.resolve();
  }

  item(_mark: Mark, error: unknown): void {
    this.#fail(error);
    this.#line.release();
  }

  end(error: Error): void {
    this.#fail(error);
  }

  #fail(reason: unknown): void {
    if (this.#error) return;
    this.#error = { reason };
    this.#waiting?.reject(reason);
    this.#failed(reason);
  }
}
