import assert from "node:assert/strict";
import { PoolCore } from "../../src/pool/core.ts";
import type { Command, CoreOptions, Event } from "../../src/pool/decisions.ts";
import { lifetimeOf } from "../../src/pool/roster.ts";

interface Machine {
  readonly id: number;
  phase: "booting" | "ready" | "draining";
  readonly calls: Set<number>;
  slots: number;
  checking: boolean;
  readonly bornAt: number;
  readyAt: number;
  idleSince: number;
  /** What it may be drained for although it is not idle. */
  retired: "" | "used" | "lifetime" | "retired" | "resized" | "idle";
  dispatched: number;
  failures: number;
}

interface Waiting {
  readonly call: number;
  readonly priority: number;
  readonly key: string | undefined;
}

/**
 * A pool that is as simple as it can be: lists that are searched, counters that are counted. It follows what the core
 * says and objects to all that no pool may do, and to whatever is left undone.
 */
export class CoreModel {
  readonly core: PoolCore;
  readonly machines = new Map<number, Machine>();
  waiting: Waiting[] = [];
  /** Calls for one runner. */
  pinned: { readonly call: number; readonly runner: number }[] = [];
  readonly running = new Map<number, number>();
  /** Calls without a slot, and the runners that stay for them. */
  readonly kept = new Map<number, number>();
  readonly keys = new Map<string, number>();
  now = 0;
  steps = 0;
  closed = false;
  #started = false;
  #failures = 0;
  #retryAt = -Infinity;
  readonly #boots = new Set<number>();

  constructor(options: CoreOptions) {
    this.core = new PoolCore(options);
  }

  get options(): CoreOptions {
    return this.core.options;
  }

  of(phase: Machine["phase"]): number[] {
    return [...this.machines].filter(([, machine]) => machine.phase === phase).map(([id]) => id);
  }

  step(event: Event): void {
    this.steps++;
    this.#tell(event);
    const commands: Command[] = [];
    this.core.step(event, this.now, commands);
    for (const command of commands) this.#obey(command);
    this.#check();
  }

  /** Moves time on, ticking when the core asks for it. */
  advance(ms: number): void {
    const end = this.now + ms;
    for (let ticks = 0; this.core.tickAt <= end; ticks++) {
      assert(ticks < 10_000, "it asks for ticks without end");
      this.now = Math.max(this.now, this.core.tickAt);
      this.step({ type: "tick" });
    }
    this.now = end;
  }

  /** A world in which everything works: boots succeed, calls end, drained machines go. Ends when all has been served. */
  settle(): void {
    for (
      let turns = 0;
      this.waiting.length + this.pinned.length + this.running.size + this.kept.size + this.of("booting").length > 0;
      turns++
    ) {
      assert(turns < 1_000, `calls ${this.waiting.map(({ call }) => call).join()} are never served`);
      for (const runner of this.of("draining")) this.step({ type: "gone", runner });
      for (const runner of this.of("booting")) this.step({ type: "booted", runner });
      for (const runner of this.of("ready")) this.#recover(runner);
      for (const call of [...this.running.keys()]) this.step({ type: "done", call });
      for (const call of [...this.kept.keys()]) this.step({ type: "done", call });
      if (this.waiting.length > 0) this.advance(100);
    }
    for (const runner of this.of("ready")) this.#recover(runner);
    for (const runner of this.of("draining")) this.step({ type: "gone", runner });
  }

