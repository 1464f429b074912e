/**
 * A map at work: moves items from their stock to the pool, and results to the consumer, until there are no more, one
 * has failed, or the consumer has enough. Everything is decided in turns, after the messages that caused them.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { systemClock } from "../clock.ts";
import { AbortError, RunnerLostError } from "../errors.ts";
import { events } from "../events/index.ts";
import { ownStack } from "../pool/call.ts";
import type { Outcome } from "../pool/outcomes.ts";
import { maxRepeats, pauseBefore } from "../pool/retries.ts";
import type { Timer } from "../ports/clock.ts";
import { Flights, type Origin } from "./map-flights.ts";
import { type Item, Results, canRepeat } from "./map-item.ts";
import { type MapJob, slotsOf } from "./map-job.ts";
import { Queue } from "./map-queue.ts";
import { Sizing } from "./map-sizing.ts";
import { Stock } from "./map-stock.ts";

interface Reader {
  readonly resolve: (result: IteratorResult<unknown, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

interface End {
  readonly error: { readonly reason: unknown } | undefined;
}

/** The event loop gets its turn after so long. */
const turnMs = 4;

const done = { done: true, value: undefined } as const;
const nothing: End = { error: undefined };
const ignore = (): void => {};

export class MapRun {
  readonly #job: MapJob;
  readonly #stock: Stock;
  readonly #flights: Flights;
  readonly #results: Results;
  /** In the asynchronous context of the caller: the source and the hooks are his. */
  readonly #run = AsyncLocalStorage.snapshot();
  readonly #readers = new Queue<Reader>();
  /** Of items that are tried again after a while. */
  readonly #pauses = new Set<Timer>();
  #started = false;
  #turning = false;
  #waiting = false;
  #sourceError: End["error"];
  #end: End | undefined;
  #closing: Promise<void> | undefined;

