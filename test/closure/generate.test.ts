import { stripTypeScriptTypes } from "node:module";
import { afterAll, describe, expect, test } from "vitest";
import { analyse } from "../../src/closure/analyse.ts";
import { generateImport, generateUnit } from "../../src/closure/generate.ts";
import { Lab, type Extension } from "./lab.ts";

const lab = new Lab();
afterAll(() => lab[Symbol.dispose]());

type Task = (() => unknown) & { name: string };

/** Each program exports `task`; made again from its module it must be the same function. */
const modules: Record<string, string> = {
  "an arrow": "export const task = () => 1;",
  "an arrow in parentheses": "export const task = ((() => 1));",
  "a function expression": "export const task = function () { return 1 };",
  "a named function expression": "export const task = function other(n = 2) { return n ? other(n - 1) : other.name };",
  "a declaration": "export function task() { return 1 }",
  "an async declaration": "export async function task() { return await 1 }",
  "an exported default declaration": "export default function task() { return 1 } export { task };",
  "captured values": "const a = 1, b = { c: 2 }; let d = 3; export const task = () => [a, b.c, d];",
  "values of functions around it":
    "const make = (a, { b }, [c] = [3]) => () => [a, b, c]; export const task = make(1, { b: 2 });",
  "values of loops":
    "const l = []; for (const x of [1, 2]) for (let i = 0; i < 2; i++) l.push(() => [x, i]); export const task = l[3];",
  helpers: "const two = () => one() + 1; function one() { return 1 } export const task = () => two();",
  "helpers with values": "const n = 5; const add = (x) => x + n; export const task = () => add(1);",
  recursion: "export const task = (n = 5) => n ? n * task(n - 1) : 1;",
  "recursion of a declaration": "export function task(n = 5) { return n ? n * task(n - 1) : 1 }",
  "mutual recursion":
    "const even = (n) => n === 0 || odd(n - 1); const odd = (n) => n !== 0 && even(n - 1); export const task = () => [even(4), odd(4)];",
  "a function that was replaced under its name":
    "function f(n) { return n ? f(0) : 'old' } export const task = f; f = () => 'new';",
  classes: "class A { m() { return 1 } } export const task = () => [new A().m(), A.name];",
  inheritance:
    "class A { m() { return 1 } } class B extends A { m() { return super.m() + 1 } static s = 3 } export const task = () => [new B().m(), B.s, new B() instanceof A];",
  "heritage from an import":
    'import Dep from "./dep.mjs"; class A extends Dep { m() { return this.n } } export const task = () => new A().m();',
  "early values":
    "const k = 'key', v = [1]; class A { [k]() { return 1 } static s = v.map((x) => x + v.length); static { this.t = v[0] } } export const task = () => [new A().key(), A.s, A.t];",
  "a static instance":
    "const start = 4; class Counter { n = start; static instance = new Counter(); next() { return ++this.n } } export const task = () => [Counter.instance.n];",
  "private names and accessors":
    "class A { #x = 1; static #n = 0; get x() { return this.#x } set x(v) { this.#x = v } static make() { A.#n++; return new A() } static get n() { return A.#n } } export const task = () => { const a = A.make(); a.x++; return [a.x, A.n] };",
  "a class that uses itself":
    "class A { clone() { return new A() } static of = () => new A() } export const task = () => A.of().clone() instanceof A;",
  "a class expression": "const A = class { static n = this.name }; export const task = () => [A.n, A.name];",
  "a class expression with its own name":
    "const A = class B { m() { return B.name } }; export const task = () => new A().m();",
  "a class with a static name": "const A = class { static name = 'x' }; export const task = () => A.name;",
  "a mixin":
    "const mixin = (Base) => class extends Base { m() { return 1 } }; class A {} export const task = () => new (mixin(A))().m();",
  "a method": "const n = 1; const o = { task(a = 2) { return [n, a] } }; export const task = o.task;",
  "methods of every kind":
    "const o = { async *task() { yield 1; yield* [2] } }; const t = o.task; export const task = t;",
  "a method with a string for a key": "const o = { 'a b'() { return 1 } }; export const task = o['a b'];",
  "a method with a number for a key": "const o = { 1e3() { return 1 } }; export const task = o[1000];",
  "a method called __proto__":
    "const o = { __proto__() { return 1 } }; export const task = Object.getOwnPropertyDescriptor(o, '__proto__').value;",
  "an arrow called __proto__":
    "const o = { ['__proto__']: () => 1 }; export const task = Object.getOwnPropertyDescriptor(o, '__proto__').value;",
  "a generator": "const l = [1, 2]; export const task = function* () { yield* l };",
  "an unnamed function": "const l = [() => 1]; export const task = l[0];",
  "named, default and namespace imports":
    'import Dep, { add as plus } from "./dep.mjs"; import * as ns from "./dep.mjs"; export const task = () => plus(ns.a, new Dep().n);',
  JSON: 'import data from "./data.json" with { type: "json" }; export const task = () => data.answer;',
  createRequire:
    'import { createRequire } from "node:module"; const require = createRequire(import.meta.url); const dep = require("./dep.cjs"), { add } = require("./dep.cjs"); export const task = () => [dep.one, add(1, 2), require("./dep.cjs").deep];',
  "await import":
    'const dep = await import("./dep.mjs"), { add,\n  // plus\n  default: Dep } = await import("./dep.mjs"); export const task = () => [dep.a, add(1, 2), new Dep().n];',
  "members of globals":
    "var define = Object.defineProperty; const { max, min: low } = Math; export const task = () => [define({}, 'a', { value: 1 }).a, max(1, 2), low(1, 2)];",
  "dynamic import": 'export const task = async () => (await import("./dep.mjs")).a;',
  "import.meta": "export const task = () => typeof import.meta.url;",
  "labels and template literals":
    "const tag = (s, ...v) => s.raw.join('-') + v; export const task = () => { a: for (const x of [1, 2]) { if (x === 2) break a } return tag`x${1}y` };",
  "optional chains": "const o = { f: null, g: { h: () => 1 } }; const { g } = o; export const task = () => [g?.x?.y];",
  "defaults and rest": "const d = 4; export const task = (a = d, { b = () => a } = {}, ...c) => [a, b(), c];",
  "names that look like ours": "const $tb0 = 1, $tb1 = 2; export const task = () => $tb0 + $tb1;",
  "names of globals":
    "const Object = 1, Map = 2; const o = { task() { return [Object, Map] } }; export const task = o.task;",
  "names that are words":
    "const async = 1, of = 2, get = 3, from = 4, as = 5, type = 6; export const task = () => [async, of, get, from, as, type];",
  "undefined as a name": "const make = (undefined) => () => undefined; export const task = make(5);",
  "letters beyond ASCII": "const 名 = '😀'; const ñ = () => 名; export const task = () => ñ() + '👍';",
  "carriage returns": "\r\n\r\nconst a = 1\r\nexport const task = () => {\r\n  return a\r\n}\r\n",
  comments: "/* a */ export const task = /* b */ () => /* c */ 1 /* d */; // e",
  "a body that is an object": "const n = 1; export const task = () => ({ n, m() { return n } }).m();",
  shadowing: "const x = 1; export const task = (y = x) => { const x = 2; return [x, y, ((x) => x)(3)] };",
};

