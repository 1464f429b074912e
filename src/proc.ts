/** The processes of this machine, as /proc shows them. Where there is none (macOS) the lists are empty. */
import { readFileSync, readdirSync } from "node:fs";

export interface FoundProcess {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** In ticks since the machine was started. */
  readonly started: number;
}

/**
 * Every process that still runs: one that has ended and waits to be read by its parent is none. `ended` are the numbers of
 * those, with when they were started, and of those that ended while the list was read.
 */
export function listProcesses(): { readonly running: FoundProcess[]; readonly ended: Map<number, number | undefined> } {
  const running: FoundProcess[] = [];
  const ended = new Map<number, number | undefined>();
  for (const name of namesOf("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const found = statOf(Number(name));
    if (found && !found.over) running.push(found);
    else ended.set(Number(name), found?.started);
  }
  return { running, ended };
}

export function readProcess(pid: number): FoundProcess | undefined {
  const found = statOf(pid);
  return found?.over ? undefined : found;
}

function statOf(pid: number): (FoundProcess & { readonly over: boolean }) | undefined {
  const stat = readOf(pid, "stat");
  if (stat === undefined) return undefined;
  // The name in parentheses may hold anything, parentheses too.
  const [state, parent, group, session, ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ", 20);
  return {
    pid,
    parent: Number(parent),
    group: Number(group),
    session: Number(session),
    started: Number(fields[15]),
    over: state === "Z" || state === "X",
  };
}

/** What the process was started with; nothing for one of the kernel, or one that is just ending. */
export function environmentOf(pid: number): string | undefined {
  return readOf(pid, "environ");
}

/** Resident memory in bytes; 0 when it cannot be told. */
export function residentBytes(pid: number): number {
  return Number(readOf(pid, "statm")?.split(" ")[1] ?? 0) * pageBytes;
}

/** Sends a signal; false when there is no such process any more, or it is not ours. */
export function signalProcess(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}

// All Linux machines that Node runs on, but for some of arm64 that are set up otherwise.
const pageBytes = 4096;

function readOf(pid: number, file: string): string | undefined {
  try {
    // What is not valid in it does not matter; other encodings take twice as long.
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return undefined;
  }
}

function namesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
