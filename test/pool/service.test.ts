import { expect, test } from "vitest";
import { ServiceTime } from "../../src/pool/service.ts";

function after(durations: readonly number[]): ServiceTime {
  const service = new ServiceTime();
  for (const duration of durations) {
    service.begin(0);
    service.end(0, duration);
  }
  return service;
}

test("nothing known is 0", () => {
  expect(after([]).estimate(5)).toBe(0);
});

test("the first calls count alike", () => {
  expect(after([100, 200, 600]).estimate(0)).toBe(300);
});

test("later the newest count more, so that a change is seen", () => {
  const service = after([...Array.from({ length: 100 }, () => 100), ...Array.from({ length: 60 }, () => 1_000)]);
  expect(service.estimate(0)).toBeGreaterThan(900);
});

test("calls that run take at least as long as they have run", () => {
  const service = after([100, 100]);
  service.begin(1_000);
  service.begin(2_000);
  expect(service.estimate(2_000)).toBe(500);
  expect(service.estimate(1_600)).toBe(100);
  service.end(1_000, 11_500);
  expect(service.estimate(12_000)).toBe(10_000);
});

test("a lost runner's calls say nothing", () => {
  const service = after([100]);
  service.begin(0);
  service.end(0, 60_000, true);
  expect(service.completed).toBe(1);
  expect(service.estimate(60_000)).toBe(100);
});
