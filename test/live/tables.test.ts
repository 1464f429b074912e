import { type Pool, flame, pool } from "tinderbox";
import { afterAll, beforeAll, expect, test } from "vitest";
import { place } from "../../src/context.ts";
import { until } from "../harness/until.ts";
import { runCase } from "./run-case.ts";
import { expectNothingLive } from "./tables.ts";

let own: Pool;
beforeAll(() => void (own = pool("tables", { max: 1, concurrency: 2, drainTimeout: "200ms" })));
afterAll(() => own.close());
const soon = { within: 200 };

test("a case that leaves something open fails: on the parent", async () => {
  const numbers = await flame(
    async function* () {
      yield 1;
    },
    { pool: own },
  );
  await expect(expectNothingLive(own, soon)).rejects.toThrow("Cannot see empty tables on the parent");
  await numbers.return(undefined);
  await expectNothingLive(own);
});

test("a case that leaves something open fails: on the runner", async () => {
  await flame(() => void place.exchanges.add({ counts: () => ({ lent: 1 }) }), { pool: own });
  await expect(expectNothingLive(own, soon)).rejects.toThrow("Cannot see empty tables on the runner");
  await flame(() => place.exchanges.clear(), { pool: own });
  await expectNothingLive(own);
});

test("a case that costs the runner its life fails", async () => {
  await flame(() => process.exit(1), { pool: own }).catch(() => {});
  await until("another runner", async () => (await flame(() => 1, { pool: own })) === 1);
  await expect(expectNothingLive(own)).rejects.toThrow(/Cannot go on with the same runner: tables-1 was replaced by/);
});

test("a case that hangs fails", async () => {
  const hangs = { name: "hangs", timeout: 50, run: () => new Promise<void>(() => {}) };
  await expect(runCase(hangs, own)).rejects.toThrow("it still runs after 50 ms");
});
