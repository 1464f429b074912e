import { expect, test } from "vitest";
import { analyse } from "../../src/closure/analyse.ts";
import { firstOfExecutors, numberUnitsFrom, perExecutor } from "../../src/closure/numbers.ts";
import { type SourceFile, type Unit, sourceFile, unitByNumber, unitOf } from "../../src/closure/units.ts";
import { TinderboxError } from "../../src/errors.ts";

function fileOf(source: string): SourceFile {
  const url = "file:///units.js";
  return sourceFile(url, source, analyse(source, url, { format: "module" }));
}

function unit(file: SourceFile, name: string): Unit {
  return unitOf(
    file,
    file.analysis.units.findIndex((each) => each.name === name),
  );
}

const cycle = `
  function a() { b(); c(); }
  function b() { a(); }
  function c() {}
`;
const names = ({ needs }: Unit): string[] => needs.map((number) => unitByNumber(number)!.info!.name);

test("units that call each other need the same ones, whichever was asked for first", () => {
  const file = fileOf(cycle);
  expect(names(unit(file, "a"))).toEqual(["a", "b", "c"]);
  expect(names(unit(file, "b"))).toEqual(["b", "a", "c"]);
});

test("an executor's units have numbers of its own, and end with a clear error", () => {
  expect(() => numberUnitsFrom(firstOfExecutors - 1)).toThrow("Cannot number units from 1048575: the parent has");
  const base = firstOfExecutors + 7 * perExecutor;
  numberUnitsFrom(base);
  const many = fileOf(Array.from({ length: perExecutor - 2 }, (_, index) => `function f${index}() {}`).join("\n"));
  const numbers = many.analysis.units.map((_, index) => unitOf(many, index).number);
  expect([numbers[0], numbers.at(-1)]).toEqual([base, base + perExecutor - 3]);

  const file = fileOf(cycle);
  const refused =
    /^Cannot capture another function on this runner: it has used up its 1024 numbers for functions; give/;
  expect(() => unit(file, "a")).toThrow(refused);
  expect(() => unit(file, "a")).toThrow(TinderboxError);
  // What was half made has not stayed.
  expect(file.units.size).toBe(0);
  expect(unit(file, "c").number).toBe(base + perExecutor - 2);
});