const commonjs: Record<string, string> = {
  "an arrow": "exports.task = () => 1;",
  require:
    "const dep = require('./dep.cjs'), { add } = require('./dep.cjs'); exports.task = () => [dep.one, add(1, 2), require('./dep.cjs').one];",
  "require through the helpers of compilers":
    "var __importDefault = (it) => ({ default: it }), tslib_1 = { __importStar: (it) => ({ ...it, default: it }) }; const dep_1 = __importDefault(require('./dep.cjs')), all = tslib_1.__importStar(require('./dep.cjs')); exports.task = () => [dep_1.default.one, all.one, all.default.one];",
  "sloppy code":
    "exports.task = function () { return [typeof this, (() => { undeclared = 1; delete globalThis.undeclared; return 2 })()] };",
  "strict code": "'use strict'; exports.task = function () { return typeof this };",
  "strict code by a function around it":
    "function make() { 'use strict'; return function () { return typeof this } } exports.task = make();",
  "strict code by a class around it":
    "class A { static make() { return function () { return typeof this } } } exports.task = A.make();",
  "names that are reserved elsewhere":
    "const make = (static, yield, await) => { var let = 4; return () => [static, yield, await, let] }; exports.task = make(1, 2, 3);",
  "duplicate functions":
    "function f() { return g() } function g() { return 1 } function g() { return 2 } exports.task = f;",
  "the globals of a module": "exports.task = () => [typeof module, typeof exports, typeof require, typeof __filename];",
  "declarations of names that clash":
    "const { one: a, deep: b } = require('./dep.cjs'); function make() { const { one: b, add: c } = require('./dep.cjs'); return () => [a, b, c(1, 2)] } exports.task = make();",
  "a variable called module":
    "function make() { const module = require('./dep.cjs'); return () => module.one } exports.task = make();",
  "another name of the same declaration called module":
    "function make() { const { module, one } = require('./dep.cjs'); return () => one } exports.task = make();",
  "await import":
    "const make = async () => { const { add, default: Dep } = await import('./dep.mjs'); return () => [add(1, 2), new Dep().n] }; exports.promise = make();",
};

