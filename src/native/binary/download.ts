/** One download: into a file that nobody can execute, which gets its name once it is known to be what was asked for. */
import { createHash, randomBytes } from "node:crypto";
import { open as openFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { formatDuration } from "../../duration.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import type { Opener } from "./openers.ts";

/** More than any program is; a server that never ends its answer must not fill the disk. */
const mostBytes = 4 * 1024 ** 3;
/** A server that says nothing for so long will not say anything. */
const silentMs = 60_000;

export interface Download {
  readonly url: URL;
  readonly hash: string;
  readonly file: string;
  readonly open: Opener;
  readonly clock: Clock;
}

/** Rejects with what completes "<url> ...". Nothing is left behind then. */
export async function download({ url, hash, file, open, clock }: Download): Promise<void> {
  const unfinished = `${file}.${process.pid}.${randomBytes(6).toString("hex")}`;
  const controller = new AbortController();
  let timer: Timer | undefined;
  const wait = (): void => {
    timer?.cancel();
    timer = clock.timer(silentMs, () => controller.abort(new Error(`was silent for ${formatDuration(silentMs)}`)));
    timer.hold(true);
  };
  try {
    const target = await openFile(unfinished, "wx", 0o600);
    try {
      wait();
      const sum = createHash("sha256");
      let bytes = 0;
      for await (const chunk of await open(url, controller.signal)) {
        wait();
        bytes += chunk.length;
        if (bytes > mostBytes) throw new Error(`is more than ${mostBytes} bytes`);
        sum.update(chunk);
        await target.writeFile(chunk);
      }
      const found = sum.digest("hex");
      if (found !== hash)
        throw new Error(`is not what was declared: its sha256 is ${found}, ${hash} is wanted; it was deleted`);
      await target.sync();
      await target.chmod(0o700);
    } finally {
      await target.close();
    }
    await rename(unfinished, file);
    await syncFolder(dirname(file));
  } catch (error) {
    await rm(unfinished, { force: true });
    throw controller.signal.aborted ? (controller.signal.reason as Error) : error;
  } finally {
    timer?.cancel();
  }
}

/** The name, too, is to survive a power failure. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await openFile(folder, "r");
  await handle.sync().finally(() => handle.close());
}
