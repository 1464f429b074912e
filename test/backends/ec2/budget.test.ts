import { expect, test } from "vitest";
import { accountBudget } from "../../../src/backends/ec2/budget.ts";
import { FakeClock } from "../../harness/fake-clock.ts";
import { pass, settle } from "./fake-api.ts";

/** When each of so many launches got its turn, in seconds; their names in that order. */
function lab(launchesPerMinute?: number) {
  const clock = new FakeClock();
  const budget = accountBudget(clock, launchesPerMinute);
  const start = clock.now();
  const turns: { readonly name: string; readonly at: number }[] = [];
  const take = (name: string, count: number, signal?: AbortSignal): Promise<void> =>
    budget.take("launch", count, signal).then(() => void turns.push({ name, at: (clock.now() - start) / 1000 }));
  return { clock, budget, turns, take };
}

test("requests of a kind have a burst, and a rate after it; kinds do not hold each other up", async () => {
  const { clock, budget } = lab();
  let described = 0;
  let ended = 0;
  for (let count = 0; count < 80; count++) void budget.take("describe").then(() => described++);
  await settle();
  expect(described).toBe(50);
  void budget.take("terminate").then(() => ended++);
  await settle();
  expect(ended).toBe(1);
  await pass(clock, 1_000);
  expect(described).toBe(60);
  await pass(clock, 2_000);
  expect(described).toBe(80);
  expect(clock.pending()).toBe(0);
});

test("a bucket that rests is full, and not fuller", async () => {
  const { clock, budget } = lab();
  await pass(clock, 3_600_000);
  let made = 0;
  for (let count = 0; count < 60; count++) void budget.take("launch").then(() => made++);
  await settle();
  expect(made).toBe(5);
  await pass(clock, 999);
  expect(made).toBe(6);
});

test("no minute sees more launches than are allowed, wherever it begins; they come in the order of asking", async () => {
  const { clock, turns, take } = lab(10);
  for (let index = 0; index < 8; index++) void take(`${index}`, 4);
  await pass(clock, 300_000);
  expect(turns.map(({ name }) => name)).toEqual(["0", "1", "2", "3", "4", "5", "6", "7"]);
  expect(turns.map(({ at }) => at)).toEqual([0, 0, 60, 60, 120, 120, 180, 180]);
});

test("a small launch does not overtake a large one that waits", async () => {
  const { clock, turns, take } = lab(10);
  void take("first", 8);
  void take("large", 9);
  void take("small", 1);
  await pass(clock, 59_999);
  expect(turns.map(({ name }) => name)).toEqual(["first"]);
  await pass(clock, 1);
  expect(turns.map(({ name }) => name)).toEqual(["first", "large", "small"]);
});

test("launches that are forgotten a minute later make room one by one", async () => {
  const { clock, turns, take } = lab(2);
  void take("a", 1);
  await pass(clock, 30_000);
  void take("b", 1);
  void take("c", 1);
  void take("d", 1);
  await pass(clock, 60_000);
  expect(turns).toEqual([
    { name: "a", at: 0 },
    { name: "b", at: 30 },
    { name: "c", at: 60 },
    { name: "d", at: 90 },
  ]);
});

test("what is larger than the limit goes when nothing else has gone, and the next waits for a minute", async () => {
  const { clock, turns, take } = lab(2);
  void take("huge", 5);
  void take("next", 1);
  await pass(clock, 60_000);
  expect(turns).toEqual([
    { name: "huge", at: 0 },
    { name: "next", at: 60 },
  ]);
});

test("instances beyond the account's burst are waited for, also without a limit of our own; debt is paid first", async () => {
  const { clock, turns, take } = lab();
  void take("thousand", 1_000);
  void take("ten", 10);
  void take("two", 2);
  await pass(clock, 6_000);
  expect(turns).toEqual([
    { name: "thousand", at: 0 },
    { name: "ten", at: 5 },
    { name: "two", at: 6 },
  ]);
});

test("a launch larger than the burst goes when that is full, and the debt is paid before the next", async () => {
  const { clock, turns, take } = lab();
  void take("huge", 1_100);
  void take("ten", 10);
  await pass(clock, 60_000);
  expect(turns).toEqual([
    { name: "huge", at: 0 },
    { name: "ten", at: 55 },
  ]);
});

test("one that gives up leaves the line at once, takes nothing, and leaves no timer", async () => {
  const { clock, turns, take } = lab(2);
  const over = new AbortController();
  await take("a", 2);
  const given = take("b", 2, over.signal);
  const behind = take("c", 2, over.signal);
  const later = take("d", 1);
  await pass(clock, 10_000);
  over.abort(new Error("closed"));
  await expect(given).rejects.toThrow("closed");
  await expect(behind).rejects.toThrow("closed");
  await settle();
  // That of the one behind them.
  expect(clock.pending()).toBe(1);
  await pass(clock, 50_000);
  await later;
  expect(turns).toEqual([
    { name: "a", at: 0 },
    { name: "d", at: 60 },
  ]);
  expect(clock.pending()).toBe(0);
  await expect(take("e", 1, over.signal)).rejects.toThrow("closed");
});
