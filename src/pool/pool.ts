/**
 * A pool: carries out what its core decides, with real runners, real clocks and real callers.
 */
import { resolveCount } from "../options.ts";
import type { Timer } from "../ports/clock.ts";
import type { Message } from "../wire/messages.ts";
import { backoffMs } from "./backoff.ts";
import { type Call, type CallRequest, joinStack, mayRepeat, ownStack } from "./call.ts";
import { type Command, type Event, PoolCore } from "./core.ts";
import { Deadlines } from "./deadlines.ts";
import type { LinkEnd } from "./exits.ts";
import {
  aborted,
  bootTooLate,
  callTimeout,
  closedDuring,
  closedForCalls,
  queueFull,
  queueTimeout,
  runnerLost,
} from "./failures.ts";
import { Fleet, type FleetDeps } from "./fleet.ts";
import type { Lane, Read } from "./lane.ts";
import { Ledger, type LedgerDeps } from "./ledger.ts";
import type { ResolvedPoolOptions } from "./options.ts";
import { Replacing } from "./replacing.ts";
import { pauseBefore } from "./retries.ts";
import type { PoolStats } from "./stats.ts";
import { Waiters } from "./waiters.ts";

export interface PoolDeps extends LedgerDeps, FleetDeps {}

type Answer = Extract<Message, { type: "result" | "error" }>;

/** How long a cancelled call may go on before its executor is given up. */
const graceMs = 5_000;
/** What the end of machines may take that were told to end at once: one that cannot be ended must not hold the parent. */
const endMs = 10_000;

export class RunningPool {
  readonly name: string;
  #options: ResolvedPoolOptions;
  readonly #deps: PoolDeps;
  readonly #core: PoolCore;
  readonly #fleet: Fleet;
  readonly #ledger: Ledger;
  readonly #deadlines: Deadlines;
  readonly #commands: Command[] = [];
  readonly #replacing: Replacing;
  /** For all calls to be over, and for something to have ended. */
  readonly #idle = new Waiters();
  readonly #less = new Waiters();
  #carrying = false;
  #tick: Timer | undefined;
  #tickAt = Infinity;
  #closed = false;