  constructor(job: MapJob) {
    this.#job = job;
    this.#results = new Results(job.ordered);
    const { pool, options } = job.prepared;
    const sizing = new Sizing(options.timeoutMs, pool.options.singleUse);
    const over = (): boolean => this.#end !== undefined;
    const soon = (): void => this.#soon();
    const failed = (item: Item, error: unknown): void => this.#failed(item, error);
    this.#stock = new Stock(job, sizing, {
      over,
      soon,
      failed,
      begun: (item) => this.#results.begin(item),
      later: () => this.#later(),
      sourceFailed: (reason) => this.#sourceFailed(reason),
    });
    this.#flights = new Flights(job, sizing, {
      over,
      soon,
      failed,
      ended: (item, end, origin) => this.#ended(item, end, origin),
      lost: (item, error) => this.#lost(item, error),
      returned: (items) => this.#again(items),
    });
  }

  next(): Promise<IteratorResult<unknown, undefined>> {
    if (!this.#started) this.#start();
    const item = this.#readers.size === 0 ? this.#results.next() : undefined;
    if (item) return Promise.resolve(this.#deliver(item));
    return new Promise((resolve, reject) => {
      this.#readers.push({ resolve, reject });
      this.#answer();
    });
  }

  /** The consumer has enough. Rejects with what the source throws when it is closed. */
  async finish(): Promise<void> {
    this.#started = true;
    if (!this.#end) {
      this.#stop(nothing, false);
      this.#answer();
      return this.#closing;
    }
    // It has ended, and the consumer does not know yet: now he will not.
    this.#end = nothing;
    this.#drop(false);
    this.#answer();
    await this.#closing?.catch(ignore);
  }

  #start(): void {
    this.#started = true;
    const { signal, progress } = this.#job;
    if (signal?.aborted) return this.#abort();
    signal?.addEventListener("abort", this.#abort, { once: true });
    progress?.start();
    this.#turn();
  }

  readonly #abort = (): void => {
    const cause = this.#job.signal?.reason as unknown;
    const error = new AbortError("Cannot go on with the map: it was aborted", { cause });
    ownStack(error, { trace: this.#job.trace, captured: this.#job.prepared.captured });
    this.#stop({ error: { reason: error } }, false);
    // The caller is not to wait for anything.
    this.#closing = undefined;
    this.#answer();
  };

  /** Everything that can be decided now. */
  #turn(): void {
    this.#turning = false;
    if (!this.#end) this.#run(() => this.#pump());
    // What was sent leaves before the consumer, who may be slow, gets its turn.
    if (this.#readers.size > 0) process.nextTick(() => this.#answer());
  }

  #soon(): void {
    if (this.#turning || this.#end) return;
    this.#turning = true;
    queueMicrotask(() => this.#turn());
  }

  /** When nothing is ready any more without waiting. */
  #later(): void {
    if (this.#waiting) return;
    this.#waiting = true;
    process.nextTick(() => {
      this.#waiting = false;
      this.#soon();
    });
  }

  #pump(): void {
    const slots = slotsOf(this.#job);
    const begunAt = systemClock.now();
    while (this.#flights.roomFor(slots)) {
      const items = this.#stock.gather();
      if (items.length === 0 || this.#end) break;
      this.#flights.send(items);
      if (systemClock.now() - begunAt > turnMs) {
        setImmediate(() => this.#soon());
        break;
      }
    }
    if (!this.#end) this.#stock.ask();
  }

  #answer(): void {
    while (this.#readers.size > 0) {
      const item = this.#results.next();
      if (item) this.#readers.shift()!.resolve(this.#deliver(item));
      else if (this.#over()) this.#last(this.#readers.shift()!);
      else return;
    }
  }

  #deliver(item: Item): IteratorResult<unknown, undefined> {
    item.close = undefined;
    this.#stock.delivered();
    return { done: false, value: item.result };
  }

  #over(): boolean {
    if (!this.#end && this.#stock.spent) this.#stop({ error: this.#sourceError }, true);
    return this.#end !== undefined;
  }

  /** The error is thrown once, when the source is closed; from then on there is nothing. */
  #last({ resolve, reject }: Reader): void {
    const { error } = this.#end!;
    this.#end = nothing;
    if (!error) return resolve(done);
    const fail = (): void => reject(error.reason);
    if (this.#closing) this.#closing.then(fail, fail);
    else fail();
  }

  /** Nothing more begins. `ready`: results that could leave at once are still to be had. */
  #stop(end: End, ready: boolean): void {
    if (this.#end) return;
    this.#end = end;
    const { signal, progress } = this.#job;
    signal?.removeEventListener("abort", this.#abort);
    this.#closing = this.#run(() => this.#stock.close());
    this.#closing.catch(ignore);
    for (const timer of this.#pauses) timer.cancel();
    this.#pauses.clear();
    this.#flights.cancel();
    this.#drop(ready);
    progress?.end();
  }

  #drop(ready: boolean): void {
    for (const { close } of this.#results.drop(ready)) close?.(new AbortError("the map has ended"));
  }

  #sourceFailed(reason: unknown): void {
    this.#sourceError = { reason };
    // In order it has its place behind the items before it.
    if (!this.#job.ordered) this.#stop({ error: this.#sourceError }, true);
    this.#soon();
    if (this.#end) this.#answer();
  }

  #ended(item: Item, end: Outcome, origin: Origin): void {
    if (this.#end) return;
    if (!end.failed) this.#succeeded(item, end.value);
    else if (!end.own || !this.#retry(item, end.value, origin)) this.#failed(item, end.value);
  }

  #lost(item: Item, error: unknown): void {
    const { options, captured } = this.#job.prepared;
    const again = options.idempotent && error instanceof RunnerLostError && error.started;
    if (!again || item.repeated >= maxRepeats || !canRepeat(captured) || !canRepeat(item.sent!))
      return this.#failed(item, error);
    item.repeated++;
    item.attempt++;
    this.#again([item]);
  }

  #retry(item: Item, error: unknown, { call, runner }: Origin): boolean {
    const { pool, options, captured } = this.#job.prepared;
    const { retries, name } = options;
    if (item.retried >= retries.limit || !canRepeat(captured) || !canRepeat(item.sent!)) return false;
    const hookFailed = (failure: unknown): void => events.emit("hook.failed", { event: "retries", error: failure });
    const delayMs = this.#run(() => pauseBefore(retries, error, item.retried + 1, hookFailed));
    if (delayMs === undefined) return false;
    if (events.has("call.retried"))
      events.emit("call.retried", { pool: pool.name, call, name, runner, attempt: item.attempt, error });
    item.retried++;
    item.attempt++;
    if (delayMs === 0) this.#again([item]);
    else this.#pause(item, delayMs);
    return true;
  }

  #pause(item: Item, delayMs: number): void {
    const timer = systemClock.timer(delayMs, () => {
      this.#pauses.delete(timer);
      this.#again([item]);
    });
    // Nothing else may keep the process alive until then.
    timer.hold(true);
    this.#pauses.add(timer);
  }

  #again(items: readonly Item[]): void {
    if (items.length === 0 || this.#end) return;
    this.#stock.back(items);
    this.#soon();
  }

  #succeeded(item: Item, value: unknown): void {
    const { settle, progress } = this.#job;
    item.sent = undefined;
    item.result = settle ? { status: "fulfilled", value, index: item.index, item: item.item } : value;
    this.#results.end(item);
    progress?.count(false);
  }

  #failed(item: Item, error: unknown): void {
    if (this.#end) return;
    const { settle, progress } = this.#job;
    progress?.count(true);
    item.sent = undefined;
    if (settle) {
      item.result = { status: "rejected", reason: error, index: item.index, item: item.item };
      this.#results.end(item);
      this.#soon();
    } else {
      this.#stop({ error: { reason: error } }, true);
      this.#answer();
    }
  }
}
