/**
 * The pool's decisions and nothing else: events in, commands out. No clock, no socket, no promise; whoever owns it
 * carries the commands out and says what came of them. Every event may change every decision: growth, dispatch and
 * shrinking are looked at again after each one.
 */
import { Affinity } from "./affinity.ts";
import type { Command, CoreOptions, Event } from "./decisions.ts";
import { type InLine, Line } from "./line.ts";
import { WaitingCalls } from "./queue.ts";
import { type Snapshot, slots } from "./scale.ts";

export type { Command, CoreOptions, Event } from "./decisions.ts";

interface Runner extends InLine<Runner> {
  readonly id: number;
  phase: "booting" | "ready" | "draining";
  busy: number;
  /** No further calls: used once, too old, unwell. */
  retired: false | "used" | "lifetime" | "retired" | "resized";
  idleSince: number;
  /** When its boot began. */
  readonly bornAt: number;
  readyAt: number;
  /** It has had a call. */
  used: boolean;
  /** Boot failures in a row before it came up. */
  failures: number;
  /** Where it stands when it can take a call. */
  line: Line<Runner> | undefined;
}

export class PoolCore {
  options: CoreOptions;
  readonly #runners = new Map<number, Runner>();
  readonly #waiting = new WaitingCalls();
  readonly #runningOn = new Map<number, Runner>();
  /**
   * Ready runners that take calls, by number of busy slots: the fullest is served first, and among equals the one that
   * came last, so that the others fall idle.
   */
  readonly #open: Line<Runner>[] = [new Line()];
  readonly #affinity = new Affinity();
  #started = false;
  #closed = false;
  #next = 1;
  #failures = 0;
  #retryAt = -Infinity;
  #resized = false;
  #booting = 0;
  #ready = 0;
  /** Ready runners that take no more calls, and the calls that still run on them. */
  #retiring = 0;
  #held = 0;
  /** Ready, retired, and without calls: to be drained. */
  readonly #spent: Runner[] = [];
  #tickAt = Infinity;

  constructor(options: CoreOptions) {
    this.options = options;
  }

  get queued(): number {
    return this.#waiting.size;
  }

  get running(): number {
    return this.#runningOn.size;
  }

  get waiting(): Iterable<number> {
    return this.#waiting;
  }

  get booting(): number {
    return this.#booting;
  }

  get ready(): number {
    return this.#ready;
  }

  get draining(): number {
    return this.#runners.size - this.#booting - this.#ready;
  }

