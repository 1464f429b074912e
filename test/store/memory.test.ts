import { systemClock } from "../../src/clock.ts";
import { memoryDriver } from "../../src/store/drivers/memory.ts";
import { testStore } from "./conformance.ts";

testStore(
  "memory:",
  async () => {
    const driver = memoryDriver({ clock: systemClock, page: 4 });
    return { driver, close: () => driver.close() };
  },
  { page: 4 },
);
