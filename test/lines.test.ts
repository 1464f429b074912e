import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Lines, longestLine } from "../src/lines.ts";

/** What is printed of these chunks, the last unfinished line included. */
function printed(...chunks: readonly (Uint8Array | string)[]): string[] {
  const found: string[] = [];
  const lines = new Lines((line) => found.push(line));
  for (const chunk of chunks) lines.push(chunk);
  lines.flush();
  return found;
}

/** Cuts bytes at the given places. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b);
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}

test.each([
  ["nothing", [], []],
  ["an empty chunk", [""], []],
  ["a line", ["one\n"], ["one"]],
  ["a line without an end", ["one"], ["one"]],
  ["several lines in a chunk", ["one\ntwo\n\nthree"], ["one", "two", "", "three"]],
  ["a line in several chunks", ["o", "n", "e\nt", "wo\n"], ["one", "two"]],
  ["line ends of Windows", ["one\r\ntwo\r\n"], ["one", "two"]],
  ["a line end of Windows in two chunks", ["one\r", "\ntwo"], ["one", "two"]],
  ["a carriage return at the very end", ["one\r"], ["one"]],
  ["a carriage return within a line", ["one\rtwo\n"], ["one\rtwo"]],
  ["only line ends", ["\n\r\n\n"], ["", "", ""]],
])("%s is cut into its lines", (_, chunks, lines) => {
  expect(printed(...chunks)).toEqual(lines);
});

test("a line is printed as soon as its end has come, and not before", () => {
  const found: string[] = [];
  const lines = new Lines((line) => found.push(line));
  lines.push("one");
  expect([found.length, lines.empty]).toEqual([0, false]);
  lines.push("\n");
  expect([found, lines.empty]).toEqual([["one"], true]);
});

test("flush() prints what is left once", () => {
  const found: string[] = [];
  const lines = new Lines((line) => found.push(line));
  lines.push("rest");
  lines.flush();
  lines.flush();
  expect([found, lines.empty]).toEqual([["rest"], true]);
});

describe("bytes", () => {
  test("any text cut anywhere gives the lines of the whole", () => {
    const text = fc.string({ unit: "binary", maxLength: 200 });
    fc.assert(
      fc.property(fc.array(text), fc.array(fc.nat()), (words, places) => {
        const whole = words.map((word) => word.replaceAll("\r", "")).join("\n");
        const lines = whole.split("\n");
        if (lines.at(-1) === "") lines.pop();
        expect(printed(...cut(Buffer.from(whole), places))).toEqual(lines);
      }),
      { numRuns: 500 },
    );
  });

  test("a character in two chunks is one character, and until then it is not empty", () => {
    const [first, second] = cut(Buffer.from("é\n"), [1]);
    const found: string[] = [];
    const lines = new Lines((line) => found.push(line));
    lines.push(first!);
    expect(lines.empty).toBe(false);
    lines.push(second!);
    expect([found, lines.empty]).toEqual([["é"], true]);
  });

  test.each([
    ["a byte that is none of UTF-8", [0x61, 0xff, 0x62, 0x0a], ["a\ufffdb"]],
    ["a cut character before a line end", [0xe2, 0x82, 0x0a], ["\ufffd"]],
    ["a cut character at the end", [0x61, 0xe2, 0x82], ["a\ufffd"]],
    ["half of a pair written as UTF-8", [0xed, 0xa0, 0x80, 0x0a], ["\ufffd\ufffd\ufffd"]],
  ])("%s becomes the replacement character", (_, bytes, lines) => {
    expect(printed(Uint8Array.from(bytes))).toEqual(lines);
  });

  test("any bytes cut anywhere are decoded as a whole", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(fc.nat()), (bytes, places) => {
        expect(printed(...cut(bytes, places))).toEqual(printed(bytes));
      }),
      { numRuns: 500 },
    );
  });

  test("the caller may change a chunk afterwards", () => {
    const chunk = Buffer.from("one");
    const found: string[] = [];
    const lines = new Lines((line) => found.push(line));
    lines.push(chunk);
    chunk.fill(0);
    lines.flush();
    expect(found).toEqual(["one"]);
  });
});

describe("a line without end", () => {
  test("is cut before it fills the memory", () => {
    const found: string[] = [];
    const lines = new Lines((line) => found.push(line));
    for (let index = 0; index < 1_000; index++) lines.push("x".repeat(1_000));
    expect(found).toHaveLength(Math.floor((1_000_000 - 1) / longestLine));
    lines.flush();
    expect(found.join("")).toBe("x".repeat(1_000_000));
    expect(Math.max(...found.map((line) => line.length))).toBe(longestLine);
  });

  test("is cut also when it comes in one chunk with its end", () => {
    const found = printed(`${"x".repeat(longestLine * 3 + 1)}\nshort\n`);
    expect(found.map((line) => line.length)).toEqual([longestLine, longestLine, longestLine, 1, 5]);
  });

  test.each([-1, 0, 1])("around the limit, at %d, nothing is lost or added", (more) => {
    const line = "x".repeat(longestLine + more);
    expect(printed(`${line}\n`).join("")).toBe(line);
    expect(printed(`${line}\n`)).toHaveLength(more > 0 ? 2 : 1);
  });

  test("is not cut within a character", () => {
    const line = `x${"😀".repeat(longestLine)}`;
    const found = printed(line);
    expect(found.length).toBeGreaterThan(1);
    expect(found.every((piece) => piece.isWellFormed())).toBe(true);
    expect(found.join("")).toBe(line);
  });
});
