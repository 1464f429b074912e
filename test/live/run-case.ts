import type { Pool } from "tinderbox";
import type { Case } from "./case.ts";
import { expectNothingLive } from "./tables.ts";

/** Runs one case to its end, and then sees that nothing of it is alive on either side. */
export async function runCase({ run, timeout = 15_000 }: Case, pool: Pool): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Cannot finish the case: it still runs after ${timeout} ms`)), timeout);
  });
  try {
    await Promise.race([run({ pool }), late]);
    await expectNothingLive(pool);
  } finally {
    clearTimeout(timer);
  }
}
