/**
 * What this runner keeps up besides calls, as the agent sees and ends it. The modules that keep something up are loaded when they
 * are needed, perhaps from other files than the agent: they are found by the place.
 */
import { place } from "../src/context.ts";

/** As JSON; see `readBranches` for its shape. */
export function describeUpkeep(): string {
  return JSON.stringify([...place.upkeep].flatMap((upkeep) => upkeep.describe()));
}

/** In good order. Never rejects. */
export async function endUpkeep(): Promise<void> {
  await Promise.allSettled([...place.upkeep].map((upkeep) => upkeep.stop()));
}
