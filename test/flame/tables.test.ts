/** The tables of docs/failure-matrix.md and docs/flame-parity.md name tests: those are there. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { repository } from "../harness/script-folder.ts";

interface Reference {
  readonly file: string;
  readonly name: string;
}

function fileOf(word: string): string | undefined {
  const names = [`test/${word}.test.ts`, `test/${word}.ts`].map((name) => join(repository, name));
  return names.find((name) => existsSync(name));
}

/** What a table's row says: a file in backticks, and after it names in quotes, numbers of defects, or "the same". */
function references(row: string): Reference[] {
  const cells = row.split("|").map((cell) => cell.trim());
  const found: Reference[] = [];
  const pieces = cells
    .slice(2)
    .join(" ")
    .split(/(`[\w/-]+`)/);
  let file: string | undefined;
  for (const piece of pieces) {
    const word = /^`([\w/-]+)`$/.exec(piece)?.[1];
    const named = word === undefined ? undefined : fileOf(word);
    if (named !== undefined) found.push({ file: (file = named), name: "" });
    if (file === undefined || named !== undefined) continue;
    const names = [...piece.matchAll(/"([^"]+)"/g)].flatMap(([, name]) => name!.split(" › "));
    const defects = [...piece.matchAll(/\bD\d+\b/g)].map(([number]) => `${number}: `);
    const same = piece.includes("the same") ? [cells[1]!] : [];
    for (const name of [...names, ...defects, ...same]) found.push({ file, name: name.replace(/^… /, "") });
  }
  return found;
}

describe.each(["docs/failure-matrix.md", "docs/flame-parity.md"])("%s", (name) => {
  const rows = readFileSync(join(repository, name), "utf8")
    .split("\n")
    .filter((line) => line.startsWith("|"));

  test("names only tests that there are", () => {
    const all = rows.flatMap(references);
    // In the sources, quotes in a name are written with a backslash.
    const missing = all.filter(
      ({ file, name: wanted }) => !readFileSync(file, "utf8").replaceAll("\\", "").includes(wanted),
    );
    expect(missing).toEqual([]);
    expect(all.length).toBeGreaterThan(30);
  });
});

test("each of FLAME's known defects has a test that begins with its number", () => {
  const defects = readFileSync(join(repository, "test/flame/defects.test.ts"), "utf8");
  const numbers = Array.from({ length: 13 }, (_, index) => `D${index + 1}`);
  expect(numbers.filter((number) => !defects.includes(`  test("${number}: `))).toEqual([]);
});

test("all of FLAME's test cases are there", () => {
  const parity = readFileSync(join(repository, "docs/flame-parity.md"), "utf8");
  const counted = [...parity.matchAll(/`\w+(?:\/\w+)?`, (\d+) cases\.\n\n((?:\|.*\n)+)/g)].map(([, count, rows]) => [
    Number(count),
    rows!.trim().split("\n").length - 2,
  ]);
  expect(counted).toEqual([19, 12, 5, 4, 9, 13].map((count) => [count, count]));
});
