/** Replays calls through the real core of a pool, in a world in which time is a number. */
import { backoffMs } from "../backoff.ts";
import { PoolCore } from "../core.ts";
import type { Command, CoreOptions, Event } from "../decisions.ts";
import { Agenda } from "./agenda.ts";
import { type Random, seeded } from "./random.ts";

/** Calls in order of arrival: when each one comes, and how long it takes on a runner. Milliseconds. */
export interface Trace {
  readonly arrivalsMs: Float64Array;
  readonly servicesMs: Float64Array;
}

/** What surrounds the pool. */
export interface World {
  /** From asking for a runner to its being ready. */
  readonly bootMs: number;
  /** Each boot takes up to this share more or less. */
  readonly bootJitter: number;
  /** Share of boots that fail, after the time of a boot. */
  readonly bootFailures: number;
  /** For all that is random. */
  readonly seed: number;
}

export type SimulatedPool = Omit<CoreOptions, "backoffMs" | "scaleFailed" | "idleCheck">;

export interface Outcome {
  /** Of each call, from its arrival to its dispatch. */
  readonly waitsMs: Float64Array;
  /** Of each launched runner, failed boots included, from the wish for it to its end. */
  readonly livesMs: readonly number[];
  readonly failedBoots: number;
  /** Most runners at a time, booting ones included. */
  readonly peakRunners: number;
  /** When the last call ended. */
  readonly endMs: number;
}

/** Sees the pool after each event. */
export type Watch = (now: number, core: PoolCore) => void;

/** Waiting calls and nothing under way for so long: no runner will ever come for them. */
const stuckMs = 3_600_000;

/**
 * Serves every call of the trace once. After the last one the pool is left alone for the time of its keep-alive, and
 * then closed; where that is `Infinity`, at once.
 */
export function simulate(trace: Trace, pool: SimulatedPool, world: World, watch?: Watch): Outcome {
  return new Simulation(trace, pool, world, watch).run();
}

class Simulation {
  readonly #trace: Trace;
  readonly #world: World;
  readonly #watch: Watch | undefined;
  readonly #random: Random;
  readonly #core: PoolCore;
  /** Calls that end, as their numbers, and boots that end, as `-runner`. */
  readonly #agenda = new Agenda();
  readonly #commands: Command[] = [];
  readonly #waitsMs: Float64Array;
  readonly #livesMs: number[] = [];
  readonly #bornAt = new Map<number, number>();
  readonly #failing = new Set<number>();
  #failedBoots = 0;
  #peakRunners = 0;

  constructor(trace: Trace, pool: SimulatedPool, world: World, watch: Watch | undefined) {
    this.#trace = trace;
    this.#world = world;
    this.#watch = watch;
    this.#random = seeded(world.seed);
    this.#core = new PoolCore({
      ...pool,
      backoffMs: (failures) => backoffMs(failures, this.#random),
      // A pool goes on by slots(); here that would be the result of another strategy.
      scaleFailed: (error) => {
        throw error;
      },
    });
    this.#waitsMs = new Float64Array(trace.arrivalsMs.length);
  }

  run(): Outcome {
    const endMs = this.#serve();
    const { idleMs } = this.#core.options;
    const closeAt = endMs + (idleMs === Infinity ? 0 : idleMs);
    while (Math.min(this.#core.tickAt, this.#agenda.nextAt) <= closeAt) this.#next(Infinity, 0);
    for (const bornAt of this.#bornAt.values()) this.#livesMs.push(closeAt - bornAt);
    return {
      waitsMs: this.#waitsMs,
      livesMs: this.#livesMs,
      failedBoots: this.#failedBoots,
      peakRunners: this.#peakRunners,
      endMs,
    };
  }

  /** Until the last call has ended; gives that time. */
  #serve(): number {
    const { arrivalsMs } = this.#trace;
    const core = this.#core;
    this.#step({ type: "start" }, 0);
    let changedAt = 0;
    let now = 0;
    for (let call = 0; call < arrivalsMs.length || core.queued + core.running > 0;) {
      const ticking = Math.min(this.#agenda.nextAt, arrivalsMs[call] ?? Infinity) === Infinity;
      [now, call] = this.#next(arrivalsMs[call] ?? Infinity, call);
      if (!ticking) changedAt = now;
      else if (now > changedAt + stuckMs)
        throw new Error(
          `Cannot finish the simulation: ${core.queued} calls wait and the strategy wants no runner for them`,
        );
    }
    return now;
  }

  /** One event. At equal times slots become free before calls come, and time alone counts last. */
  #next(arrivalAt: number, call: number): [now: number, call: number] {
    const dueAt = this.#agenda.nextAt;
    const now = Math.min(dueAt, arrivalAt, this.#core.tickAt);
    if (dueAt === now) this.#end(this.#agenda.take(), now);
    else if (arrivalAt === now) this.#step({ type: "call", call: call++, priority: 0, key: undefined }, now);
    else this.#step({ type: "tick" }, now);
    return [now, call];
  }

  #end(item: number, now: number): void {
    const runner = -item;
    if (runner <= 0) this.#step({ type: "done", call: item }, now);
    else if (this.#failing.delete(runner)) {
      this.#failedBoots++;
      this.#bury(runner, now);
      this.#step({ type: "bootFailed", runner }, now);
    } else this.#step({ type: "booted", runner }, now);
  }

  #step(event: Event, now: number): void {
    const commands = this.#commands;
    this.#core.step(event, now, commands);
    for (let index = 0; index < commands.length; index++) this.#obey(commands[index]!, now);
    commands.length = 0;
    this.#watch?.(now, this.#core);
  }

  #obey(command: Command, now: number): void {
    switch (command.type) {
      case "dispatch":
        this.#waitsMs[command.call] = now - this.#trace.arrivalsMs[command.call]!;
        this.#agenda.add(now + this.#trace.servicesMs[command.call]!, command.call);
        break;
      case "boot":
        this.#boot(command.runner, now);
        break;
      case "drain":
        this.#bury(command.runner, now);
        this.#core.step({ type: "gone", runner: command.runner }, now, this.#commands);
        break;
    }
  }

  #boot(runner: number, now: number): void {
    const { bootMs, bootJitter, bootFailures } = this.#world;
    this.#bornAt.set(runner, now);
    this.#peakRunners = Math.max(this.#peakRunners, this.#bornAt.size);
    const late = bootJitter === 0 ? 0 : bootJitter * (2 * this.#random() - 1);
    if (bootFailures > 0 && this.#random() < bootFailures) this.#failing.add(runner);
    this.#agenda.add(now + bootMs * (1 + late), -runner);
  }

  #bury(runner: number, now: number): void {
    this.#livesMs.push(now - this.#bornAt.get(runner)!);
    this.#bornAt.delete(runner);
  }
}
