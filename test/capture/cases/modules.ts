import { family } from "../case.ts";

const it = family("modules");
export const modules = it.cases;

const math = `
export const pi = 3;
export function add(a: number, b: number) { return a + b; }
export default class Calculator { total = 0; add(n: number) { this.total += n; return this; } }
export let state = 0;
export const bump = () => ++state;
`;
const withMath = { files: { "math.ts": math } };

it.works("named import", `
import { add, pi } from "./math.ts";
export const run = () => flame(() => add(pi, 1));
`, 4, withMath);

it.works("renamed import", `
import { add as sum, pi as three } from "./math.ts";
export const run = () => flame(() => sum(three, 1));
`, 4, withMath);

it.works("default import", `
import Calculator from "./math.ts";
export const run = () => flame(() => new Calculator().add(2).add(3).total);
`, 5, withMath);

it.works("default and named import", `
import Calculator, { pi } from "./math.ts";
export const run = () => flame(() => new Calculator().add(pi).total);
`, 3, withMath);

it.works("namespace import", `
import * as math from "./math.ts";
export const run = () => flame(() => [math.add(math.pi, 2), Object.keys(math).length]);
`, [5, 5], withMath);

it.works("default and namespace import", `
import Calculator, * as math from "./math.ts";
export const run = () => flame(() => math.default === Calculator);
`, true, withMath);

it.works("string-named import", `
import { "odd name" as odd } from "./odd.ts";
export const run = () => flame(() => odd);
`, 7, { files: { "odd.ts": `const seven = 7;\nexport { seven as "odd name" };\n` } });

it.works("re-exports", `
import { plus, pi, inner, Calculator } from "./barrel.ts";
export const run = () => flame(() => [plus(1, 2), pi, inner.pi, new Calculator().total]);
`, [3, 3, 3, 0], { files: { "math.ts": math, "barrel.ts": `export * from "./math.ts";\nexport { add as plus, default as Calculator } from "./math.ts";\nexport * as inner from "./math.ts";\n` } });

it.works("import used by a helper only", `
import { add } from "./math.ts";
const twice = (n: number) => add(n, n);
export const run = () => flame(() => twice(4));
`, 8, withMath);

it.works("node's own modules", `
import { basename } from "node:path";
import path from "node:path";
import * as os from "os";
export const run = () => flame(() => [basename("/a/b.txt"), path.posix.join("a", "b"), typeof os.cpus]);
`, ["b.txt", "a/b", "function"]);

it.works("package of node_modules", `
import { hello } from "greeter";
import louder from "greeter/loud";
export const run = () => flame(() => [hello("x"), louder("y")]);
`, ["hello x", "HELLO Y"], { files: {
  "node_modules/greeter/package.json": `{ "name": "greeter", "type": "module", "exports": { ".": "./index.js", "./loud": "./loud.js" } }`,
  "node_modules/greeter/index.js": `export const hello = (name) => "hello " + name;\n`,
  "node_modules/greeter/loud.js": `import { hello } from "./index.js";\nexport default (name) => hello(name).toUpperCase();\n`,
} });

it.works("CommonJS package of node_modules", `
import old, { hello } from "old-greeter";
export const run = () => flame(() => [hello("x"), old.hello === hello, typeof old]);
`, ["hello x", true, "object"], { files: {
  "node_modules/old-greeter/package.json": `{ "name": "old-greeter", "main": "main.js" }`,
  "node_modules/old-greeter/main.js": `exports.hello = (name) => "hello " + name;\n`,
} });

it.works("JSON import", `
import data from "./data.json" with { type: "json" };
export const run = () => flame(() => data.list.length + data.name);
`, "2data", { files: { "data.json": `{ "name": "data", "list": [1, 2] }` } });

it.works("dynamic import in the closure", `
const name = "pi";
export const run = () => flame(async () => { const math = await import("./math.ts"); return [math.pi, (math as any)[name], (await import("node:path")).sep]; });
`, [3, 3, "/"], withMath);

