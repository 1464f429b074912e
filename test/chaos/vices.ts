/** The misbehaving programs of test/programs/, how each is started, and what of it the system lets us see. */
import { readFileSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import type { Limits } from "../../src/native/limits.ts";
import { vice } from "../native/lab.ts";
import { repository } from "../harness/script-folder.ts";

export interface Vice {
  readonly name: string;
  readonly command: string;
  readonly limits?: Limits;
  /** Without control groups nobody can tell that what it leaves behind was its own: the one limit that the documentation names. */
  readonly untraceable: boolean;
  /** A file that it is given, in place of the tag. */
  readonly wantsFile: boolean;
}

export const vices: readonly Vice[] = readdirSync(join(repository, "test/programs"))
  .filter((file) => file.endsWith(".sh"))
  .map((file) => basename(file, ".sh"))
  .map((name) => ({
    name,
    command: vice(name),
    ...(name === "eats-memory" ? { limits: { memory: "32mb" } as const } : {}),
    untraceable: name === "clears-its-environment-and-goes",
    wantsFile: name === "succeeds-the-second-time",
  }));

/** By its environment or by its arguments, whatever it is a child of: not what the code under test would say. */
export const tagVariable = "TINDERBOX_CHAOS_TAG";

/** Those that were there before all: most of a system, and none of ours. */
const older = new Set(pids());

/** Live processes with the tag. */
export function tagged(tag: string): number[] {
  return pids()
    .filter((pid) => !older.has(pid))
    .filter((pid) => read(pid, "environ").includes(`${tagVariable}=${tag}`) || read(pid, "cmdline").includes(tag))
    .filter((pid) => !/\) [ZX]/.test(read(pid, "stat")));
}

function pids(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** For messages. */
export function described(pid: number): string {
  return `${pid} (${commandOf(pid)})`;
}

export function commandOf(pid: number): string {
  return read(pid, "cmdline").replaceAll("\0", " ").trim();
}

function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch {
    return "";
  }
}
