/**
 * (It is long because all decisions share one state, and each is looked at again after every event.)
 *
 * The pool's decisions and nothing else: events in, commands out. No clock, no socket, no promise; whoever owns it
 * carries the commands out and says what came of them. Every event may change every decision: growth, dispatch and
 * shrinking are looked at again after each one.
 */
import { Affinity } from "./affinity.ts";
import type { Command, CoreOptions, Event } from "./decisions.ts";
import { PinnedCalls } from "./pinned.ts";
import { WaitingCalls } from "./queue.ts";
import { OpenRunners, type Runner, bornRunner, lifetimeOf } from "./roster.ts";
import { type Snapshot, judge } from "./scale.ts";
import { ServiceTime } from "./service.ts";

export type { Command, CoreOptions, Event } from "./decisions.ts";

interface RunningCall {
  readonly runner: Runner;
  readonly begunAt: number;
  /** It has made an object that stays. */
  placed: boolean;
}

/** How often growth is looked at again while calls wait: running calls may turn out to be long. */
const lookMs = 1_000;

export class PoolCore {
  options: CoreOptions;
  readonly #runners = new Map<number, Runner>();
  readonly #waiting = new WaitingCalls();
  readonly #pinned = new PinnedCalls();
  readonly #kept = new Map<number, Runner>();
  readonly #running = new Map<number, RunningCall>();
  readonly #service = new ServiceTime();
  readonly #open = new OpenRunners();
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
  /** Of the calls that run on other runners, those with an object that stays. */
  #placed = 0;
  /** Ready, retired, and without calls: to be drained. */
  readonly #spent: Runner[] = [];
  /** Retired, with placed objects that have not been told to go. */
  readonly #leaving = new Set<Runner>();
  #tickAt = Infinity;

  constructor(options: CoreOptions) {
    this.options = options;
  }

  get queued(): number {
    return this.#waiting.size;
  }

  /** Calls that wait for one runner. */
  get pinned(): number {
    return this.#pinned.size;
  }

