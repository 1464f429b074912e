import { type Pool, flame } from "tinderbox";
import { until } from "../harness/until.ts";
import { notes } from "./notebook.ts";

/** Waits until a closure has noted that on the one runner of a pool. */
export async function noted(text: string, pool: Pool): Promise<void> {
  await until(`"${text}" among the notes of the runner`, () => flame(() => notes.includes(text), { pool }));
}
