/** What a supervisor has to do, written down as simply as it can be said: no promises, no timers, one list. */
import type { Strategy } from "../../src/supervisor/strategy.ts";
import type { AutoShutdown } from "../../src/supervisor/spec.ts";

export type Outcome = "ok" | "fail" | "ignore";

export interface ModelSpec {
  readonly id: string;
  readonly restart: "permanent" | "transient" | "temporary";
  readonly significant: boolean;
}

interface Entry {
  readonly spec: ModelSpec;
  status: "running" | "stopped" | "restarting";
  /** Which retry is meant: an older one is void. */
  retry: number;
}

export interface ModelOptions {
  readonly strategy: Strategy;
  readonly autoShutdown: AutoShutdown;
  readonly maxRestarts: number;
  readonly withinMs: number;
}

export class Model {
  readonly log: string[] = [];
  entries: Entry[] = [];
  end: "shutdown" | "gave up" | undefined;
  now = 0;
  readonly #options: ModelOptions;
  readonly #outcome: (id: string) => Outcome;
  #times: number[] = [];
  #due: { entry: Entry; retry: number }[] = [];
  #retries = 0;

  /** `outcome` says what the next start of a child does. */
  constructor(options: ModelOptions, outcome: (id: string) => Outcome) {
    this.#options = options;
    this.#outcome = outcome;
  }

  get statuses(): string {
    return this.entries.map(({ spec, status }) => `${spec.id} ${status}`).join(", ");
  }

  find(id: string): Entry | undefined {
    return this.entries.find(({ spec }) => spec.id === id);
  }

  start(spec: ModelSpec): string {
    const found = this.find(spec.id);
    if (this.end) return "stopped";
    if (found) return found.status === "running" ? "already_started" : "already_present";
    const entry: Entry = { spec, status: "stopped", retry: 0 };
    this.entries.push(entry);
    if (this.#up(entry)) return "done";
    this.#drop(entry);
    return "failed";
  }

  terminate(id: string): string {
    if (this.end) return "stopped";
    const entry = this.find(id);
    if (!entry) return "not_found";
    this.#down(entry);
    if (entry.spec.restart === "temporary") this.#drop(entry);
    return "done";
  }

  restart(id: string): string {
    const refusal = this.#notStopped(id);
    if (refusal) return refusal;
    return this.#up(this.find(id)!) ? "done" : "failed";
  }

  delete(id: string): string {
    const refusal = this.#notStopped(id);
    if (refusal) return refusal;
    this.#drop(this.find(id)!);
    return "done";
  }

  exit(id: string, reason: "normal" | "shutdown" | "abnormal"): void {
    const entry = this.find(id);
    if (this.end || entry?.status !== "running") return;
    this.log.push(`end ${id}`);
    const { restart, significant } = entry.spec;
    entry.status = "stopped";
    if (restart === "permanent" || (restart === "transient" && reason === "abnormal")) return this.#again(entry);
    if (restart === "temporary") this.#drop(entry);
    if (!significant) return;
    const left = this.entries.some((other) => other.spec.significant && other.status !== "stopped");
    const { autoShutdown } = this.#options;
    if (autoShutdown === "any_significant" || (autoShutdown === "all_significant" && !left)) this.stop();
  }

  /** What waits to be tried again is, each in its turn. */
  pass(): void {
    for (const { entry, retry } of this.#due.splice(0)) {
      if (!this.end && entry.status === "restarting" && entry.retry === retry) this.#again(entry);
    }
  }

  stop(end: "shutdown" | "gave up" = "shutdown"): void {
    if (this.end) return;
    for (const entry of this.entries.toReversed()) this.#down(entry);
    this.end = end;
  }

  #again(entry: Entry): void {
    const { maxRestarts, withinMs, strategy } = this.#options;
    this.#times = [...this.#times, this.now].filter((time) => this.now - time <= withinMs);
    if (this.#times.length > maxRestarts) return this.stop("gave up");
    const from = { one_for_one: NaN, one_for_all: 0, rest_for_one: this.entries.indexOf(entry) }[strategy];
    const affected = strategy === "one_for_one" ? [entry] : this.entries.slice(from);
    for (const other of affected.toReversed()) {
      if (other === entry) continue;
      this.#down(other);
      if (other.spec.restart === "temporary") this.#drop(other);
    }
    entry.status = "stopped";
    for (const each of affected) {
      if (!this.entries.includes(each) || this.#up(each)) continue;
      each.status = "restarting";
      each.retry = ++this.#retries;
      this.#due.push({ entry: each, retry: each.retry });
      return;
    }
  }

  #up(entry: Entry): boolean {
    this.log.push(`start ${entry.spec.id}`);
    const outcome = this.#outcome(entry.spec.id);
    if (outcome === "ok") entry.status = "running";
    if (outcome === "ignore" && entry.spec.restart === "temporary") this.#drop(entry);
    return outcome !== "fail";
  }

  #down(entry: Entry): void {
    if (entry.status === "running") this.log.push(`stop ${entry.spec.id}`, `end ${entry.spec.id}`);
    entry.status = "stopped";
  }

  #drop(entry: Entry): void {
    this.entries = this.entries.filter((other) => other !== entry);
  }

  #notStopped(id: string): string | undefined {
    if (this.end) return "stopped";
    const entry = this.find(id);
    if (!entry) return "not_found";
    return entry.status === "stopped" ? undefined : entry.status;
  }
}
