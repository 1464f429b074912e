import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatDuration, resolveDuration, resolveSize } from "../src/duration.ts";

describe("resolveDuration", () => {
  test.each([
    ["250ms", 250],
    ["30s", 30_000],
    ["5m", 300_000],
    ["2h", 7_200_000],
    ["1.5s", 1_500],
    ["0.5ms", 0.5],
    ["0s", 0],
    [0, 0],
    [12.5, 12.5],
    [Infinity, Infinity],
  ])("%o is %d ms", (value, ms) => {
    expect(resolveDuration(value, "timeout")).toBe(ms);
  });

  test.each([
    ["", '""'],
    ["30", '"30"'],
    ["30 s", '"30 s"'],
    [" 30s", '" 30s"'],
    ["30S", '"30S"'],
    ["30sec", '"30sec"'],
    ["-30s", '"-30s"'],
    ["1e3ms", '"1e3ms"'],
    ["1.s", '"1.s"'],
    [".5s", '".5s"'],
    ["2d", '"2d"'],
    ["30s\n", '"30s\\n"'],
    ["infinity", '"infinity"'],
    [-1, "-1"],
    [-Infinity, "-Infinity"],
    [Number.NaN, "NaN"],
    [null, "null"],
    [undefined, "undefined"],
    [true, "true"],
    [["30s"], "an array"],
    [Object.create(null), "an object"],
    [Symbol("soon"), "Symbol(soon)"],
    [5n, "5"],
  ])("%o is refused, and the option is named", (value, shown) => {
    expect(() => resolveDuration(value, 'option "idle"')).toThrow(
      new TypeError(
        `Cannot use ${shown} as option "idle": a duration is "250ms", "30s", "5m", "2h", a number of milliseconds from 0, or Infinity`,
      ),
    );
  });

  test("every number with a unit is that many of it", () => {
    const unit = fc.constantFrom(["ms", 1], ["s", 1_000], ["m", 60_000], ["h", 3_600_000]) as fc.Arbitrary<
      [string, number]
    >;
    fc.assert(
      fc.property(fc.nat(), unit, (count, [name, ms]) => {
        expect(resolveDuration(`${count}${name}`, "timeout")).toBe(count * ms);
      }),
    );
  });
});

describe("resolveSize", () => {
  test.each([
    ["0b", 0],
    ["100b", 100],
    ["64kb", 65_536],
    ["64KB", 65_536],
    ["64mb", 67_108_864],
    ["1gb", 1_073_741_824],
    ["1.5kb", 1_536],
    [1_024, 1_024],
    [10.7, 10],
    ["0.3b", 0],
  ])("%o is %d bytes", (value, bytes) => {
    expect(resolveSize(value, "limit")).toBe(bytes);
  });

  test.each(["64", "64 kb", "64k", "-1kb", "1tb", -1, Number.NaN, null, {}])(
    "%o is refused, and the option is named",
    (value) => {
      expect(() => resolveSize(value, "limit")).toThrow(
        /^Cannot use .+ as limit: a size is "64kb", "64mb", "1gb" or a number of bytes from 0$/,
      );
    },
  );
});

describe("formatDuration", () => {
  test.each([
    [0, "0 ms"],
    [0.4, "0 ms"],
    [950, "950 ms"],
    [999.4, "999 ms"],
    [999.6, "1 s"],
    [1_000, "1 s"],
    [1_249, "1.2 s"],
    [59_940, "59.9 s"],
    [59_960, "1 m"],
    [60_000, "1 m"],
    [119_600, "2 m"],
    [200_000, "3 m 20 s"],
    [3_600_000, "60 m"],
    [Infinity, "for ever"],
  ])("%d ms reads %s", (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  test("no number of milliseconds reads as 60 seconds or 1000 milliseconds", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e7, noNaN: true }), (ms) => {
        expect(formatDuration(ms)).not.toMatch(/\b60(\.0)? s|1000 ms/);
      }),
      { numRuns: 2_000 },
    );
  });
});
