import { AsyncLocalStorage } from "node:async_hooks";
import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { AbortError, LeaseLostError, StoreConflictError, StoreError } from "../../src/errors.ts";
import type { Lease } from "../../src/store/lease.ts";
import { keptWriters } from "../../src/store/record.ts";
import { FakeClock } from "../harness/fake-clock.ts";
import { until } from "../harness/until.ts";
import { memory, processOn } from "./cells.ts";
import { type Script, busy, forbidden, noAnswer, scripted } from "./scripted.ts";

const add = (by: number) => (value: number) => value + by;

/** Counts writes; `script` says what becomes of each, from 1. */
function counted(script: (put: number, act: () => Promise<unknown>) => Promise<unknown> = (_put, act) => act()) {
  const driver = memory();
  let puts = 0;
  const through: Script = (kind, _key, act) => (kind === "put" ? script(++puts, act) : act());
  return { driver, counted: scripted(driver, through), puts: () => puts };
}

test("a thousand updates of one moment are one write, in their order", async () => {
  const { counted: driver, puts } = counted();
  const cell = processOn(driver).cell({ initial: 0 });
  const results = await Promise.all(Array.from({ length: 1_000 }, () => cell.update(add(1))));
  expect(results).toEqual(Array.from({ length: 1_000 }, (_, index) => index + 1));
  expect(puts()).toBe(1);
});

test("updates that come while a write is under way are the next one", async () => {
  const under = Promise.withResolvers<void>();
  const { counted: driver, puts } = counted(async (put, act) => {
    if (put === 1) await under.promise;
    return act();
  });
  const process = processOn(driver);
  const first = process.cell({ initial: 0 }).update(add(1));
  await until("the first write", () => puts() === 1);
  // Another handle of the same cell goes the same way.
  const others = Array.from({ length: 500 }, () => process.cell({ initial: 0 }).update(add(1)));
  under.resolve();
  expect(Math.max(await first, ...(await Promise.all(others)))).toBe(501);
  expect(puts()).toBe(2);
});

test("processes that update at the same time lose nothing", async () => {
  const driver = memory();
  const cells = Array.from({ length: 10 }, () => processOn(driver).cell({ initial: 0 }));
  await Promise.all(
    cells.map(async (cell) => {
      for (let round = 0; round < 20; round++) await cell.update(add(1));
    }),
  );
  expect(await cells[0]!.get()).toBe(200);
});

test("an update that throws fails alone, and changes nothing", async () => {
  const { counted: driver, puts } = counted();
  const cell = processOn(driver).cell({ initial: 0 });
  const own = new Error("mine");
  const results = await Promise.allSettled([
    cell.update(add(1)),
    cell.update(() => {
      throw own;
    }),
    cell.update(() => ({ f() {} }) as never),
    cell.update(add(1)),
  ]);
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected", "fulfilled"]);
  expect(results[1]).toEqual({ status: "rejected", reason: own });
  expect([await cell.get(), puts()]).toEqual([2, 1]);
});

test("nobody is refused for what a value was some time ago", async () => {
  const driver = memory();
  const [seller, buyer] = [processOn(driver).cell({ initial: 0 }), processOn(driver).cell({ initial: 0 })];
  await buyer.get();
  await seller.set(5);
  const buy = (stock: number): number => {
    if (stock === 0) throw new Error("sold out");
    return stock - 1;
  };
  expect(await buyer.update(buy)).toBe(4);
});

test("a write that was done but not answered is done once", async () => {
  const { counted: driver, puts } = counted(async (put, act) => {
    const outcome = await act();
    if (put === 1) throw noAnswer();
    return outcome;
  });
  const cell = processOn(driver).cell({ initial: 0 });
  expect(await cell.update(add(1))).toBe(1);
  expect([await cell.get(), puts()]).toEqual([1, 1]);
});

test("a write that was not done and not answered is done in the end", async () => {
  const { counted: driver, puts } = counted(async (put, act) => {
    if (put <= 2) throw noAnswer();
    return act();
  });
  const cell = processOn(driver).cell({ initial: 0 });
  expect(await cell.update(add(1))).toBe(1);
  expect([await cell.get(), puts()]).toEqual([1, 3]);
});

test("a write that is refused although it was done is done once, also when others have written since", async () => {
  const driver = memory();
  const other = processOn(driver).cell({ initial: 0 });
  let first = true;
  const through = scripted(driver, async (kind, _key, act) => {
    const outcome = await act();
    if (kind !== "put" || !first) return outcome;
    first = false;
    await other.update(add(10));
    return "lost";
  });
  const cell = processOn(through).cell({ initial: 0 });
  expect(await cell.update(add(1))).toBe(1);
  expect(await cell.get()).toBe(11);
});