it.works("dynamic import in a helper", `
const load = () => import("./math.ts");
export const run = () => flame(async () => (await load()).add(1, 1));
`, 2, withMath);

it.works("dynamic import with attributes", `
export const run = () => flame(async () => (await import("./data.json", { with: { type: "json" } })).default.name);
`, "data", { files: { "data.json": `{ "name": "data" }` } });

it.works("import.meta", `
import { basename } from "node:path";
export const run = () => flame(() => [
  new URL(import.meta.url).pathname.split("/").slice(-2).join("/"), basename(import.meta.filename), import.meta.filename.startsWith(import.meta.dirname), import.meta.url.includes("?"),
]);
`, ["modules-import-meta/index.ts", "index.ts", true, false], { notIn: { javascript: "the file has another name", bundle: "the file is the bundle" } });

it.works("import.meta is the same here and there", `
const here = [import.meta.url, import.meta.filename, import.meta.dirname];
export const run = async () => { const there = await flame(() => [import.meta.url, import.meta.filename, import.meta.dirname]); return here.map((each, i) => each === there[i]); };
`, [true, true, true], { notIn: { bundle: "the file is the bundle here, and the source or a chunk there" } });

it.works("file beside the module", `
import { readFileSync } from "node:fs";
export const run = () => flame(() => readFileSync(new URL("./data.txt", import.meta.url), "utf8"));
`, "from a file\n", { files: { "data.txt": "from a file\n" }, notIn: { bundle: "the file is beside the source, not beside the bundle" } });

it.works("import.meta.resolve", `
export const run = () => flame(() => import.meta.resolve("./math.ts").endsWith("/math.ts"));
`, true, { ...withMath, notIn: { vitest: "vite has its own" } });

it.works("top-level await value", `
const value = await new Promise<number>((done) => setTimeout(() => done(5), 1));
export const run = () => flame(() => value + 1);
`, 6);

it.works("top-level await import", `
const math = await import("./math.ts");
const { add, pi: three } = await import("./math.ts");
export const run = () => flame(() => [math.pi, add(three, 1), new math.default().total]);
`, [3, 4, 0], { ...withMath, notIn: { tsx: "tsx puts a call around the import" } });

it.works("await import in a function", `
export async function run() {
  const { add, default: Calculator } = await import("./math.ts");
  return flame(() => [add(1, 1), new Calculator().total]);
}
`, [2, 0], { ...withMath, notIn: { tsx: "tsx puts a call around the import" } });

it.works("namespace got by await import in a function", `
export async function run() {
  const math = await import("./math.ts");
  return flame(() => math.add(1, math.pi));
}
`, 4, { ...withMath, notIn: { tsx: "tsx puts a call around the import" } });

it.works("modules are run once on the runner", `
import { count } from "./counted.ts";
export const run = async () => [await flame(() => count.n), await flame(() => ++count.n), await flame(() => count.n), count.n];
`, [1, 2, 2, 1], { files: { "counted.ts": `
const global = globalThis as { countedRuns?: number };
global.countedRuns = (global.countedRuns ?? 0) + 1;
export const count = { n: global.countedRuns };
` } });

it.works("module state is the runner's own", `
import { bump, state } from "./math.ts";
bump();
bump();
export const run = async () => [state, await flame(() => state), await flame(() => bump())];
`, [2, 0, 1], withMath);

it.works("side-effect imports of the calling module are not run", `
import "./effect.ts";
export const run = () => flame(() => [(globalThis as any).effectRuns ?? 0]);
`, [0], { files: { "effect.ts": `(globalThis as any).effectRuns = ((globalThis as any).effectRuns ?? 0) + 1;\n` } });

