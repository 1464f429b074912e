/** When a worker is looked at, and what is due then. No clock in here. */
import type { ResolvedWorkers } from "./resolve-workers.ts";
import type { Worker } from "./worker.ts";

/** Time between two looks at the memory of a worker: a look reads a few files. */
const memoryEveryMs = 1_000;

export type Due = "maxAge" | "maxMemory" | "idle" | "probe";

export class Recycling {
  readonly #options: ResolvedWorkers;

  constructor(options: ResolvedWorkers) {
    this.#options = options;
  }

  /** `spare`: nobody would miss it. */
  due(worker: Worker, now: number, spare: boolean): Due | undefined {
    const { maxAgeMs, maxMemory, idleMs } = this.#options;
    if (worker.state !== "ready" || worker.leaving !== undefined || worker.replacedFor !== undefined) return undefined;
    if (now - worker.startedAt >= maxAgeMs) return "maxAge";
    if (maxMemory !== Infinity && now - worker.lookedAt >= memoryEveryMs) {
      worker.lookedAt = now;
      if ((worker.memory() ?? 0) > maxMemory) return "maxMemory";
    }
    if (worker.busy > 0 || worker.probed) return undefined;
    if (spare && now - worker.idleSince >= idleMs) return "idle";
    return now >= this.#probeAt(worker) ? "probe" : undefined;
  }

  /** The next time at which something may be due. */
  nextLook(worker: Worker, now: number): number {
    const { maxAgeMs, maxMemory, idleMs } = this.#options;
    if (worker.state !== "ready" || worker.leaving !== undefined || worker.replacedFor !== undefined) return Infinity;
    const idleAt = worker.idleSince + idleMs;
    return Math.min(
      worker.startedAt + maxAgeMs,
      maxMemory === Infinity ? Infinity : Math.max(now, worker.lookedAt) + memoryEveryMs,
      // One that is busy, or is needed, is looked at again after that time.
      idleAt > now ? idleAt : now + Math.max(1, idleMs),
      Math.max(this.#probeAt(worker), now + (worker.busy > 0 || worker.probed ? this.#everyMs : 1)),
    );
  }

  get #everyMs(): number {
    return this.#options.health?.everyMs ?? Infinity;
  }

  #probeAt(worker: Worker): number {
    return Math.max(worker.idleSince, worker.provenAt) + this.#everyMs;
  }
}