test("a write that lands late, after it was tried again, is done once", async () => {
  let late: (() => Promise<unknown>) | undefined;
  const outcomes: unknown[] = [];
  const { counted: driver } = counted(async (put, act) => {
    if (put === 1) {
      late = act;
      throw noAnswer();
    }
    // Before the second or after it: of both that were made for one state only one can land.
    if (put === 2) outcomes.push(await late!());
    return act();
  });
  let calls = 0;
  const cell = processOn(driver).cell({ initial: 0 });
  expect(await cell.update((value) => value + 10 + calls++)).toBe(10);
  expect(outcomes).toEqual([{ etag: expect.any(String) }]);
  expect([await cell.get(), calls]).toEqual([10, 2]);
});

test("when too many have written since, it is told that nobody can tell", async () => {
  const driver = memory();
  let first = true;
  const through = scripted(driver, async (kind, _key, act) => {
    const outcome = await act();
    if (kind !== "put" || !first) return outcome;
    first = false;
    for (let other = 0; other < keptWriters; other++) await processOn(driver).cell({ initial: 0 }).update(add(1));
    throw noAnswer();
  });
  const error = await processOn(through)
    .cell({ initial: 0 })
    .update(add(1))
    .catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(StoreConflictError);
  expect(error).toMatchObject({ reason: "unknown", maybe: true, key: "cell" });
});

test("a refusal for a moment is tried again, one for good is told at once", async () => {
  const once = counted(async (put, act) => {
    if (put === 1) throw busy();
    return act();
  });
  expect(await processOn(once.counted).cell({ initial: 0 }).update(add(1))).toBe(1);
  const never = counted(() => Promise.reject(forbidden()));
  const error = await processOn(never.counted)
    .cell({ initial: 0 })
    .update(add(1))
    .catch((reason: unknown) => reason);
  expect(error).toMatchObject({ message: "Cannot write: access denied", maybe: false });
  expect(never.puts()).toBe(1);
});

/** Lets a fake clock run as long as something waits for it. */
async function running<T>(clock: FakeClock, work: Promise<T>): Promise<T> {
  let over = false;
  void work.catch(() => {}).finally(() => (over = true));
  while (!over) {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(10);
  }
  return work;
}

test.each([
  [
    "others are always faster",
    () => Promise.resolve("lost"),
    StoreConflictError,
    { reason: "contended", maybe: false },
  ],
  [
    "the store is always busy",
    () => Promise.reject(busy()),
    StoreError,
    { message: "Cannot write: the server is busy" },
  ],
  [
    "no write is ever answered",
    () => Promise.reject(noAnswer()),
    StoreConflictError,
    { reason: "unknown", maybe: true },
  ],
  ["a write hangs", () => new Promise(() => {}), StoreConflictError, { reason: "unknown", maybe: true }],
])("%s: after the timeout it is told why", async (_name, put, Class, facts) => {
  const clock = new FakeClock();
  const cell = processOn(counted(put).counted, clock).cell({ initial: 0 });
  const began = clock.now();
  const error = await running(
    clock,
    cell.update(add(1), { timeout: "5s" }).catch((reason: unknown) => reason),
  );
  expect(error).toBeInstanceOf(Class);
  expect(error).toMatchObject(facts);
  expect(clock.now() - began).toBeLessThan(5_200);
  expect(clock.pending({ held: true })).toBeLessThanOrEqual(1);
});

test("an abort is heard at once, and others go on", async () => {
  const under = Promise.withResolvers<void>();
  const { counted: driver, puts } = counted(async (_put, act) => {
    await under.promise;
    return act();
  });
  const cell = processOn(driver).cell({ initial: 0 });
  const abort = new AbortController();
  const [aborted, kept] = [cell.update(add(1), { signal: abort.signal }), cell.update(add(1))];
  await until("the write", () => puts() === 1);
  const waiting = cell.update(add(100), { signal: abort.signal });
  abort.abort(new Error("enough"));
  for (const each of [aborted, waiting]) {
    await expect(each).rejects.toThrow(AbortError);
    await expect(each).rejects.toMatchObject({ cause: abort.signal.reason });
  }
  under.resolve();
  expect(await kept).toBe(2);
  expect(await cell.get()).toBe(2);
  await expect(cell.update(add(1), { signal: abort.signal })).rejects.toThrow(AbortError);
});

