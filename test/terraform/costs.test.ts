import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repository } from "../harness/script-folder.ts";

const page = readFileSync(join(repository, "docs/operate-ec2.md"), "utf8");
const prices = [...page.matchAll(/^\| .+? \| (?:hour|GB|1,000|GB a month) +\| ([\d.]+) +\|$/gm)].map(([, price]) =>
  Number(price),
);
const sums = [...page.matchAll(/^\| (.+?) +\| `([\d.+*/() ]+)` +\| \$([\d.]+) +\|$/gm)];

/** Sums, products and brackets of numbers. */
function compute(formula: string): number {
  const tokens = formula.match(/[\d.]+|[-+*/()]/g) ?? [];
  const next = () => tokens.shift() ?? "";
  const factor = (): number => {
    const token = next();
    if (token !== "(") return Number(token);
    const inner = sum();
    next();
    return inner;
  };
  const product = (): number => {
    let value = factor();
    while (tokens[0] === "*" || tokens[0] === "/") value = next() === "*" ? value * factor() : value / factor();
    return value;
  };
  const sum = (): number => {
    let value = product();
    while (tokens[0] === "+") {
      next();
      value += product();
    }
    return value;
  };
  return sum();
}

test.each(sums.map(([, ...row]) => row))("a month's cost is what its sum gives: %s", (_, formula, cost) => {
  expect(compute(formula ?? "").toFixed(2)).toBe(cost);
});

test("each sum is of prices that the page lists, and there are as many as are shown", () => {
  expect([prices.length, sums.length]).toEqual([9, 10]);
  const fractions = sums.flatMap(([, , formula = ""]) => formula.match(/\b0\.\d+/g) ?? []).map(Number);
  expect(fractions.filter((price) => !prices.includes(price))).toEqual([]);
});
