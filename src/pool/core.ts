/**
 * The pool's decisions and nothing else: events in, commands out. No clock, no socket, no promise; whoever owns it
 * carries the commands out and says what came of them. Every event may change every decision: growth, dispatch and
 * shrinking are looked at again after each one.
 */
import { WaitingCalls } from "./queue.ts";
import type { Scale, Snapshot } from "./scale.ts";

export interface CoreOptions {
  readonly min: number;
  readonly max: number;
  readonly slotsPerRunner: number;
  readonly spare: number;
  readonly idleMs: number;
  readonly lifetimeMs: number;
  readonly singleUse: boolean;
  readonly scale: Scale;
  /** Pause after the n-th boot failure in a row. */
  readonly backoffMs: (failures: number) => number;
}

export type Event =
  | { readonly type: "start" }
  | { readonly type: "call"; readonly call: number; readonly priority: number; readonly key: string | undefined }
  /** A call is over, or never mattered: its slot is free. */
  | { readonly type: "done"; readonly call: number }
  | { readonly type: "booted"; readonly runner: number }
  | { readonly type: "bootFailed"; readonly runner: number }
  | { readonly type: "gone"; readonly runner: number }
  /** The runner is unwell: no more calls; it goes when it is empty. */
  | { readonly type: "retire"; readonly runner: number }
  | { readonly type: "resize"; readonly min: number; readonly max: number }
  | { readonly type: "close" }
  | { readonly type: "tick" };

export type Command =
  | { readonly type: "boot"; readonly runner: number }
  | { readonly type: "dispatch"; readonly call: number; readonly runner: number }
  /** Ask the runner to end; it has no calls and gets none. */
  | { readonly type: "drain"; readonly runner: number; readonly reason: "idle" | "used" | "lifetime" | "retired" | "closed" | "resized" }
  /** A boot that nobody needs any more. */
  | { readonly type: "cancelBoot"; readonly runner: number };

interface Runner {
  readonly id: number;
  phase: "booting" | "ready" | "draining";
  busy: number;
  /** No further calls: used once, too old, unwell. */
  retired: false | "used" | "lifetime" | "retired" | "resized";
  idleSince: number;
  readyAt: number;
}

export class PoolCore {
  options: CoreOptions;
  readonly #runners = new Map<number, Runner>();
  readonly #waiting = new WaitingCalls();
  readonly #runningOn = new Map<number, Runner>();
  /** Ready runners that take calls, by number of busy slots: the fullest is served first, so that others fall idle. */
  readonly #open: Set<Runner>[] = [];
  readonly #keys = new Map<string, number>();
  readonly #keyOf = new Map<number, string>();
  #started = false;
  #closed = false;
  #next = 1;
  #failures = 0;
  #retryAt = -Infinity;
  #booting = 0;
  #ready = 0;
  /** Ready runners that take no more calls, and the calls that still run on them. */
  #retiring = 0;
  #held = 0;
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
    for (let busy = 0; busy < this.#open.length; busy++) free += (this.options.slotsPerRunner - busy) * this.#open[busy]!.size;
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
    this.#retire(commands);
    this.#dispatch(now, commands);
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
        if (event.key !== undefined) this.#keyOf.set(event.call, event.key);
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
        this.#failures = 0;
        this.#retryAt = -Infinity;
        runner.phase = "ready";
        runner.readyAt = now;
        this.#hint(now + this.options.lifetimeMs);
        this.#idle(runner, now);
        this.#place(runner);
        break;
      }
      case "bootFailed": {
        const runner = this.#runners.get(event.runner);
        if (runner?.phase !== "booting") break;
        this.#forget(runner);
        this.#failures++;
        this.#retryAt = now + this.options.backoffMs(this.#failures);
        this.#hint(this.#retryAt);
        break;
      }
      case "gone": {
        const runner = this.#runners.get(event.runner);
        if (!runner) break;
        for (const [call, holder] of this.#runningOn) if (holder === runner) this.#drop(call);
        this.#forget(runner);
        break;
      }
      case "retire": {
        const runner = this.#runners.get(event.runner);
        if (runner?.phase === "ready") this.#close(runner, "retired");
        break;
      }
      case "resize":
        this.options = { ...this.options, min: event.min, max: event.max };
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

  #hint(at: number): void {
    if (at < this.#tickAt) this.#tickAt = at;
  }

  #finish(call: number, now: number): void {
    if (this.#waiting.delete(call)) {
      this.#keyOf.delete(call);
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
    this.#keyOf.delete(call);
  }

  /** Runners that must go whatever the load: too old, used up, unwell, or everything when the pool closes. */
  #retire(commands: Command[]): void {
    if (this.#closed && this.#waiting.size === 0) {
      for (const runner of [...this.#runners.values()]) {
        if (runner.phase === "booting") this.#cancel(runner, commands);
        else if (runner.phase === "ready" && runner.busy === 0) this.#drain(runner, "closed", commands);
      }
    }
    if (this.#retiring > 0) {
      for (const runner of this.#runners.values()) {
        if (runner.phase === "ready" && runner.retired && runner.busy === 0) this.#drain(runner, runner.retired, commands);
      }
    }
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
      runner.idleSince = now;
      const key = this.#keyOf.get(call);
      if (key !== undefined) this.#keys.set(key, runner.id);
      if (this.options.singleUse) this.#close(runner, "used");
      commands.push({ type: "dispatch", call, runner: runner.id });
    }
  }