  /** Throws `CaptureError` when `setup` or `idleCheck` reach what cannot travel. */
  constructor(name: string, options: ResolvedPoolOptions, deps: PoolDeps) {
    this.name = name;
    this.#options = options;
    this.#deps = deps;
    this.#ledger = new Ledger(name, deps);
    this.#deadlines = new Deadlines(deps.clock);
    this.#fleet = new Fleet(name, options, deps, {
      step: (event) => this.#step(event),
      gone: (link, end) => this.#runnerGone(link.options.number, end),
      executorGone: (link, lane, end) => {
        this.#replacing.forget(lane);
        this.#step({ type: "slots", runner: lane.runnerNumber, slots: link.executors.slots });
        this.#lost(this.#ledger.on(lane), "process", end);
      },
      message: (_link, lane, message) => this.#message(lane, message),
      output: (link, call, stream, line) => this.#print(link.id, call, stream, line),
      hopeless: (error) => {
        // Where others are up, calls that wait will be served by them.
        if (this.#core.ready > 0) return;
        for (const id of [...this.#core.waiting]) this.#abort(this.#ledger.get(id)!, error);
      },
      fewer: () => this.#less.wake(),
    });
    this.#replacing = new Replacing({
      processes: options.processes,
      link: (runner) => this.#fleet.get(runner),
      callsOn: (lane) => this.#ledger.on(lane),
      step: (event) => this.#step(event),
    });
    this.#core = new PoolCore({
      ...options,
      slotsPerRunner: options.processes * options.concurrency,
      idleCheck: options.idleCheck !== undefined,
      backoffMs,
      scaleFailed: (error) => deps.events.emit("hook.failed", { event: "scale", error }),
    });
  }

  get options(): ResolvedPoolOptions {
    return this.#options;
  }

  /** Calls that wait or run, also for nobody any more. */
  get live(): number {
    return this.#ledger.size;
  }

  start(): void {
    this.#step({ type: "start" });
  }

  /** Takes a call over: from here on it ends exactly once. Throws when it cannot be taken. */
  run(request: CallRequest): void {
    if (this.#closed) throw closedForCalls(this.name);
    if (this.#core.queued >= this.#options.queueLimit && this.#core.freeSlots === 0) {
      throw queueFull(this.name, this.#options.queueLimit);
    }
    this.#enqueue(this.#ledger.add(request, (call) => this.#abort(call, aborted(call))));
  }

  stats(): PoolStats {
    const core = this.#core;
    return {
      runners: { booting: core.booting, ready: core.ready, draining: core.draining },
      slots: { busy: core.running, free: core.freeSlots },
      queued: core.queued,
      completed: this.#ledger.completed,
      failed: this.#ledger.failed,
      boots: { ...this.#fleet.boots },
    };
  }

  resize({ min = this.#options.min, max = this.#options.max }: { readonly min?: number; readonly max?: number }): void {
    resolveCount(min, `"min" of pool "${this.name}"`, 0);
    resolveCount(max, `"max" of pool "${this.name}"`, 1);
    if (min > max) throw new TypeError(`Cannot resize pool "${this.name}": min ${min} is above max ${max}`);
    this.#options = { ...this.#options, min, max };
    this.#step({ type: "resize", min, max });
  }

  /** Resolves when no call waits or runs. New calls are accepted, and waited for as well. */
  drain(): Promise<void> {
    if (this.#ledger.size === 0) return Promise.resolve();
    return this.#idle.wait();
  }

  /** Refuses new calls, lets the others finish for at most `timeoutMs`, ends all runners. */
  async close(timeoutMs = this.#options.drainTimeoutMs): Promise<void> {
    this.#closed = true;
    // Also when nobody waits for a call any more: runners that are left behind would be worse than an exit that is late.
    this.#deps.live(1);
    this.#step({ type: "close" });
    const { clock } = this.#deps;
    const empty = (): boolean => this.#fleet.empty && this.#ledger.size === 0;
    if (await this.#less.until(empty, timeoutMs, clock)) {
      for (const call of this.#ledger.all()) {
        const error = closedDuring(call, this.name);
        ownStack(error, call);
        this.#ledger.reject(call, error);
        if (!call.lane) this.#release(call);
      }
      this.#fleet.killAll("the pool was closed");
      await this.#less.until(empty, endMs, clock);
    }
    this.#tick?.cancel();
    this.#deadlines.close();
    await this.#fleet.close();
    this.#deps.live(-1);
  }

  /** While the parent's process exits: nothing may be left. */
  exitNow(): void {
    this.#fleet.exitNow();
  }

  #step(event: Event): void {
    this.#core.step(event, this.#deps.clock.now(), this.#commands);
    // Carrying a command out may lead to the next event; its commands join the same list.
    if (!this.#carrying) {
      this.#carrying = true;
      try {
        for (let command = this.#commands.shift(); command; command = this.#commands.shift()) this.#carryOut(command);
      } finally {
        this.#carrying = false;
      }
    }
    if (this.#core.tickAt < this.#tickAt) this.#armTick();
  }

  #armTick(): void {
    this.#tick?.cancel();
    this.#tickAt = this.#core.tickAt;
    this.#tick = this.#deps.clock.timer(Math.max(0, this.#tickAt - this.#deps.clock.now()), () => {
      this.#tickAt = Infinity;
      this.#step({ type: "tick" });
    });
  }

  #carryOut(command: Command): void {
    switch (command.type) {
      case "boot":
        this.#fleet.boot(command.runner);
        break;
      case "dispatch":
        this.#dispatch(this.#ledger.get(command.call)!, command.runner);
        break;
      case "drain":
        this.#fleet.drain(command.runner, command.reason);
        break;
      case "check":
        void this.#fleet.check(command.runner);
        break;
      case "cancelBoot":
        this.#fleet.get(command.runner)?.cancelBoot();
        break;
    }
  }

  #enqueue(call: Call, again = false): void {
    const { priority, key, queueTimeoutMs } = call.options;
    this.#ledger.queued(call);
    this.#step({ type: "call", call: call.id, priority, key, again });
    if (call.lane || call.settled) return;
    call.clock = this.#deadlines.add(queueTimeoutMs, () => this.#abort(call, queueTimeout(call, this.name)));
    this.#expectBoot(call);
  }

  /** A waiter that has seen no runner come up in all of `bootTimeout`, and has none now, is told why. */
  #expectBoot(call: Call): void {
    const { bootTimeoutMs } = this.#options;
    const { boots } = this.#fleet;
    const seen = boots.ok;
    call.bootClock = this.#deadlines.add(bootTimeoutMs, () => {
      if (call.settled || call.lane) return;
      if (this.#core.ready > 0 || boots.ok > seen) this.#expectBoot(call);
      else this.#abort(call, bootTooLate(call, this.name, bootTimeoutMs, this.#fleet.lastBootError));
    });
  }

  #dispatch(call: Call, runner: number): void {
    const link = this.#fleet.get(runner)!;
    const lane = link.executors.pick();
    call.clock?.cancel();
    call.bootClock?.cancel();
    call.lane = lane;
    lane.busy++;
    link.calls++;
    call.startedAt = this.#deps.clock.now();
    const { payload, units } = call.captured;
    const refuse = (error: unknown): void => {
      if (call.lane !== lane) return;
      this.#ledger.reject(call, error);
      this.#release(call);
    };
    const send = (): void => {
      if (call.lane !== lane) return;
      if (call.settled) return void this.#release(call);
      try {
        // One that has gone meanwhile gives its calls back when its end is known.
        if (!lane.dispatch(call.id, call.attempt, payload, units)) return;
      } catch (error) {
        return refuse(error);
      }
      call.sent = true;
      const { timeoutMs } = call.options;
      call.clock = this.#deadlines.add(timeoutMs, () => this.#abort(call, callTimeout(call, lane.runner)));
      this.#ledger.started(call, lane.runner);
    };
    if (payload.pending) payload.pending.then(send, refuse);
    else send();
  }

  #message(lane: Lane, message: Message): void {
    switch (message.type) {
      case "result":
      case "error":
        this.#finish(lane, message);
        break;
      case "progress": {
        const call = this.#ledger.get(message.id);
        if (!call || call.settled || call.lane !== lane) break;
        this.#ledger.progress(call, this.#read(lane, message).value);
        break;
      }
      case "fault": {
        const { calls } = message;
        const text = this.#fleet.redact(message.text);
        this.#deps.events.emit("runner.fault", { pool: this.name, runner: lane.runner, calls, text });
        for (const line of text.split("\n")) this.#print(lane.runner, calls[0] ?? 0, "stderr", line);
        this.#replacing.retire(lane);
        break;
      }
      case "accepted":
        break;
      default:
        this.#fleet.get(lane.runnerNumber)?.stop(lane, `protocol error: a runner sent ${message.type}`);
    }
  }

  #finish(lane: Lane, message: Answer): void {
    const call = this.#ledger.get(message.id);
    if (!call || call.lane !== lane) return;
    if (!call.settled) {
      const { value, failed } = this.#read(lane, message);
      if (message.type === "result" && !failed) this.#ledger.resolve(call, value);
      else if (failed || !this.#retry(call, value)) {
        joinStack(value, call, lane.runner);
        this.#ledger.reject(call, value);
      } else return;
    }
    this.#release(call);
  }

  /** One that does not speak the protocol is ended. */
  #read(lane: Lane, message: { readonly value: Answer["value"] }): Read {
    const read = lane.read(message.value);
    if (read.broken) this.#fleet.get(lane.runnerNumber)?.stop(lane, read.broken);
    return read;
  }

  /** After the closure's own error: true when the call will be made again. */
  #retry(call: Call, error: unknown): boolean {
    const { retries } = call.options;
    if (call.retried >= retries.limit || this.#closed) return false;
    const hookFailed = (failure: unknown): void =>
      this.#deps.events.emit("hook.failed", { event: "retries", error: failure });
    const delayMs = pauseBefore(retries, error, call.retried + 1, hookFailed);
    if (delayMs === undefined) return false;
    this.#ledger.failedAttempt(call, error);
    this.#free(call);
    call.retried++;
    call.attempt++;
    // Its caller may leave meanwhile; the call is then forgotten like one that waits.
    const again = (): void => this.#enqueue(call, true);
    if (delayMs === 0) again();
    else call.clock = this.#deadlines.add(delayMs, again);
    return true;
  }

  /** The caller is told at once; the slot stays taken until the executor confirms or its grace is over. */
  #abort(call: Call, error: Error): void {
    if (call.settled) return;
    ownStack(error, call);
    this.#ledger.reject(call, error);
    const { lane } = call;
    if (!lane) {
      this.#release(call);
      return;
    }
    lane.cancel(call.id, error.message);
    this.#replacing.look(lane);
    call.clock = this.#deadlines.add(graceMs, () => this.#replacing.stuck(lane));
  }

  #runnerGone(runner: number, end: LinkEnd): void {
    const stranded = this.#ledger.all().filter((call) => call.lane?.runnerNumber === runner);
    this.#replacing.forgetRunner(runner);
    this.#step({ type: "gone", runner });
    this.#lost(stranded, "machine", end);
  }

  /** What becomes of calls whose executor, or whole machine, is no more. */
  #lost(stranded: readonly Call[], scope: "process" | "machine", end: LinkEnd): void {
    for (const call of stranded) {
      if (!call.settled && !mayRepeat(call, this.#closed)) {
        const error = runnerLost(call, scope, end);
        ownStack(error, call);
        this.#ledger.reject(call, error);
      }
      if (call.settled) this.#release(call);
      else {
        this.#free(call);
        this.#enqueue(call, true);
      }
    }
  }

  /** The call is on no executor any more. */
  #free(call: Call): void {
    const { lane } = call;
    call.clock?.cancel();
    call.lane = undefined;
    call.sent = false;
    if (lane) lane.busy--;
    this.#step({ type: "done", call: call.id });
    if (lane) this.#replacing.look(lane);
  }

  /** Nothing of the call is left. */
  #release(call: Call): void {
    this.#ledger.forget(call);
    this.#free(call);
    if (this.#ledger.size === 0) this.#idle.wake();
    if (this.#closed) this.#less.wake();
  }

  #print(runner: string, call: number, stream: "stdout" | "stderr", line: string): void {
    const name = this.#ledger.get(call)?.options.name ?? "";
    this.#deps.events.emit("runner.log", { pool: this.name, runner, call, name, stream, line });
  }
}
