import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { until } from "../../until.ts";

function stateOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3);
  } catch {
    return undefined;
  }
}

/** Process ids, as this process sees them, of all in a pid namespace. Not of namespaces within it. */
export function processesIn(namespace: string): number[] {
  const found: number[] = [];
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      if (readlinkSync(`/proc/${entry}/ns/pid`) === namespace && stateOf(Number(entry)) !== "Z")
        found.push(Number(entry));
    } catch {
      // It ended between the two looks.
    }
  }
  return found;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended.
  }
}

/** Stops everything in a pid namespace. Returns a function that continues it, but for what had stopped by itself. */
export async function freeze(namespace: string): Promise<() => void> {
  const stopped = new Set<number>();
  const already = new Set(processesIn(namespace).filter((pid) => stateOf(pid) === "T"));
  const still = () => {
    const running = processesIn(namespace).filter((pid) => stateOf(pid) !== "T");
    // One that is being forked while we look is seen at the next look.
    for (const pid of running) {
      stopped.add(pid);
      signal(pid, "SIGSTOP");
    }
    return running.length === 0;
  };
  await until("everything in the machine stand still", still, { every: 2 });
  return () => {
    for (const pid of stopped) if (!already.has(pid)) signal(pid, "SIGCONT");
  };
}
