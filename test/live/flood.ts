/** Sends much through a live reference, and looks at what both sides hold meanwhile. */
import { type Pool, flame } from "tinderbox";
import { collectGarbage } from "./garbage.ts";

export const chunkBytes = 64 * 1024;

const megabyte = 1024 * 1024;

/** Of this process, in MB, without garbage: chunks that are used up may lie around until some 64 MB of them do. */
export async function residentMegabytes(): Promise<number> {
  await collectGarbage();
  return process.memoryUsage.rss() / megabyte;
}

export interface Flood {
  readonly bytes: number;
  readonly megabytesPerSecond: number;
  /** Most that either side has grown by. */
  readonly parentGrowth: number;
  readonly runnerGrowth: number;
}

/**
 * `run` calls `note` for each chunk that has arrived; now and then that looks at the memory of both sides, and is slow for as
 * long as that takes: a sender without bounds would be far ahead by then.
 */
export async function flood(
  own: Pool,
  bytes: number,
  run: (note: (bytes: number) => Promise<void>) => Promise<void>,
): Promise<Flood> {
  const look = (): Promise<number> => flame(() => residentMegabytes(), { pool: own });
  const before = { parent: await residentMegabytes(), runner: await look() };
  const most = { ...before };
  const started = performance.now();
  let arrived = 0;
  let next = 0;
  await run(async (more) => {
    arrived += more;
    if (arrived < next) return;
    next += bytes / 32;
    const runner = await look();
    most.runner = Math.max(most.runner, runner);
    most.parent = Math.max(most.parent, await residentMegabytes());
  });
  const seconds = (performance.now() - started) / 1000;
  return {
    bytes: arrived,
    megabytesPerSecond: Math.round(arrived / megabyte / seconds),
    parentGrowth: Math.round(most.parent - before.parent),
    runnerGrowth: Math.round(most.runner - before.runner),
  };
}