  /** Executors have restarted, questions are answered. */
  #recover(runner: number): void {
    const { slots, checking } = this.machines.get(runner)!;
    if (slots < this.options.slotsPerRunner) this.step({ type: "slots", runner, slots: this.options.slotsPerRunner });
    if (checking) this.step({ type: "checked", runner, idle: true });
  }

  #tell(event: Event): void {
    switch (event.type) {
      case "start":
        this.#started = true;
        break;
      case "call": {
        this.#started = true;
        const { call, priority, key, runner } = event;
        if (runner !== undefined) {
          if (event.again) this.pinned.unshift({ call, runner });
          else this.pinned.push({ call, runner });
          break;
        }
        if (event.again) this.waiting.unshift({ call, priority, key });
        else this.waiting.push({ call, priority, key });
        break;
      }
      case "kept": {
        const runner = this.running.get(event.call);
        if (runner === undefined) break;
        this.kept.set(event.call, runner);
        this.running.delete(event.call);
        const machine = this.machines.get(runner)!;
        machine.calls.delete(event.call);
        if (machine.calls.size === 0) machine.idleSince = this.now;
        break;
      }
      case "done": {
        const keeper = this.machines.get(this.kept.get(event.call) ?? 0);
        if (keeper?.calls.size === 0) keeper.idleSince = this.now;
        this.kept.delete(event.call);
        this.waiting = this.waiting.filter(({ call }) => call !== event.call);
        this.pinned = this.pinned.filter(({ call }) => call !== event.call);
        const machine = this.machines.get(this.running.get(event.call) ?? 0);
        this.running.delete(event.call);
        machine?.calls.delete(event.call);
        if (machine?.calls.size === 0) machine.idleSince = this.now;
        break;
      }
      case "booted": {
        const machine = this.machines.get(event.runner);
        if (machine?.phase !== "booting") break;
        machine.phase = "ready";
        machine.readyAt = machine.idleSince = this.now;
        machine.failures = this.#failures;
        this.#failures = 0;
        this.#retryAt = -Infinity;
        break;
      }
      case "bootFailed": {
        const machine = this.machines.get(event.runner);
        if (!machine || machine.phase === "ready") break;
        this.machines.delete(event.runner);
        if (machine.phase === "booting" && machine.bornAt >= this.#retryAt) this.#pause(this.#failures + 1);
        break;
      }
      case "gone": {
        const machine = this.machines.get(event.runner);
        if (!machine) break;
        for (const call of machine.calls) this.running.delete(call);
        for (const [call, runner] of this.kept) if (runner === event.runner) this.kept.delete(call);
        this.machines.delete(event.runner);
        const broke = machine.phase === "ready" || machine.retired === "retired";
        if (broke && machine.dispatched === 0 && !this.closed) this.#pause(machine.failures + 1);
        break;
      }
      case "retire": {
        const machine = this.machines.get(event.runner);
        if (machine && machine.phase !== "draining") machine.retired ||= "retired";
        break;
      }
      case "slots": {
        const machine = this.machines.get(event.runner);
        if (machine) machine.slots = event.slots;
        break;
      }
      case "checked": {
        const machine = this.machines.get(event.runner);
        if (!machine?.checking) break;
        machine.checking = false;
        const surplus = [...this.machines.values()].filter((other) => this.#takes(other)).length - this.#wanted();
        const held = [...this.kept.values()].includes(machine.id);
        if (event.idle && this.#takes(machine) && machine.slots > 0 && surplus > 0 && !held) machine.retired = "idle";
        break;
      }
      case "resize": {
        // Boots are taken back first, then the least busy go, of equals the youngest.
        const taking = [...this.machines.values()].toReversed().filter((machine) => this.#takes(machine));
        const going = Math.max(0, taking.length - event.max);
        for (const machine of taking.toSorted((left, right) => left.calls.size - right.calls.size).slice(0, going)) {
          machine.retired = "resized";
        }
        break;
      }
      case "close":
        this.closed = true;
        break;
      case "tick":
        for (const machine of this.machines.values()) {
          if (machine.phase !== "ready") continue;
          const old = this.now >= machine.readyAt + lifetimeOf(machine.id, this.options.lifetimeMs);
          if (old) machine.retired ||= "lifetime";
        }
        break;
    }
  }

  #pause(failures: number): void {
    this.#failures = failures;
    this.#retryAt = this.now + this.options.backoffMs(failures);
  }

  #takes(machine: Machine): boolean {
    return machine.phase === "ready" && machine.retired === "";
  }

  #obey(command: Command): void {
    switch (command.type) {
      case "boot": {
        assert(!this.#boots.has(command.runner), "a runner's number is used twice");
        this.#boots.add(command.runner);
        this.machines.set(command.runner, {
          id: command.runner,
          phase: "booting",
          calls: new Set(),
          slots: this.options.slotsPerRunner,
          checking: false,
          bornAt: this.now,
          readyAt: 0,
          idleSince: this.now,
          retired: "",
          dispatched: 0,
          failures: 0,
        });
        assert(this.machines.size <= this.options.max, "more machines than max");
        assert(this.now >= this.#retryAt, "a boot in the pause after a failure");
        const taking = [...this.machines.values()].filter((machine) => this.#takes(machine)).length;
        assert(taking + this.of("booting").length <= this.#wanted(), "a boot beyond need");
        break;
      }
      case "dispatch":
        this.#obeyDispatch(command.call, command.runner);
        break;
      case "reject": {
        const index = this.pinned.findIndex(({ call }) => call === command.call);
        const machine = this.machines.get(this.pinned[index]?.runner ?? 0);
        assert(index >= 0, "refused a call that any runner may take");
        assert(!machine || !this.#takes(machine), "refused although its runner takes calls");
        this.pinned.splice(index, 1);
        break;
      }
      case "drain": {
        const machine = this.machines.get(command.runner);
        assert(machine?.phase === "ready", "only what is ready can be drained");
        assert(machine.calls.size === 0, "drained with calls on it");
        if (command.reason === "idle" && machine.retired === "") {
          assert(!this.options.idleCheck, "drained without being asked");
          assert(this.now >= machine.idleSince + this.options.idleMs, "drained too early");
        } else if (command.reason === "closed") assert(this.closed && this.waiting.length === 0);
        else assert.equal(command.reason, machine.retired);
        machine.phase = "draining";
        if (command.reason === "idle") {
          assert(![...this.kept.values()].includes(machine.id), "drained although a caller holds on to it");
          const left = [...this.machines.values()].filter((other) => this.#takes(other)).length;
          assert(left >= this.options.min && left >= this.#wanted(), "drained below what is wanted");
        }
        break;
      }
      case "check": {
        const machine = this.machines.get(command.runner);
        assert(machine && this.#takes(machine) && machine.calls.size === 0, "only an idle runner is asked");
        assert(this.options.idleCheck && !machine.checking, "asked without need");
        assert(this.now >= machine.idleSince + this.options.idleMs, "asked too early");
        machine.checking = true;
        break;
      }
      case "cancelBoot": {
        const machine = this.machines.get(command.runner);
        assert(machine?.phase === "booting", "only a boot can be taken back");
        machine.phase = "draining";
        break;
      }
    }
  }

  #obeyDispatch(call: number, runner: number): void {
    const index = this.pinned.findIndex((each) => each.runner === runner);
    if (index >= 0) {
      const [first] = this.pinned.splice(index, 1);
      assert.equal(call, first!.call, "another call was next on its runner");
      return this.#give(call, runner);
    }
    const best = this.waiting.reduce((first, other) => (other.priority > first.priority ? other : first));
    assert.equal(call, best.call, "another call was next");
    const machine = this.machines.get(runner);
    assert(machine && this.#takes(machine), "dispatched to a runner that takes no calls");
    const free = [...this.machines].filter(([, other]) => this.#takes(other) && other.calls.size < other.slots);
    const last = best.key === undefined ? undefined : this.keys.get(best.key);
    if (last !== undefined && free.some(([id]) => id === last)) assert.equal(runner, last, "its key was on another");
    else {
      const fullest = Math.max(...free.map(([, other]) => other.calls.size));
      assert.equal(machine.calls.size, fullest, "a fuller runner has a free slot");
    }
    this.waiting.splice(this.waiting.indexOf(best), 1);
    this.#give(call, runner);
    if (best.key !== undefined) this.keys.set(best.key, runner);
  }

  #give(call: number, runner: number): void {
    const { singleUse } = this.options;
    const machine = this.machines.get(runner);
    assert(machine && this.#takes(machine), "dispatched to a runner that takes no calls");
    assert(machine.calls.size < machine.slots, "more calls than slots");
    assert(!singleUse || machine.dispatched === 0, "a single-use runner was used again");
    assert(!this.running.has(call), "dispatched twice");
    this.running.set(call, runner);
    machine.calls.add(call);
    machine.dispatched++;
    machine.checking = false;
    if (singleUse) machine.retired = "used";
  }

  /** Runners that serve all calls, or that `min` and `spare` ask for. The core's strategy is `slots()`. */
  #wanted(): number {
    const { min, max, spare, slotsPerRunner } = this.options;
    if (!this.#started) return 0;
    const held = [...this.machines.values()].filter((machine) => machine.retired !== "" && machine.phase === "ready");
    const running = this.running.size - held.reduce((sum, machine) => sum + machine.calls.size, 0);
    if (this.closed) {
      const taking = [...this.machines.values()].filter((machine) => this.#takes(machine)).length;
      return Math.min(max, taking + Math.ceil(this.waiting.length / slotsPerRunner));
    }
    return Math.min(max, Math.max(min, Math.ceil((this.waiting.length + running + spare) / slotsPerRunner)));
  }

  #check(): void {
    const { core } = this;
    const all = [...this.machines.values()];
    const ready = all.filter((machine) => machine.phase === "ready");
    const counted = {
      queued: this.waiting.length,
      running: this.running.size,
      booting: this.of("booting").length,
      ready: ready.length,
      draining: this.of("draining").length,
    };
    const { queued, running, booting, draining } = core;
    assert.deepEqual({ queued, running, booting, ready: core.ready, draining }, counted);
    const byNumber = (left: number, right: number): number => left - right;
    const waiting = this.waiting.map(({ call }) => call);
    assert.deepEqual([...core.waiting].toSorted(byNumber), waiting.toSorted(byNumber));
    for (const [call, runner] of this.running) assert.equal(core.runnerOf(call), runner);

    assert.equal(core.pinned, this.pinned.length);
    for (const { runner } of this.pinned) {
      const machine = this.machines.get(runner);
      assert(machine && this.#takes(machine), "a call waits for a runner that takes no more");
      assert(machine.calls.size >= machine.slots, "a call waits although its runner has a free slot");
    }
    const taking = ready.filter((machine) => this.#takes(machine));
    const free = taking.reduce((sum, machine) => sum + Math.max(0, machine.slots - machine.calls.size), 0);
    assert.equal(core.freeSlots, free, "free slots");
    assert(core.queued === 0 || core.freeSlots === 0, "a call waits although a slot is free");
    if (this.closed && core.queued === 0) {
      assert.equal(counted.booting, 0, "a closed pool still boots");
      assert(
        ready.every((machine) => machine.calls.size > 0),
        "a closed pool keeps an idle runner",
      );
    }
    const coming = taking.length + counted.booting;
    const room = this.options.max - this.machines.size;
    const stalled = this.#started && this.now >= this.#retryAt && room > 0 && coming < this.#wanted();
    assert(!stalled, `it stalls: ${coming} runners, ${this.#wanted()} wanted, room for ${room}`);
    assert(this.now < this.#retryAt || this.core.tickAt > this.now, "it asks for a tick in the past");
    if (this.now < this.#retryAt && coming < this.#wanted())
      assert(core.tickAt <= this.#retryAt, "it forgets to retry");
  }
}
