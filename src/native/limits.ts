/** What a native program may use of its machine. */
import { type Size, resolveSize } from "../duration.ts";
import { refuseUnknown, resolveBoolean, resolveCount, show } from "../options.ts";
import type { Cgroup } from "./cgroup.ts";

export interface Limits {
  /** Memory of the program and all that it starts; beyond it the kernel ends it. */
  readonly memory?: Size;
  /** Cores that it may keep busy, e.g. 0.5. */
  readonly cpu?: number;
  /** Processes and threads at a time. */
  readonly pids?: number;
  /** Largest file that it may write; beyond it the system ends the program that writes (SIGXFSZ). */
  readonly fileSize?: Size;
  /**
   * Refuses to start where a limit cannot be enforced, instead of saying so once.
   *
   * @default false
   */
  readonly strict?: boolean;
}

export interface ResolvedLimits {
  readonly memoryBytes: number | undefined;
  readonly cpu: number | undefined;
  readonly pids: number | undefined;
  readonly fileBytes: number | undefined;
  readonly strict: boolean;
}

const names = ["memory", "cpu", "pids", "fileSize", "strict"];

/** `owner` is what the limits are of, for messages. Throws TypeError for what makes no sense. */
export function resolveLimits(limits: Limits | undefined, owner: string): ResolvedLimits {
  const { memory, cpu, pids, fileSize, strict = false } = limits ?? {};
  if (limits) refuseUnknown(limits, names, `"limits" of ${owner}`);
  if (cpu !== undefined && !(typeof cpu === "number" && cpu > 0 && cpu < Infinity)) {
    throw new TypeError(`Cannot use ${show(cpu)} as "cpu" of ${owner}: a number of cores above 0 is wanted`);
  }
  return {
    memoryBytes: memory === undefined ? undefined : least(memory, "memory", owner),
    cpu,
    pids: pids === undefined ? undefined : resolveCount(pids, `"pids" of ${owner}`, 1),
    fileBytes: fileSize === undefined ? undefined : resolveSize(fileSize, `"fileSize" of ${owner}`),
    strict: resolveBoolean(strict, `"strict" of ${owner}`),
  };
}

/** A system needs this much to start anything at all; a smaller number is a slip of the unit. */
const leastMemory = 1024 ** 2;

function least(memory: Size, name: string, owner: string): number {
  const bytes = resolveSize(memory, `"${name}" of ${owner}`);
  if (bytes >= leastMemory) return bytes;
  throw new TypeError(`Cannot use ${show(memory)} as "${name}" of ${owner}: 1mb or more is wanted`);
}

/**
 * What a shell is to do before it becomes the program: limits must hold from its first instruction on, and whoever joins a
 * group later may have started something before. Undefined where nothing is to be done.
 */
export function limitScript(limits: ResolvedLimits, cgroup: Cgroup | undefined): string[] | undefined {
  const { memoryBytes, fileBytes } = limits;
  if (!cgroup && memoryBytes === undefined && fileBytes === undefined) return undefined;
  const doors = cgroup?.doors ?? [];
  const lines = doors.map((_, index) => `echo 0 >"\${${index + 1}}" || exit 126`);
  // Without groups address space is what the system counts, of each process on its own.
  if (memoryBytes !== undefined && (!cgroup || cgroup.refused.includes("memory"))) {
    lines.push(`ulimit -v ${Math.ceil(memoryBytes / 1024)} || exit 126`);
  }
  if (fileBytes !== undefined) lines.push(`ulimit -f ${Math.ceil(fileBytes / 512)} || exit 126`);
  return ["-c", [...lines, `shift ${doors.length}`, 'exec "$@"'].join("\n"), "tinderbox", ...doors];
}
