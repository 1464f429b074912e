/**
 * Clears away what owners have left that were killed together with their watchdogs: programs that carry the mark of a process
 * that is no more, and their control groups. As long as a watchdog lives, that is its business.
 */
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { markVariable, watchdogVariable } from "../mark.ts";
import { listProcesses, readProcess, signalProcess } from "../proc.ts";
import { membersOf, removeGroup } from "./cgroup.ts";

/** `folders` are where this process has its groups: those of others are beside them. */
export function reapDead(folders: readonly string[]): void {
  const { running: all } = listProcesses();
  const watched = all.map(({ pid }) => textOf(pid, "cmdline")).filter((line) => line.includes("tinderbox-watchdog"));
  // Asked each time: one that has come since the list was read may have a group already.
  const dead = (owner: string): boolean =>
    !readProcess(Number(owner.split(".")[0])) && !watched.some((line) => line.includes(owner));
  for (const { pid } of all) {
    const environment = textOf(pid, "environ");
    // A watchdog ends by itself, when it has done what it is there for.
    if (environment.includes(`${watchdogVariable}=`)) continue;
    if (marksOf(environment).some(dead)) signalProcess(pid, "SIGKILL");
  }
  for (const parent of new Set(folders.map((folder) => dirname(folder)))) {
    for (const name of namesIn(parent)) {
      const [, owner] = /^tinderbox-(\d+\.[0-9a-f]+)\.\d+$/.exec(name) ?? [];
      if (owner === undefined || !dead(owner)) continue;
      for (const pid of membersOf(join(parent, name))) signalProcess(pid, "SIGKILL");
      // One whose members are just ending is removed by whoever comes next.
      removeGroup(join(parent, name));
    }
  }
}

/** Owners of programs, not of runners: those look after themselves. */
function marksOf(environment: string): string[] {
  const [, marks = ""] = new RegExp(`(?:^|\\0)${markVariable}=([^\\0]*)`).exec(environment) ?? [];
  return [...marks.matchAll(/(\d+\.[0-9a-f]+):\d+;/g)].map(([, owner]) => owner!);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function textOf(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch {
    return "";
  }
}
