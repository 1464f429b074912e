import { expect, test } from "vitest";
import { AbortError } from "../../src/errors.ts";
import { FakeClock } from "../harness/fake-clock.ts";
import { memory, processOn } from "./cells.ts";
import { busy, forbidden, scripted } from "./scripted.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a watch sees the value of now, what this process writes at once, and what others write at the next look", async () => {
  const clock = new FakeClock();
  const driver = memory();
  const [here, there] = [processOn(driver, clock), processOn(driver, clock)];
  const cell = here.cell({ initial: 0 });
  const watch = cell.watch({ every: "10s" });
  expect((await watch.next()).value).toBe(0);
  await cell.set(1);
  expect((await watch.next()).value).toBe(1);
  await there.cell({ initial: 0 }).set(2);
  const next = watch.next();
  let seen = false;
  void next.then(() => (seen = true));
  clock.advance(9_999);
  await turn();
  expect(seen).toBe(false);
  clock.advance(1);
  expect((await next).value).toBe(2);
  await watch.return(undefined);
  expect(clock.pending()).toBe(0);
  expect(here.watches.count).toBe(0);
});

test("whoever is slow gets the latest value only", async () => {
  const cell = processOn(memory(), new FakeClock()).cell({ initial: 0 });
  const watch = cell.watch();
  await watch.next();
  for (let value = 1; value <= 5; value++) await cell.set(value);
  expect((await watch.next()).value).toBe(5);
  await watch.return(undefined);
});

test("a deleted cell is seen as its initial value", async () => {
  const clock = new FakeClock();
  const driver = memory();
  const cell = processOn(driver, clock).cell({ initial: 0 });
  await cell.set(1);
  const watch = cell.watch({ every: "1s" });
  expect((await watch.next()).value).toBe(1);
  await driver.remove("cell");
  const next = watch.next();
  clock.advance(1_000);
  expect((await next).value).toBe(0);
  await watch.return(undefined);
});

test("watches of one cell share their looks, the most frequent one decides, and an hour's cost is told", async () => {
  const clock = new FakeClock();
  let reads = 0;
  const driver = scripted(memory(), (_kind, _key, act) => {
    reads++;
    return act();
  });
  const here = processOn(driver, clock);
  const cell = here.cell({ initial: 0 });
  const watches = [
    cell.watch({ every: "30s" }),
    cell.watch({ every: "10s" }),
    here.cell({ initial: 0 }).watch({ every: "10s" }),
  ];
  for (const watch of watches) await watch.next();
  const waiting = watches.map((watch) => watch.next());
  reads = 0;
  for (let second = 0; second < 60; second++) {
    clock.advance(1_000);
    await turn();
  }
  expect(reads).toBe(6);
  expect(here.watches.requestsPerHour).toBe(360);
  await cell.set(1);
  expect((await Promise.all(waiting)).map(({ value }) => value)).toEqual([1, 1, 1]);
  await watches[1]!.return();
  await watches[2]!.return();
  expect(here.watches.requestsPerHour).toBe(120);
  await watches[0]!.return();
  expect(here.watches.requestsPerHour).toBe(0);
});

test("a store that fails for a moment is waited for, and told once", async () => {
  const clock = new FakeClock();
  const driver = memory();
  let failing = false;
  const here = processOn(
    scripted(driver, (_kind, _key, act) => (failing ? Promise.reject(busy()) : act())),
    clock,
  );
  const watch = here.cell({ initial: 0 }).watch({ every: "1s" });
  await watch.next();
  failing = true;
  const next = watch.next();
  for (let round = 0; round < 120_000; round += 1_000) {
    clock.advance(1_000);
    await turn();
  }
  expect(here.failing).toHaveLength(1);
  failing = false;
  await processOn(driver).cell().set(7);
  for (let round = 0; round < 60; round++) {
    clock.advance(1_000);
    await turn();
  }
  expect((await next).value).toBe(7);
  await watch.return(undefined);
  expect(clock.pending()).toBe(0);
});

test("what does not pass ends it", async () => {
  const clock = new FakeClock();
  let refused = false;
  const here = processOn(
    scripted(memory(), (_kind, _key, act) => (refused ? Promise.reject(forbidden()) : act())),
    clock,
  );
  const watch = here.cell({ initial: 0 }).watch({ every: "1s" });
  await watch.next();
  refused = true;
  const next = watch.next();
  clock.advance(1_000);
  await expect(next).rejects.toThrow("access denied");
  expect(clock.pending()).toBe(0);
});

test("an abort, or the end of the store, ends it", async () => {
  const clock = new FakeClock();
  const here = processOn(memory(), clock);
  const abort = new AbortController();
  const [one, two] = [here.cell().watch({ signal: abort.signal }), here.cell().watch()];
  await Promise.all([one.next(), two.next()]);
  const [first, second] = [one.next(), two.next()];
  abort.abort(new Error("enough"));
  await expect(first).rejects.toThrow(AbortError);
  here.watches.close(new Error("closed"));
  await expect(second).rejects.toMatchObject({ name: "AbortError", cause: new Error("closed") });
  expect(clock.pending()).toBe(0);
});

test("looks more often than ten a second are refused", async () => {
  const cell = processOn(memory(), new FakeClock()).cell();
  await expect(cell.watch({ every: 50 }).next()).rejects.toThrow("at most every 100 ms");
  await expect(cell.watch({ evry: 50 } as never).next()).rejects.toThrow('did you mean "every"?');
});

test("whoever leaves while the store is being asked leaves no timer", async () => {
  const clock = new FakeClock();
  const answer = Promise.withResolvers<void>();
  let slow = false;
  const here = processOn(
    scripted(memory(), async (_kind, _key, act) => {
      if (slow) await answer.promise;
      return act();
    }),
    clock,
  );
  const cell = here.cell({ initial: 0 });
  const abort = new AbortController();
  const watch = cell.watch({ every: "1s", signal: abort.signal });
  await watch.next();
  const next = watch.next();
  slow = true;
  clock.advance(1_000);
  abort.abort();
  await expect(next).rejects.toThrow(AbortError);
  answer.resolve();
  await turn();
  expect(clock.pending()).toBe(0);
});

test("an abort is heard also by who writes in its loop", async () => {
  const cell = processOn(memory(), new FakeClock()).cell({ initial: 0 });
  const abort = new AbortController();
  let turns = 0;
  const loop = async (): Promise<void> => {
    for await (const value of cell.watch({ signal: abort.signal })) {
      if (++turns === 3) abort.abort();
      await cell.set(value + 1);
    }
  };
  await expect(loop()).rejects.toThrow(AbortError);
  expect(turns).toBe(3);
});
