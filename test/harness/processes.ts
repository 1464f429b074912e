import { readdirSync, readFileSync } from "node:fs";
import { testRun } from "./run.ts";

export interface FoundProcess {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

/** One read of /proc, or undefined when the process ended meanwhile. */
function read(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return undefined;
  }
}

function find(pid: number): FoundProcess | undefined {
  const stat = read(pid, "stat");
  if (stat === undefined) return undefined;
  // The name stands in parentheses and may hold anything, so fields are counted from the last one.
  const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  // A zombie has ended; only its exit code waits to be read.
  if (state === "Z" || state === "X") return undefined;
  return { pid, parent: Number(parent), command: (read(pid, "cmdline") ?? "").replaceAll("\0", " ").trim() };
}

/** esbuild keeps one helper per process for ever and ends it with the process; it is nobody's leak. */
const harmless = /esbuild.*--service=/;

/** All live processes that descend from this one or carry the mark of this test file in their environment. */
export function processesOf(marker: string = testRun.marker): FoundProcess[] {
  const all = new Map<number, FoundProcess>();
  for (const entry of readdirSync("/proc")) {
    const found = /^\d+$/.test(entry) ? find(Number(entry)) : undefined;
    if (found) all.set(found.pid, found);
  }
  const descends = (pid: number): boolean => {
    for (let at = all.get(pid); at; at = all.get(at.parent)) if (at.parent === process.pid) return true;
    return false;
  };
  const marked = (pid: number): boolean => read(pid, "environ")?.includes(marker) ?? false;
  return [...all.values()].filter(
    ({ pid, command }) => pid !== process.pid && !harmless.test(command) && (descends(pid) || marked(pid)),
  );
}
