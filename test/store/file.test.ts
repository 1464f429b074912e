import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../src/clock.ts";
import { fileDriver } from "../../src/store/drivers/file.ts";
import { testRun } from "../harness/run.ts";
import { testStore } from "./conformance.ts";

testStore(
  "file:",
  async () => {
    const folder = mkdtempSync(join(testRun.folder, "store-"));
    const open = () => fileDriver({ folder, clock: systemClock, page: 4 });
    const driver = open();
    return {
      driver,
      reopen: async () => open(),
      async close() {
        await driver.close();
        rmSync(folder, { recursive: true });
      },
    };
  },
  { page: 4, runs: 20 },
);
