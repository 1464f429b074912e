import { readFileSync } from "node:fs";

/** Whether a process is there and runs: one that has ended and was not read yet does not. */
export function runs(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return !/[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2)[0]!);
  } catch {
    return false;
  }
}
