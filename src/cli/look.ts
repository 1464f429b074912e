/** Asks the parents on this machine what they keep up. */
import { lstat, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../clock.ts";
import { type Inspected, folderMark } from "../inspection.ts";
import type { Branch } from "../ports/child.ts";
import { dialUnix } from "../transport/unix.ts";

/** A parent that does not answer in this time is told of as such. */
const answerMs = 5_000;
/** More than any tree that a person could look at. */
const longestAnswer = 64 * 1024 * 1024;

export interface Looked {
  readonly pid: number;
  /** Undefined: there is one, but it does not answer. */
  readonly inspected: Inspected | undefined;
}

/** Of this user, and of this temporary folder; oldest first. Parents that are no more are left out. */
export async function lookAround(pid?: number): Promise<Looked[]> {
  const names = await readdir(tmpdir()).catch(() => []);
  const found = names.flatMap((name) => {
    const [, digits] = new RegExp(`^tinderbox-(\\d+)_${folderMark}`).exec(name) ?? [];
    return digits === undefined || (pid !== undefined && Number(digits) !== pid) ? [] : [{ name, pid: Number(digits) }];
  });
  const asked = await Promise.all(
    found.map(async (each): Promise<Looked | undefined> => {
      const folder = join(tmpdir(), each.name);
      const stat = await lstat(folder).catch(() => undefined);
      // Others could have made one to be read by us.
      if (stat?.isDirectory() !== true || stat.uid !== process.getuid?.()) return undefined;
      try {
        return { pid: each.pid, inspected: await ask(join(folder, "s")) };
      } catch (error) {
        // Nobody listens: it was killed, and its folder waits for the next parent to remove it.
        if (["ECONNREFUSED", "ENOENT"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
        return { pid: each.pid, inspected: undefined };
      }
    }),
  );
  return asked
    .filter((each) => each !== undefined)
    .toSorted((a, b) => (a.inspected?.since ?? 0) - (b.inspected?.since ?? 0) || a.pid - b.pid);
}

async function ask(address: string): Promise<Inspected> {
  const connection = await dialUnix(address);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const timer = systemClock.timer(answerMs, () => {
      connection.destroy();
      reject(new Error("it does not answer"));
    });
    connection.attach({
      data(chunk) {
        chunks.push(chunk);
        bytes += chunk.length;
        if (bytes > longestAnswer) connection.destroy();
      },
      drain() {},
      close() {
        timer.cancel();
        try {
          resolve(JSON.parse(Buffer.concat(chunks).toString("utf8")) as Inspected);
        } catch {
          reject(new Error("its answer is cut"));
        }
      },
    });
  });
}

/** The branch at the end of a path such as "pools/media/media-1". */
export function branchAt(trees: readonly Branch[], path: string): Branch | undefined {
  for (const tree of trees) {
    if (tree.id === path) return tree;
    if (!path.startsWith(`${tree.id}/`)) continue;
    const below = branchAt(tree.children ?? [], path.slice(tree.id.length + 1));
    if (below) return below;
  }
  return undefined;
}

/** JSON for terminals, too: what could move a cursor is written as an escape. */
export function jsonOf(value: unknown): string {
  const escaped = (found: string): string => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return `${JSON.stringify(value, null, 2).replace(/[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, escaped)}\n`;
}
