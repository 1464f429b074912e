/** The keys below a folder, in order, without looking where none can be that is asked for. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { isContinued, segmentOf } from "./file-names.ts";
import { unless } from "./file-system.ts";
import { compareKeys } from "./keys.ts";

export interface Wanted {
  readonly prefix: string;
  readonly after: string | undefined;
}

/** Keys that have a folder; whether an object is there is to be seen. */
export async function* keysBelow(folder: string, wanted: Wanted, base = ""): AsyncGenerator<string> {
  const entries: { key: string; path: string; isFolder: boolean }[] = [];
  for await (const { segment, path } of segmentsIn(folder)) {
    const key = base + segment;
    if (isWanted(key, wanted)) entries.push({ key, path, isFolder: false });
    // Everything below begins with this, and nothing else does: so it is one stretch of the order, and this is where.
    if (mayHold(`${key}/`, wanted)) entries.push({ key: `${key}/`, path, isFolder: true });
  }
  for (const { key, path, isFolder } of entries.toSorted((left, right) => compareKeys(left.key, right.key))) {
    if (isFolder) yield* keysBelow(path, wanted, key);
    else yield key;
  }
}

function isWanted(key: string, { prefix, after }: Wanted): boolean {
  return key.startsWith(prefix) && (after === undefined || compareKeys(key, after) > 0);
}

/** Whether keys that begin with `base` can be wanted. */
function mayHold(base: string, { prefix, after }: Wanted): boolean {
  if (!base.startsWith(prefix) && !prefix.startsWith(base)) return false;
  return after === undefined || after.startsWith(base) || compareKeys(base, after) > 0;
}

/** What is nobody's segment is not ours, and is left alone. */
async function* segmentsIn(
  folder: string,
  parts: readonly string[] = [],
): AsyncGenerator<{ readonly segment: string; readonly path: string }> {
  const found = (await unless(["ENOENT"], readdir(folder, { withFileTypes: true }))) ?? [];
  for (const entry of found) {
    if (!entry.isDirectory()) continue;
    const path = join(folder, entry.name);
    const names = [...parts, entry.name];
    if (isContinued(entry.name)) yield* segmentsIn(path, names);
    else {
      const segment = segmentOf(names);
      if (segment !== undefined) yield { segment, path };
    }
  }
}