  #pick(call: number): Runner | undefined {
    const key = this.#keyOf.get(call);
    const last = key === undefined ? undefined : this.#runners.get(this.#keys.get(key) ?? 0);
    if (last && this.#open[last.busy]?.has(last)) return last;
    for (let busy = this.#open.length - 1; busy >= 0; busy--) for (const runner of this.#open[busy]!) return runner;
    return undefined;
  }

  #wanted(): number {
    if (!this.#started) return 0;
    const { min, max, spare, slotsPerRunner } = this.options;
    const queued = this.#waiting.size;
    const idle = queued === 0 && this.#runningOn.size === 0;
    if (this.#closed) return Math.min(max, Math.ceil((queued + this.#runningOn.size) / slotsPerRunner));
    const snapshot: Snapshot = {
      queued, running: this.#runningOn.size - this.#held, ready: this.#ready - this.#retiring, booting: this.#booting, slotsPerRunner, spare, min, max,
    };
    const target = idle && spare === 0 ? min : this.options.scale(snapshot);
    return Math.min(max, Math.max(min, Number.isFinite(target) ? Math.ceil(target) : max));
  }

  #grow(now: number, commands: Command[]): void {
    if (now < this.#retryAt) return;
    // Runners that will take no more calls still count against max: they are machines.
    const room = this.options.max - this.#runners.size;
    let missing = Math.min(room, this.#wanted() - (this.#ready - this.#retiring) - this.#booting);
    for (; missing > 0; missing--) {
      const runner: Runner = { id: this.#next++, phase: "booting", busy: 0, retired: false, idleSince: now, readyAt: now };
      this.#runners.set(runner.id, runner);
      this.#booting++;
      commands.push({ type: "boot", runner: runner.id });
    }
  }

  #shrink(now: number, commands: Command[]): void {
    const idle = this.#open[0];
    if (!idle || idle.size === 0 || this.#closed) return;
    let spare = this.#ready - this.#retiring - Math.max(this.options.min, this.#wanted());
    let over = this.#ready - this.#retiring - this.options.max;
    // In order of falling idle: the first one that is too fresh ends the search.
    for (const runner of idle) {
      if (spare <= 0) return;
      const resized = over > 0;
      if (!resized && now < runner.idleSince + this.options.idleMs) return;
      this.#drain(runner, resized ? "resized" : "idle", commands);
      spare--;
      over--;
    }
  }

  #place(runner: Runner): void {
    if (runner.phase !== "ready" || runner.retired || runner.busy >= this.options.slotsPerRunner) return;
    (this.#open[runner.busy] ??= new Set()).add(runner);
    for (let busy = 0; busy < runner.busy; busy++) this.#open[busy] ??= new Set();
  }

  #move(runner: Runner, by: 1 | -1): void {
    this.#open[runner.busy]?.delete(runner);
    runner.busy += by;
    if (runner.retired) this.#held += by;
    this.#place(runner);
  }

  /** No more calls for this runner. */
  #close(runner: Runner, why: "used" | "lifetime" | "retired"): void {
    if (runner.retired) return;
    this.#open[runner.busy]?.delete(runner);
    runner.retired = why;
    this.#retiring++;
    this.#held += runner.busy;
  }

  #drain(runner: Runner, reason: Extract<Command, { type: "drain" }>["reason"], commands: Command[]): void {
    this.#open[runner.busy]?.delete(runner);
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
    this.#open[runner.busy]?.delete(runner);
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
