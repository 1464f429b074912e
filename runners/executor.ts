/**
 * Runs calls: loads the modules they need, makes the function, runs it in its own context, and sends what came out.
 * Nothing that a call does, short of ending the process, reaches another call.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { inspect } from "node:util";
import { AbortError, ProtocolError } from "../src/errors.ts";
import { Lines } from "../src/lines.ts";
import { type Context, place } from "../src/context.ts";
import { Linker } from "../src/closure/link.ts";
import { ResultHooks, encodeFailure } from "../src/closure/result.ts";
import { decode } from "../src/value/decode.ts";
import { encode } from "../src/value/encode.ts";
import { type OwnScratch, makeScratch } from "../src/scratch.ts";
import type { Payload } from "../src/value/port.ts";
import { type Message, ownCall } from "../src/wire/messages.ts";
import { findLoaded, loadModule } from "./modules.ts";

type Send = (message: Message) => void;
type CallMessage = Extract<Message, { type: "call" }>;
type ModuleMessage = Extract<Message, { type: "module" }>;

/** One call on this executor, and the context its closure sees. What costs something is made when it is asked for. */
class Call implements Context {
  readonly id: number;
  readonly #where: { readonly id: string; readonly pool: string };
  readonly #attempt: number;
  readonly #send: Send;
  readonly #hooks: ResultHooks;
  readonly #scratch: () => Promise<string>;
  #abort: AbortController | undefined;
  #folder: Promise<string> | undefined;

  constructor(
    id: number,
    attempt: number,
    where: { readonly id: string; readonly pool: string },
    send: Send,
    hooks: ResultHooks,
    scratch: () => Promise<string>,
  ) {
    this.#scratch = scratch;
    this.id = id;
    this.#attempt = attempt;
    this.#where = where;
    this.#send = send;
    this.#hooks = hooks;
  }

  get runner(): Context["runner"] {
    return { ...this.#where, attempt: this.#attempt };
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
    return (value: unknown): void =>
      this.#send({ type: "progress", id: this.id, value: encode(value, this.#hooks, { root: "progress" }) });
  }

  get log() {
    return (...values: unknown[]): void => {
      const lines = new Lines((line) => this.#send({ type: "log", id: this.id, stream: "stdout", line }));
      lines.push(values.map((value) => (typeof value === "string" ? value : inspect(value))).join(" "));
      lines.flush();
    };
  }

  get dir() {
    return (): Promise<string> => (this.#folder ??= this.#scratch());
  }

  /** Resolves when nothing of the call is left; undefined when there was nothing. */
  cleanUp(): Promise<void> | undefined {
    return this.#folder?.then((folder) => rm(folder, { recursive: true, force: true }));
  }
}

export class Executor {
  readonly #linker = new Linker(findLoaded);
  readonly #hooks = new ResultHooks(this.#linker);
  readonly #send: Send;
  readonly #runner: { readonly id: string; readonly pool: string };
  readonly #flushOutput: (call: number) => void;
  readonly #calls = new Map<number, Call>();
  #loading: Promise<unknown> | undefined;
  #drained: (() => void) | undefined;

  readonly #where: OwnScratch;
  #folder: string | undefined;

  constructor(
    runner: { readonly id: string; readonly pool: string },
    where: OwnScratch,
    send: Send,
    flushOutput: (call: number) => void,
  ) {
    this.#runner = runner;
    this.#where = where;
    this.#send = send;
    this.#flushOutput = flushOutput;
  }

  get running(): readonly number[] {
    return [...this.#calls.keys()];
  }

  /** A folder for one call. */
  readonly #scratch = (): Promise<string> => mkdtemp(join((this.#folder ??= makeScratch(this.#where)), "call-"));

  /** Starts to load a unit; calls that come later wait for it. */
  module({ id, module }: ModuleMessage): void {
    this.#linker.add(id, module);
    const loading = loadModule(module).then(
      (loaded) => this.#linker.loaded(id, loaded),
      (error: unknown) => this.#linker.failed(id, error),
    );
    const all: Promise<unknown> = Promise.all([this.#loading, loading]).then(() => {
      if (this.#loading === all) this.#loading = undefined;
    });
    this.#loading = all;
  }

  call({ id, attempt, value }: CallMessage): void {
    if (this.#calls.has(id)) throw new ProtocolError(`Cannot start call ${id}: it runs already`);
    const call = new Call(id, attempt, this.#runner, this.#send, this.#hooks, this.#scratch);
    this.#calls.set(id, call);
    if (this.#loading) void this.#loading.then(() => this.#start(call, value));
    else this.#start(call, value);
  }

  cancel(id: number, value: Payload): void {
    const reason = decode(value, this.#linker);
    this.#calls.get(id)?.cancel(new AbortError(String(reason)));
  }

  /** Calls `done` once no call runs, the pool's own aside: nobody waits for that one any more. */
  drain(done: () => void): void {
    this.#drained = done;
    this.#noteEnd();
  }

  #noteEnd(): void {
    if (this.#calls.size === (this.#calls.has(ownCall) ? 1 : 0)) this.#drained?.();
  }

  #start(call: Call, value: Payload): void {
    let result: unknown;
    try {
      // Its caller may have left while a module was loading.
      call.signalNow?.throwIfAborted();
      const fn = decode(value, this.#linker) as (context: Context) => unknown;
      result = place.calls.run(call, () => fn(call));
      // In here as well: a result may throw when it is looked at.
      if (isThenable(result)) return this.#await(call, result);
    } catch (error) {
      this.#fail(call, error);
      return;
    }
    this.#succeed(call, result);
  }

  #await(call: Call, result: PromiseLike<unknown>): void {
    Promise.resolve(result).then(
      (settled) => this.#succeed(call, settled),
      (error: unknown) => this.#fail(call, error),
    );
    this.#accept(call);
  }

  /** Tells the parent that a call has started, unless it ends before the next write leaves. */
  #accept(call: Call): void {
    process.nextTick(() => {
      if (this.#calls.has(call.id)) this.#send({ type: "accepted", id: call.id });
    });
  }

  #succeed(call: Call, result: unknown): void {
    let value: Payload;
    try {
      value = encode(result, this.#hooks, { root: "result" });
    } catch (error) {
      this.#fail(call, error);
      return;
    }
    if (value.pending) {
      value.pending.then(
        () => this.#finish(call, { type: "result", id: call.id, value }),
        (error: unknown) => this.#fail(call, error),
      );
    } else this.#finish(call, { type: "result", id: call.id, value });
  }

  #fail(call: Call, error: unknown): void {
    this.#finish(call, { type: "error", id: call.id, value: encodeFailure(error, this.#hooks) });
  }

  #finish(call: Call, message: Message): void {
    const left = call.cleanUp();
    if (left) void left.catch(() => {}).then(() => this.#end(call, message));
    else this.#end(call, message);
  }

  #end(call: Call, message: Message): void {
    this.#flushOutput(call.id);
    this.#calls.delete(call.id);
    this.#send(message);
    this.#noteEnd();
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}