  get freeSlots(): number {
    let free = 0;
    for (let busy = 0; busy < this.#open.length; busy++)
      free += (this.options.slotsPerRunner - busy) * this.#open[busy]!.size;
    return free;
  }

  /** The runner of a dispatched call. */
  runnerOf(call: number): number | undefined {
    return this.#runningOn.get(call)?.id;
  }

  /** When to send the next `tick`, possibly too early, never too late; `Infinity` when time alone changes nothing. */
  get tickAt(): number {
    return this.#tickAt;
  }

  step(event: Event, now: number, commands: Command[]): void {
    this.#apply(event, now);
    if (this.#resized) this.#fit(commands);
    this.#dispatch(now, commands);
    this.#retire(commands);
    this.#shrink(now, commands);
    this.#grow(now, commands);
  }

  #apply(event: Event, now: number): void {
    switch (event.type) {
      case "start":
        this.#started = true;
        break;
      case "call":
        this.#started = true;
        this.#affinity.note(event.call, event.key);
        this.#waiting.add(event.call, event.priority);
        break;
      case "done":
        this.#finish(event.call, now);
        break;
      case "booted": {
        const runner = this.#runners.get(event.runner);
        if (runner?.phase !== "booting") break;
        this.#booting--;
        this.#ready++;
        runner.failures = this.#failures;
        this.#failures = 0;
        this.#retryAt = -Infinity;
        runner.phase = "ready";
        runner.readyAt = now;
        this.#hint(now + this.options.lifetimeMs);
        this.#idle(runner, now);
        if (runner.retired) {
          this.#retiring++;
          this.#spent.push(runner);
        } else this.#place(runner);
        break;
      }
      case "bootFailed": {
        const runner = this.#runners.get(event.runner);
        if (!runner || runner.phase === "ready") break;
        this.#forget(runner);
        // Of boots that ran side by side one failure counts: otherwise the first wave would earn the longest pause.
        if (runner.phase === "booting" && runner.bornAt >= this.#retryAt) this.#pause(this.#failures + 1, now);
        break;
      }
      case "gone": {
        const runner = this.#runners.get(event.runner);
        if (!runner) break;
        if (runner.busy > 0) for (const [call, holder] of this.#runningOn) if (holder === runner) this.#drop(call);
        this.#forget(runner);
        // It came up and broke before it was of any use: without a pause the next one would, too, and the next.
        const broke = runner.phase === "ready" || runner.retired === "retired";
        if (broke && !runner.used && !this.#closed) this.#pause(runner.failures + 1, now);
        break;
      }
      case "retire": {
        const runner = this.#runners.get(event.runner);
        if (runner?.phase === "ready") this.#close(runner, "retired");
        else if (runner?.phase === "booting") runner.retired = "retired";
        break;
      }
      case "resize":
        this.options = { ...this.options, min: event.min, max: event.max };
        this.#resized = true;
        break;
      case "close":
        this.#closed = true;
        break;
      case "tick":
        this.#tick(now);
        break;
    }
  }

  #tick(now: number): void {
    this.#tickAt = Infinity;
    for (const runner of this.#runners.values()) {
      if (runner.phase !== "ready" || runner.retired) continue;
      const end = runner.readyAt + this.options.lifetimeMs;
      if (now >= end) this.#close(runner, "lifetime");
      else this.#hint(end);
      const idle = runner.idleSince + this.options.idleMs;
      if (runner.busy === 0 && idle > now) this.#hint(idle);
    }
    if (this.#retryAt > now) this.#hint(this.#retryAt);
  }

  /** No boots for a while, after the n-th failure in a row. */
  #pause(failures: number, now: number): void {
    this.#failures = failures;
    this.#retryAt = now + this.options.backoffMs(failures);
    this.#hint(this.#retryAt);
  }

  #hint(at: number): void {
    if (at < this.#tickAt) this.#tickAt = at;
  }

  #finish(call: number, now: number): void {
    if (this.#waiting.delete(call)) {
      this.#affinity.forget(call);
      return;
    }
    const runner = this.#runningOn.get(call);
    if (!runner) return;
    this.#drop(call);
    this.#move(runner, -1);
    if (runner.busy === 0) this.#idle(runner, now);
  }

  #idle(runner: Runner, now: number): void {
    runner.idleSince = now;
    this.#hint(now + this.options.idleMs);
  }

  #drop(call: number): void {
    this.#runningOn.delete(call);
    this.#affinity.forget(call);
  }