  /** Runners that take calls. */
  get open(): number[] {
    return [...this.#runners.values()]
      .filter(({ phase, retired }) => phase === "ready" && !retired)
      .map(({ id }) => id);
  }

  get running(): number {
    return this.#running.size;
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
    return this.#open.free;
  }

  /** The runner of a dispatched call. */
  runnerOf(call: number): number | undefined {
    return this.#running.get(call)?.runner.id;
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
    // Who waits for a runner that has just been closed is told at once.
    if (this.#pinned.size > 0) this.#dispatch(now, commands);
    this.#grow(now, commands);
  }

  #apply(event: Event, now: number): void {
    switch (event.type) {
      case "start":
        this.#started = true;
        break;
      case "call":
        this.#started = true;
        if (event.runner !== undefined) {
          this.#pinned.add(event.call, event.runner, event.again === true);
          break;
        }
        this.#affinity.note(event.call, event.key);
        this.#waiting.add(event.call, event.priority, event.again);
        break;
      case "placed": {
        const running = this.#running.get(event.call);
        if (!running || running.placed) break;
        running.placed = true;
        // However long it stays, that is not how long calls take.
        this.#service.end(running.begunAt, now, true);
        const { runner } = running;
        runner.placed++;
        if (runner.retired) this.#leaving.add(runner);
        else this.#placed++;
        break;
      }
      case "kept": {
        const runner = this.#running.get(event.call)?.runner;
        if (!runner) break;
        this.#finish(event.call, now);
        this.#kept.set(event.call, runner);
        runner.kept++;
        break;
      }
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
        this.#hint(now + lifetimeOf(runner.id, this.options.lifetimeMs));
        this.#idle(runner, now);
        if (runner.retired) {
          this.#retiring++;
          this.#spent.push(runner);
        } else this.#open.add(runner);
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
        if (runner.busy > 0)
          for (const [call, running] of this.#running) if (running.runner === runner) this.#drop(call, now, true);
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
      case "slots": {
        const runner = this.#runners.get(event.runner);
        if (!runner) break;
        this.#open.remove(runner);
        runner.slots = event.slots;
        this.#open.add(runner);
        break;
      }
      case "checked": {
        const runner = this.#runners.get(event.runner);
        if (!runner?.checking) break;
        runner.checking = false;
        if (event.idle && runner.line && runner.busy === 0 && runner.kept === 0 && this.#surplus(now) > 0)
          this.#close(runner, "idle");
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
      const end = runner.readyAt + lifetimeOf(runner.id, this.options.lifetimeMs);
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
    const runner = this.#drop(call, now);
    if (runner) {
      this.#move(runner, -1);
      if (runner.busy === 0) this.#idle(runner, now);
      return;
    }
    if (this.#waiting.delete(call)) {
      this.#affinity.forget(call);
      return;
    }
    if (this.#pinned.delete(call)) return;
    const keeper = this.#kept.get(call);
    if (keeper) {
      this.#kept.delete(call);
      keeper.kept--;
      // Also where its executors are just being started again: it will have its place by when it became idle.
      if (keeper.busy === 0) {
        if (keeper.line) this.#renew(keeper, now);
        else this.#idle(keeper, now);
      }
    }
  }

  #idle(runner: Runner, now: number): void {
    runner.idleSince = now;
    this.#hint(now + this.options.idleMs);
  }

  #drop(call: number, now: number, lost = false): Runner | undefined {
    const running = this.#running.get(call);
    if (!running) return undefined;
    this.#running.delete(call);
    if (running.placed) {
      running.runner.placed--;
      if (!running.runner.retired) this.#placed--;
    } else this.#service.end(running.begunAt, now, lost);
    this.#affinity.forget(call);
    return running.runner;
  }

  /** Runners that must go whatever the load: too old, used up, unwell, or everything when the pool closes. */
  #retire(commands: Command[]): void {
    for (const runner of this.#leaving) {
      const { id, retired } = runner;
      if (retired && retired !== "used" && retired !== "idle")
        commands.push({ type: "leave", runner: id, reason: retired });
    }
    if (this.#leaving.size > 0) this.#leaving.clear();
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
    if (this.#pinned.size > 0) for (const runner of this.#pinned.runners) this.#dispatchPinned(runner, now, commands);
    for (;;) {
      const call = this.#waiting.first();
      if (call === undefined) return;
      const runner = this.#pick(call);
      if (!runner) return;
      this.#waiting.delete(call);
      this.#affinity.served(call, runner.id);
      this.#give(call, runner, now, commands);
    }
  }

  #dispatchPinned(number: number, now: number, commands: Command[]): void {
    const runner = this.#runners.get(number);
    const gone = runner?.phase !== "ready" || runner.retired !== false;
    while (gone || runner.line) {
      const call = this.#pinned.shift(number);
      if (call === undefined) return;
      if (!gone) this.#give(call, runner, now, commands);
      else commands.push({ type: "reject", call });
    }
  }

  #give(call: number, runner: Runner, now: number, commands: Command[]): void {
    this.#running.set(call, { runner, begunAt: now, placed: false });
    this.#service.begin(now);
    this.#move(runner, 1);
    runner.used = true;
    if (this.options.singleUse) this.#close(runner, "used");
    commands.push({ type: "dispatch", call, runner: runner.id });
  }

  #pick(call: number): Runner | undefined {
    const last = this.#runners.get(this.#affinity.runnerFor(call) ?? 0);
    if (last?.line) return last;
    return this.options.spread ? this.#open.emptiest() : this.#open.fullest();
  }

  #wanted(now: number): number {
    if (!this.#started) return 0;
    const { min, max, spare, slotsPerRunner } = this.options;
    const queued = this.#waiting.size;
    const running = this.#running.size - this.#held;
    const ready = this.#ready - this.#retiring;
    if (this.#closed) return Math.min(max, ready + Math.ceil(queued / slotsPerRunner));
    const snapshot: Snapshot = {
      queued,
      running,
      placed: this.#placed,
      ready,
      booting: this.#booting,
      slotsPerRunner,
      spare,
      min,
      max,
      completed: this.#service.completed,
      serviceMs: this.#service.estimate(now),
    };
    const target = judge(this.options.scale, snapshot, this.options.scaleFailed);
    return Math.min(max, Math.max(min, Math.ceil(target)));
  }

  /** Runners that take calls, beyond those that are wanted. */
  #surplus(now: number): number {
    return this.#ready - this.#retiring - this.#wanted(now);
  }

  #grow(now: number, commands: Command[]): void {
    if (now < this.#retryAt) return;
    if (this.#waiting.size > 0) this.#hint(now + lookMs);
    // Runners that will take no more calls still count against max: they are machines.
    const room = this.options.max - this.#runners.size;
    let missing = Math.min(room, -this.#surplus(now) - this.#booting);
    for (; missing > 0; missing--) {
      const runner = bornRunner(this.#next++, this.options.slotsPerRunner, now);
      this.#runners.set(runner.id, runner);
      this.#booting++;
      commands.push({ type: "boot", runner: runner.id });
    }
  }

  #shrink(now: number, commands: Command[]): void {
    const { idle } = this.#open;
    // In order of falling idle: the first one that is too fresh ends the search.
    const tooLong = (runner: Runner | undefined): runner is Runner =>
      !!runner && now >= runner.idleSince + this.options.idleMs;
    if (!tooLong(idle.first)) return;
    let spare = this.#surplus(now);
    for (let runner: Runner | undefined = idle.first; spare > 0 && tooLong(runner);) {
      const next: Runner | undefined = runner.next;
      if (runner.kept === 0) {
        spare--;
        if (this.options.idleCheck) this.#check(runner, now, commands);
        else this.#drain(runner, "idle", commands);
      }
      runner = next;
    }
  }

  /** Its idle time begins anew. */
  #renew(runner: Runner, now: number): void {
    this.#open.remove(runner);
    this.#idle(runner, now);
    this.#open.add(runner);
  }

  /** Asks the runner; until it has answered, and when it says no, its idle time begins anew. */
  #check(runner: Runner, now: number, commands: Command[]): void {
    this.#renew(runner, now);
    if (runner.checking) return;
    runner.checking = true;
    commands.push({ type: "check", runner: runner.id });
  }

  #move(runner: Runner, by: 1 | -1): void {
    this.#open.remove(runner);
    runner.busy += by;
    runner.checking = false;
    if (runner.retired) {
      this.#held += by;
      if (runner.busy === 0) this.#spent.push(runner);
    }
    this.#open.add(runner);
  }

  /** No more calls for this runner. */
  #close(runner: Runner, why: Exclude<Runner["retired"], false>): void {
    if (runner.retired) return;
    this.#open.remove(runner);
    runner.retired = why;
    this.#retiring++;
    this.#held += runner.busy;
    if (runner.busy === 0) this.#spent.push(runner);
    this.#placed -= runner.placed;
    if (runner.placed > 0) this.#leaving.add(runner);
  }

  #drain(runner: Runner, reason: Extract<Command, { type: "drain" }>["reason"], commands: Command[]): void {
    this.#open.remove(runner);
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
    if (runner.kept > 0) for (const [call, keeper] of this.#kept) if (keeper === runner) this.#kept.delete(call);
    this.#open.remove(runner);
    if (runner.phase === "booting") this.#booting--;
    if (runner.phase === "ready") {
      this.#ready--;
      if (runner.retired) {
        this.#retiring--;
        this.#held -= runner.busy;
      }
    }
    this.#runners.delete(runner.id);
    this.#leaving.delete(runner);
  }
}
