import { expect, test } from "vitest";
import { z } from "zod";
import { systemClock } from "../../src/clock.ts";
import { LeaseLostError } from "../../src/errors.ts";
import type { StoreDriver } from "../../src/ports/store.ts";
import { Commits } from "../../src/store/commits.ts";
import { Leases } from "../../src/store/leases.ts";
import { Memos } from "../../src/store/memo.ts";
import { Requests } from "../../src/store/requests.ts";
import { until } from "../harness/until.ts";
import { memory } from "./cells.ts";

/** One process of those that share the driver. */
function memosOn(driver: StoreDriver) {
  const requests = new Requests({ driver, clock: systemClock });
  const leases = new Leases(requests);
  const all = new Map<string, Commits>();
  const commitsOf = (key: string): Commits => {
    const known = all.get(key) ?? new Commits(requests, "memo", key);
    all.set(key, known);
    return known;
  };
  const memos = new Memos({ requests, leases, commitsOf });
  return { memos, leases };
}

test("of all processes one computes, and all get the value", async () => {
  const driver = memory();
  let computed = 0;
  const all = Array.from({ length: 8 }, () => memosOn(driver));
  const values = await Promise.all(
    all.flatMap(({ memos }) => [1, 2].map(() => memos.get("answer", async () => ({ made: ++computed }), {}))),
  );
  expect(values).toEqual(Array.from({ length: 16 }, () => ({ made: 1 })));
  expect(computed).toBe(1);
  expect(await memosOn(driver).memos.get("answer", () => ({ made: ++computed }), {})).toEqual({ made: 1 });
  expect(all.map(({ leases }) => leases.held)).toEqual(all.map(() => 0));
});

test("nothing, too, is a value", async () => {
  const driver = memory();
  let computed = 0;
  const compute = (): undefined => void computed++;
  expect(await memosOn(driver).memos.get("nothing", compute, {})).toBeUndefined();
  expect(await memosOn(driver).memos.get("nothing", compute, {})).toBeUndefined();
  expect(computed).toBe(1);
});

test("a computation that fails fails for those who wait here; the next one computes again", async () => {
  const driver = memory();
  const { memos } = memosOn(driver);
  const own = new Error("mine");
  const fail = (): never => {
    throw own;
  };
  const both = await Promise.allSettled([memos.get("a", fail, {}), memos.get("a", () => 2, {})]);
  expect(both).toEqual([
    { status: "rejected", reason: own },
    { status: "rejected", reason: own },
  ]);
  expect(await memos.get("a", () => 3, {})).toBe(3);
});

test("whoever leaves does not end it for others; when all have left it ends", async () => {
  const { memos, leases } = memosOn(memory());
  const [first, second] = [new AbortController(), new AbortController()];
  let ended: unknown;
  const compute = ({ signal }: { signal: AbortSignal }): Promise<number> =>
    new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => {
        ended = signal.reason;
        reject(new Error("ended"));
      });
    });
  const one = memos.get("a", compute, { signal: first.signal });
  const two = memos.get("a", compute, { signal: second.signal });
  await until("the lease", () => leases.held === 1);
  first.abort();
  await expect(one).rejects.toThrow('Cannot wait for memo "a" of memory:: it was aborted');
  expect(ended).toBeUndefined();
  second.abort();
  await expect(two).rejects.toThrow("it was aborted");
  await until("its end", () => ended !== undefined && leases.held === 0);
  expect(await memos.get("a", () => 5, {})).toBe(5);
});

test("a schema checks what is computed, and what others have computed", async () => {
  const driver = memory();
  const { memos } = memosOn(driver);
  const schema = z.number();
  await expect(memos.get("a", () => "text" as never, { schema })).rejects.toThrow("Cannot write memo");
  await memosOn(driver).memos.get("a", () => "text", {});
  await expect(memos.get("a", () => 1, { schema })).rejects.toThrow("Cannot read memo");
});

test("what is no data, no function or no option is refused", async () => {
  const { memos } = memosOn(memory());
  await expect(memos.get("a", () => () => 1, {})).rejects.toThrow('Cannot store memo "a"');
  await expect(memos.get("a", 1 as never, {})).rejects.toThrow("a function is wanted");
  await expect(memos.get("a", () => 1, { shema: 1 } as never)).rejects.toThrow('did you mean "schema"?');
});

test("what a computation loses is its own affair: it is told, not computed again", async () => {
  const { memos } = memosOn(memory());
  let computed = 0;
  const lost = new LeaseLostError("another lease", { key: "b", token: 1 });
  const failing = memos.get("a", () => Promise.reject(computed++ < 1_000 ? lost : new Error("again and again")), {});
  await expect(failing).rejects.toBe(lost);
  expect(computed).toBe(1);
});

test("what was computed under a lease that was lost is computed again, and what was written first stays", async () => {
  const driver = memory();
  let computed = 0;
  const lost = memosOn(driver).memos.get(
    "a",
    async ({ signal }) => {
      if (++computed > 1) return "again";
      const { objects } = await driver.list(".tinderbox/lease/");
      for (const { key } of objects) await driver.remove(key);
      await until("the loss", () => signal.aborted);
      return "late";
    },
    { ttl: "200ms" },
  );
  expect(await lost).toBe("again");
  expect(computed).toBe(2);
  const overtaken = memosOn(driver).memos.get(
    "b",
    async () => {
      const commits = new Commits(new Requests({ driver, clock: systemClock }), "memo", "b");
      await commits.update({ apply: async () => '"theirs"', timeoutMs: 1_000 });
      return "mine";
    },
    {},
  );
  expect(await overtaken).toBe("theirs");
});

test("a memo that asks for itself is told", async () => {
  const { memos } = memosOn(memory());
  const own = memos.get("a", () => memos.get("b", () => memos.get("a", () => 1, {}), {}), {});
  await expect(own).rejects.toThrow('Cannot ask for memo "a" while it is being computed');
  expect(await memos.get("a", () => memos.get("b", () => 2, {}), {})).toBe(2);
});

test("a lease of any name is another one than that of a memo", async () => {
  const { memos, leases } = memosOn(memory());
  const lease = await leases.lease("memo/a");
  expect(await memos.get("a", () => 1, {})).toBe(1);
  await lease.release();
});
