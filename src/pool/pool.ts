/**
 * A pool: carries out what its core decides, with real runners, real clocks and real callers.
 */
import type { RunnerInfo } from "../context.ts";
import { resolveCount } from "../options.ts";
import type { Branch } from "../ports/child.ts";
import type { Timer } from "../ports/clock.ts";
import { backoffMs } from "./backoff.ts";
import type { CallRequest } from "./call.ts";
import { Calls, type CallsHost } from "./calls.ts";
import { type Command, type Event, PoolCore } from "./core.ts";
import { Deadlines } from "./deadlines.ts";
import { closedForCalls, queueFull } from "./failures.ts";
import { Fleet, type FleetDeps } from "./fleet.ts";
import type { LedgerDeps } from "./ledger.ts";
import type { ResolvedPoolOptions } from "./options.ts";
import type { PoolStats } from "./stats.ts";
import { Waiters } from "../waiters.ts";

export interface PoolDeps extends LedgerDeps, FleetDeps, Pick<CallsHost, "nested"> {}

/** What the end of machines may take that were told to end at once: one that cannot be ended must not hold the parent. */
const endMs = 10_000;

export class RunningPool {
  readonly name: string;
  #options: ResolvedPoolOptions;
  readonly #deps: PoolDeps;
  readonly #core: PoolCore;
  readonly #fleet: Fleet;
  readonly #calls: Calls;
  readonly #deadlines: Deadlines;
  #commands: Command[] = [];
  /** For all calls to be over, and for something to have ended. */
  readonly #idle = new Waiters();
  readonly #less = new Waiters();
  #carrying = false;
  #tick: Timer | undefined;
  #tickAt = Infinity;
  #closed = false;
  readonly #over = Promise.withResolvers<void>();

