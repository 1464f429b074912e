/**
 * An object that lives on a runner, seen from here: made, used, made again where that was asked for, and disposed. One
 * call of the pool is one life of it. Ends once, and whoever has it is told why.
 */
import { captureValue } from "../closure/capture.ts";
import { CallTimeoutError, PoolClosedError, ProtocolError, RunnerLostError } from "../errors.ts";
import type { Events } from "../events/index.ts";
import { Collector } from "../live/collect.ts";
import { type ObjectLine, type ObjectShape, disposeMethod, lineOf } from "../live/object.ts";
import { type LeaveReason, type OpenCall, joinStack, ownStack } from "../pool/call.ts";
import { closedForCalls, drained } from "../pool/failures.ts";
import { Packed } from "../pool/lending.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import type { Trace } from "../trace.ts";
import type { ResolvedPlaceOptions } from "./place-options.ts";
import { Restarts } from "./placement-restarts.ts";
import { type Turn, Turns } from "./placement-turns.ts";
import type { Prepared } from "./submission.ts";

export interface PlacementDeps {
  readonly clock: Clock;
  readonly events: Events;
}

/** One life of the object. */
interface Life {
  /** What stands for it: as long as it is held, the runner holds the object. */
  readonly object: object;
  readonly line: ObjectLine;
  readonly open: OpenCall;
  readonly released: Promise<void>;
}

type State =
  | { readonly at: "making"; readonly why: "first" | "again" | "used"; readonly cause?: Error }
  | { readonly at: "up"; readonly life: Life }
  /** Disposed once what is under way on it is over: `ending` from then on. */
  | { readonly at: "leaving"; readonly life: Life; readonly next: "again" | "asleep"; ending: boolean }
  | { readonly at: "asleep" }
  | { readonly at: "over" };

/** How long a method may go on after its time, where others wait for it. */
const graceMs = 5_000;

export class Placement {
  /** The object is there for the first time. */
  readonly placed: Promise<ObjectShape>;
  /** Nothing is left of it. */
  readonly gone: Promise<void>;
  readonly #prepared: Prepared;
  readonly #options: ResolvedPlaceOptions;
  readonly #deps: PlacementDeps;
  readonly #trace: Trace | undefined;
  readonly #abort = new AbortController();
  readonly #turns: Turns;
  readonly #restarts: Restarts;
  readonly #tellPlaced: PromiseWithResolvers<ObjectShape> = Promise.withResolvers();
  readonly #tellGone: PromiseWithResolvers<void> = Promise.withResolvers();
  #state: State = { at: "asleep" };
  /** Calls that are not over on the runner, and those that somebody here waits for. */
  #running = 0;
  #awaited = 0;
  /** Why it takes no more calls. */
  #last: Error | undefined;
  /** Nobody has it any more, but perhaps a stream that it gave. */
  #dropped = false;
  #users = 0;
  #idle: Timer | undefined;
  /** What its own dispose has thrown, until somebody has taken it. */
  #failure: { readonly error: unknown } | undefined;
  #quiet: (() => void) | undefined;

  constructor(prepared: Prepared, options: ResolvedPlaceOptions, deps: PlacementDeps, trace: Trace | undefined) {
    this.#prepared = { ...prepared, options: { ...prepared.options, signal: this.#abort.signal } };
    this.#options = options;
    this.#deps = deps;
    this.#trace = trace;
    this.#turns = new Turns(deps.clock);
    this.#restarts = new Restarts(deps.clock);
    this.placed = this.#tellPlaced.promise;
    this.gone = this.#tellGone.promise;
    this.placed.catch(() => {});
    this.#make({ at: "making", why: "first" });
  }

  /** False when it is over, or about to be. */
  get usable(): boolean {
    return this.#last === undefined;
  }

  join(): void {
    this.#users++;
  }

