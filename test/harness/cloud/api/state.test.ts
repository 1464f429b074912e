import { expect, test } from "vitest";
import { Addresses } from "./state/addresses.ts";
import { Capacity, Prices } from "./state/capacity.ts";
import { MachineFaultList } from "./state/machine-faults.ts";
import { strict } from "./state/rules.ts";
import { defaultLimits, Throttle } from "./state/throttle.ts";
import { Tokens } from "./state/tokens.ts";
import { userDataOf } from "./state/user-data.ts";

test("an address that was given back rests while there are others", () => {
  const addresses = new Addresses("subnet", { zone: "a", cidr: "10.0.0.240/28" });
  let isTaken = true;
  expect(addresses.take(() => isTaken)).toBe("10.0.0.244");
  isTaken = false;
  const next = Array.from({ length: 11 }, () => addresses.take(() => true));
  expect([next[0], next[9], next[10]]).toEqual(["10.0.0.245", "10.0.0.254", "10.0.0.244"]);
  expect(addresses.free).toBe(0);
  expect(() => addresses.take(() => true)).toThrow("not enough free addresses in subnet 'subnet'");
});

test("a range of addresses goes on over a byte's end", () => {
  const addresses = new Addresses("subnet", { zone: "a", cidr: "10.0.254.0/23" });
  expect(addresses.free).toBe(507);
  const all = Array.from({ length: 507 }, () => addresses.take(() => true));
  expect([all[251], all[252], all.at(-1)]).toEqual(["10.0.254.255", "10.0.255.0", "10.0.255.254"]);
});

test("what was said last of a pool counts", () => {
  const capacity = new Capacity();
  const pool = { type: "a", zone: "z", market: "spot" } as const;
  expect(capacity.of(pool)).toBe(Infinity);
  capacity.set({ type: "a" }, 1);
  capacity.set({ zone: "y" }, 2);
  expect(capacity.of(pool)).toBe(1);
  capacity.set({ market: "spot" }, 3);
  expect([capacity.of(pool), capacity.of({ ...pool, market: "on-demand" })]).toEqual([3, 1]);
  capacity.set({ zone: "z" }, "unsupported");
  expect(capacity.of(pool)).toBe("unsupported");
  capacity.clear();
  expect(capacity.of(pool)).toBe(Infinity);
  const prices = new Prices();
  expect(prices.spot("a", "z", 0.1)).toBe(0.03);
  prices.set({ zone: "z" }, 0.07);
  expect([prices.spot("a", "z", 0.1), prices.spot("a", "y", 0.1)]).toEqual([0.07, 0.03]);
});

test("a bucket is full at first, fills with time and never more than full", () => {
  let now = 0;
  const throttle = new Throttle(defaultLimits, () => now);
  const burst = (action: string) => {
    for (let done = 0; ; done++) {
      try {
        throttle.request(action);
      } catch {
        return done;
      }
    }
  };
  expect([burst("RunInstances"), burst("DescribeInstances"), burst("CreateFleet")]).toEqual([5, 100, 100]);
  now = 499;
  expect(burst("RunInstances")).toBe(0);
  now = 500;
  expect([burst("RunInstances"), burst("DescribeInstances")]).toEqual([1, 10]);
  now = 3_600_000;
  expect([burst("RunInstances"), burst("DescribeInstances")]).toEqual([5, 100]);
  throttle.launched(throttle.launchable());
  now += 2000;
  expect(throttle.launchable()).toBe(4);
});

test("a token belongs to its action, and a refused request leaves none", () => {
  const tokens = new Tokens(strict);
  let done = 0;
  const work = () => ++done;
  expect(tokens.once("A", "t", { a: 1 }, work)).toBe(1);
  expect(tokens.once("A", "t", { a: 1 }, work)).toBe(1);
  expect(tokens.once("B", "t", { a: 2 }, work)).toBe(2);
  expect([tokens.once("A", undefined, {}, work), tokens.once("A", "", {}, work)]).toEqual([3, 4]);
  expect(() => tokens.once("A", "t", { a: 2 }, work)).toThrow("inconsistent");
  expect(() => tokens.once("A", "ü", {}, work)).toThrow("64 ASCII");
  const fail = () => {
    throw new Error("no room");
  };
  expect(() => tokens.once("A", "u", {}, fail)).toThrow("no room");
  expect(tokens.once("A", "u", {}, work)).toBe(5);
});

test("faults of machines add up, and those of one rule strike only what has its tags", () => {
  const list = new MachineFaultList();
  list.add({ faults: { neverBoots: true }, tags: { a: "1" }, nth: 2 });
  list.add({ faults: { noNetwork: true } });
  expect(list.draw({ a: "1" })).toEqual({ noNetwork: true });
  expect(list.draw({ a: "2" })).toEqual({});
  expect(list.draw({ a: "1" })).toEqual({ neverBoots: true });
  expect(list.draw({ a: "1" })).toEqual({});
});

test.each(["", "YQ==", "YWI=", "YWJj", "YW\nJj", "YQ"])("%j is base64", (text) => {
  expect(userDataOf(text, 99).toString()).toBe({ 0: "", 1: "a", 2: "ab", 3: "abc" }[userDataOf(text, 99).length]);
});

test.each(["Y", "YQ=X", "#!/bin/sh", "YWJj=", "Ä"])("%j is not", (text) => {
  expect(() => userDataOf(text, 99)).toThrow("Invalid BASE64");
});