function leaseOf(token: number, key = "leader"): Lease & { lost: boolean } {
  const lease = {
    key,
    token,
    store: "memory:",
    lost: false,
    check() {
      if (lease.lost) throw new LeaseLostError("gone", { store: "memory:", key, token });
    },
  };
  return lease as never;
}

test.each(["leader", "__proto__"])("a stale token of lease %s never writes after a younger one", async (key) => {
  const driver = memory();
  const [old, young, other] = [leaseOf(1, key), leaseOf(2, key), leaseOf(1, "another")];
  const [one, two] = [processOn(driver).cell({ initial: 0 }), processOn(driver).cell({ initial: 0 })];
  await one.update(add(1), { lease: old });
  await two.update(add(10), { lease: young });
  const error = await one.update(add(100), { lease: old }).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(LeaseLostError);
  expect(error).toMatchObject({ key, token: 1, current: 2 });
  await expect(two.set(0, { lease: old })).rejects.toThrow(LeaseLostError);
  // A write without a lease forgets nothing, and that of another lease is another matter.
  await one.update(add(1_000));
  await one.update(add(10_000), { lease: other });
  await expect(one.update(add(100), { lease: old })).rejects.toThrow(LeaseLostError);
  expect(await two.get()).toBe(11_011);
});

test("of one write only those fail whose lease is stale or lost", async () => {
  const cell = processOn(memory()).cell({ initial: 0 });
  const [old, young] = [leaseOf(1), leaseOf(2)];
  const lost = leaseOf(3);
  const results = await Promise.allSettled([
    cell.update(add(1), { lease: young }),
    cell.update(add(10), { lease: old }),
    cell.update(add(100)),
    cell.update(
      (value) => {
        lost.lost = true;
        return value + 1_000;
      },
      { lease: lost },
    ),
  ]);
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled", "rejected"]);
  expect(await cell.get()).toBe(101);
});

test("a cell that was deleted begins again", async () => {
  const driver = memory();
  const cell = processOn(driver).cell({ initial: 0 });
  await cell.update(add(1));
  await driver.remove("cell");
  expect(await cell.update(add(5))).toBe(5);
});

test("what was aborted before it was written is not written with what is tried again", async () => {
  const abort = new AbortController();
  const { counted: driver, puts } = counted(async (put, act) => {
    if (put > 1) return act();
    abort.abort();
    throw busy();
  });
  const cell = processOn(driver).cell({ initial: 0 });
  const [aborted, kept] = [cell.update(add(1), { signal: abort.signal }), cell.update(add(10))];
  await expect(aborted).rejects.toThrow(AbortError);
  expect([await kept, await cell.get(), puts()]).toEqual([10, 10, 2]);
});

test("what is aborted while others of the same write are made is not in it, and not made again", async () => {
  const cell = processOn(memory()).cell({ initial: 0 });
  await cell.set(0);
  const abort = new AbortController();
  const slow = Promise.withResolvers<void>();
  let made = 0;
  const [first, second] = [
    cell.update((value) => (made++, value + 1), { signal: abort.signal }),
    cell.update(async (value) => {
      await slow.promise;
      return value + 10;
    }),
  ];
  await until("the first to be made", () => made === 1);
  abort.abort();
  await expect(first).rejects.toMatchObject({ name: "AbortError" });
  slow.resolve();
  expect([await second, await cell.get(), made]).toEqual([10, 10, 1]);
});

test("a signal that lives long gathers nothing", async () => {
  const { signal } = new AbortController();
  const cell = processOn(memory()).cell({ initial: 0 });
  await Promise.all(Array.from({ length: 20 }, () => cell.update(add(1), { signal })));
  expect(getEventListeners(signal, "abort")).toEqual([]);
});

test("a read that was overtaken by a write does not take back what is known", async () => {
  const driver = memory();
  const late = Promise.withResolvers<void>();
  let slow = false;
  const through = scripted(driver, async (kind, _key, act) => {
    const answer = await act();
    if (kind === "get" && slow) await late.promise;
    return answer;
  });
  const process = processOn(through);
  const cell = process.cell({ initial: 0 });
  await processOn(driver).cell().set(1);
  const watch = cell.watch();
  expect((await watch.next()).value).toBe(1);
  await processOn(driver).cell().set(2);
  slow = true;
  const read = cell.get();
  await new Promise((resolve) => setImmediate(resolve));
  slow = false;
  await cell.set(3);
  late.resolve();
  expect(await read).toBe(2);
  expect((await watch.next()).value).toBe(3);
  await cell.set(4);
  expect((await watch.next()).value).toBe(4);
  await watch.return();
});

