/**
 * Folders in the system's temporary folder, named after the process that they belong to, so that whoever outlives it can
 * clear them away: `tinderbox-<pid>_<what>`. Calls have theirs in `tinderbox-<machine>_calls/<executor>/`.
 */
import { lstatSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

/** Where the calls of an executor have their folders; `machine` and `executor` are process numbers, perhaps the same. */
export interface Scratch {
  readonly base: string;
  readonly machine: number;
  readonly executor?: number | undefined;
}

export type OwnScratch = Scratch & { readonly executor: number };

/** Makes it, for this user alone. */
export function makeScratch({ base, machine, executor }: OwnScratch): string {
  const shared = pathOf({ base, machine });
  try {
    mkdirSync(shared, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    // Anybody may have made it, to see what we put there.
    const found = lstatSync(shared);
    if (!found.isDirectory() || found.uid !== process.getuid?.())
      throw new Error(`Cannot use ${shared}: it exists, and belongs to somebody else`, { cause: error });
  }
  const own = pathOf({ base, machine, executor });
  // Numbers of processes are used again.
  rmSync(own, { recursive: true, force: true });
  mkdirSync(own);
  return own;
}

/** Without `executor`: of all that the machine has. */
export function removeScratch(scratch: Scratch): void {
  try {
    rmSync(pathOf(scratch), { recursive: true, force: true });
  } catch {
    // What cannot be removed is in nobody's way but the disk's.
  }
}

/** Everything of a process that is no more: its sockets, and what else it could not remove. */
export function removeFoldersOf(base: string, pid: number): void {
  try {
    for (const name of readdirSync(base)) {
      if (name.startsWith(`tinderbox-${pid}_`)) rmSync(join(base, name), { recursive: true, force: true });
    }
  } catch {
    // As above; the next parent tries again.
  }
}

function pathOf({ base, machine, executor }: Scratch): string {
  const shared = join(base, `tinderbox-${machine}_calls`);
  return executor === undefined ? shared : join(shared, String(executor));
}
