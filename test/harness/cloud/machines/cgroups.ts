import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "../../until.ts";

const root = "/sys/fs/cgroup";
const controllers = ["memory", "pids"];

/** When a process started, in ticks since boot; undefined when there is none of that id. Tells one from a later one. */
export function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}

/** Folders in which this process may make cgroups, below its own so that its limits hold too. */
function places(): string[] {
  const found: string[] = [];
  for (const line of readFileSync("/proc/self/cgroup", "utf8").trim().split("\n")) {
    const [, names = "", path = "/"] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (names === "") {
      const unified = join(root, path);
      if (existsSync(join(unified, "cgroup.subtree_control"))) found.push(unified);
    }
    for (const name of names.split(",").filter((one) => controllers.includes(one))) {
      const own = join(root, name, path);
      found.push(existsSync(own) ? own : join(root, name));
    }
  }
  return found;
}

let made = 0;

/**
 * Makes the cgroups in which machines get theirs. Returns their folders; none where this machine does not allow it, and
 * then there are no limits.
 */
export function makeCgroups(): string[] {
  const folders: string[] = [];
  const name = `tinderbox-machines-${process.pid}.${startOf(process.pid)}.${made++}`;
  for (const place of places()) {
    const folder = join(place, name);
    try {
      mkdirSync(folder);
      folders.push(folder);
      const control = join(folder, "cgroup.subtree_control");
      if (!existsSync(control)) continue;
      writeFileSync(control, controllers.map((one) => `+${one}`).join(" "));
    } catch {
      if (folders.at(-1) === folder) rmdirSync(folders.pop() ?? "");
    }
  }
  return folders;
}

function removeCgroup(folder: string): boolean {
  try {
    for (const one of readdirSync(folder, { withFileTypes: true }))
      if (one.isDirectory()) rmdirSync(join(folder, one.name));
    rmdirSync(folder);
    return true;
  } catch {
    return !existsSync(folder);
  }
}

/** Removes cgroups, with those of machines in them, as soon as all that was in them has ended. */
export async function removeCgroups(folders: readonly string[]): Promise<void> {
  // Each is tried, also after one that did not go.
  await until("the cgroups go", () => folders.map(removeCgroup).every(Boolean));
}

/** Removes what hosts left that were killed together with all that would have cleaned up after them. */
export function reapCgroups(): void {
  for (const place of places()) {
    for (const name of readdirSync(place)) {
      const [, pid, start] = /^tinderbox-machines-(\d+)\.(\d+)\.\d+$/.exec(name) ?? [];
      // If it does not go now, its keeper is still at it.
      if (pid !== undefined && startOf(Number(pid)) !== start) removeCgroup(join(place, name));
    }
  }
}