  /**
   * Arguments are encoded now, whenever the call may begin. Returns how to give the call up.
   *
   * @throws CaptureError, and why it takes no more calls.
   */
  call(
    method: string,
    args: readonly unknown[],
    from: Pick<Turn, "trace" | "resolve" | "reject">,
  ): (error: Error) => void {
    if (this.#last) throw this.#last;
    const turn: Turn = { ...from, method, args: this.#pack(args) };
    this.#idle?.cancel();
    this.#turns.add(turn);
    if (this.#state.at === "asleep") this.#make({ at: "making", why: "used" });
    else this.#next();
    return (error) => {
      turn.reject(error);
      if (this.#turns.delete(turn)) this.#next();
      else turn.told?.();
    };
  }

  /** One user less. After the last one it is disposed: rejects with what its own dispose throws. */
  async leave(error: Error): Promise<void> {
    if (--this.#users > 0) return;
    this.#close(error);
    await this.gone;
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) throw failure.error;
  }

  /** As `leave`, for users who are garbage: what they have taken from it may still be in use. */
  drop(error: Error): void {
    if (--this.#users > 0) return;
    this.#dropped = true;
    this.#close(error);
    this.#report();
  }

  /** As `leave`, and at once, whatever is under way. */
  abort(error: Error): void {
    if (--this.#users > 0) return;
    this.#last ??= error;
    if (this.#state.at === "asleep") this.#end(error);
    else this.#abort.abort(error.cause);
    this.#report();
  }

  #pack(args: readonly unknown[]): Packed {
    const live = new Collector({ functions: () => false });
    return new Packed(captureValue(args, "arguments", live, this.#prepared.captured.root));
  }

  #make(state: Extract<State, { at: "making" }>): void {
    this.#state = state;
    this.#idle?.cancel();
    this.#hurry();
    const { pool, options, captured } = this.#prepared;
    const released = Promise.withResolvers<void>();
    let open: OpenCall | undefined;
    try {
      pool.submit({
        captured,
        options,
        mode: "place",
        args: undefined,
        trace: this.#trace,
        resolve: (object) => this.#up(object as object, open, released.promise),
        reject: (error) => this.#notMade(error as Error),
        watch: {
          opened: (call) => void (open = call),
          leave: (reason) => this.#leaveRunner(reason),
          ended: (error) => error && this.#lost(error),
          released: () => released.resolve(),
        },
      });
    } catch (error) {
      this.#notMade(error as Error);
    }
  }

  #up(object: object, open: OpenCall | undefined, released: Promise<void>): void {
    const made = this.#state as Extract<State, { at: "making" }>;
    const line = lineOf(object);
    if (!line) {
      open?.close();
      return this.#notMade(new ProtocolError("Cannot place an object: its runner gave something else"));
    }
    this.#state = { at: "up", life: { object, line, open: open!, released } };
    this.#turns.wait();
    this.#tellPlaced.resolve(line.shape);
    if (made.cause) {
      const { pool, options } = this.#prepared;
      const facts = { pool: pool.name, name: options.name, runner: open!.runner };
      this.#deps.events.emit("placed.restarted", { ...facts, restarts: this.#restarts.count, error: made.cause });
    }
    if (this.#last) void this.#depart("asleep");
    else this.#next();
  }

  #notMade(error: Error): void {
    const { why } = this.#state as Extract<State, { at: "making" }>;
    this.#tellPlaced.reject(error);
    if (this.#last || why === "first" || PoolClosedError.is(error)) return this.#end(this.#last ?? error);
    if (why === "again") return this.#again(error);
    this.#state = { at: "asleep" };
    this.#turns.reject(error);
  }

  /** Its life was ended by somebody else. */
  #lost(error: Error): void {
    const { at } = this.#state;
    // Whoever waits for the end of what is under way hears of it, and goes on from there.
    if (at === "leaving" && this.#last) this.#turns.reject(error);
    if (at !== "up") return this.#next();
    if (!RunnerLostError.is(error) || this.#options.restart === "temporary") this.#end(this.#last ?? error);
    else this.#again(error);
  }

  #again(cause: Error): void {
    if (this.#last || !this.#restarts.allow()) this.#end(this.#last ?? cause);
    else this.#make({ at: "making", why: "again", cause });
  }

  /** Its pool closes, or its runner is to go. */
  #leaveRunner(reason: LeaveReason): void {
    const { at } = this.#state;
    if (this.#last || at !== "up") return;
    const { restart } = this.#options;
    const { life } = this.#state as Extract<State, { at: "up" }>;
    const unwell = reason === "retired";
    const fix = `use restart: "${unwell ? "transient" : "permanent"}" to have it made again elsewhere`;
    const error =
      reason === "closed"
        ? closedForCalls(this.#prepared.pool.name)
        : drained(this.#title(), life.open.runner, unwell ? "unwell" : reason, { fix });
    const stays = restart === "permanent" || (restart === "transient" && unwell);
    if (reason !== "closed" && stays) return void this.#depart("again", error);
    this.#close(error);
    this.#report();
  }

  /** No more calls; those that were made finish. */
  #close(error: Error): void {
    if (this.#last) return;
    this.#last = error;
    const { at } = this.#state;
    if (at === "up") void this.#depart("asleep");
    else if (at === "leaving") this.#next();
    else if (at === "asleep") this.#end(error);
    else if (at === "making" && this.#turns.size === 0) this.#abort.abort();
  }

  /** Ends this life: lets it finish what is under way, and disposes the object. */
  async #depart(next: "again" | "asleep", cause?: Error): Promise<void> {
    const { life } = this.#state as Extract<State, { at: "up" }>;
    const state: State = { at: "leaving", life, next, ending: false };
    this.#state = state;
    this.#idle?.cancel();
    this.#hurry();
    const quiet = new Promise<void>((resolve) => void (this.#quiet = resolve));
    this.#next();
    await quiet;
    state.ending = true;
    if (this.#dropped && life.open.borrowed > 1) life.line.release();
    else {
      const called = { trace: this.#trace, captured: this.#prepared.captured };
      const told = { failed: (error: unknown) => joinStack(error, called, life.open.runner), over: () => {} };
      await life.line.call(disposeMethod, [], told).catch((error: unknown) => void (this.#failure = { error }));
      life.open.close();
    }
    await life.released;
    if (this.#last) return this.#end(this.#last);
    this.#report();
    if (next === "again") this.#again(cause!);
    else if (this.#turns.size > 0) this.#make({ at: "making", why: "used" });
    else this.#state = { at: "asleep" };
  }

  #end(error: Error): void {
    const { life } = this.#state as { readonly life?: Life };
    this.#state = { at: "over" };
    this.#last ??= error;
    this.#idle?.cancel();
    this.#turns.reject(error);
    void Promise.resolve(life?.released).then(() => this.#tellGone.resolve());
  }

  /** What its dispose throws is an event when nobody else hears of it. */
  #report(): void {
    const tell = (): void => {
      const failure = this.#failure;
      this.#failure = undefined;
      if (failure) this.#deps.events.emit("hook.failed", { event: "dispose", error: failure.error });
    };
    if (this.#last) void this.gone.then(tell);
    else tell();
  }

  /** Something has begun to wait, or is over. */
  #next(): void {
    const state = this.#state;
    this.#hurry();
    if (state.at === "up" || (state.at === "leaving" && this.#last && !state.ending)) {
      while (this.#running < this.#options.concurrency) {
        const turn = this.#turns.shift();
        if (!turn) break;
        this.#run(turn, state.life);
      }
    }
    if (this.#awaited > 0) return;
    if (state.at === "leaving" && (!this.#last || this.#turns.size === 0)) this.#quiet?.();
    if (state.at === "up") this.#rest(state.life);
  }

  /** Nothing is under way. */
  #rest(life: Life): void {
    this.#idle?.cancel();
    this.#idle = this.#deps.clock.timer(this.#options.idleMs, () => {
      if (this.#state.at !== "up") return;
      // A stream that one of its methods gave is being read.
      if (life.open.borrowed > 1) this.#rest(life);
      else void this.#depart("asleep");
    });
  }

  /** Who waits for a restart does so for the time that the call itself may take. */
  #hurry(): void {
    const state = this.#state;
    const restarts =
      (state.at === "making" && state.why === "again") || (state.at === "leaving" && state.next === "again");
    if (restarts) this.#turns.hurry(this.#prepared.options.timeoutMs, this.#title());
  }

  #run(turn: Turn, life: Life): void {
    const { method, args, trace, resolve, reject } = turn;
    const called = { trace, captured: this.#prepared.captured };
    let over = false;
    this.#running++;
    this.#awaited++;
    life.open.use(1);
    const told = {
      failed: (error: unknown) => joinStack(error, called, life.open.runner),
      over: () => {
        over = true;
        this.#running--;
        this.#next();
      },
    };
    const answered = life.line.call(method, args, told).then(resolve, (error: unknown) => {
      if (!over && CallTimeoutError.is(error)) {
        ownStack(error as Error, called);
        if (this.#options.concurrency !== Infinity)
          this.#deps.clock.timer(graceMs, () => over || this.#stuck(life, error as Error));
      }
      reject(error);
    });
    turn.told = () => {
      delete turn.told;
      this.#awaited--;
      life.open.use(-1);
      this.#next();
    };
    void answered.then(() => turn.told?.());
  }

  /** A method does not end, and others wait for that: the object is of no use any more. */
  #stuck(life: Life, error: Error): void {
    const state = this.#state;
    if (state.at === "leaving" && this.#last) {
      this.#turns.reject(error);
      return this.#next();
    }
    if (state.at !== "up" || state.life !== life) return;
    if (this.#options.restart === "temporary") this.#end(error);
    else {
      this.#state = { at: "leaving", life, next: "again", ending: true };
      this.#hurry();
      void life.released.then(() => this.#again(error));
    }
    life.open.close(error);
  }

  #title(): string {
    const { name } = this.#prepared.options;
    return name === "" ? "a placed object" : `placed object "${name}"`;
  }
}
