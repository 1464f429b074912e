import { describe, expect, test } from "vitest";
import { refuseUnknown, resolveBoolean, resolveCount } from "../src/options.ts";

const known = ["min", "max", "idle", "timeout", "queueTimeout", "singleUse"];

describe("refuseUnknown", () => {
  test("known options pass, in any number", () => {
    expect(() => refuseUnknown({}, known, "pool")).not.toThrow();
    expect(() => refuseUnknown({ min: 1, max: undefined }, known, "pool")).not.toThrow();
  });

  test.each([
    ["timout", "timeout"],
    ["mx", "max"],
    ["Max", "max"],
    ["queuetimeout", "queueTimeout"],
    ["QUEUETIMOT", "queueTimeout"],
    ["single_use", "singleUse"],
    ["idel", "idle"],
  ])("for %s it asks whether %s was meant", (key, meant) => {
    expect(() => refuseUnknown({ [key]: 1 }, known, 'pool "media"')).toThrow(
      new TypeError(`Cannot use option "${key}" of pool "media": it does not exist; did you mean "${meant}"?`),
    );
  });

  test.each(["id", "retries", "a".repeat(10_000)])("for what is near to none it lists all", (key) => {
    expect(() => refuseUnknown({ [key]: 1 }, known, "pool")).toThrow(
      new TypeError(`Cannot use option "${key}" of pool: it does not exist; known options are ${known.join(", ")}`),
    );
  });

  test("an unknown option is refused even when it is undefined", () => {
    expect(() => refuseUnknown({ retries: undefined }, known, "pool")).toThrow(TypeError);
  });
});

describe("resolveCount", () => {
  test.each([
    [0, 0],
    [1, 1],
    [7, 2],
    [Number.MAX_SAFE_INTEGER, 0],
  ])("%s is a count from %s", (value, least) => {
    expect(resolveCount(value, "max", least)).toBe(value);
  });

  test.each([
    [0, "0"],
    [-1, "-1"],
    [1.5, "1.5"],
    [Number.NaN, "NaN"],
    [Infinity, "Infinity"],
    ["3", '"3"'],
    [undefined, "undefined"],
    [null, "null"],
    [[5], "an array"],
    [Object.create(null), "an object"],
    [3n, "3"],
    [Symbol("x"), "Symbol(x)"],
    [() => 1, "a function"],
  ])("%o is refused by name", (value, shown) => {
    expect(() => resolveCount(value, "max", 1)).toThrow(
      new TypeError(`Cannot use ${shown} as max: a whole number from 1 is wanted`),
    );
  });

  test("Infinity is a count only where it is allowed", () => {
    expect(resolveCount(Infinity, "queueLimit", 0, true)).toBe(Infinity);
    expect(() => resolveCount(-Infinity, "queueLimit", 0, true)).toThrow(
      new TypeError("Cannot use -Infinity as queueLimit: a whole number from 0 or Infinity is wanted"),
    );
  });
});

test("resolveBoolean takes true and false, nothing that is like them", () => {
  expect([resolveBoolean(true, "singleUse"), resolveBoolean(false, "singleUse")]).toEqual([true, false]);
  for (const value of [1, "true", null, undefined, {}]) {
    expect(() => resolveBoolean(value, "singleUse")).toThrow(/^Cannot use .* as singleUse: true or false is wanted$/);
  }
});

test("a value in a message is cut before it fills the screen", () => {
  expect(() => resolveBoolean("x".repeat(1_000), "singleUse")).toThrow(/^.{0,200}$/);
});
