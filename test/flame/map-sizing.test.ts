import { describe, expect, test } from "vitest";
import { Sizing } from "../../src/flame/map-sizing.ts";

/** Sizes of batches when each item takes so long. */
function sizes(sizing: Sizing, itemMs: number, batches: number): number[] {
  return Array.from({ length: batches }, () => {
    sizing.learn(itemMs * sizing.size, sizing.size);
    return sizing.size;
  });
}

describe("the size of a batch", () => {
  test("begins with one and grows step by step to what is done in three milliseconds", () => {
    const sizing = new Sizing(30_000, false);
    expect(sizing.size).toBe(1);
    expect(sizes(sizing, 0.03, 6)).toEqual([4, 16, 64, 100, 100, 100]);
    expect(sizes(new Sizing(30_000, false), 0, 6)).toEqual([4, 16, 64, 256, 256, 256]);
  });

  test("is one for slow items, at once and after quick ones, and grows again soon after", () => {
    expect(sizes(new Sizing(30_000, false), 4, 3)).toEqual([1, 1, 1]);
    const sizing = new Sizing(30_000, false);
    sizes(sizing, 0, 5);
    sizing.learn(1_000, 2);
    expect(sizing.size).toBe(1);
    expect(sizes(sizing, 0, 20).at(-1)).toBe(256);
  });

  test("is always one where the timeout is short, or a runner has one call", () => {
    expect(sizes(new Sizing(99, false), 0, 5)).toEqual([1, 1, 1, 1, 1]);
    expect(sizes(new Sizing(30_000, true), 0, 5)).toEqual([1, 1, 1, 1, 1]);
    expect(sizes(new Sizing(100, false), 0, 2)).toEqual([4, 16]);
  });
});
