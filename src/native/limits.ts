/** What a native program may use of its machine. */
import { type Size, resolveSize } from "../duration.ts";
import { refuseUnknown, resolveBoolean, resolveCount, show } from "../options.ts";

export interface Limits {
  /**
   * Memory of the program and all that it starts; beyond it the kernel ends it. Where no control group can be made it is the address
   * space of each of its processes on its own, and an allocation beyond it fails.
   */
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
