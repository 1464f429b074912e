import { type Pool, type PoolOptions, pool } from "tinderbox";

let count = 0;

/** A pool that one case has for itself: its runner may be lost. */
export async function ownPool(options: PoolOptions, run: (own: Pool) => Promise<void>): Promise<void> {
  const own = pool(`live-own-${++count}`, { max: 1, concurrency: 2, drainTimeout: "2s", ...options });
  try {
    await run(own);
  } finally {
    await own.close();
  }
}