test.each([
  [
    "its timeout",
    { name: "StoreError", message: expect.stringContaining("1 s were over before it was written"), maybe: false },
  ],
  ["an abort", { code: "ABORT_ERR" }],
])("what is over by %s while it is being made is not written", async (what, facts) => {
  const { counted: driver, puts } = counted();
  const clock = new FakeClock();
  const cell = processOn(driver, clock).cell({ initial: 0 });
  const abort = new AbortController();
  const slow = Promise.withResolvers<number>();
  const [first, last] = [cell.update(add(1)), cell.update(() => slow.promise, { timeout: "1s", signal: abort.signal })];
  const after = cell.update(add(10));
  await new Promise((resolve) => setImmediate(resolve));
  if (what === "an abort") abort.abort();
  else clock.advance(1_000);
  const error = await last.catch((reason: unknown) => reason);
  expect(error).toMatchObject(facts);
  expect(await Promise.all([first, after])).toEqual([1, 11]);
  slow.resolve(100);
  expect([await cell.get(), puts()]).toEqual([11, 1]);
});

test("an update inside of an update of the same cell is refused, not waited for", async () => {
  const process = processOn(memory());
  const [one, two] = [process.cell({ initial: 0 }), process.cell({ initial: 0 }, "other")];
  const inner = one.update(async () => two.update(async () => one.update(add(1))));
  await expect(inner).rejects.toThrow("while it is being updated");
  expect(await one.update(async (value) => value + (await two.update(add(5))))).toBe(5);
});

test("nobody can tell what became of a write when the cell was deleted and made again since", async () => {
  const driver = memory();
  let first = true;
  await processOn(driver).cell().set(["a"]);
  const through = scripted(driver, async (kind, _key, act) => {
    const outcome = await act();
    if (kind !== "put" || !first) return outcome;
    first = false;
    await driver.remove("cell");
    for (let round = 0; round < 5; round++) await processOn(driver).cell().set(["new"]);
    throw noAnswer();
  });
  const cell = processOn(through).cell({ initial: [] as string[] });
  await expect(cell.update((jobs) => [...jobs, "job"])).rejects.toMatchObject({ reason: "unknown", maybe: true });
});

test("a doubt that was settled is not told when others are faster afterwards", async () => {
  const clock = new FakeClock();
  const base = memory();
  let puts = 0;
  const through = scripted(base, async (kind, _key, act) => {
    if (kind !== "put") return act();
    // Somebody else writes before each of ours.
    await processOn(base).cell({ initial: 0 }).update(add(1));
    if (++puts === 1) throw noAnswer();
    return act();
  });
  const cell = processOn(through, clock).cell({ initial: 0 });
  const error = await running(
    clock,
    cell.update(add(1), { timeout: "5s" }).catch((reason: unknown) => reason),
  );
  expect(error).toMatchObject({ reason: "contended", maybe: false });
});

test("a lease of another store is refused", async () => {
  const lease = { ...leaseOf(1), store: "s3://another" } as Lease;
  await expect(processOn(memory()).cell().set(1, { lease })).rejects.toThrow("take one of the same store");
});

test("an update is made in the context of its own caller, whoever's write it shares", async () => {
  const who = new AsyncLocalStorage<string>();
  const under = Promise.withResolvers<void>();
  const { counted: driver, puts } = counted(async (_put, act) => {
    await under.promise;
    return act();
  });
  const process = processOn(driver);
  const [one, two] = [process.cell({ initial: 0 }), process.cell({ initial: 0 }, "other")];
  const seen: (string | undefined)[] = [];
  const note = (value: number): number => {
    seen.push(who.getStore());
    return value + 1;
  };
  // The first one begins the writing; inside of it another cell is updated.
  const first = who.run("first", () => one.update(async (value) => value + (await two.update(note))));
  await until("the inner write", () => puts() === 1);
  const others = ["second", "third"].map((name) => who.run(name, () => two.update(note)));
  // Not inside of an update of the first cell, though the first cell's update has begun this writing.
  const crossing = two.update(async (value) => Math.min(value, await one.update(note)));
  under.resolve();
  await Promise.all([first, ...others, crossing]);
  expect(seen).toEqual(["first", "second", "third", undefined]);
});
