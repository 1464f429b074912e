/**
 * A program and all that descends from it: whom a signal reaches, and whether anybody is left. A control group knows; where
 * there is none, the mark in the environment, the session and the parents tell.
 */
import { findMarked, killMarked } from "../mark.ts";
import type { Clock } from "../ports/clock.ts";
import { readProcess, residentBytes, signalProcess } from "../proc.ts";
import type { Cgroup } from "./cgroup.ts";

export interface FamilyDeps {
  readonly pid: number;
  readonly mark: string;
  readonly cgroup: Cgroup | undefined;
  readonly clock: Clock;
}

/** How long something that was killed may take to be gone: what hangs in the kernel must not hang us. */
const longestEndMs = 10_000;
const shortestLookMs = 1;
const longestLookMs = 50;

export class Family {
  readonly #deps: FamilyDeps;
  #ended = false;

  constructor(deps: FamilyDeps) {
    this.#deps = deps;
  }

  /** The program itself is no more, and its number may be another's. */
  ended(): void {
    this.#ended = true;
  }

  get oom(): boolean {
    return this.#deps.cgroup?.oom ?? false;
  }

  memory(): number {
    return this.#members().reduce((sum, pid) => sum + residentBytes(pid), 0);
  }

  signal(signal: NodeJS.Signals): void {
    const { pid, cgroup } = this.#deps;
    // Without a group some are found only by a parent, which may be gone a moment later.
    const before = cgroup?.contains ? [] : this.#members();
    // The group first, at once: whoever forks between two signals of a list would get none.
    if (!this.#ended) signalProcess(-pid, signal);
    if (signal === "SIGKILL" && cgroup?.kill()) return;
    const members = new Set([...before, ...this.#members()]);
    for (const member of members) if (this.#ended || readProcess(member)?.group !== pid) signalProcess(member, signal);
    // One that was stopped hears nothing else.
    if (signal !== "SIGKILL") for (const member of members) signalProcess(member, "SIGCONT");
  }

  /** Resolves when nobody is left, or at `deadline`, or when `program` says that the program itself has ended. */
  async over(deadline: number, program: () => boolean = () => false): Promise<void> {
    const { clock } = this.#deps;
    const watched = program();
    for (let wait = shortestLookMs; ; wait = Math.min(longestLookMs, wait * 2)) {
      if (watched ? !program() : this.#members().length === 0) return;
      const left = deadline - clock.now();
      if (left <= 0) return;
      await pause(clock, Math.min(wait, left));
    }
  }

  /** Kills whoever is left. */
  async end(): Promise<void> {
    const { clock, cgroup } = this.#deps;
    const deadline = clock.now() + longestEndMs;
    for (let wait = shortestLookMs; clock.now() < deadline; wait = Math.min(longestLookMs, wait * 2)) {
      const members = this.#members();
      if (members.length === 0) return;
      if (!cgroup?.kill()) for (const pid of members) signalProcess(pid, "SIGKILL");
      await pause(clock, wait);
    }
  }

  /** Until nothing is left, by whatever trace, from `laterMs` on. Returns what cannot be ended. */
  async sweep(laterMs: number): Promise<readonly number[]> {
    const { clock, cgroup, mark, pid } = this.#deps;
    const deadline = clock.now() + longestEndMs;
    let quiet = 0;
    await pause(clock, laterMs);
    for (let wait = shortestLookMs; ; wait = Math.min(longestLookMs, wait * 2)) {
      // From its first instruction on it was in its group; a look at every process of the machine would find nothing else.
      const left = cgroup?.contains ? cgroup.members() : killMarked({ mark, pid, ended: true }, 1);
      // A group that can be removed is empty. /proc is believed the second time: it is read while processes come and go.
      quiet = left.length === 0 ? quiet + 1 : 0;
      if (quiet > 0 && (cgroup ? cgroup.remove() : quiet > 1)) return [];
      if (clock.now() >= deadline) return left;
      await pause(clock, wait);
    }
  }

  #members(): number[] {
    const { cgroup, mark, pid } = this.#deps;
    if (cgroup?.contains) return cgroup.members();
    return findMarked({ mark, pid, ended: this.#ended });
  }
}

/** Waits, as a reason for this process to stay. */
function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.timer(ms, resolve).hold(true));
}
