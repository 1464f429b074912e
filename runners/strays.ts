/** What an executor that has ended left running: its children now belong to init, yet still to our process group. */
import { listProcesses, signalProcess } from "../src/proc.ts";

/** Kills them. Where there is no /proc they live until the machine's end. */
export function endStrays(): void {
  const group = listProcesses().running.filter((found) => found.group === process.pid);
  const ours = new Set([process.pid]);
  for (let known = 0; known < ours.size;) {
    known = ours.size;
    for (const { pid, parent } of group) if (ours.has(parent)) ours.add(pid);
  }
  for (const { pid } of group) if (!ours.has(pid)) signalProcess(pid, "SIGKILL");
}
