/** Requests to S3, one by one: each with its deadline, and with errors in our words. */
import { StoreError } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Tally } from "../../ports/store.ts";
import { Deadline } from "./deadline.ts";
import { Gate } from "./s3-gate.ts";
import {
  type Asked,
  endedBy,
  failureOf,
  isPuzzling,
  type Place,
  type Refusal,
  refusalOf,
  storeError,
} from "./s3-errors.ts";

/** Makes the request. `abortSignal` ends it. */
export type Send<Loaded, T> = (loaded: Loaded, options: { readonly abortSignal: AbortSignal }) => Promise<T>;

export interface S3RequestsOptions<Loaded> {
  readonly place: Place;
  readonly clock: Clock;
  readonly requestTimeoutMs: number;
  /** Gets what is needed for the first request. */
  readonly load: () => Promise<Loaded>;
}

export interface Limits {
  readonly signal?: AbortSignal | undefined;
  /** Default: that of a request without a body. */
  readonly ms?: number;
  /** Default: the driver's own end. */
  readonly closing?: AbortSignal;
}

/** Requests at a time, but for streams: those may stay open for as long as somebody reads. */
const mostAtOnce = 128;

const slowestBytesPerMs = (256 * 1024) / 1_000;

export class S3Requests<Loaded> {
  readonly place: Place;
  readonly counts: Tally = { read: 0, write: 0, list: 0 };
  readonly requestTimeoutMs: number;
  readonly #options: S3RequestsOptions<Loaded>;
  readonly #closing = new AbortController();
  readonly #gate = new Gate(mostAtOnce);
  #loading: Promise<Loaded> | undefined;
  /** Puzzling answers in a row. */
  #puzzled = 0;

  constructor(options: S3RequestsOptions<Loaded>) {
    this.#options = options;
    this.place = options.place;
    this.requestTimeoutMs = options.requestTimeoutMs;
  }

  /** Aborted when there are to be no more requests. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** How long a request with so many bytes may take. */
  limitMs(bytes: number): number {
    return this.requestTimeoutMs + bytes / slowestBytesPerMs;
  }

  deadline({ signal, ms = this.requestTimeoutMs, closing = this.closing }: Limits): Deadline {
    return new Deadline(this.#options.clock, ms, signal, closing);
  }

  /** One request whose answer has no body. */
  act<T extends object>(asked: Asked, limits: Limits, send: Send<Loaded, T>): Promise<T | Refusal> {
    return this.inTurn(asked, limits, async () => {
      const deadline = this.deadline(limits);
      try {
        return await this.ask(asked, deadline, limits.signal, send);
      } finally {
        deadline[Symbol.dispose]();
      }
    });
  }

  /** Not more at a time than there are connections for. What waits for its turn has not been sent. */
  async inTurn<T>(asked: Asked, { signal, closing = this.closing }: Limits, act: () => Promise<T>): Promise<T> {
    let leave: (() => void) | undefined;
    try {
      leave = await this.#gate.enter([signal, closing]);
    } catch {
      const ending = signal?.aborted ? "aborted" : "closed";
      throw endedBy(ending, false, asked, this.place, this.requestTimeoutMs, signal?.reason);
    }
    try {
      return await act();
    } finally {
      leave();
    }
  }

  /** One request. When it was answered, its deadline is for who reads the body. */
  async ask<T extends object>(
    asked: Asked,
    deadline: Deadline,
    signal: AbortSignal | undefined,
    send: Send<Loaded, T>,
  ): Promise<T | Refusal> {
    const puzzled = this.#puzzled;
    let sent = false;
    try {
      deadline.check();
      const loaded = await deadline.race((this.#loading ??= this.#options.load()));
      sent = true;
      this.counts[asked.action === "remove" ? "write" : asked.action]++;
      const output = await deadline.race(send(loaded, { abortSignal: deadline.signal }));
      this.#puzzled = 0;
      return output;
    } catch (error) {
      deadline[Symbol.dispose]();
      if (deadline.ending !== undefined) throw this.ended(deadline, sent, asked, signal);
      if (!sent) {
        this.#loading = undefined;
        throw error;
      }
      const refusal = refusalOf(error);
      this.#puzzled = !refusal && isPuzzling(error) ? puzzled + 1 : 0;
      if (refusal) return refusal;
      throw failureOf(error, asked, this.place, puzzled);
    }
  }

  /** Throws when the driver is closed. */
  check(asked: Asked): void {
    if (this.closing.aborted) throw endedBy("closed", false, asked, this.place, 0, undefined);
  }

  /** Why a request was ended from here. */
  ended(deadline: Deadline, sent: boolean, asked: Asked, signal: AbortSignal | undefined): unknown {
    return endedBy(deadline.ending!, sent, asked, this.place, deadline.limitMs, signal?.reason);
  }

  unexpected(answer: string, asked: Asked): StoreError {
    const what = `the server gave an answer that makes no sense (${answer})`;
    const todo = "use a server that speaks all of S3";
    return storeError({ what, todo, transient: false, maybe: asked.writes }, asked, this.place);
  }

  /** No request begins any more, and those under way fail. Gives what was loaded. */
  async close(): Promise<Loaded | undefined> {
    const { name } = this.place;
    this.#closing.abort(new StoreError(`Cannot use ${name}: the store was closed; open it again`, { store: name }));
    return this.#loading?.catch(() => undefined);
  }
}
