/** Looks at the tables of live references: in a closure those of the runner, elsewhere those of the parent. */
import { type Pool, flame } from "tinderbox";
import { place } from "../../src/context.ts";
import { until } from "../harness/until.ts";

/** What is alive in this process: one entry for each connection with something in its tables. */
export function tables(): object[] {
  return [...place.exchanges].map((exchange) => exchange.counts());
}

/** Waits until nothing is alive on either side of a pool with one runner. */
export async function expectNothingLive(pool: Pool): Promise<void> {
  await until("empty tables on the parent", () => tables().length === 0 || undefined);
  await until("free slots", () => pool.stats().slots.busy === 0 || undefined);
  await until("empty tables on the runner", async () => {
    const left = await flame(() => tables(), { pool });
    if (left.length === 0) return true;
    return undefined;
  });
}
