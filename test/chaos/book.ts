/** What is known of each call and each runner: who is where, who got which fault, how it ended. */
import type { EventMap } from "tinderbox";
import type { Fault } from "./faults.ts";

export interface CallRecord {
  readonly name: string;
  readonly pool: string;
  readonly idempotent: boolean;
  readonly timeoutMs: number;
  readonly queueTimeoutMs: number;
  /** What it does to the runner it is on. */
  readonly fault: Fault | undefined;
  /** `limit`: it exceeds its time on purpose. `any`: the pool is closed around it. */
  readonly wants: "value" | "limit" | "lost" | "any";
  /** When it was made, and last put on a runner. */
  readonly madeAt: number;
  startedAt: number;
  starts: number;
  /** Of its last start; the same as before when its runner had not even read it. */
  attempt: number;
  /** Attempts that were followed by another one after an error of its own. */
  retried: number;
  /** Set while it is on a runner, and still when it has ended there. */
  runner: RunnerRecord | undefined;
  queued: boolean;
  abortedBy: Error | undefined;
  /** What the event stream said of its end. */
  ended: { readonly error?: unknown } | undefined;
  settled: boolean;
}

export interface RunnerRecord {
  readonly id: string;
  readonly pool: string;
  /** Done to the machine, and to one of several executors on it. */
  readonly faults: Fault[];
  readonly executorFaults: Fault[];
  pid: number | undefined;
  readyAt: number;
  calls: number;
  draining: boolean;
  gone: EventMap["runner.gone"] | undefined;
}

/** A call that has suffered from something in its process. */
export interface Suffered {
  readonly name: string;
  readonly attempt: number;
  readonly error: string;
}

export class Book {
  /** Not yet settled, by name. */
  readonly calls = new Map<string, CallRecord>();
  readonly runners = new Map<string, RunnerRecord>();
  readonly faults = new Map<string, number>();
  readonly violations: string[] = [];
  /** Calls whose callers were told that they have not begun, or that were never on a runner. */
  readonly unbegun: string[] = [];
  /** On runners with several executors: the events do not say which, the journal does. */
  readonly suffered: Suffered[] = [];
  readonly harmedExecutors: number[] = [];
  /** Stopped processes that went because their heart was missed, and those that went for a call instead. */
  readonly hearts = { missed: 0, unnoticed: 0 };
  /** Calls that each pool has taken. */
  readonly taken = new Map<string, number>();
  /** Pools that are closed before their calls have ended. */
  readonly closing = new Set<string>();

  violate(text: string): void {
    this.violations.push(text);
  }

  runnerOf(id: string): RunnerRecord {
    let runner = this.runners.get(id);
    if (!runner) {
      const pool = id.slice(0, id.lastIndexOf("-"));
      runner = {
        ...{ id, pool, faults: [], executorFaults: [], pid: undefined },
        ...{ readyAt: Infinity, calls: 0, draining: false, gone: undefined },
      };
      this.runners.set(id, runner);
    }
    return runner;
  }

  /** Before it is done: what comes of it may come at once. */
  blame(runner: RunnerRecord, fault: Fault, where: "machine" | "executor" = "machine"): void {
    (where === "machine" ? runner.faults : runner.executorFaults).push(fault);
    this.faults.set(fault.name, (this.faults.get(fault.name) ?? 0) + 1);
  }
}

export function faultsOf({ faults, executorFaults }: RunnerRecord): string {
  const names = (list: readonly Fault[]): string => list.map(({ name }) => name).join(", ");
  if (executorFaults.length === 0) return names(faults) || "no fault";
  return `${names(faults) || "no fault"}, and its executors ${names(executorFaults)}`;
}
