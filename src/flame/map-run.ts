/**
 * A map at work: takes items from their source as far as there is room, hands them to the pool in batches, and keeps
 * results until the consumer asks for them. Everything is decided in turns, after the messages that caused them.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { captureValue } from "../closure/capture.ts";
import { systemClock } from "../clock.ts";
import { AbortError, ProtocolError, QueueFullError, RunnerLostError } from "../errors.ts";
import { events } from "../events/index.ts";
import { Collector } from "../live/collect.ts";
import { type CallOptions, type CallRequest, ownStack } from "../pool/call.ts";
import type { Outcome, Outcomes } from "../pool/outcomes.ts";
import { maxRepeats, pauseBefore, resolveRetries } from "../pool/retries.ts";
import type { Timer } from "../ports/clock.ts";
import { batchBytes, packBatch } from "../wire/batch.ts";
import { type Item, Results, canRepeat, goesAlone } from "./map-item.ts";
import type { Progress } from "./map-progress.ts";
import { Queue } from "./map-queue.ts";
import { Sizing } from "./map-sizing.ts";
import { type Items, Source } from "./map-source.ts";
import type { Prepared } from "./submission.ts";

export interface MapJob {
  readonly prepared: Prepared;
  readonly items: Items;
  /** Batches in flight; undefined for as many as the pool has slots. */
  readonly concurrency: number | undefined;
  readonly ordered: boolean;
  readonly settle: boolean;
  readonly signal: AbortSignal | undefined;
  readonly trace: CallRequest["trace"];
  readonly progress: Progress | undefined;
}

/** A batch on its way: items from `ended` on have no outcome yet. */
interface Flight {
  items: Item[];
  ended: number;
  readonly controller: AbortController;
}

