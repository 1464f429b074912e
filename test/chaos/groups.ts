/** Control groups that a process of ours has made, as the file system shows them. */
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { findHierarchies, removeGroup } from "../../src/native/cgroup.ts";

/** Folders in which groups are made; none where the system has none for us. */
export const groupFolders: readonly string[] = probe();

function probe(): string[] {
  const found = findHierarchies(`tinderbox-probe-${process.pid}`);
  const made = [found.unified, ...found.legacy.values()].filter((folder) => folder !== undefined);
  made.forEach(removeGroup);
  return found.unified === undefined ? [] : made.map((folder) => dirname(folder));
}

export function groupsOf(pid: number): string[] {
  return groupFolders.flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.startsWith(`tinderbox-${pid}.`))
      .map((name) => join(folder, name)),
  );
}
