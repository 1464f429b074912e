/** Whose a container is, and how those of parents that are gone are found. */
import { readFileSync, readlinkSync } from "node:fs";
import { readProcess } from "../../proc.ts";
import type { Clock } from "../../ports/clock.ts";
import type { EngineApi } from "./api.ts";

export const ownerLabel = "tinderbox.owner";
export const poolLabel = "tinderbox.pool";
export const expiresLabel = "tinderbox.expires";
/** `onParentLoss` of its pool. */
export const lossLabel = "tinderbox.parent-loss";

/** Where numbers of processes mean what they mean here: this start of this machine, and this namespace. */
export function ownScope(): string | undefined {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const [, namespace] = /\[(\d+)\]/.exec(readlinkSync("/proc/self/ns/pid")) ?? [];
    return namespace === undefined ? undefined : `${boot}/${namespace}`;
  } catch {
    return undefined;
  }
}

/** Names this process among all, ever: a number is given again, but not with the same start. */
export function ownName(scope = ownScope()): string {
  return `${scope ?? "elsewhere"}/${process.pid}.${readProcess(process.pid)?.started ?? 0}`;
}

/** Whether a process of that name is known to be gone. Of those that cannot be seen from here nothing is known. */
export function isGone(name: string, scope = ownScope()): boolean {
  if (scope === undefined || !name.startsWith(`${scope}/`)) return false;
  const [, pid, started] = /^(\d+)\.(\d+)$/.exec(name.slice(scope.length + 1)) ?? [];
  if (pid === undefined) return false;
  return readProcess(Number(pid))?.started !== Number(started);
}

/** What a container may take that finishes what it runs, once its parent is gone: its window, its drain, and a little for its end. */
const drainMs = 60_000;

/** Looks for what parents that are gone have left, and ends it. One that finishes what it runs gets the time for that. */
export class Sweeper {
  readonly #api: Pick<EngineApi, "labelled" | "remove">;
  readonly #clock: Clock;
  /** Containers that finish, and since when they are known to have no parent. */
  #finishing = new Map<string, number>();

  constructor(api: Pick<EngineApi, "labelled" | "remove">, clock: Clock) {
    this.#api = api;
    this.#clock = clock;
  }

  /** When to look again, at the latest, for those that finish. */
  readonly againMs = drainMs + 1_000;

  async look(): Promise<void> {
    const left = (await this.#api.labelled(ownerLabel)).filter(({ labels }) => isGone(labels[ownerLabel] ?? ""));
    const now = this.#clock.now();
    const finishing = new Map<string, number>();
    const over: string[] = [];
    for (const { id, labels } of left) {
      const since = this.#finishing.get(id) ?? now;
      if (labels[lossLabel] !== "drain" || now - since >= drainMs) over.push(id);
      else finishing.set(id, since);
    }
    this.#finishing = finishing;
    await Promise.all(over.map((id) => this.#api.remove(id)));
  }
}