  /** Throws `CaptureError` when `setup` or `idleCheck` reach what cannot travel. */
  constructor(name: string, options: ResolvedPoolOptions, deps: PoolDeps) {
    this.name = name;
    this.#options = options;
    this.#deps = deps;
    this.#deadlines = new Deadlines(deps.clock);
    this.#fleet = new Fleet(name, options, deps, {
      step: (event) => this.#step(event),
      gone: (link, end) => this.#calls.runnerGone(link.options.number, end),
      executorGone: (link, lane, end) => this.#calls.executorGone(lane, link.executors.slots, end),
      message: (_link, lane, message) => this.#calls.message(lane, message),
      output: (link, call, stream, line) => this.#calls.print(link.id, call, stream, line),
      hopeless: (error) => {
        // Where others are up, calls that wait will be served by them.
        if (this.#core.ready > 0) return;
        for (const id of [...this.#core.waiting]) this.#calls.abort(this.#calls.ledger.get(id)!, error);
      },
      fewer: () => this.#less.wake(),
    });
    const { clock, events, live } = deps;
    this.#calls = new Calls({
      pool: name,
      clock,
      events,
      live,
      processes: options.processes,
      bootTimeoutMs: options.bootTimeoutMs,
      deadlines: this.#deadlines,
      fleet: this.#fleet,
      ready: () => this.#core.ready,
      closed: () => this.#closed,
      step: (event) => this.#step(event),
      ended: () => this.#ended(),
      nested: deps.nested,
      stuck: () => this.#stuck(),
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

  /** Resolves when it was closed and nothing of it is left. */
  get closed(): Promise<void> {
    return this.#over.promise;
  }

  /** Calls that wait or run, also for nobody any more. */
  get live(): number {
    return this.#calls.ledger.size;
  }

  start(): void {
    this.#step({ type: "start" });
  }

  /** Takes a call over: from here on it ends exactly once. Throws when it cannot be taken. */
  run(request: CallRequest): void {
    if (this.#closed) throw closedForCalls(this.name);
    if (this.#core.queued + this.#core.pinned >= this.#options.queueLimit && this.#core.freeSlots === 0) {
      throw queueFull(this.name, this.#options.queueLimit);
    }
    this.#calls.add(request);
  }

  stats(): PoolStats {
    const core = this.#core;
    return {
      runners: { booting: core.booting, ready: core.ready, draining: core.draining },
      slots: { busy: core.running, free: core.freeSlots },
      queued: core.queued + core.pinned,
      completed: this.#calls.ledger.completed,
      failed: this.#calls.ledger.failed,
      boots: { ...this.#fleet.boots },
    };
  }

  /** Runners that take calls. */
  nodes(): RunnerInfo[] {
    return [...this.#core.open].map((number) => ({ id: this.#fleet.get(number)!.id, pool: this.name }));
  }

  resize({ min = this.#options.min, max = this.#options.max }: { readonly min?: number; readonly max?: number }): void {
    resolveCount(min, `"min" of pool "${this.name}"`, 0);
    resolveCount(max, `"max" of pool "${this.name}"`, 1);
    if (min > max) throw new TypeError(`Cannot resize pool "${this.name}": min ${min} is above max ${max}`);
    this.#options = { ...this.#options, min, max };
    this.#step({ type: "resize", min, max });
  }

  /** Resolves when no call waits or runs, nor a method of a placed object. New calls are accepted, and waited for as well. */
  async drain(): Promise<void> {
    if (this.#calls.ledger.active === 0) return;
    // Nobody may wait for a call any more, only for its slot.
    this.#deps.live(1);
    try {
      await this.#idle.wait();
    } finally {
      this.#deps.live(-1);
    }
  }

  /** Refuses new calls, lets the others finish for at most `timeoutMs`, ends all runners. */
  async close(timeoutMs = this.#options.drainTimeoutMs): Promise<void> {
    this.#closed = true;
    // Also when nobody waits for a call any more: runners that are left behind would be worse than an exit that is late.
    this.#deps.live(1);
    this.#step({ type: "close" });
    // Objects that were placed have no end of their own; what is under way on them finishes first.
    this.#calls.openings.leave("closed");
    const { clock } = this.#deps;
    const empty = (): boolean => this.#fleet.empty && this.#calls.ledger.size === 0;
    if (await this.#less.until(empty, timeoutMs, clock)) {
      this.#calls.giveUp();
      this.#fleet.killAll("the pool was closed");
      await this.#less.until(empty, endMs, clock);
    }
    this.#tick?.cancel();
    this.#deadlines.close();
    await this.#fleet.close();
    this.#deps.live(-1);
    this.#over.resolve();
  }

  /** Asks the runners what they keep up, for `branches`. */
  look(): Promise<void> {
    return this.#fleet.look();
  }

  /** Its runners, for people who look. */
  branches(): Branch[] {
    return this.#fleet.branches();
  }

  /** While the parent's process exits: nothing may be left. */
  exitNow(): void {
    this.#fleet.exitNow();
  }

  #stuck(): boolean {
    const { freeSlots, booting, ready, draining } = this.#core;
    if (freeSlots > 0 || booting > 0 || ready + draining < this.#options.max) return false;
    return this.#calls.ledger.all().every((call) => !call.lane || call.kept || call.waiting > 0);
  }

  #ended(): void {
    if (this.#calls.ledger.active === 0) this.#idle.wake();
    if (this.#closed) this.#less.wake();
  }

  #step(event: Event): void {
    this.#core.step(event, this.#deps.clock.now(), this.#commands);
    // Carrying a command out may lead to the next event; its commands join the same list.
    if (!this.#carrying && this.#commands.length > 0) {
      this.#carrying = true;
      let done = 0;
      try {
        while (done < this.#commands.length) this.#carryOut(this.#commands[done++]!);
      } finally {
        this.#commands = done === this.#commands.length ? [] : this.#commands.slice(done);
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
        this.#calls.dispatch(this.#calls.ledger.get(command.call)!, command.runner);
        break;
      case "reject":
        this.#calls.refuse(this.#calls.ledger.get(command.call)!);
        break;
      case "leave":
        this.#calls.openings.leave(command.reason, command.runner);
        break;
      case "drain":
        this.#calls.openings.letGo(command.runner, command.reason);
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
}
