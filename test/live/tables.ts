/** Looks at the tables of live references: in a closure those of the runner, elsewhere those of the parent. */
import { type Pool, flame, runner } from "tinderbox";
import { place } from "../../src/context.ts";
import { type UntilOptions, until } from "../harness/until.ts";

/** What is alive in this process: one entry for each connection with something in its tables. */
export function tables(): object[] {
  return [...place.exchanges].map((exchange) => exchange.counts());
}

const runners = new WeakMap<Pool, string>();

/** Waits until nothing is alive on either side of a pool with one runner, which has been the same all the time. */
export async function expectNothingLive(pool: Pool, options?: UntilOptions): Promise<void> {
  await until("empty tables on the parent", () => tables().length === 0 || undefined, options);
  await until("free slots", () => pool.stats().slots.busy === 0 || undefined, options);
  let id = "";
  const look = async (): Promise<boolean> => {
    const seen = await flame(() => ({ left: tables(), id: runner()!.id }), { pool });
    id = seen.id;
    return seen.left.length === 0;
  };
  await until("empty tables on the runner", look, options);
  const before = runners.get(pool);
  runners.set(pool, id);
  if (before !== undefined && before !== id)
    throw new Error(`Cannot go on with the same runner: ${before} was replaced by ${id}`);
}