interface Reader {
  readonly resolve: (result: IteratorResult<unknown, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

interface End {
  readonly error: { readonly reason: unknown } | undefined;
}

/** A source is not asked for longer than that while something could be sent, nor the event loop kept from its turn. */
const fillMs = 1;
const turnMs = 4;

const noRetries = resolveRetries(undefined, "");
const done = { done: true, value: undefined } as const;
const nothing: End = { error: undefined };
const ignore = (): void => {};
const never = (): boolean => false;

export class MapRun {
  readonly #job: MapJob;
  readonly #source: Source;
  readonly #results: Results;
  readonly #sizing: Sizing;
  readonly #callOptions: CallOptions;
  /** In the asynchronous context of the caller: the source and the hooks are his. */
  readonly #run = AsyncLocalStorage.snapshot();
  readonly #readers = new Queue<Reader>();
  /** Pulled and not begun: fresh, and given back or to be tried again. */
  readonly #fresh = new Queue<Item>();
  readonly #again = new Queue<Item>();
  readonly #flights = new Set<Flight>();
  readonly #pauses = new Set<Timer>();
  #started = false;
  #pulled = 0;
  /** Pulled and not delivered. */
  #inside = 0;
  /** There was no room for more: delivering makes some. */
  #blocked = false;
  /** The pool's queue takes no more for now. */
  #full = false;
  #turning = false;
  #waiting = false;
  #sourceError: End["error"];
  #end: End | undefined;
  #closing: Promise<void> | undefined;

  constructor(job: MapJob) {
    this.#job = job;
    const { pool, options } = job.prepared;
    this.#sizing = new Sizing(options.timeoutMs, pool.options.singleUse);
    this.#results = new Results(job.ordered);
    // Which items of a batch are made again is decided here.
    this.#callOptions = { ...options, idempotent: false, retries: noRetries };
    this.#source = new Source(job.items, {
      arrived: (item) => this.#arrived(item),
      ended: () => this.#soon(),
      failed: (reason) => this.#sourceFailed(reason),
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

  #answer(): void {
    while (this.#readers.size > 0) {
      const item = this.#results.next();
      if (item) this.#readers.shift()!.resolve(this.#deliver(item));
      else if (this.#over()) this.#last(this.#readers.shift()!);
      else return;
    }
  }

  #deliver(item: Item): IteratorResult<unknown, undefined> {
    this.#inside--;
    item.open = undefined;
    if (this.#blocked) this.#soon();
    return { done: false, value: item.result };
  }

  #over(): boolean {
    if (!this.#end && this.#source.over && this.#inside === 0) this.#stop({ error: this.#sourceError }, true);
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
    this.#closing = this.#run(() => this.#source.close());
    this.#closing.catch(ignore);
    for (const timer of this.#pauses) timer.cancel();
    this.#pauses.clear();
    this.#fresh.clear();
    this.#again.clear();
    const flights = [...this.#flights];
    this.#flights.clear();
    for (const { controller } of flights) controller.abort(new AbortError("the map has ended"));
    this.#drop(ready);
    progress?.end();
  }

  #drop(ready: boolean): void {
    for (const { open } of this.#results.drop(ready)) open?.abort(new AbortError("the map has ended"));
  }

  #slots(): number {
    const { concurrency, prepared } = this.#job;
    if (concurrency !== undefined) return concurrency;
    const { max, processes, concurrency: each } = prepared.pool.options;
    return (prepared.options.node === undefined ? max : 1) * processes * each;
  }

  #pump(): void {
    const slots = this.#slots();
    const begunAt = systemClock.now();
    const window = 2 * slots * this.#sizing.size;
    this.#blocked = false;
    while (this.#flights.size < slots && !this.#full) {
      const items = this.#gather(window);
      if (items.length === 0 || this.#end || !this.#send(items)) break;
      if (systemClock.now() - begunAt > turnMs) {
        setImmediate(() => this.#soon());
        break;
      }
    }
    if (this.#source.isAsync && !this.#end) this.#ask(window);
  }

  #ask(window: number): void {
    if (this.#inside < window) this.#source.ask();
    else this.#blocked = true;
  }

  /** The items of the next batch, none when there are none or it is too early. */
  #gather(window: number): Item[] {
    const { size } = this.#sizing;
    const items: Item[] = [];
    const begunAt = systemClock.now();
    let bytes = 0;
    // A consumer that takes one result at a time must not make batches of one item.
    const least = this.#inside > 0 ? window - size : Infinity;
    while (items.length < size) {
      const line = this.#again.size > 0 ? this.#again : this.#fresh;
      const most = items.length === 0 ? Math.min(window - 1, least) : window - 1;
      while (!line.first) if (!this.#pull(most)) break;
      const item = line.first;
      if (!item || this.#end) break;
      const alone = goesAlone(item);
      bytes += item.sent!.payload.bytes.length;
      if (items.length > 0 && (alone || bytes > batchBytes)) break;
      items.push(line.shift()!);
      if (alone || systemClock.now() - begunAt > fillMs) break;
    }
    return items;
  }

  /** Takes an item from a synchronous source, unless there are more than `most` inside. */
  #pull(most: number): boolean {
    if (this.#source.isAsync || this.#source.over || this.#end) return false;
    if (this.#inside > most) {
      this.#blocked = true;
      return false;
    }
    return this.#source.pull(this.#take);
  }

  readonly #take = (value: unknown): void => {
    const { settle, prepared } = this.#job;
    const item: Item = {
      index: this.#pulled++,
      item: settle ? value : undefined,
      sent: undefined,
      attempt: 0,
      retried: 0,
      repeated: 0,
      done: false,
      result: undefined,
      open: undefined,
    };
    this.#inside++;
    this.#results.begin(item);
    try {
      // Now: a source may give the same object, changed, each time.
      item.sent = captureValue(value, "item", new Collector({ functions: never }), prepared.captured.root);
    } catch (error) {
      return this.#failed(item, error);
    }
    this.#fresh.push(item);
  };

  #arrived(value: unknown): void {
    if (this.#end) return;
    this.#take(value);
    if (this.#end) return;
    this.#ask(2 * this.#slots() * this.#sizing.size);
    // Whatever else is ready at once comes along.
    if (this.#fresh.size >= this.#sizing.size) this.#soon();
    else this.#later();
  }

  #sourceFailed(reason: unknown): void {
    this.#sourceError = { reason };
    // In order it has its place behind the items before it.
    if (!this.#job.ordered) this.#stop({ error: this.#sourceError }, true);
    this.#soon();
    if (this.#end) this.#answer();
  }

  /** False when the pool does not take it. */
  #send(items: Item[]): boolean {
    const { prepared, trace } = this.#job;
    const { pool, captured } = prepared;
    const controller = new AbortController();
    const flight: Flight = { items, ended: 0, controller };
    const units = items.length === 1 ? items[0]!.sent!.units : new Set(items.flatMap(({ sent }) => [...sent!.units]));
    const payload = packBatch(
      items.map(({ sent }) => ({ failed: false, value: sent!.payload })),
      0,
    );
    this.#flights.add(flight);
    try {
      pool.submit({
        captured,
        args: { payload, units },
        attempt: items[0]!.attempt,
        mode: "each",
        options: { ...this.#callOptions, signal: controller.signal },
        trace,
        part: (outcomes, returned) => this.#heard(flight, outcomes, returned ? 1 : undefined),
        resolve: (outcomes) => this.#landed(flight, outcomes as Outcomes),
        reject: (error) => this.#lost(flight, error),
      });
      return true;
    } catch (error) {
      this.#flights.delete(flight);
      // The queue is full of our own: each that ends makes room.
      this.#full = error instanceof QueueFullError && this.#flights.size > 0;
      if (this.#full) this.#returned(items);
      else {
        if (error instanceof Error) ownStack(error, { trace, captured });
        for (const item of items) this.#failed(item, error);
      }
      return !this.#full;
    }
  }

  /** Results that came first. `running`: so many items go on, and those behind them were given back. */
  #heard(flight: Flight, { call, runner, ends, spentMs, live }: Outcomes, running?: number): void {
    if (this.#end) return;
    for (const end of ends) {
      const item = flight.items[flight.ended];
      if (!item) break;
      flight.ended++;
      if (live) this.#open(item, flight.controller);
      this.#ended(item, end, call, runner);
    }
    if (this.#end) return;
    if (running !== undefined) {
      this.#returned(flight.items.splice(flight.ended + running));
      this.#sizing.learn(spentMs, flight.ended + running);
    }
    this.#soon();
  }

  /** The result keeps its call, also when the map is over: until nobody needs it, or the caller aborts. */
  #open(item: Item, controller: AbortController): void {
    item.open = controller;
    const { signal } = this.#job;
    signal?.addEventListener("abort", () => controller.abort(signal.reason), { once: true });
  }

  /** A batch is over: what has no end now was not begun. */
  #landed(flight: Flight, outcomes: Outcomes): void {
    if (this.#end) return;
    const { call, runner, rest, spentMs } = outcomes;
    this.#heard(flight, outcomes);
    this.#leave(flight);
    const left = flight.items.slice(flight.ended);
    if (rest) for (const item of left) this.#ended(item, rest, call, runner);
    else if (flight.ended > 0) this.#returned(left);
    else
      for (const item of left) this.#failed(item, new ProtocolError("Cannot run a batch: the runner has not begun it"));
    if (flight.ended > 0) this.#sizing.learn(spentMs, flight.ended);
  }

  /** The pool has given a batch up. Of what has not come back any may have begun. */
  #lost(flight: Flight, error: unknown): void {
    if (this.#end) return;
    this.#leave(flight);
    const { options, captured } = this.#job.prepared;
    const again = options.idempotent && error instanceof RunnerLostError && error.started && canRepeat(captured);
    for (const item of flight.items.slice(flight.ended)) {
      if (!again || item.repeated >= maxRepeats || !canRepeat(item.sent!)) this.#failed(item, error);
      else {
        item.repeated++;
        item.attempt++;
        this.#returned([item]);
      }
    }
  }

  #leave(flight: Flight): void {
    this.#flights.delete(flight);
    this.#full = false;
    this.#soon();
  }

  #ended(item: Item, end: Outcome, call: number, runner: string): void {
    if (this.#end) return;
    if (!end.failed) this.#succeeded(item, end.value);
    else if (!end.own || !this.#retry(item, end.value, call, runner)) this.#failed(item, end.value);
  }

  #retry(item: Item, error: unknown, call: number, runner: string): boolean {
    const { pool, options } = this.#job.prepared;
    const { retries, name } = options;
    if (item.retried >= retries.limit) return false;
    const hookFailed = (failure: unknown): void => events.emit("hook.failed", { event: "retries", error: failure });
    const delayMs = this.#run(() => pauseBefore(retries, error, item.retried + 1, hookFailed));
    if (delayMs === undefined) return false;
    if (events.has("call.retried"))
      events.emit("call.retried", { pool: pool.name, call, name, runner, attempt: item.attempt, error });
    item.retried++;
    item.attempt++;
    if (delayMs === 0) {
      this.#returned([item]);
      return true;
    }
    const timer = systemClock.timer(delayMs, () => {
      this.#pauses.delete(timer);
      this.#returned([item]);
    });
    // Nothing else may keep the process alive until then.
    timer.hold(true);
    this.#pauses.add(timer);
    return true;
  }

  /** To be sent as soon as there is a slot: in order, before anything new. */
  #returned(items: readonly Item[]): void {
    if (items.length === 0 || this.#end) return;
    const all = [...this.#again.clear(), ...items].toSorted((left, right) => left.index - right.index);
    for (const item of all) this.#again.push(item);
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
    } else {
      this.#stop({ error: { reason: error } }, true);
      this.#answer();
    }
    this.#soon();
  }
}
