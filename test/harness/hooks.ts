import { onTestFailed, onTestFinished } from "vitest";

/** Runs `action` when the running test fails. Outside a test (in beforeAll) there is none, and nothing to do. */
export function whenTestFails(action: () => void): void {
  ignoreOutside(() => onTestFailed(action));
}

/** Runs `action` when the running test is over; outside a test, `setup.ts` cleans up after the file. */
export function whenTestEnds(action: () => void | Promise<void>): void {
  ignoreOutside(() => onTestFinished(action));
}

function ignoreOutside(register: () => void): void {
  try {
    register();
  } catch {
    // vitest throws when no test is running.
  }
}
