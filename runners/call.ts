/** One call on an executor, and the context its closure sees. What costs something is made when it is asked for. */
import { rm } from "node:fs/promises";
import { inspect } from "node:util";
import type { Context } from "../src/context.ts";
import { Lines } from "../src/lines.ts";
import type { Payload } from "../src/value/port.ts";
import type { Message } from "../src/wire/messages.ts";

export interface CallHost {
  readonly runner: { readonly id: string; readonly pool: string };
  send(message: Message): void;
  encode(value: unknown, root: string, call: Call): Payload;
  /** A folder for one call. */
  scratch(): Promise<string>;
}

export class Call implements Context {
  readonly id: number;
  /** Units by which the reader of its result can be told of classes. */
  readonly among: ReadonlySet<number> | undefined;
  /** What the closure has returned. */
  result: unknown;
  /** Its end is under way: nothing is lent or borrowed any more. */
  ending = false;
  /** Once it is cancelled: what was lent cleans up behind itself. */
  left: Promise<void> | undefined;
  readonly #attempt: number;
  readonly #host: CallHost;
  #abort: AbortController | undefined;
  #folder: Promise<string> | undefined;

  constructor(id: number, attempt: number, host: CallHost, among?: readonly number[]) {
    this.id = id;
    this.among = among && new Set(among);
    this.#attempt = attempt;
    this.#host = host;
  }

  get runner(): Context["runner"] {
    return { ...this.#host.runner, attempt: this.#attempt };
  }

  get signal(): AbortSignal {
    return (this.#abort ??= new AbortController()).signal;
  }

  /** The signal, if anybody has asked for one or aborted it. */
  get signalNow(): AbortSignal | undefined {
    return this.#abort?.signal;
  }

  cancel(reason: unknown): void {
    (this.#abort ??= new AbortController()).abort(reason);
  }

  // The methods may be taken off the context: `({ progress }) => ...`.
  get progress() {
    return (value: unknown): void => {
      const payload = this.#host.encode(value, "progress", this);
      const send = (): void => this.#host.send({ type: "progress", id: this.id, value: payload });
      if (payload.pending) payload.pending.then(send, () => {});
      else send();
    };
  }

  get log() {
    return (...values: unknown[]): void => {
      const lines = new Lines((line) => this.#host.send({ type: "log", id: this.id, stream: "stdout", line }));
      lines.push(values.map((value) => (typeof value === "string" ? value : inspect(value))).join(" "));
      lines.flush();
    };
  }

  get dir() {
    return (): Promise<string> => (this.#folder ??= this.#host.scratch());
  }

  /** Resolves when nothing of the call is left; undefined when there was nothing. */
  cleanUp(): Promise<void> | undefined {
    return this.#folder?.then((folder) => rm(folder, { recursive: true, force: true }));
  }
}
