/**
 * A pool: carries out what its core decides, with real runners, real clocks and real callers.
 */
import { type BootError, ProtocolError } from "../errors.ts";
import type { Timer } from "../ports/clock.ts";
import { resolveCount } from "../options.ts";
import { decode } from "../value/decode.ts";
import type { Payload } from "../value/port.ts";
import { Dock } from "../wire/dock.ts";
import type { Message } from "../wire/messages.ts";
import { type Call, type CallRequest, joinStack, maxRepeats, ownStack } from "./call.ts";
import { type Command, type Event, PoolCore } from "./core.ts";
import { Deadlines } from "./deadlines.ts";
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
import { type LinkEnd, type LinkHandlers, RunnerLink } from "./link.ts";
import { backoffMs } from "./backoff.ts";
import { Ledger, type LedgerDeps } from "./ledger.ts";
import type { PoolStats } from "./stats.ts";
import type { ResolvedPoolOptions } from "./options.ts";

export interface PoolDeps extends LedgerDeps {
  /** URL of the application's entry file, which runners must not import. */
  readonly entry: string | null;
}

/** How long a cancelled call may go on before its runner is given up. */
const graceMs = 5_000;
export class RunningPool {
  readonly name: string;
  #options: ResolvedPoolOptions;
  readonly #deps: PoolDeps;
  readonly #core: PoolCore;
  readonly #dock: Dock;
  readonly #deadlines: Deadlines;
  readonly #links = new Map<number, RunnerLink>();
  readonly #ledger: Ledger;
  readonly #commands: Command[] = [];
  readonly #overdue = new Set<RunnerLink>();
  readonly #idleWaiters: (() => void)[] = [];
  readonly #goneWaiters: (() => void)[] = [];
  #carrying = false;
  #tick: Timer | undefined;
  #tickAt = Infinity;
  #closed = false;
  #lastBootError: BootError | undefined;
  #boots = { ok: 0, failed: 0 };