  /** Runners that must go whatever the load: too old, used up, unwell, or everything when the pool closes. */
  #retire(commands: Command[]): void {
    for (let runner = this.#spent.pop(); runner; runner = this.#spent.pop()) {
      if (runner.phase === "ready" && runner.retired) this.#drain(runner, runner.retired, commands);
    }
    if (this.#closed && this.#waiting.size === 0) {
      for (const runner of this.#runners.values()) {
        if (runner.phase === "booting") this.#cancel(runner, commands);
        else if (runner.phase === "ready" && runner.busy === 0) this.#drain(runner, "closed", commands);
      }
    }
  }

  /** After `max` fell: boots first, then the least busy; their calls end, but a long queue must not keep them. */
  #fit(commands: Command[]): void {
    this.#resized = false;
    let over = this.#ready - this.#retiring + this.#booting - this.options.max;
    if (over <= 0) return;
    const runners = [...this.#runners.values()].toReversed();
    for (const runner of runners) if (runner.phase === "booting" && over-- > 0) this.#cancel(runner, commands);
    const taking = runners.filter((runner) => runner.phase === "ready" && !runner.retired);
    for (const runner of taking.toSorted((left, right) => left.busy - right.busy))
      if (over-- > 0) this.#close(runner, "resized");
  }

  #dispatch(now: number, commands: Command[]): void {
    for (;;) {
      const call = this.#waiting.first();
      if (call === undefined) return;
      const runner = this.#pick(call);
      if (!runner) return;
      this.#waiting.delete(call);
      this.#runningOn.set(call, runner);
      this.#move(runner, 1);
      runner.used = true;
      this.#affinity.served(call, runner.id);
      if (this.options.singleUse) this.#close(runner, "used");
      commands.push({ type: "dispatch", call, runner: runner.id });
    }
  }

  #pick(call: number): Runner | undefined {
    const last = this.#runners.get(this.#affinity.runnerFor(call) ?? 0);
    if (last?.line) return last;
    for (let busy = this.#open.length - 1; busy >= 0; busy--) if (this.#open[busy]!.last) return this.#open[busy]!.last;
    return undefined;
  }

  #wanted(): number {
    if (!this.#started) return 0;
    const { min, max, spare, slotsPerRunner } = this.options;
    const queued = this.#waiting.size;
    const running = this.#runningOn.size - this.#held;
    const ready = this.#ready - this.#retiring;
    if (this.#closed) return Math.min(max, ready + Math.ceil(queued / slotsPerRunner));
    const target = this.#scale({ queued, running, ready, booting: this.#booting, slotsPerRunner, spare, min, max });
    return Math.min(max, Math.max(min, Math.ceil(target)));
  }

  #scale(snapshot: Snapshot): number {
    try {
      const target = this.options.scale(snapshot);
      if (typeof target === "number" && !Number.isNaN(target)) return target;
      throw new TypeError(`Cannot scale the pool: its strategy gave ${String(target)}, a number of runners is wanted`);
    } catch (error) {
      this.options.scaleFailed?.(error);
      return slots()(snapshot);
    }
  }

  #grow(now: number, commands: Command[]): void {
    if (now < this.#retryAt) return;
    // Runners that will take no more calls still count against max: they are machines.
    const room = this.options.max - this.#runners.size;
    let missing = Math.min(room, this.#wanted() - (this.#ready - this.#retiring) - this.#booting);
    for (; missing > 0; missing--) {
      const runner: Runner = {
        id: this.#next++,
        phase: "booting",
        busy: 0,
        retired: false,
        idleSince: now,
        bornAt: now,
        readyAt: now,
        used: false,
        failures: 0,
        line: undefined,
        previous: undefined,
        next: undefined,
      };
      this.#runners.set(runner.id, runner);
      this.#booting++;
      commands.push({ type: "boot", runner: runner.id });
    }
  }

  #shrink(now: number, commands: Command[]): void {
    const idle = this.#open[0]!;
    // In order of falling idle: the first one that is too fresh ends the search.
    const tooLong = (runner: Runner | undefined): runner is Runner =>
      !!runner && now >= runner.idleSince + this.options.idleMs;
    if (!tooLong(idle.first)) return;
    let spare = this.#ready - this.#retiring - this.#wanted();
    while (spare-- > 0 && tooLong(idle.first)) this.#drain(idle.first, "idle", commands);
  }

  #place(runner: Runner): void {
    if (runner.phase !== "ready" || runner.retired || runner.busy >= this.options.slotsPerRunner) return;
    // Calls come and go one at a time, so that no level is left out.
    runner.line = this.#open[runner.busy] ??= new Line();
    runner.line.append(runner);
  }

  #unplace(runner: Runner): void {
    runner.line?.remove(runner);
    runner.line = undefined;
  }

  #move(runner: Runner, by: 1 | -1): void {
    this.#unplace(runner);
    runner.busy += by;
    if (runner.retired) {
      this.#held += by;
      if (runner.busy === 0) this.#spent.push(runner);
    }
    this.#place(runner);
  }

  /** No more calls for this runner. */
  #close(runner: Runner, why: "used" | "lifetime" | "retired" | "resized"): void {
    if (runner.retired) return;
    this.#unplace(runner);
    runner.retired = why;
    this.#retiring++;
    this.#held += runner.busy;
    if (runner.busy === 0) this.#spent.push(runner);
  }

  #drain(runner: Runner, reason: Extract<Command, { type: "drain" }>["reason"], commands: Command[]): void {
    this.#unplace(runner);
    if (runner.retired) this.#retiring--;
    this.#ready--;
    runner.phase = "draining";
    commands.push({ type: "drain", runner: runner.id, reason });
  }

  #cancel(runner: Runner, commands: Command[]): void {
    this.#booting--;
    runner.phase = "draining";
    commands.push({ type: "cancelBoot", runner: runner.id });
  }

  #forget(runner: Runner): void {
    this.#unplace(runner);
    if (runner.phase === "booting") this.#booting--;
    if (runner.phase === "ready") {
      this.#ready--;
      if (runner.retired) {
        this.#retiring--;
        this.#held -= runner.busy;
      }
    }
    this.#runners.delete(runner.id);
  }
}
