import { rmSync } from "node:fs";
import { afterAll } from "vitest";
import { expectNoFolderLeft, expectNoProcessLeft, expectNothingLent } from "./leaks.ts";
import { testRun } from "./run.ts";

// Runs around every test file (vitest's setupFiles): whatever a file started or wrote is gone when it ends.
afterAll(async () => {
  try {
    await expectNothingLent();
    await expectNoProcessLeft();
    await expectNoFolderLeft();
  } finally {
    rmSync(testRun.folder, { recursive: true, force: true });
  }
});
