/**
 * Runs calls: loads the modules they need, makes the function, runs it in its own context, and sends what came out.
 * Nothing that a call does, short of ending the process, reaches another call.
 */
import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { type FindLoaded, Linker, LiveLinks, type LoadedModule } from "../src/closure/link.ts";
import { ResultHooks, encodeFailure } from "../src/closure/result.ts";
import { systemClock } from "../src/clock.ts";
import { place } from "../src/context.ts";
import { AbortError, ProtocolError } from "../src/errors.ts";
import { Collector } from "../src/live/collect.ts";
import { Exchange } from "../src/live/exchange.ts";
import { As, asResult } from "../src/live/kinds.ts";
import type { Scope } from "../src/live/scope.ts";
import { released } from "../src/live/failures.ts";
import type { LiveMessage } from "../src/wire/live-messages.ts";
import { type OwnScratch, makeScratch } from "../src/scratch.ts";
import { sent } from "../src/closure/sent.ts";
import { decode } from "../src/value/decode.ts";
import { encode } from "../src/value/encode.ts";
import type { Payload } from "../src/value/port.ts";
import { unpackBatch } from "../src/wire/batch.ts";
import { type Message, ownCall } from "../src/wire/messages.ts";
import { Batch } from "./batch.ts";
import { Call, type CallHost } from "./call.ts";
import { nestedCalls } from "./nested.ts";
import { findLoaded, loadModule } from "./modules.ts";

type Send = (message: Message) => void;
type CallMessage = Extract<Message, { type: "call" }>;
type ModuleMessage = Extract<Message, { type: "module" }>;

/** How it comes by code. */
export interface Code {
  /** Evaluates the module of unit `id`. Rejects with what its imports throw. */
  load(module: ModuleMessage["module"], id: number): Promise<LoadedModule>;
  readonly find: FindLoaded;
}

export class Executor {
  readonly #linker: Linker;
  /** For errors: they never hold on to what is live. */
  readonly #hooks: ResultHooks;
  readonly #send: Send;
  readonly #host: CallHost;
  readonly #exchange: Exchange;
  readonly #flushOutput: (call: number) => void;
  readonly #load: Code["load"];
  readonly #calls = new Map<number, Call>();
  #loading: Promise<unknown> | undefined;
  #drained: (() => void) | undefined;

  readonly #where: OwnScratch;
  #folder: string | undefined;

