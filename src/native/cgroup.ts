/**
 * Control groups: what a program starts stays in its group, whatever it does, and is counted there. Version 2 contains;
 * limits come from the same group, or where its controllers are still those of version 1, from groups beside it.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join, posix } from "node:path";
import type { ResolvedLimits } from "./limits.ts";

export type Controller = "memory" | "cpu" | "pids";

/** Folders in which this process may make groups. */
export interface Hierarchies {
  /** Of version 2. */
  readonly unified: string | undefined;
  /** Controllers that groups below `unified` have. */
  readonly unifiedControllers: ReadonlySet<string>;
  /** Of version 1, by controller. */
  readonly legacy: ReadonlyMap<string, string>;
}

interface Mount {
  readonly point: string;
  readonly root: string;
  readonly type: string;
  readonly options: readonly string[];
}

/** What the system offers. A folder that cannot be written is not offered. */
export function findHierarchies(name: string, make: (folder: string) => boolean = makeFolder): Hierarchies {
  const mounts = readText("/proc/self/mountinfo").split("\n").flatMap(parseMount);
  const own = readText("/proc/self/cgroup").split("\n").map(parseOwn);
  const folder = (mount: Mount | undefined, path: string | undefined): string | undefined => {
    if (!mount || path === undefined) return undefined;
    const made = join(mount.point, posix.relative(mount.root, path), name);
    return !made.startsWith(mount.point) || !make(made) ? undefined : made;
  };
  const second = mounts.find(({ type }) => type === "cgroup2");
  const unified = folder(second, own.find(({ names }) => names === "")?.path);
  const unifiedControllers = new Set(unified === undefined ? [] : delegate(unified));
  const legacy = new Map<string, string>();
  for (const controller of ["memory", "cpu", "pids"]) {
    if (unifiedControllers.has(controller)) continue;
    const mount = mounts.find(({ type, options }) => type === "cgroup" && options.includes(controller));
    const found = folder(mount, own.find(({ names }) => names?.split(",").includes(controller))?.path);
    if (found !== undefined) legacy.set(controller, found);
  }
  return { unified, unifiedControllers, legacy };
}

/** Passes controllers on to the groups below; those that the system does not let us pass on are left out. */
function delegate(folder: string): string[] {
  const parent = join(folder, "..");
  for (const each of [parent, folder]) {
    for (const controller of ["memory", "cpu", "pids"]) write(each, "cgroup.subtree_control", `+${controller}`);
  }
  return readText(join(folder, "cgroup.subtree_control")).trim().split(" ").filter(Boolean);
}

/** The groups of one program. */
export class Cgroup {
  readonly #unified: string | undefined;
  readonly #folders = new Set<string>();
  /** What could not be set. */
  readonly refused: readonly Controller[];

