/** Clears away what parents and runners that were killed have left in the temporary folder. */
import { type Stats } from "node:fs";
import { lstat, readdir, rm } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";

const dayMs = 86_400_000;

/**
 * Removes this user's `tinderbox-<pid>_*` folders whose process is no more. The process may be one that cannot be seen
 * from here, in a container that shares the folder: nobody must listen on a socket, and what has none must be old. How old
 * is judged by `fresh`, a folder just made: the clock of files is not ours.
 */
export async function reapFolders(base: string, fresh: string): Promise<void> {
  const names = await readdir(base).catch(() => []);
  const now = (await lstat(fresh).catch(() => undefined))?.mtimeMs ?? 0;
  await Promise.all(
    names.map(async (name) => {
      const [, pid] = /^tinderbox-(\d+)_/.exec(name) ?? [];
      if (pid === undefined || alive(Number(pid))) return;
      const folder = join(base, name);
      const found = await lstat(folder).catch(() => undefined);
      if (found?.isDirectory() !== true || found.uid !== process.getuid?.()) return;
      if (await unused(folder, found, now)) await rm(folder, { recursive: true, force: true }).catch(() => undefined);
    }),
  );
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

function unused(folder: string, found: Stats, now: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(join(folder, "s"));
    socket.unref();
    socket.on("error", (error: NodeJS.ErrnoException) =>
      resolve(error.code === "ECONNREFUSED" || (error.code === "ENOENT" && now - found.mtimeMs > dayMs)),
    );
    socket.on("connect", () => {
      socket.destroy();
      resolve(false);
    });
  });
}
