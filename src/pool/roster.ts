/** The runners of a pool as its decisions see them, and which of those that can take a call takes the next one. */
import { type InLine, Line } from "./line.ts";

export interface Runner extends InLine<Runner> {
  readonly id: number;
  phase: "booting" | "ready" | "draining";
  /** Calls that it can take at a time: fewer while one of its executors restarts. */
  slots: number;
  busy: number;
  /** Of the busy slots, those with an object that stays by itself. */
  placed: number;
  /** Calls without a slot for which it stays up. */
  kept: number;
  /** No further calls: used once, too old, unwell, not needed. */
  retired: false | "used" | "lifetime" | "retired" | "resized" | "idle";
  idleSince: number;
  /** It was asked whether it may go. */
  checking: boolean;
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

export function bornRunner(id: number, slots: number, now: number): Runner {
  return {
    id,
    phase: "booting",
    slots,
    busy: 0,
    placed: 0,
    kept: 0,
    retired: false,
    idleSince: now,
    checking: false,
    bornAt: now,
    readyAt: now,
    used: false,
    failures: 0,
    line: undefined,
    previous: undefined,
    next: undefined,
  };
}

/** Runners that came up together must not all be replaced together: each lives up to this share shorter. */
const lifetimeSpread = 0.1;

/** How old the runner of that number may become. */
export function lifetimeOf(id: number, lifetimeMs: number): number {
  // Multiples of the golden section fall evenly between 0 and 1.
  return lifetimeMs * (1 - lifetimeSpread * ((id * 0.618_033_988_75) % 1));
}

/**
 * Ready runners that take calls, by number of busy slots: the fullest is served first, and among equals the one that
 * came last, so that the others fall idle.
 */
export class OpenRunners {
  /** Slots that could take a call now. */
  free = 0;
  readonly #lines: Line<Runner>[] = [new Line()];

  /** Those without calls, in order of falling idle. */
  get idle(): Line<Runner> {
    return this.#lines[0]!;
  }

  /** Does nothing for a runner that takes no call. */
  add(runner: Runner): void {
    if (runner.phase !== "ready" || runner.retired || runner.busy >= runner.slots) return;
    while (this.#lines.length <= runner.busy) this.#lines.push(new Line());
    runner.line = this.#lines[runner.busy]!;
    runner.line.append(runner);
    this.free += runner.slots - runner.busy;
  }

  remove(runner: Runner): void {
    if (!runner.line) return;
    this.free -= runner.slots - runner.busy;
    runner.line.remove(runner);
    runner.line = undefined;
  }

  fullest(): Runner | undefined {
    for (let busy = this.#lines.length - 1; busy >= 0; busy--) {
      const { last } = this.#lines[busy]!;
      if (last) return last;
    }
    return undefined;
  }

  emptiest(): Runner | undefined {
    return this.#lines.find((line) => line.last)?.first;
  }
}