  constructor(name: string, options: ResolvedPoolOptions, deps: PoolDeps) {
    this.name = name;
    this.#options = options;
    this.#deps = deps;
    this.#core = new PoolCore({
      ...options,
      slotsPerRunner: options.concurrency,
      backoffMs,
      scaleFailed: (error) => deps.events.emit("hook.failed", { event: "scale", error }),
    });
    this.#ledger = new Ledger(name, deps);
    this.#dock = new Dock(options.backend.listen, deps.clock);
    this.#deadlines = new Deadlines(deps.clock);
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

  #enqueue(call: Call): void {
    const { priority, key, queueTimeoutMs } = call.options;
    this.#ledger.queued(call);
    this.#step({ type: "call", call: call.id, priority, key });
    if (call.link || call.settled) return;
    call.clock = this.#deadlines.add(queueTimeoutMs, () => this.#abort(call, queueTimeout(call, this.name)));
    this.#expectBoot(call);
  }

  /** A waiter that has seen no runner come up in all of `bootTimeout`, and has none now, is told why. */
  #expectBoot(call: Call): void {
    const { bootTimeoutMs } = this.#options;
    const seen = this.#boots.ok;
    call.bootClock = this.#deadlines.add(bootTimeoutMs, () => {
      if (call.settled || call.link) return;
      if (this.#core.ready > 0 || this.#boots.ok > seen) this.#expectBoot(call);
      else this.#abort(call, bootTooLate(call, this.name, bootTimeoutMs, this.#lastBootError));
    });
  }

  stats(): PoolStats {
    const core = this.#core;
    return {
      runners: { booting: core.booting, ready: core.ready, draining: core.draining },
      slots: { busy: core.running, free: core.freeSlots },
      queued: core.queued,
      completed: this.#ledger.completed,
      failed: this.#ledger.failed,
      boots: { ...this.#boots },
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
    if (this.#core.queued === 0 && this.#core.running === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Refuses new calls, lets the others finish for at most `timeoutMs`, ends all runners. */
  async close(timeoutMs = this.#options.drainTimeoutMs): Promise<void> {
    this.#closed = true;
    this.#step({ type: "close" });
    const timer = this.#deps.clock.timer(timeoutMs, () => {
      for (const call of this.#ledger.all()) {
        const error = closedDuring(call, this.name);
        ownStack(error, call);
        this.#ledger.reject(call, error);
        if (!call.link) this.#release(call);
      }
      for (const link of this.#links.values()) link.kill("the pool was closed");
    });
    timer.hold(true);
    while (this.#links.size > 0 || this.#ledger.size > 0)
      await new Promise<void>((resolve) => this.#goneWaiters.push(resolve));
    timer.cancel();
    this.#tick?.cancel();
    this.#deadlines.close();
    await this.#dock.close();
  }

  /** While the parent's process exits: nothing may be left. */
  exitNow(): void {
    for (const link of this.#links.values()) link.exitNow();
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
    if (this.#idleWaiters.length > 0 && this.#core.queued === 0 && this.#core.running === 0)
      for (const resolve of this.#idleWaiters.splice(0)) resolve();
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
        this.#boot(command.runner);
        break;
      case "dispatch":
        this.#dispatch(this.#ledger.get(command.call)!, this.#links.get(command.runner)!);
        break;
      case "drain": {
        const link = this.#links.get(command.runner)!;
        this.#deps.events.emit("runner.draining", { pool: this.name, runner: link.id, reason: command.reason });
        link.drain(this.#options.drainTimeoutMs);
        break;
      }
      case "cancelBoot":
        this.#links.get(command.runner)?.cancelBoot();
        break;
    }
  }

  #boot(number: number): void {
    const link = new RunnerLink(
      { ...this.#options, pool: this.name, id: `${this.name}-${number}`, number, entry: this.#deps.entry },
      { ...this.#deps, backend: this.#options.backend, dock: this.#dock },
      this.#handlers,
    );
    this.#links.set(number, link);
    void link.boot();
  }

  readonly #handlers: LinkHandlers = {
    ready: (link) => {
      this.#boots.ok++;
      this.#step({ type: "booted", runner: link.options.number });
    },
    bootFailed: (link, error, wanted) => {
      if (wanted) {
        this.#boots.failed++;
        this.#lastBootError = error;
      }
      this.#links.delete(link.options.number);
      this.#step({ type: "bootFailed", runner: link.options.number });
      if (error.permanent) for (const id of [...this.#core.waiting]) this.#abort(this.#ledger.get(id)!, error);
      this.#noteGone();
    },
    gone: (link, end) => this.#gone(link, end),
    message: (link, message) => this.#message(link, message),
    output: (link, stream, line) => this.#print(link, 0, stream, line),
  };

  #dispatch(call: Call, link: RunnerLink): void {
    call.clock?.cancel();
    call.bootClock?.cancel();
    call.link = link;
    call.startedAt = this.#deps.clock.now();
    const { payload, units } = call.captured;
    const refuse = (error: unknown): void => {
      this.#ledger.reject(call, error);
      this.#release(call);
    };
    const send = (): void => {
      if (call.settled) return void this.#release(call);
      try {
        // A runner that has gone meanwhile gives its calls back when its end is known.
        if (!link.dispatch(call.id, call.attempt, payload, units)) return;
      } catch (error) {
        return refuse(error);
      }
      call.sent = true;
      const { timeoutMs } = call.options;
      call.clock = this.#deadlines.add(timeoutMs, () => this.#abort(call, callTimeout(call, link.id)));
      this.#ledger.started(call, link.id);
    };
    if (payload.pending) payload.pending.then(send, refuse);
    else send();
  }

  #message(link: RunnerLink, message: Message): void {
    switch (message.type) {
      case "result":
      case "error":
        this.#finish(link, message);
        break;
      case "progress": {
        const call = this.#ledger.get(message.id);
        if (!call || call.settled || call.link !== link) break;
        const { value } = this.#read(link, message.value);
        this.#ledger.progress(call, value);
        break;
      }
      case "log":
        this.#print(link, message.id, message.stream, message.line);
        break;
      case "fault":
        this.#deps.events.emit("runner.fault", {
          pool: this.name,
          runner: link.id,
          calls: message.calls,
          text: message.text,
        });
        for (const line of message.text.split("\n")) this.#print(link, message.calls[0] ?? 0, "stderr", line);
        this.#step({ type: "retire", runner: link.options.number });
        break;
      case "drain":
        link.send({ type: "ack" });
        break;
      case "accepted":
        break;
      default:
        link.kill(`protocol error: a runner sent ${message.type}`);
    }
  }

  #finish(link: RunnerLink, message: Extract<Message, { type: "result" | "error" }>): void {
    const call = this.#ledger.get(message.id);
    if (!call || call.link !== link) return;
    if (!call.settled) {
      const { value, failed } = this.#read(link, message.value);
      if (message.type === "result" && !failed) this.#ledger.resolve(call, value);
      else {
        joinStack(value, call, link.id);
        this.#ledger.reject(call, value);
      }
    }
    this.#release(call);
  }

  /** What a runner says, or why it cannot be understood; a runner that does not speak the protocol is ended. */
  #read(link: RunnerLink, payload: Payload): { readonly value: unknown; readonly failed: boolean } {
    try {
      return { value: decode(payload, link.receive), failed: false };
    } catch (error) {
      if (error instanceof ProtocolError) link.kill(error.message);
      return { value: error, failed: true };
    }
  }

  /** The caller is told at once; the slot stays taken until the runner confirms or its grace is over. */
  #abort(call: Call, error: Error): void {
    if (call.settled) return;
    ownStack(error, call);
    this.#ledger.reject(call, error);
    const { link } = call;
    if (!link) {
      this.#release(call);
      return;
    }
    link.cancel(call.id, error.message);
    call.clock = this.#deadlines.add(graceMs, () => {
      this.#overdue.add(link);
      this.#step({ type: "retire", runner: link.options.number });
      this.#giveUp(link);
    });
  }

  /** A runner with a call past its grace is not going to answer; it goes as soon as nobody waits for it any more. */
  #giveUp(link: RunnerLink): void {
    if (!this.#overdue.has(link)) return;
    if (this.#ledger.on(link).every((call) => call.settled))
      link.kill("a cancelled call did not stop within its grace");
  }

  #gone(link: RunnerLink, end: LinkEnd): void {
    this.#links.delete(link.options.number);
    this.#overdue.delete(link);
    const stranded = this.#ledger.on(link);
    this.#step({ type: "gone", runner: link.options.number });
    for (const call of stranded) {
      call.link = undefined;
      call.clock?.cancel();
      if (call.settled) this.#ledger.forget(call);
      else if (!call.sent) this.#enqueue(call);
      else if (call.options.idempotent && call.attempt < maxRepeats) {
        call.attempt++;
        call.sent = false;
        this.#enqueue(call);
      } else {
        const error = runnerLost(call, link, end);
        ownStack(error, call);
        this.#ledger.reject(call, error);
        this.#ledger.forget(call);
      }
    }
    this.#noteGone();
  }

  /** Frees the slot. */
  #release(call: Call): void {
    const { link } = call;
    this.#ledger.forget(call);
    if (this.#closed) this.#noteGone();
    this.#step({ type: "done", call: call.id });
    if (link) this.#giveUp(link);
  }

  #print(link: RunnerLink, call: number, stream: "stdout" | "stderr", line: string): void {
    const name = this.#ledger.get(call)?.options.name ?? "";
    this.#deps.events.emit("runner.log", { pool: this.name, runner: link.id, call, name, stream, line });
  }

  #noteGone(): void {
    for (const resolve of this.#goneWaiters.splice(0)) resolve();
  }
}
