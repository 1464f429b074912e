/** Requests to a folder: each with its deadline, known until it ends, and with errors that say what to do. */
import { formatDuration } from "../../duration.ts";
import { StoreError } from "../../errors.ts";
import { checkKey } from "../../keys.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Tally } from "../../ports/store.ts";
import { Deadline } from "./deadline.ts";
import { type Place, explained, named } from "./file-errors.ts";

export interface Asked {
  readonly action: "read" | "write" | "remove" | "list";
  readonly key?: string;
  readonly signal: AbortSignal | undefined;
}

const slowestBytesPerMs = 1_024;

/** A request that is under way. */
export class Ongoing {
  /** Set before what it is for may be done. */
  committing = false;
  readonly #deadline: Deadline;
  readonly #timeoutMs: number;
  readonly #signals: readonly (AbortSignal | undefined)[];

  constructor(deadline: Deadline, timeoutMs: number, signals: readonly (AbortSignal | undefined)[]) {
    this.#deadline = deadline;
    this.#timeoutMs = timeoutMs;
    this.#signals = signals;
  }

  /** Throws when it has to end. */
  check(): void {
    for (const signal of this.#signals) signal?.throwIfAborted();
    this.#deadline.check();
  }

  /** From now on the system has as long as for a request with so many bytes. */
  continue(bytes = 0): void {
    this.#deadline.extend(this.#timeoutMs + bytes / slowestBytesPerMs);
  }

  /** While somebody else is busy, the system is not to blame. */
  rest(): void {
    this.#deadline.extend(Infinity);
  }

  /** What `work` gives, if that is in time. */
  race<T>(work: Promise<T>): Promise<T> {
    return this.#deadline.race(work);
  }

  /** Its time is over, and nobody knows when the system will answer. */
  get late(): boolean {
    return this.#deadline.ending !== undefined;
  }

  [Symbol.dispose](): void {
    this.#deadline[Symbol.dispose]();
  }
}

export class FileRequests {
  readonly counts: Tally = { read: 0, write: 0, list: 0 };
  readonly #store: string;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #closing = new AbortController();
  readonly #busy = new Set<Promise<unknown>>();

  constructor(store: string, clock: Clock, timeoutMs: number) {
    this.#store = store;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** Aborted when there are to be no more requests. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  run<T>(asked: Asked, act: (ongoing: Ongoing) => Promise<T>): Promise<T> {
    const running = this.#run(asked, act);
    this.#busy.add(running);
    const settle = (): void => void this.#busy.delete(running);
    running.then(settle, settle);
    return running;
  }

  /** For what begins with a request and goes on after it. */
  ongoing(signal: AbortSignal | undefined): Ongoing {
    return new Ongoing(new Deadline(this.#clock, this.#timeoutMs), this.#timeoutMs, [this.closing, signal]);
  }

  async #run<T>({ action, key, signal }: Asked, act: (ongoing: Ongoing) => Promise<T>): Promise<T> {
    const place = { store: this.#store, key };
    const ongoing = this.ongoing(signal);
    try {
      if (key !== undefined) checkKey(key, "an object");
      ongoing.check();
      this.counts[action === "remove" ? "write" : action]++;
      return await ongoing.race(act(ongoing));
    } catch (error) {
      throw ongoing.late ? this.late(action, place, ongoing.committing) : explained(error, action, place);
    } finally {
      ongoing[Symbol.dispose]();
    }
  }

  late(action: string, place: Place, maybe: boolean): StoreError {
    const what = `the file system has not answered for ${formatDuration(this.#timeoutMs)}`;
    const doubt = maybe ? " (it may have been done, or may yet be)" : "";
    return new StoreError(`Cannot ${action} ${named(place)}: ${what}${doubt}; see whether its disk is well`, {
      ...place,
      transient: true,
      maybe,
    });
  }

  /** No request begins any more; resolves when those under way have ended. */
  async close(): Promise<void> {
    this.#closing.abort(new StoreError(`Cannot use store ${this.#store}: it is closed`, { store: this.#store }));
    await Promise.allSettled(this.#busy);
  }
}
