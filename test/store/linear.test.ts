import { describe, expect, test } from "vitest";
import { explain, operations } from "./linear.ts";

const { add, get, set } = operations;

describe("the checker", () => {
  test.each([
    ["one after the other", [set(1, 0, 1), get(1, 2, 3), add(2, 3, 4, 5), get(3, 6, 7)]],
    ["a read beside a write sees either", [set(1, 0, 10), get(0, 1, 2), get(1, 3, 4)]],
    ["an unanswered write may have been done", [add(1, undefined, 0, Infinity), get(1, 5, 6)]],
    ["an unanswered write may never be done", [add(1, undefined, 0, Infinity), get(0, 5, 6), get(0, 7, 8)]],
    ["concurrent additions in another order than they began", [add(1, 3, 0, 10), add(2, 2, 1, 9), get(3, 11, 12)]],
  ])("accepts %s", (_name, history) => {
    expect(explain("0", history)).toBeUndefined();
  });

  test.each([
    ["a lost update", [add(1, 1, 0, 1), add(1, 1, 2, 3)]],
    ["a stale read", [set(1, 0, 1), get(0, 2, 3)]],
    ["an update that was done twice", [add(1, 1, 0, 1), get(2, 2, 3)]],
    ["time that goes back", [set(1, 0, 10), get(1, 1, 2), get(0, 3, 4)]],
    ["an unanswered write that is done twice", [add(1, undefined, 0, Infinity), get(2, 5, 6)]],
    ["a write that takes effect before it was asked for", [get(1, 0, 1), set(1, 2, 3)]],
  ])("refuses %s", (_name, history) => {
    expect(explain("0", history)).toMatch(/none of/);
  });
});
