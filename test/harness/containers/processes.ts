/** Processes of containers, as this machine sees them. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** All in the namespace that this process is the first of. */
export function membersOf(first: number): Map<number, number> {
  const found = new Map<number, number>();
  const depth = numbersOf(first).length;
  for (const name of readdirSync("/proc").filter((each) => /^\d+$/.test(each))) {
    const numbers = numbersOf(Number(name));
    if (numbers.length === depth && sameNamespace(first, Number(name))) found.set(Number(name), numbers.at(-1)!);
  }
  return found;
}

function sameNamespace(one: number, other: number): boolean {
  try {
    const names = [one, other].map((pid) => execFileSync("readlink", [`/proc/${pid}/ns/pid`], { encoding: "utf8" }));
    return names[0] === names[1];
  } catch {
    return false;
  }
}

/** A process has a number in each namespace that it is in. One that has ended, and waits to be read, is none. */
function numbersOf(pid: number): number[] {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    if (/^State:\s+[ZX]/m.test(status)) return [];
    return (/^NSpid:\s+(.*)$/m.exec(status)?.[1] ?? "").split("\t").map(Number);
  } catch {
    return [];
  }
}

/** Those that keep its containers; what starts a container names it as well. */
export function processesNaming(folder: string, programs: RegExp): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map(Number)
    .filter((pid) => {
      const line = readText(`/proc/${pid}/cmdline`);
      return line.includes(folder) && programs.test(line.split("\0")[0]!);
    });
}

/** Empty where the process has ended meanwhile. */
export function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

export function signal(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended between the look and the signal.
  }
}
