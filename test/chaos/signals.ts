/** Processes of runners: found in /proc, and sent signals. */
import { readFileSync } from "node:fs";
import type { RunnerRecord } from "./book.ts";

/** Nothing, when it has gone on the way. */
export function signal({ pid, gone }: RunnerRecord, name: NodeJS.Signals): void {
  if (pid !== undefined && !gone) send(pid, name);
}

export function send(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // Its end is on its way to the pool.
  }
}

/** The process of a runner that has not told it yet. */
export function childOf(id: string): number | undefined {
  return childrenOf(process.pid).find((pid) => read(`/proc/${pid}/cmdline`).split("\0").includes(id));
}

/** Started by the main thread of `pid`. */
export function childrenOf(pid: number): number[] {
  return read(`/proc/${pid}/task/${pid}/children`).split(" ").filter(Boolean).map(Number);
}

/** Nothing, when the process has ended. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
