import { randomInt } from "node:crypto";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { systemClock } from "../../src/clock.ts";
import { findHierarchies, removeGroup } from "../../src/native/cgroup.ts";
import { Programs } from "../../src/native/process.ts";
import type { Program, ProgramOptions } from "../../src/native/program.ts";
import { whenTestEnds } from "../harness/hooks.ts";
import { processesOf } from "../harness/processes.ts";
import { repository } from "../harness/script-folder.ts";
import { until } from "../harness/until.ts";

/** A fixture of test/programs/. */
export function vice(name: string): string {
  const file = join(repository, "test/programs", `${name}.sh`);
  if (!existsSync(file)) throw new Error(`Cannot find the program ${file}`);
  return file;
}

/** Seconds that no other process of this machine sleeps for: what has shed every other trace is found by them. */
export function newTag(): string {
  return String(10_000_000 + randomInt(900_000_000));
}

/** Live processes with this in their command line. */
export function withTag(tag: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && textOf(`/proc/${pid}/cmdline`).includes(tag) && !ended(pid));
}

/** Not there, or a zombie. */
export function ended(pid: number): boolean {
  return /^[ZX]?$/.test(stateOf(pid));
}

/** One letter, as `ps` shows it; nothing when there is no such process. */
export function stateOf(pid: number): string {
  const stat = textOf(`/proc/${pid}/stat`);
  return stat === "" ? "" : stat.charAt(stat.lastIndexOf(")") + 2);
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return "";
  }
}

/** Folders of control groups in which the owner with this number has its own. */
export function groupsOf(pid: number): string[] {
  const { unified, legacy } = findHierarchies("tinderbox-where");
  const found = [unified, ...legacy.values()].filter((folder) => folder !== undefined);
  for (const folder of found) removeGroup(folder);
  return found
    .map((folder) => dirname(folder))
    .flatMap((parent) => readdirSync(parent).map((name) => join(parent, name)))
    .filter((folder) => basename(folder).startsWith(`tinderbox-${pid}.`));
}

/** Why a test of control groups cannot run here; undefined where it can. */
export function withoutGroups(): string | undefined {
  const found = findHierarchies("tinderbox-probe");
  const folders = [found.unified, ...found.legacy.values()].filter((folder) => folder !== undefined);
  for (const folder of folders) removeGroup(folder);
  return found.unified === undefined ? "this system lets us make no control group of version 2" : undefined;
}

export interface Lab {
  readonly programs: Programs;
  readonly tag: string;
  readonly unenforced: string[];
  readonly strays: number[];
  /** Starts a fixture, which gets the tag as its argument, and waits for its first line. */
  up(name: string, options?: Partial<ProgramOptions> & { readonly more?: readonly string[] }): Promise<Started>;
  start(command: string, args?: readonly string[], options?: Partial<ProgramOptions>): Promise<Started>;
}

export interface Started extends Program {
  readonly out: () => string;
  readonly err: () => string;
}

/** Programs of a test's own; whatever is left when it ends fails it. */
export function lab(groups: boolean): Lab {
  const unenforced: string[] = [];
  const strays: number[] = [];
  const tag = newTag();
  const programs = new Programs({
    clock: systemClock,
    groups,
    unenforced: (limit) => unenforced.push(limit),
    stray: (_name, pids) => strays.push(...pids),
  });
  whenTestEnds(async () => {
    await programs.stop();
    // Watchdogs stay for a moment, for the next program; the end of the test file looks for them.
    const others = () => processesOf().filter(({ command }) => !command.includes("tinderbox-watchdog"));
    const left = () => [...withTag(tag), ...others()];
    await until("that nothing is left", () => left().length === 0);
  });
  const start: Lab["start"] = async (command, args = [], options = {}) => {
    const program = await programs.start({ name: "test", command, args, ...options });
    program.hold(true);
    let out = "";
    let err = "";
    program.stdout.on("data", (chunk: Buffer) => (out = (out + chunk.toString("latin1")).slice(-100_000)));
    program.stderr.on("data", (chunk: Buffer) => (err = (err + chunk.toString("latin1")).slice(-100_000)));
    return Object.assign(program, { out: () => out, err: () => err });
  };
  return {
    programs,
    tag,
    unenforced,
    strays,
    start,
    async up(name, { more = [], ...options } = {}) {
      const program = await start(vice(name), [tag, ...more], { graceMs: 300, ...options });
      let left = false;
      void program.exited.then(() => (left = true));
      await until(`the first line of ${name}`, () => program.out() !== "" || left, { every: 2 });
      return program;
    },
  };
}
