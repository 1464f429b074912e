import { requireMachines } from "./requirements.ts";

/**
 * Whether tests can make machines here. Where not, one line says why; on CI that is a failure, since there it would mean
 * that the tests never run anywhere.
 *
 * @example describe.skipIf(!(await machinesAvailable()))("machines", () => ...);
 */
export async function machinesAvailable(): Promise<boolean> {
  try {
    await requireMachines();
    return true;
  } catch (error) {
    if (process.env["CI"]) throw error;
    console.warn(`SKIPPED: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}