const typescript: Record<string, string> = {
  types:
    "interface A { x: number } const one: number = 1; export const task = (a: A = { x: one }): number => a.x satisfies number;",
  "a generic arrow": "export const task = <T,>(x: T = 1 as T): T => x;",
  "a generic async arrow": "export const task = async <T>(x?: T) => x ?? null;",
  "an abstract class":
    "abstract class A<T> { abstract m(): T; declare z: T; n(): T { return this.m() } } class B extends A<number> { override m(): number { return 1 } } export const task = () => new B().n();",
  overloads:
    "function f(x: string): string; function f(x: number): number; function f(x: unknown): unknown { return x } export const task = () => f(1);",
  "an import for types only":
    'import { type Stats, statSync as stat } from "node:fs"; import type { Dir } from "node:fs"; export const task = (s?: Stats | Dir) => [typeof stat, typeof s];',
  assertions: "const f = ((x: unknown) => x) as (x: number) => number; export const task = () => f(1)!;",
  "a method with a computed key":
    "const k = 'a'; const o = { get [k as string](): number { return 1 } }; export const task = Object.getOwnPropertyDescriptor(o, k)!.get === undefined ? 1 : () => o.a;",
};

/** What the function that a program exports as `task` shows, once more and at first. */
async function seen(code: string, extension: Extension): Promise<readonly [unknown, unknown]> {
  const ran = await lab.run(code, extension);
  const exported = ran.exports["task"] ?? (await ran.exports["promise"]);
  const task = exported as Task;
  const made = (await lab.remake(ran, task)) as Task;
  return [
    { same: made === task, name: made.name, result: await run(made) },
    { same: false, name: task.name, result: await run(task) },
  ];
}

async function run(task: Task): Promise<unknown> {
  const result: unknown = await (task as () => unknown)();
  if (result === null || typeof result !== "object") return result;
  if (Symbol.asyncIterator in result) {
    const list: unknown[] = [];
    for await (const each of result as AsyncIterable<unknown>) list.push(each);
    return list;
  }
  return Symbol.iterator in result ? [...(result as Iterable<unknown>)] : result;
}

const esm = 'import { flame } from "tinderbox";\n';
const cjs = 'const { flame } = require("tinderbox");\n';

describe("the module of a unit makes the same function", () => {
  test.each(Object.entries(modules))("%s", async (_, code) => {
    const [found, wanted] = await seen(esm + code, "mjs");
    expect(found).toEqual(wanted);
  });
});

describe("the CommonJS module of a unit makes the same function", () => {
  test.each(Object.entries(commonjs))("%s", async (title, code) => {
    const [found, wanted] = await seen(title === "strict code" ? code.replace(";", `; ${cjs}`) : cjs + code, "cjs");
    expect(found).toEqual(wanted);
  });
});

describe("the module of a TypeScript unit makes the same function", () => {
  test.each(Object.entries(typescript))("%s", async (_, code) => {
    const [found, wanted] = await seen(esm + code, "ts");
    expect(found).toEqual(wanted);
  });
});

