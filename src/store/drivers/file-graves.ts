/**
 * Where the versions of a key go that was removed: `.tmp/<life>.gone`, whence a writer that was stopped meanwhile learns what became of its
 * write. After a minute they are removed for good, and such a writer can only say that it does not know.
 */
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { temporaryName } from "./file-names.ts";

const ending = ".gone";
const graveMs = 60_000;
/** What processes left that died while they wrote; others may still be writing. */
const leftAfterMs = 24 * 60 * 60 * 1_000;

export function graveOf(root: string, life: string): string {
  return join(root, temporaryName, life + ending);
}

/** Removes what is in nobody's use any more. What fails is for the next one. */
export async function sweep(root: string, now: number): Promise<void> {
  const folder = join(root, temporaryName);
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    const keptMs = name.endsWith(ending) ? graveMs : leftAfterMs;
    if (found && found.mtimeMs < now - keptMs) await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}