  /** Throws when the system has a place for groups, and yet makes none. */
  constructor(hierarchies: Hierarchies, name: string, limits: ResolvedLimits) {
    const { unified, unifiedControllers, legacy } = hierarchies;
    this.#unified = unified && join(unified, name);
    if (this.#unified !== undefined && makeFolder(this.#unified)) this.#folders.add(this.#unified);
    this.refused = settings(limits)
      .filter(({ controller, second, first }) => {
        if (this.#unified !== undefined && unifiedControllers.has(controller)) {
          return !second.every(([file, value, optional]) => write(this.#unified!, file, value) || optional);
        }
        const folder = legacy.get(controller);
        if (folder === undefined || !makeFolder(join(folder, name))) return true;
        this.#folders.add(join(folder, name));
        return !first.every(([file, value, optional]) => write(join(folder, name), file, value) || optional);
      })
      .map(({ controller }) => controller);
  }

  /** Files to which a process writes "0" to join. */
  get doors(): readonly string[] {
    return [...this.#folders].map((folder) => join(folder, "cgroup.procs"));
  }

  /** Whether its members are all that there is. */
  get contains(): boolean {
    return this.#folders.size > 0;
  }

  /** Zombies are not counted: their process numbers are there until they are read, but there is nothing to signal. */
  members(): number[] {
    return [...new Set([...this.#folders].flatMap(membersOf))];
  }

  /** The kernel has ended a member for its memory. */
  get oom(): boolean {
    return [...this.#folders].some((folder) =>
      ["memory.events", "memory.oom_control"].some((file) => /^oom_kill [1-9]/m.test(readText(join(folder, file)))),
    );
  }

  /** All members at once, those too that are just being made. False where the system cannot do that. */
  kill(): boolean {
    return this.#unified !== undefined && write(this.#unified, "cgroup.kill", "1");
  }

  /** False while it has members. */
  remove(): boolean {
    return [...this.#folders].map(removeGroup).every(Boolean);
  }
}

/** Of a group and those below it. */
export function membersOf(folder: string): number[] {
  // Of version 2: says it of those below it too.
  if (/^populated 0$/m.test(readText(join(folder, "cgroup.events")))) return [];
  const own = readText(join(folder, "cgroup.procs")).split("\n").filter(Boolean).map(Number);
  return [...own, ...subgroups(folder).flatMap(membersOf)];
}

/** With those below it. */
export function removeGroup(folder: string): boolean {
  if (!subgroups(folder).map(removeGroup).every(Boolean)) return false;
  try {
    rmdirSync(folder);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT";
  }
}

function subgroups(folder: string): string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => join(folder, entry.name));
  } catch {
    return [];
  }
}

type Setting = readonly [file: string, value: string, optional?: boolean];

const periodUs = 100_000;

/** What is written where; `first` and `second` are the versions. */
function settings({ memoryBytes, cpu, pids }: ResolvedLimits): {
  readonly controller: Controller;
  readonly first: readonly Setting[];
  readonly second: readonly Setting[];
}[] {
  const found: ReturnType<typeof settings> = [];
  if (memoryBytes !== undefined) {
    const value = String(memoryBytes);
    found.push({
      controller: "memory",
      // Swap would let it grow on, slowly; not every system counts it.
      first: [
        ["memory.limit_in_bytes", value],
        ["memory.memsw.limit_in_bytes", value, true],
      ],
      second: [
        ["memory.max", value],
        ["memory.swap.max", "0", true],
        ["memory.oom.group", "1", true],
      ],
    });
  }
  if (cpu !== undefined) {
    const quota = String(Math.max(1_000, Math.round(cpu * periodUs)));
    found.push({
      controller: "cpu",
      first: [
        ["cpu.cfs_period_us", String(periodUs)],
        ["cpu.cfs_quota_us", quota],
      ],
      second: [["cpu.max", `${quota} ${periodUs}`]],
    });
  }
  if (pids !== undefined) {
    const each: Setting = ["pids.max", String(pids)];
    found.push({ controller: "pids", first: [each], second: [each] });
  }
  return found;
}

function parseMount(line: string): Mount[] {
  const [before, after] = line.split(" - ");
  const [, , , root, point] = before!.split(" ");
  const [type, , options] = after?.split(" ") ?? [];
  return root === undefined || point === undefined || type === undefined || !type.startsWith("cgroup")
    ? []
    : [{ point, root, type, options: options?.split(",") ?? [] }];
}

function parseOwn(line: string): { readonly names: string | undefined; readonly path: string | undefined } {
  const [, names, ...path] = line.split(":");
  return { names, path: path.length === 0 ? undefined : path.join(":") };
}

function makeFolder(folder: string): boolean {
  try {
    mkdirSync(folder);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EEXIST";
  }
}

function write(folder: string, file: string, value: string): boolean {
  try {
    // Not made where it is missing: the file system of groups has the files that it has.
    writeFileSync(join(folder, file), value, { flag: "r+" });
    return true;
  } catch {
    return false;
  }
}

function readText(file: string): string {
  try {
    // An error costs more than a look.
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  } catch {
    return "";
  }
}