it.works("side effects of an imported module happen once", `
import { value } from "./effect.ts";
import { other } from "./other.ts";
export const run = async () => [await flame(() => [value, other, (globalThis as any).effectRuns2]), await flame(() => [other, value, (globalThis as any).effectRuns2])];
`, [[1, 1, 1], [1, 1, 1]], { files: {
  "effect.ts": `(globalThis as any).effectRuns2 = ((globalThis as any).effectRuns2 ?? 0) + 1;\nexport const value = 1;\n`,
  "other.ts": `export { value as other } from "./effect.ts";\n`,
} });

it.works("modules that import each other", `
import { even } from "./even.ts";
export const run = () => flame(() => [even(4), even(5)]);
`, [true, false], { files: {
  "even.ts": `import { odd } from "./odd.ts";\nexport const even = (n: number): boolean => n === 0 || odd(n - 1);\n`,
  "odd.ts": `import { even } from "./even.ts";\nexport const odd = (n: number): boolean => n !== 0 && even(n - 1);\n`,
} });

it.works("top level of the calling module is not run", `
const global = globalThis as { topRuns?: number };
global.topRuns = (global.topRuns ?? 0) + 1;
const runs = global.topRuns;
export const run = () => flame(() => [runs, (globalThis as any).topRuns ?? 0]);
`, [1, 0]);

it.works("class and function of an imported module that uses the calling one", `
import { shout } from "./shout.ts";
export const suffix = "!";
export const run = () => flame(() => shout("a"));
`, "A", { files: { "shout.ts": `export const shout = (text: string) => text.toUpperCase();\n` } });

it.works("the package's own functions", `
import { flame, runner, context } from "tinderbox";
export const run = async () => [runner(), await flame((given) => [typeof runner()!.id, context().runner.pool, context() === given])];
`, [undefined, ["string", "default", true]]);

it.works("nested flame calls", `
import { flame, pool } from "tinderbox";
const outer = pool("outer", { max: 1, concurrency: 2 });
const base = 40;
const double = (n) => n * 2;
export const run = async () => {
  const found = await flame(async () => { const own = 1; return base + (await flame(() => double(own))); }, { pool: outer });
  await outer.close();
  return found;
};
`, 42);

it.works("createRequire", `
import { createRequire } from "node:module";
const require = createRequire(import.meta.url);
const { join } = require("node:path");
const old = require("./old.cjs");
const data = require("./data.json");
export const run = () => flame(() => [join("a", "b"), old.twice(4), data.name]);
`, ["a/b", 8, "data"], { files: { "old.cjs": `exports.twice = (n) => n * 2;\n`, "data.json": `{ "name": "data" }` }, notIn: { bundle: "what is required is not bundled" } });

it.works("createRequire used in the closure", `
import { createRequire } from "node:module";
const load = createRequire(import.meta.url);
export const run = () => flame(() => load("./old.cjs").twice(5));
`, 10, { files: { "old.cjs": `exports.twice = (n) => n * 2;\n` }, notIn: { bundle: "what is required is not bundled" } });

it.works("process.getBuiltinModule and globals", `
export const run = () => flame(() => [process.getBuiltinModule("node:path").sep, typeof fetch, typeof globalThis.structuredClone, process.argv.length > 0, Buffer.from("a").toString("hex")]);
`, ["/", "function", "function", true, "61"]);

it.works("import of an exported instance is the runner's own", `
import { settings } from "./settings.ts";
settings.level = "changed here";
export const run = async () => [settings.level, await flame(() => settings.level)];
`, ["changed here", "initial"], { files: { "settings.ts": `export const settings = { level: "initial" };\n` } });

it.works("error of a module that cannot be imported", `
const file = ["./missing", "mts"];
export const run = () => flame(async () => { await import(file.join(".")); }).catch((error) => [error.code, error.message.includes("missing.mts")]);
`, ["ERR_MODULE_NOT_FOUND", true], { notIn: { vitest: "vite words it otherwise" } });

