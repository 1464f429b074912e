import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseSync } from "oxc-parser";
import { expect, test } from "vitest";
import { analyse } from "../../src/closure/analyse.ts";
import { generateUnit } from "../../src/closure/generate.ts";
import { mockFactories } from "../../src/closure/mock-factories.ts";
import { transform } from "../../src/closure/transform.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const packages = [
  "vitest/dist",
  "vite/dist/node",
  "oxc-walker/dist",
  "magic-string/dist",
  "esbuild/lib",
  "fast-check/lib/check",
  "prettier",
];
const sources = globSync(["src/**/*.ts", "test/**/*.ts"], { cwd: root });
const modules = packages.flatMap((each) => globSync(`node_modules/${each}/*.{js,mjs,cjs}`, { cwd: root }).slice(0, 12));

function parses(code: string, id: string, commonjs: boolean): string[] {
  return parseSync(id, code, { sourceType: commonjs ? "commonjs" : "module" }).errors.map((error) => error.message);
}

/** Everything wrong with the transform of a file and with its units' modules. */
function faults(path: string): string[] {
  const code = readFileSync(`${root}/${path}`, "utf8");
  const first = analyse(code, path).format === "module" ? 'import "tinderbox";' : 'require("tinderbox");';
  const hashbang = /^#!.*\n/.exec(code)?.[0] ?? "";
  const directive = /^\s*(["'])use strict\1;?/.exec(code.slice(hashbang.length))?.[0] ?? "";
  const start = hashbang.length + directive.length;
  const given = `${code.slice(0, start)}${first}${code.slice(start)}`;
  const analysis = analyse(given, path);
  const result = transform(given, path, { analysis, register: "1", embed: "null", key: "k" });
  if (!result) return analysis.units.length > 0 ? ["not transformed"] : [];
  const commonjs = analysis.format === "commonjs";
  const found = parses(result.code, path, commonjs);
  if (result.code.split("\n").length !== given.split("\n").length) found.push("lines moved");
  if (analyse(result.code, path).units.length < analysis.units.length) found.push("units lost");
  const step = Math.ceil(analysis.units.length / 40);
  const unstamped = mockFactories(given, analysis);
  for (const [index, { form, issues, start: at }] of analysis.units.entries()) {
    const stamped = new RegExp(`, "k", ${index}[,)]`).test(result.code);
    if (form === "expression" && stamped === unstamped.has(index)) found.push(`${stamped ? "a" : "no"} stamp at ${at}`);
    if (index % step !== 0 || form === "member" || issues.length > 0) continue;
    found.push(
      ...parses(generateUnit(given, analysis, index), path, commonjs).map((fault) => `unit at ${at}: ${fault}`),
    );
  }
  return found;
}

test.each([...sources, ...modules])("%s parses after the transform, line by line, and so does every unit", (path) => {
  expect(faults(path)).toEqual([]);
});
