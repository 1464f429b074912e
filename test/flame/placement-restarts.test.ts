import { expect, test } from "vitest";
import { Restarts } from "../../src/flame/placement-restarts.ts";
import { FakeClock } from "../harness/fake-clock.ts";

test("three restarts within five seconds are allowed, and the fourth only when one of them is older than that", () => {
  const clock = new FakeClock();
  const restarts = new Restarts(clock);
  expect([restarts.allow(), restarts.allow()]).toEqual([true, true]);
  clock.advance(4_000);
  expect([restarts.allow(), restarts.allow()]).toEqual([true, false]);
  clock.advance(1_000);
  expect(restarts.allow()).toBe(false);
  clock.advance(1);
  expect([restarts.allow(), restarts.allow(), restarts.allow()]).toEqual([true, true, false]);
  expect(restarts.count).toBe(5);
});