  constructor(
    runner: { readonly id: string; readonly pool: string },
    where: OwnScratch,
    units: number,
    send: Send,
    flushOutput: (call: number) => void,
    code: Code = { load: loadModule, find: findLoaded },
  ) {
    this.#linker = new Linker(code.find);
    this.#hooks = new ResultHooks(this.#linker);
    this.#load = code.load;
    this.#where = where;
    this.#send = send;
    this.#flushOutput = flushOutput;
    this.#exchange = new Exchange({ send, encodeFailure: (error) => encodeFailure(error, this.#hooks) });
    this.#host = {
      runner,
      send,
      encode: (value, root, call) => this.#lend(call, this.#encode(value, root, call)),
      scratch: () => mkdtemp(join((this.#folder ??= makeScratch(this.#where)), "call-")),
    };
    sent.linker = this.#linker;
    place.nested = nestedCalls({
      units,
      call: () => {
        const call = place.calls.getStore();
        return call instanceof Call && this.#calls.has(call.id) ? call : undefined;
      },
      scope: (call) => this.#scope(call),
      encode: (value, root, call) => this.#encode(value, root, call),
      send,
    });
  }

  get running(): readonly number[] {
    return [...this.#calls.keys()];
  }

  /** Starts to load a unit; calls that come later wait for it. */
  module({ id, module }: ModuleMessage): void {
    this.#linker.add(id, module);
    const loading = this.#load(module, id).then(
      (loaded) => this.#linker.loaded(id, loaded),
      (error: unknown) => this.#linker.failed(id, error),
    );
    const all: Promise<unknown> = Promise.all([this.#loading, loading]).then(() => {
      if (this.#loading === all) this.#loading = undefined;
    });
    this.#loading = all;
  }

  call(message: CallMessage): void {
    const { id, attempt, mode, among } = message;
    if (this.#calls.has(id)) throw new ProtocolError(`Cannot start call ${id}: it runs already`);
    const call = new Call(id, attempt, this.#host, among);
    this.#calls.set(id, call);
    if (mode === "cast") this.#send({ type: "accepted", id });
    if (this.#loading) void this.#loading.then(() => this.#start(call, message));
    else this.#start(call, message);
  }

  cancel(id: number, value: Payload): void {
    const reason = decode(value, this.#linker);
    const call = this.#calls.get(id);
    if (!call) return;
    const error = new AbortError(String(reason));
    call.cancel(error);
    // Over there nobody answers or reads any more: what waits for that must not wait for ever.
    call.left = this.#exchange.end(id, error);
  }

  /** The live result of a call is needed no more. */
  async close(id: number): Promise<void> {
    const call = this.#calls.get(id);
    if (!call) return;
    call.ending = true;
    await Promise.all([call.left, this.#exchange.end(id)]);
    await call.cleanUp()?.catch(() => {});
    this.#end(call, { type: "close", id });
  }

  /** What concerns live references; what comes after code that is still to be loaded waits for it. */
  live(message: LiveMessage): void {
    if (this.#loading && message.type !== "credit") void this.#loading.then(() => this.#exchange.receive(message));
    else this.#exchange.receive(message);
  }

  /** Calls `done` once no call runs, the pool's own aside: nobody waits for that one any more. */
  drain(done: () => void): void {
    this.#drained = done;
    this.#noteEnd();
  }

  #noteEnd(): void {
    if (this.#calls.size === (this.#calls.has(ownCall) ? 1 : 0)) this.#drained?.();
  }

  #start(call: Call, message: CallMessage): void {
    const { mode, args } = message;
    let result: unknown;
    try {
      // Its caller may have left while a module was loading.
      call.signalNow?.throwIfAborted();
      const fn = this.#decode(call, message.value) as (...values: readonly unknown[]) => unknown;
      if (mode === "each") return this.#each(call, message, fn);
      const values = args ? (this.#decode(call, args) as readonly unknown[]) : [call];
      result = place.calls.run(call, () => fn(...values));
      // In here as well: a result may throw when it is looked at.
      if (isThenable(result)) return this.#await(call, mode, result);
    } catch (error) {
      this.#fail(call, error);
      return;
    }
    this.#succeed(call, mode, result);
  }

  #await(call: Call, mode: CallMessage["mode"], result: PromiseLike<unknown>): void {
    Promise.resolve(result).then(
      (settled) => this.#succeed(call, mode, settled),
      (error: unknown) => this.#fail(call, error),
    );
    if (mode !== "cast") this.#accept(call);
  }

  /** Each item has a context of its own; the call is that of the item that runs. */
  #each(first: Call, { id, attempt, args }: CallMessage, fn: (item: unknown, context: Call) => unknown): void {
    if (!args) throw new ProtocolError("Cannot start a batch: it has no items");
    const { entries } = unpackBatch(args);
    const context = (): Call => {
      const call = new Call(id, attempt, this.#host);
      this.#calls.set(id, call);
      return call;
    };
    new Batch(
      entries.map(({ value }) => value),
      first,
      {
        clock: systemClock,
        context,
        run: (call, item) => {
          const value = this.#decode(call, item);
          return place.calls.run(call, () => fn(value, call));
        },
        encode: (call, result) => this.#encode(asResult(result), "result", call),
        encodeFailure: (error) => encodeFailure(error, this.#hooks),
        part: (value, returned) =>
          this.#send({ type: "item", id, reference: 0, back: false, mark: returned ? 1 : 0, value }),
        finish: (call, value) => this.#deliver(call, value),
      },
    ).run();
  }

  /** Tells the parent that a call has started, unless it ends before the next write leaves. */
  #accept(call: Call): void {
    process.nextTick(() => {
      if (this.#calls.has(call.id)) this.#send({ type: "accepted", id: call.id });
    });
  }

  #succeed(call: Call, mode: CallMessage["mode"], result: unknown): void {
    let value: Payload;
    call.result = result;
    try {
      value = this.#encode(mode === "place" ? placed(result) : asResult(result), "result", call);
    } catch (error) {
      this.#fail(call, error);
      return;
    }
    if (value.pending) {
      value.pending.then(
        () => this.#deliver(call, value),
        (error: unknown) => this.#fail(call, error),
      );
    } else this.#deliver(call, value);
  }

  #deliver(call: Call, value: Payload): void {
    if (!value.live) return this.#finish(call, { type: "result", id: call.id, value });
    // It stays open: the parent says when nobody needs the result any more.
    this.#send({ type: "result", id: call.id, value: this.#lend(call, value) });
  }

  #fail(call: Call, error: unknown): void {
    const hooks = call.among ? new ResultHooks(this.#linker, undefined, call.among) : this.#hooks;
    this.#finish(call, { type: "error", id: call.id, value: encodeFailure(error, hooks) });
  }

  #finish(call: Call, message: Message): void {
    call.ending = true;
    const ended = this.#exchange.end(call.id) ?? call.left;
    const left = call.cleanUp();
    if (ended || left) void Promise.allSettled([ended, call.left, left]).then(() => this.#end(call, message));
    else this.#end(call, message);
  }

  #end(call: Call, message: Message): void {
    this.#flushOutput(call.id);
    this.#calls.delete(call.id);
    this.#send(message);
    this.#noteEnd();
  }

  #decode(call: Call, payload: Payload): unknown {
    const { references } = payload;
    if (!references) return decode(payload, this.#linker);
    return decode(payload, new LiveLinks(this.#linker, this.#scope(call).borrow(references)));
  }

  /** In the context of the call: what is called later runs in it. */
  #encode(value: unknown, root: string, call: Call): Payload {
    // Most results are small: nothing in them can be live.
    if ((typeof value !== "object" || value === null) && typeof value !== "function")
      return encode(value, this.#hooks, { root });
    const live = new Collector({ functions: () => false });
    const payload = place.calls.run(call, () =>
      encode(value, new ResultHooks(this.#linker, live, call.among), { root }),
    );
    return live.found.length > 0 ? { ...payload, live: live.found } : payload;
  }

  #lend(call: Call, payload: Payload): Payload {
    return payload.live ? this.#scope(call).lend(payload) : payload;
  }

  #scope(call: Call): Scope {
    const { id } = call;
    const calls = this.#calls;
    // What a closure leaves behind may speak when nobody listens any more.
    if (calls.get(id)?.ending !== false) throw released();
    return (
      this.#exchange.get(id) ??
      this.#exchange.open(id, {
        clock: systemClock,
        // While its closure runs it may go on with what it has lent.
        get discards() {
          const running = calls.get(id);
          return !running || running.ending || running.result !== undefined;
        },
        left: (value) => {
          const current = calls.get(id);
          if (current?.result === value) current.cancel(new AbortError("Cannot go on: its caller needs no more of it"));
        },
        send: this.#send,
        encode: (value, root) => this.#encode(value, root, call),
        encodeFailure: (error) => encodeFailure(error, this.#hooks),
        decode: (payload, live) => decode(payload, new LiveLinks(this.#linker, live)),
      })
    );
  }
}

/** What `flame.place` keeps on the runner. */
function placed(object: unknown): As {
  if (typeof object === "object" && object !== null) return new As("placed", object);
  throw new TypeError(
    `Cannot place ${object === null ? "null" : `a ${typeof object}`}: an object with methods is wanted; return one from the factory`,
  );
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}