describe("what the transform does not stamp can be generated too", () => {
  test.each<[code: string, path: string, key: string]>([
    ["const o = { get x() { return 1 } };", "x", "getter"],
    ["const o = { set x(v) { return 1 } };", "x", "setter"],
    ["const k = 'q'; const o = { get [k]() { return 1 } };", "<0>", "computed getter"],
    ["const k = 'q'; const o = {\n  async *\n  [k +\n '']\n  () { return 1 } };", "<0>", "computed method"],
    ["export default function () { return 1 }", "default", "anonymous default function"],
    ["export default class { x = 1 }", "default", "anonymous default class"],
    ["const o = { ...{}, a() { return 1 }, ...{} };", "a", "method before a spread"],
  ])("%s", async (code, path) => {
    const analysis = analyse(code, "/a.mjs");
    const index = analysis.units.findIndex((unit) => unit.path === path);
    const module = await lab.module(code, analysis, index);
    const { value, fill } = module.default({});
    fill({});
    expect(typeof value).toBe("function");
    expect((value as Task).name).toMatch(path === "<0>" ? /^(get )?$/ : new RegExp(`${path}$`));
  });
});

describe("lines and columns are those of the file", () => {
  test.each([
    "\n\n  const task = () => { throw new Error('x') };",
    "\n\nfunction a() {}  function task() {\n  throw new Error('x')\n}",
    "\n\r\n\r\u2028 const o = { task() { throw new Error('x') } };",
    "\n const o = { [`ta` +\n `sk`]() { throw new Error('x') } };",
    `${" ".repeat(400)}const task = () => { throw new Error('x') };`,
    "\nconst 名 = '😀'; const task = () => { 名; throw new Error('x') };",
  ])("%j", async (code) => {
    const analysis = analyse(code, "/a.mjs");
    const index = analysis.units.findIndex((unit) => code.slice(unit.start, unit.end).includes("Error"));
    const { value } = (await lab.module(code, analysis, index)).default({});
    let stack = "";
    try {
      (value as Task)();
    } catch (error) {
      stack = (error as Error).stack!;
    }
    const before = code.slice(0, code.indexOf("new Error")).split(/\r\n|[\n\r\u2028\u2029]/);
    expect(stack).toContain(`:${before.length}:${before.at(-1)!.length + 1}`);
  });
});

describe("the imports of a module", () => {
  test("are read by the thunk", async () => {
    const code = `${esm}import Dep, { a } from "./dep.mjs"; export const task = () => [Dep, a];`;
    const analysis = analyse(code, "/a.mjs");
    const { imports } = await lab.module(code, analysis, 0);
    expect(imports()).toMatchObject({ a: 1 });
    expect(Object.keys(imports())).toEqual(["Dep", "a"]);
  });

  test.each([
    ['import { a } from "./dep.mjs";', "mjs", 'import { a } from "./dep.mjs"; export default a;\n'],
    ['const { a, b } = require("x");', "cjs", 'const { a, b } = require("x"); module.exports = { default: a };\n'],
    [
      'function f() { const module = require("x") }',
      "cjs",
      'module.exports = (() => { const module = require("x"); return { default: module }; })();\n',
    ],
  ])("can be made alone: %s", (code, extension, expected) => {
    expect(generateImport(analyse(code, `/a.${extension}`), 0)).toBe(expected);
  });

  test("of types are not there", () => {
    const code = 'import { A, b } from "x"; const f = (a: A) => b;';
    const text = stripTypeScriptTypes(generateUnit(code, analyse(code, "/a.ts"), 0));
    expect(text).toContain('import { b } from "x";');
    expect(text).not.toMatch(/\bA\b/);
  });
});

test("what cannot be generated is refused", () => {
  const code = "class A { m() {} }";
  const analysis = analyse(code, "/a.ts");
  expect(() => generateUnit(code, analysis, 1)).toThrow(/^Cannot generate A\.m: it is a member of a class; /);
  expect(() => generateUnit(code, analysis, 2)).toThrow(/^Cannot generate unit 2: /);
  expect(() => generateImport(analysis, 0)).toThrow(/^Cannot generate import 0: /);
});