it.works("import that throws on the runner only", `
import { value } from "./picky.ts";
export const run = async () => [value, await flame(() => value).catch((error) => error.message), await flame(() => value).catch((error) => error.message)];
`, [1, "not on a runner", "not on a runner"], { files: { "picky.ts": `
import { runner } from "tinderbox";
if (runner()) throw new Error("not on a runner");
export const value = 1;
` } });

// CommonJS

const cjs = { language: "cjs" as const };

it.works("require of a module", `
const math = require("./math.cjs");
exports.run = () => flame(() => math.add(1, 2));
`, 3, { ...cjs, files: { "math.cjs": `exports.add = (a, b) => a + b;\n` } });

it.works("require, destructured and a member", `
const { add, nested: { deep } } = require("./math.cjs");
const join = require("path").join;
exports.run = () => flame(() => [add(1, 2), deep, join("a", "b")]);
`, [3, "deep", "a/b"], { ...cjs, files: { "math.cjs": `exports.add = (a, b) => a + b;\nexports.nested = { deep: "deep" };\n` } });

it.works("require of JSON and node's own", `
const data = require("./data.json");
const fs = require("node:fs");
exports.run = () => flame(() => [data.name, typeof fs.readFileSync]);
`, ["data", "function"], { ...cjs, files: { "data.json": `{ "name": "data" }` } });

it.works("require in the closure", `
exports.run = () => flame(() => require("./math.cjs").add(2, 2));
`, 4, { ...cjs, files: { "math.cjs": `exports.add = (a, b) => a + b;\n` } });

it.works("require of an ES module", `
const { pi } = require("./math.mjs");
exports.run = () => flame(() => pi);
`, 3, { ...cjs, files: { "math.mjs": `export const pi = 3;\n` } });

it.works("dynamic import in CommonJS", `
exports.run = () => flame(async () => (await import("./math.mjs")).pi);
`, 3, { ...cjs, files: { "math.mjs": `export const pi = 3;\n` } });

it.works("__filename and __dirname", `
const { basename } = require("node:path");
exports.run = async () => [await flame(() => [basename(__filename), basename(__dirname), __filename]), __filename].flat().map((each, i) => i < 2 ? each : i === 2 ? each === __filename : true);
`, ["index.cjs", "modules-filename-and-dirname", true, true], { ...cjs, notIn: { bundle: "the file is the bundle" } });

it.works("captures and helpers in CommonJS", `
let base = 1;
const tools = { add: (n) => n + base };
class Box { constructor(n) { this.n = n; } twice() { return this.n * 2; } }
function helper(n) { return new Box(n).twice() + tools.add(0); }
base = 5;
exports.run = async () => { const box = await flame(() => new Box(helper(2))); return [box instanceof Box, box.n]; };
`, [true, 9], cjs);

it.works("class required, captured and returned", `
const { Point } = require("./point.cjs");
const point = new Point(2);
exports.run = async () => { const back = await flame(() => { point.x++; return [point instanceof Point, point]; }); return [back[0], back[1] instanceof Point, back[1].twice()]; };
`, [true, true, 6], { ...cjs, files: { "point.cjs": `exports.Point = class Point { constructor(x) { this.x = x; } twice() { return this.x * 2; } };\n` } });

it.works("module.exports of one function", `
const job = require("./job.cjs");
exports.run = async () => [await flame(job), await flame(() => job() + 1)];
`, [5, 6], { ...cjs, files: { "job.cjs": `module.exports = () => 5;\n` } });

it.works("conditional and late require", `
let found;
try { found = require("not-there-at-all"); } catch { found = { missing: true }; }
exports.run = () => flame(() => found);
`, { missing: true }, { ...cjs, notIn: { bundle: "bundlers resolve it early" } });

it.works("exports and module in CommonJS", `
exports.one = 1;
const own = module.exports;
exports.run = () => flame(() => [typeof module, typeof exports, typeof require.resolve]);
`, ["object", "object", "function"], cjs);
