import { describe, expect, test } from "vitest";
import { codeFrame, position } from "../../src/closure/code-frame.ts";

const code = [
  "const url = 1;",
  "function f() {",
  "  return flame(async () => {",
  "\tconst rows = await db.query(sql)",
  "  });",
  "}",
].join("\n");

describe("a code frame", () => {
  test("shows two lines before the place and one after", () => {
    expect(codeFrame(code, code.indexOf("db"), 2, "captured here (declared at 12:9)")).toBe(
      [
        "   2 | function f() {",
        "   3 |   return flame(async () => {",
        " > 4 | \tconst rows = await db.query(sql)",
        "     | \t                   ^^ captured here (declared at 12:9)",
        "   5 |   });",
      ].join("\n"),
    );
  });

  test("has fewer lines at either end, and no note when there is none", () => {
    expect(codeFrame("a", 0, 1)).toBe(" > 1 | a\n     | ^");
    expect(codeFrame("a\nb\n", 2, 1, "x")).toBe("   1 | a\n > 2 | b\n     | ^ x");
    expect(codeFrame("", 0, 0)).toBe(" > 1 |\n     | ^");
  });

  test("aligns numbers of different lengths", () => {
    const lines = Array.from({ length: 12 }, (_, index) => `line${index + 1}`).join("\n");
    expect(codeFrame(lines, lines.indexOf("line9"), 5)).toBe(
      "    7 | line7\n    8 | line8\n >  9 | line9\n      | ^^^^^\n   10 | line10",
    );
  });

  test("knows carriage returns and characters of two units", () => {
    expect(codeFrame("a\r\n'😀' + b\r\nc", 10, 1)).toBe("   1 | a\n > 2 | '😀' + b\n     |       ^\n   3 | c");
  });

  test("ends the carets with the line", () => {
    expect(codeFrame("abc\ndef", 1, 100).split("\n")[1]).toBe("     |  ^^");
  });

  test("cuts long lines", () => {
    const long = `${"a".repeat(5000)}culprit${"b".repeat(5000)}`;
    const frame = codeFrame(long, 5000, 7, "here");
    const [line, carets] = frame.split("\n") as [string, string];
    expect(line.length).toBeLessThan(200);
    expect(line.indexOf("culprit")).toBe(carets.indexOf("^^^^^^^ here"));
  });
});

describe("a position", () => {
  test.each([
    [0, 1, 1],
    [13, 1, 14],
    [15, 2, 1],
    [-5, 1, 1],
    [1e9, 6, 2],
  ])("of %i is line %i, column %i", (offset, line, column) => {
    expect(position(code, offset)).toEqual({ line, column });
  });

  test("counts every line terminator once", () => {
    expect(position("a\r\nb\rc\u2028d\ne", 9)).toEqual({ line: 5, column: 1 });
  });
});
