/** Keeps the book from the event stream, and says where that stream contradicts itself or what was done. */
import { type EventMap, events } from "tinderbox";
import { type Book, type CallRecord, faultsOf } from "./book.ts";
import type { Fault } from "./faults.ts";
import type { Field } from "./pools.ts";

const givenUp = /^a cancelled call did not stop within its grace$/;

export class Follower {
  readonly #book: Book;
  /** Pools whose runners take one call, and whose runners have several executors. */
  readonly #single: ReadonlySet<string>;
  readonly #several: ReadonlySet<string>;

  constructor(book: Book, fields: readonly Field[]) {
    this.#book = book;
    const names = (which: (field: Field) => boolean): ReadonlySet<string> =>
      new Set(fields.filter(which).map(({ pool }) => pool.name));
    this.#single = names(({ pool }) => pool.options.singleUse);
    this.#several = names(({ pool }) => pool.options.processes > 1);
  }

  /** From now on. */
  listen(): void {
    const book = this.#book;
    events.on("call.queued", (event) => this.#queued(event));
    events.on("call.started", (event) => this.#started(event));
    events.on("call.retried", (event) => this.#retried(event));
    events.on("call.finished", ({ name }) => this.#ended(name, {}));
    events.on("call.failed", ({ name, error }) => this.#ended(name, { error }));
    events.on("runner.ready", (event) => this.#ready(event));
    events.on("runner.draining", ({ runner }) => void (book.runnerOf(runner).draining = true));
    events.on("runner.gone", (event) => this.#gone(event));
    events.on("executor.exited", (event) => this.#executorExited(event));
    events.on("boot.failed", ({ runner, error }) => {
      if (!book.runnerOf(runner).faults.some(({ name }) => name === "kill booting"))
        book.violate(`runner ${runner} did not boot, and nothing was done to it: ${error.message}`);
    });
    events.on("hook.failed", ({ event, error }) => {
      // A runner may well end while it is asked.
      if (event !== "idleCheck" || !/^Cannot (ask|wait)/.test((error as Error).message))
        book.violate(`hook ${event} failed: ${String(error)}`);
    });
  }

  #queued({ name, pool }: EventMap["call.queued"]): void {
    const { calls, taken } = this.#book;
    const call = calls.get(name);
    if (!call) return this.#book.violate(`call ${name} stands in the queue after its end`);
    if (!call.queued) taken.set(pool, (taken.get(pool) ?? 0) + 1);
    call.queued = true;
    call.runner = undefined;
  }

  #started({ name, runner: id, attempt }: EventMap["call.started"]): void {
    const book = this.#book;
    const call = book.calls.get(name);
    if (!call || call.ended) return book.violate(`call ${name} started on ${id} after its end`);
    const runner = book.runnerOf(id);
    if (attempt !== call.attempt && attempt !== call.attempt + 1)
      book.violate(`call ${name} is attempt ${attempt}, after ${call.attempt}`);
    if (attempt > call.retried && !call.idempotent)
      book.violate(`call ${name} is attempt ${attempt}, and may not be repeated`);
    if (runner.gone) book.violate(`call ${name} started on ${id}, which is gone`);
    if (runner.calls++ > 0 && this.#single.has(runner.pool)) book.violate(`${id} is single-use and got ${name}, too`);
    call.starts++;
    call.attempt = attempt;
    call.startedAt = performance.now();
    call.runner = runner;
    if (call.fault) book.blame(runner, call.fault, this.#several.has(runner.pool) ? "executor" : "machine");
  }

  #retried({ name }: EventMap["call.retried"]): void {
    const call = this.#book.calls.get(name);
    if (!call || call.ended) return this.#book.violate(`call ${name} is made again after its end`);
    call.retried++;
    call.runner = undefined;
  }

  #ended(name: string, end: NonNullable<CallRecord["ended"]>): void {
    const call = this.#book.calls.get(name);
    if (!call || call.ended) return this.#book.violate(`call ${name} ended twice`);
    call.ended = end;
  }

  #ready({ runner: id, machine }: EventMap["runner.ready"]): void {
    const runner = this.#book.runnerOf(id);
    if (runner.pid !== undefined) this.#book.violate(`runner ${id} came up twice: the pool began anew`);
    runner.pid = Number(machine);
    runner.readyAt = performance.now();
  }

  #gone(event: EventMap["runner.gone"]): void {
    const book = this.#book;
    const runner = book.runnerOf(event.runner);
    const { reason } = event;
    if (runner.gone) book.violate(`runner ${runner.id} went twice`);
    runner.gone = event;
    const told =
      (reason === "drained" && runner.draining) ||
      (reason === "the pool was closed" && book.closing.has(runner.pool)) ||
      runner.faults.some((fault) => explains(fault, reason));
    this.#stopped(runner.faults, reason);
    if (!told) book.violate(`runner ${runner.id} went by "${reason}", and was given ${faultsOf(runner)}`);
    // By then each of its calls has ended, or stands in the queue again.
    setImmediate(() => {
      for (const call of book.calls.values())
        if (call.runner === runner && !call.settled)
          book.violate(`call ${call.name} was left on ${runner.id}, which is gone`);
    });
  }

  #executorExited({ runner: id, executor, reason }: EventMap["executor.exited"]): void {
    const runner = this.#book.runnerOf(id);
    const told =
      runner.draining ||
      runner.executorFaults.some(
        (fault) => explains(fault, reason) || (fault.runner === "replaced" && reason === "it was replaced"),
      );
    this.#stopped(runner.executorFaults, reason);
    if (!told) this.#book.violate(`executor ${executor} of ${id} went by "${reason}"; ${faultsOf(runner)}`);
  }

  /** On a machine that is busy beyond measure a call's grace may be over before three beats are known to be missing. */
  #stopped(faults: readonly Fault[], reason: string): void {
    if (!faults.some(({ name }) => name === "stop" || name === "stop executor")) return;
    const { hearts } = this.#book;
    if (reason.startsWith("heartbeat lost")) hearts.missed++;
    else if (givenUp.test(reason) && faults.every(({ runner }) => runner !== "replaced")) hearts.unnoticed++;
  }
}

function explains({ sign, runner, delays }: Fault, reason: string): boolean {
  return sign?.reason.test(reason) || ((runner === "replaced" || delays === true) && givenUp.test(reason));
}
