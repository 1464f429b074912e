import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { until } from "../../until.ts";

interface Seen {
  readonly state: string;
  readonly parent: number;
}

function look(pid: number): Seen | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [state = "", parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { state, parent: Number(parent) };
  } catch {
    return undefined;
  }
}

const stateOf = (pid: number) => look(pid)?.state;

function namespaceOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return undefined;
  }
}

/** Process ids, as this process sees them, of all in a pid namespace and in namespaces within it. */
export function processesIn(namespace: string): number[] {
  const all = new Map<number, Seen>();
  for (const entry of readdirSync("/proc")) {
    const seen = /^\d+$/.test(entry) ? look(Number(entry)) : undefined;
    if (seen) all.set(Number(entry), seen);
  }
  const within = new Set([...all.keys()].filter((pid) => namespaceOf(pid) === namespace));
  // Orphans go to the init of their namespace, and so nothing inside has only parents outside.
  const descends = (pid: number): boolean => {
    for (let at: number | undefined = pid; at !== undefined; at = all.get(at)?.parent) if (within.has(at)) return true;
    return false;
  };
  return [...all].filter(([pid, { state }]) => state !== "Z" && descends(pid)).map(([pid]) => pid);
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
