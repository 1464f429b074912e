/** Does the harm: to each pool its own, at random times, each kind as often as the others. */
import { setTimeout as sleep } from "node:timers/promises";
import { events } from "tinderbox";
import type { Book, RunnerRecord } from "./book.ts";
import type { Callers } from "./callers.ts";
import { type FaultName, type InnerFault, type OuterFault, fault } from "./faults.ts";
import { spin } from "./on-runner.ts";
import type { Field } from "./pools.ts";
import type { Random } from "./random.ts";
import { childOf, childrenOf, send, signal } from "./signals.ts";

const outer: ReadonlySet<string> = new Set<OuterFault>([
  "kill",
  "kill booting",
  "stop",
  "pause",
  "kill executor",
  "stop executor",
]);
const pauseMs = 600;
/** A runner's first sign of life may take longer, and until then its pool is more patient. */
const settledMs = 1_500;
/** How often, and for how long, the parent itself does nothing else. Runners must not be thought dead for it. */
const parentGapMs = 20_000;
const parentBlockMs = 3_500;

export class Storm {
  parentBlocks = 0;
  resizes = 0;
  readonly #book: Book;
  readonly #callers: Callers;
  readonly #random: Random;
  /** Pools whose next boot is to fail. */
  readonly #doomedBoots = new Set<string>();
  readonly #paused = new Set<RunnerRecord>();
  readonly #culprits: Promise<void>[] = [];

  constructor(book: Book, callers: Callers, random: Random) {
    this.#book = book;
    this.#callers = callers;
    this.#random = random;
  }

  /** Until `over`. Resolves when the calls that did harm have ended, too. */
  async rage(fields: readonly Field[], over: AbortSignal): Promise<void> {
    const launched = events.on("boot.phase", ({ pool, runner, phase }) => {
      if (phase === "launched" && this.#doomedBoots.delete(pool)) this.#killBooting(this.#book.runnerOf(runner));
    });
    await Promise.all([
      ...fields.flatMap((field) => [this.#harm(field, over), this.#resize(field, over)]),
      this.#blockParent(over),
    ]);
    launched[Symbol.dispose]();
    this.#doomedBoots.clear();
    for (const runner of this.#paused) signal(runner, "SIGCONT");
    await Promise.all(this.#culprits);
  }

  /** Faults that nobody was given, for whatever reason: a run without them proves less than it says. */
  missing(fields: readonly Field[]): FaultName[] {
    return [...new Set(fields.flatMap(({ faults }) => faults))].filter((name) => !this.#book.faults.has(name));
  }

  /** Every runner of the pools that may be harmed, at once, while nobody calls: nothing but `min` brings them back. */
  massacre(fields: readonly Field[]): void {
    const pools = new Set(fields.filter(({ faults }) => faults.includes("kill")).map(({ pool }) => pool.name));
    for (const runner of this.#book.runners.values()) {
      if (!pools.has(runner.pool) || runner.gone || runner.pid === undefined) continue;
      this.#book.blame(runner, fault("kill"));
      signal(runner, "SIGKILL");
    }
  }

  async #harm(field: Field, over: AbortSignal): Promise<void> {
    const random = this.#random.fork();
    let deck: FaultName[] = [];
    while (await pause(random.gap(field.gapMs), over)) {
      if (deck.length === 0) deck = random.shuffle(field.faults);
      const name = deck.shift()!;
      // Without a runner that it can be done to it waits its turn.
      if (!this.#do(name, field, random)) deck.push(name);
    }
  }

  #do(name: FaultName, field: Field, random: Random): boolean {
    if (!outer.has(name)) {
      this.#culprits.push(this.#callers.culprit(field, name as InnerFault));
      return true;
    }
    if (name === "kill booting") {
      this.#doomedBoots.add(field.pool.name);
      return true;
    }
    const now = performance.now();
    const healthy = [...this.#book.runners.values()].filter(
      (runner) =>
        runner.pool === field.pool.name &&
        runner.pid !== undefined &&
        !runner.gone &&
        !this.#paused.has(runner) &&
        runner.faults.every(({ runner: end }) => end === "stays") &&
        (name === "kill" || now - runner.readyAt > settledMs),
    );
    if (healthy.length === 0) return false;
    const victim = random.pick(healthy);
    if (name === "kill executor" || name === "stop executor") return this.#harmExecutor(victim, name, random);
    this.#book.blame(victim, fault(name));
    if (name === "kill") signal(victim, "SIGKILL");
    else signal(victim, "SIGSTOP");
    if (name === "pause") this.#resume(victim);
    return true;
  }

  #harmExecutor(victim: RunnerRecord, name: FaultName, random: Random): boolean {
    const executors = childrenOf(victim.pid!);
    if (executors.length === 0) return false;
    const pid = random.pick(executors);
    this.#book.blame(victim, fault(name), "executor");
    this.#book.harmedExecutors.push(pid);
    send(pid, name === "kill executor" ? "SIGKILL" : "SIGSTOP");
    return true;
  }

  #resume(victim: RunnerRecord): void {
    this.#paused.add(victim);
    setTimeout(() => {
      this.#paused.delete(victim);
      signal(victim, "SIGCONT");
    }, pauseMs);
  }

  /** Somewhere between its first instruction and its being ready. */
  #killBooting(runner: RunnerRecord): void {
    setTimeout(
      () => {
        const pid = childOf(runner.id);
        if (pid === undefined || runner.gone) return;
        this.#book.blame(runner, fault("kill booting"));
        process.kill(pid, "SIGKILL");
      },
      this.#random.between(0, 150),
    );
  }

  async #resize({ pool, resizes }: Field, over: AbortSignal): Promise<void> {
    if (!resizes) return;
    const random = this.#random.fork();
    const { min, max } = pool.options;
    while (await pause(random.gap(resizes.gapMs), over)) {
      pool.resize({ min: random.between(0, resizes.min + 1), max: random.between(resizes.min, resizes.max + 1) });
      this.resizes++;
    }
    pool.resize({ min, max });
  }

  async #blockParent(over: AbortSignal): Promise<void> {
    while (await pause(parentGapMs * (0.5 + this.#random.next()), over)) {
      // It could not end a pause in time.
      if (this.#paused.size > 0) continue;
      spin(parentBlockMs);
      this.parentBlocks++;
    }
  }
}

/** False when it is over. */
async function pause(ms: number, over: AbortSignal): Promise<boolean> {
  await sleep(Math.min(ms, 2 ** 30), undefined, { signal: over }).catch(() => undefined);
  return !over.aborted;
}
