import { describe, expect, test } from "vitest";
import { analyse } from "../../src/closure/analyse.ts";
import type { FileAnalysis, UnitInfo } from "../../src/closure/analysis.ts";

/** `x` a value, `f>path` a unit, `a@specifier` an import; `!` what is needed early. */
function free(analysis: FileAnalysis, unit: UnitInfo): string {
  return unit.free
    .map((each) => {
      const early = each.early ? "!" : "";
      if (each.kind === "value") return `${early}${each.name}`;
      if (each.kind === "unit") return `${early}${each.name}>${analysis.units[each.unit]!.path}`;
      return `${early}${each.name}@${analysis.imports[each.import]!.specifier}`;
    })
    .join(" ");
}

function unitAt(analysis: FileAnalysis, path: string): UnitInfo {
  const unit = analysis.units.find((each) => each.path === path);
  if (!unit) throw new Error(`No unit ${path} among ${analysis.units.map((each) => each.path).join()}`);
  return unit;
}

function issues(unit: UnitInfo): string {
  return unit.issues.map((issue) => issue.code).join(" ");
}

type Row = readonly [title: string, code: string, units: Record<string, string>];

const bindings: Row[] = [
  [
    "values around a function",
    "const a = 1; let b; var c; function f(p) { return () => [a, b, c, p] }",
    { f: "a b c", "f.<1>": "a b c p" },
  ],
  ["globals", "const f = () => [Math, undefined, globalThis, nothing, console.log(process)];", { f: "" }],
  [
    "parameters and defaults",
    "const f = (a, { b, c: { d } = {} }, [e] = [g], ...h) => a + b + c + d + e + h; var c, g;",
    { f: "g c" },
  ],
  ["a default that sees a parameter before it", "const f = (a, b = () => a) => b;", { f: "", "f.b": "a" }],
  [
    "a default that does not see the body",
    "let x; const f = (a = () => x) => { var x; return () => x };",
    { f: "x", "f.a": "x", "f.<2>": "x" },
  ],
  [
    "hoisted variables",
    "var x; function f() { g(() => x); if (1) { for (;;) { var x = 1 } } } function g() {}",
    { f: "g>g", "f.<1>": "x" },
  ],
  ["hoisted functions", "function f() { return g(); function g() { return h } } let h;", { f: "h", "f.g": "h" }],
  [
    "block scope",
    "let x; function f() { { let x; g(() => x) } return x } const g = (f) => f();",
    { f: "g>g x", "f.<1>": "x" },
  ],
  ["block functions of a module", "let f = 1; { function f() {} } const g = () => f;", { g: "f" }],
  [
    "loop heads",
    "let i, x, k; const f = () => { for (let i = 0; i < 1; i++) h(i); for (const x of x) h(x); for (const k in k) h(k) }; const h = () => {};",
    { f: "h>h" },
  ],
  ["loop targets", "let i, x; const f = (l) => { for (i of l); for (x.y in l); };", { f: "i x" }],
  [
    "catch parameters",
    "let e, m; const f = () => { try {} catch ({ e, m }) { return () => [e, m] } };",
    { f: "", "f.<1>": "e m" },
  ],
  ["catch without a parameter", "let e; const f = () => { try {} catch { return e } };", { f: "e" }],
  ["labels", "const f = () => { a: for (;;) { b: { break b } continue a } }; let a, b;", { f: "" }],
  ["keys and members", "let a, b, c, d; const f = (o) => ({ a: o.b, c() {}, get d() {}, set d(v) {} });", { f: "" }],
  [
    "computed keys and members",
    "let a, b, c; const f = (o) => ({ [a]: o[b], [c]() {} });",
    { f: "a b c", "f.<1>": "" },
  ],
  ["shorthand properties", "let a, b; const f = () => ({ a, ...b });", { f: "a b" }],
  [
    "destructuring targets",
    "let a, b, c, d, e; const f = (o) => { ({ a, x: b.y, [c]: o.z = d, ...e } = o) };",
    { f: "a b c d e" },
  ],
  ["typeof", "let a; const f = () => typeof a + typeof b;", { f: "a" }],
  ["template literals", "let a, t; const f = () => t`${a}`;", { f: "t a" }],
  ["optional chains", "let a; const f = () => a?.b?.[a]?.(a);", { f: "a" }],
  [
    "new.target, import.meta and private names are no names",
    "const f = function () { return [new.target, import.meta.url] };",
    { f: "" },
  ],
  [
    "switch scope",
    "let a; const f = (x) => { switch (a) { case 1: let a; return () => a } };",
    { f: "a", "f.<1>": "a" },
  ],
  ["class scope", "let A; const f = () => class A { m() { return A } };", { f: "", "f.A": "", "f.A.m": "A>f.A" }],
  ["static block scope", "let x; class A { static { var x = 1; (() => x)() } }", { A: "", "A.<1>": "x" }],
  ["export specifiers", "const a = 1; export { a as b }; const f = () => b;", { f: "" }],
  [
    "sequence of shadows",
    "const x = 1; const f = (x) => { const g = (x) => (x) => x; return g(x) };",
    { f: "", "f.g": "", "f.g.<2>": "" },
  ],
  ["arguments as a name of its own", "const f = (arguments) => () => arguments;", { f: "", "f.<1>": "arguments" }],
];

const links: Row[] = [
  [
    "functions declared and assigned",
    "function a() {} const b = () => {}; let c = function () {}; var d = class {}; class e {} const f = () => [a, b, c, d, e];",
    { f: "a>a b>b c>c d>d e>e" },
  ],
  ["parentheses", "const a = (() => 1); const f = () => a;", { f: "a>a" }],
  [
    "reassigned functions",
    "function a() {} a = 1; let b = () => {}; b = 1; let c; c = () => {}; const f = () => [a, b, c];",
    { f: "a b c" },
  ],
  [
    "written anywhere",
    "let a = () => {}, b = () => {}, c = () => {}; [a] = []; for (b of []); (() => c++)(); const f = () => [a, b, c];",
    { f: "a b c" },
  ],
  [
    "variables that hold it only later or sometimes",
    "if (1) { var a = () => {} } var b; b = () => {}; var c = () => {}; var c = 1; if (1) var d = () => {}; const f = () => [a, b, c, d];",
    { f: "a b c d" },
  ],
  ["a variable over a parameter", "function o(a) { var a = () => 1; return () => a }", { "o.<2>": "a" }],
  [
    "a function over a variable",
    "var a; function a() {} function b() {} function b() {} const f = () => [a, b];",
    { f: "a>a b>b#2" },
  ],
  ["destructured functions", "const { a = () => {} } = {}; const f = () => a;", { f: "a" }],
  ["loop variables", "for (const a of []) { const f = () => a }", { f: "a" }],
  ["recursion", "const a = (n) => a(n); function b() { return b }", { a: "a>a", b: "b>b" }],
  [
    "own names",
    "const a = function b() { return b(() => b) }; const c = class d { static e = () => d };",
    { b: "", "b.<1>": "b>b", d: "", "d.e": "d>d" },
  ],
  [
    "the own name of a class declaration",
    "class A { m() { return A } n = () => A } let x = () => A;",
    { A: "", "A.m": "A>A", "A.n": "A>A", x: "A>A" },
  ],
  ["mutual recursion", "const a = () => b(); const b = () => a();", { a: "b>b", b: "a>a" }],
  [
    "functions in functions",
    "function o(x) { function i() { return x } return () => i() }",
    { "o.<2>": "i>o.i", "o.i": "x" },
  ],
  [
    "what nested functions use",
    "let x; const f = () => () => () => [x, g]; const g = () => x;",
    { f: "x g>g", "f.<1>.<2>": "x g>g" },
  ],
];

const importRows: Row[] = [
  [
    "specifiers",
    'import a, { b, c as d, "e f" as g, default as h } from "m"; import * as n from "n"; const f = () => [a, b, d, g, h, n];',
    { f: "a@m b@m d@m g@m h@m n@n" },
  ],
  [
    "require",
    'const a = require("m"), { b, c: { d } } = require("m"), e = require("m").x.y; var g = require("n"); const f = () => [a, b, d, e, g];',
    { f: "a@m b@m d@m e@m g@n" },
  ],
  [
    "require that is reassigned",
    'let a = require("m"); a = 1; var b; b = require("m"); const f = () => [a, b];',
    { f: "a b" },
  ],
  [
    "require of something computed",
    'const a = require("m" + x), b = require(`n`), c = require("m")(), { [x]: d } = require("m"); var x; const f = () => [a, b, c, d];',
    { f: "a b@n c d" },
  ],
  ["require in a function", 'function o() { const a = require("m"); return () => a }', { o: "", "o.<1>": "a@m" }],
  ["a require of one's own", 'function o(require) { const a = require("m"); return () => a }', { "o.<1>": "a" }],
  [
    "await import",
    'const a = await import("m"), { b } = await import("m", { with: { type: "json" } }), c = (await import("m")).default; const f = () => [a, b, c];',
    { f: "a@m b@m c@m" },
  ],
  ["import without await", 'const a = import("m"), b = await import(x); var x; const f = () => [a, b];', { f: "a b" }],
  [
    "createRequire",
    'import { createRequire as make } from "node:module"; const require = make(import.meta.url); const { a } = require("m"); const f = () => [a, require];',
    { f: "a@m require@node:module" },
  ],
  [
    "createRequire of elsewhere",
    'import { createRequire } from "x"; const require = createRequire(import.meta.url); const { a } = require("m"); const f = () => [a, require];',
    { f: "a require" },
  ],
  [
    "createRequire for another place",
    'import module from "module"; const r = module.createRequire(import.meta.url), s = module.createRequire("/x"); const a = r("m"), b = s("m"); const f = () => [a, b];',
    { f: "a@m b" },
  ],
  [
    "built-ins that a compiler has renamed",
    "var __defProp = Object.defineProperty; const f = () => __defProp;",
    { f: "__defProp@" },
  ],
  [
    "an alias of a built-in is a value",
    "const a = Object.defineProperty, { max } = Math, { env } = process; const f = () => [a, max, env];",
    { f: "a max env" },
  ],
  [
    "require through the helpers of compilers",
    'const a = __importDefault(require("m")), b = tslib_1.__importStar(require("n")), c = __toESM(require("o"), 1), d = other(require("p")); const f = () => [a, b, c, d];',
    { f: "a@m b@n c@o d" },
  ],
  [
    "assertions in TypeScript",
    'const a = require("m") as typeof import("m"), b = (await import("m"))!; const f = () => [a, b];',
    { f: "a@m b@m" },
  ],
];

const early: Row[] = [
  ["heritage", "let B; class A extends B {}", { A: "!B" }],
  ["computed keys", "let a, b, c; class A { [a]() {} static [b] = 1; get [c]() {} }", { A: "!a !b !c" }],
  ["static and instance fields", "let a, b; class A { static x = a; y = b }", { A: "!a b" }],
  ["static blocks", "let a; class A { static { a() } }", { A: "!a" }],
  ["methods", "let a, b, c; class A { m() { a } static n() { b } constructor(x = c) {} }", { A: "a b c" }],
  [
    "functions in static fields",
    "let a, b; class A { static f = () => a; static g = function () { return b } }",
    { A: "a b" },
  ],
  [
    "immediate functions",
    "let a, b, c, d; class A { static f = (() => a)(); static g = (function () { return b })(); static { (async () => c)(); (function () { return d }).call(1) } }",
    { A: "!a !b !c !d" },
  ],
  ["functions handed to a call", "let a, l; class A { static f = l.map((x) => x + a) }", { A: "!l !a" }],
  [
    "local functions that a static block calls",
    "let a, b; class A { static { const f = () => a; f(); const g = () => b } }",
    { A: "!a b" },
  ],
  [
    "an instance made by the class itself",
    "let a, b, c, d; class A { x = a; constructor() { b; this.init() } init() { c } other() { d } static one = new A() }",
    { A: "!a !b !c d" },
  ],
  [
    "an own static method that a field calls",
    "let a, b; class A { static #make() { return a } static x = A.#make(); static other() { b } }",
    { A: "!a b" },
  ],
  [
    "other classes and objects that it uses",
    "let a, b, o; class B {} class A { static m = new Map(); static b = new B(); static c = o.run(); constructor() { a } run() { b } }",
    { A: "!B>B !o a b" },
  ],
  [
    "an instance it makes in a static block",
    "let a, b; class A { static { const x = new A(); x.run(); new this().stop() } run() { a } stop() { b } }",
    { A: "!a !b" },
  ],
  [
    "a class in a class",
    "let a, b; class A { static B = class extends a { m() { b } } }",
    { A: "!a b", "A.B": "!a b" },
  ],
  [
    "a class in a method",
    "let a; class A { m() { return class B extends a {} } }",
    { A: "a", "A.m": "a", "A.m.B": "!a" },
  ],
  [
    "a class that is made at once",
    "let a, b; class A { static x = new (class { y = a; constructor() { b } })() }",
    { A: "!a !b" },
  ],
  ["functions have nothing early", "let a; const f = (x = a) => class extends a {};", { f: "a", "f.<1>": "!a" }],
];

const types: Row[] = [
  ["annotations", "let T: number; interface T {} const f = (a: T): T => a as T satisfies T;", { f: "" }],
  [
    "type queries and generics",
    "let v: number; class C<A extends typeof v> {} const f = <B extends C<B>>(a: B, b: typeof v) => <D>(c: D) => g<B>(c); declare function g<X>(x: unknown): void;",
    { f: "" },
  ],
  ["heritage", "interface I {} class B<X> {} class A extends B<I> implements I {}", { A: "!B>B" }],
  [
    "type-only imports",
    'import type { T } from "m"; import { type U, v } from "m"; const f = (a: T, b: U) => v;',
    { f: "v@m" },
  ],
  ["a value used as a type only", 'import { V } from "m"; const f = (a: V): a is V => true;', { f: "" }],
  [
    "declarations without values",
    "declare const a: number; declare class B {} declare enum E { A } declare namespace N { const x: 1 } const f = () => [a, B, E.A, N.x];",
    { f: "" },
  ],
  [
    "overloads",
    "function f(a: string): void; function f(a: number): void; function f(a: unknown) { return a }",
    { f: "" },
  ],
  [
    "abstract members and index signatures",
    "let k = ''; abstract class A { abstract m(): void; abstract x: number; [key: string]: unknown; declare y: typeof k; z!: number }",
    { A: "" },
  ],
  ["this parameters", "function f(this: { a: 1 }) { return this.a }", { f: "" }],
  ["non-null targets", "let a: { b: number } | null = null; const f = () => { a!.b = 1 };", { f: "a" }],
];

function check(rows: readonly Row[]): void {
  test.each(rows)("%s", (_, code, units) => {
    const analysis = analyse(code, "/a.ts");
    const found = Object.fromEntries(Object.keys(units).map((path) => [path, free(analysis, unitAt(analysis, path))]));
    expect(found).toEqual(units);
  });
}

describe("a free name is one that its unit does not declare:", () => void check(bindings));
describe("a name that always holds one function or class links to it:", () => void check(links));
describe("a name that can be imported again is an import:", () => void check(importRows));
describe("early names are those a class needs while it is defined:", () => void check(early));
describe("types are no names:", () => void check(types));

describe("what keeps a unit from travelling", () => {
  test.each<Row>([
    ["this of a function around it", "function o() { return () => this }", { o: "", "o.<1>": "this" }],
    ["this of the module", "const f = () => this;", { f: "this" }],
    [
      "this of a class around it",
      "class A { f = () => this; static { this.x = () => this } }",
      { A: "", "A.f": "this", "A.<2>": "this" },
    ],
    ["this in a computed key", "function o() { return class { [this.x]() {} } }", { o: "", "o.<1>": "this" }],
    ["arguments", "function o() { return () => arguments }", { o: "", "o.<1>": "arguments" }],
    ["arguments of the module", "const f = () => arguments;", { f: "arguments" }],
    ["new.target", "function O() { return () => new.target }", { O: "", "O.<1>": "new.target" }],
    ["super in a method", "const o = { m() { return () => super.m() } };", { m: "super", "m.<1>": "super" }],
    [
      "super in a method of an object within",
      "const f = () => ({ m() { return super.m() } });",
      { f: "", "f.m": "super" },
    ],
    [
      "super in a class",
      "class B {} class A extends B { m() { return () => super.m() } x = () => super.m }",
      { A: "", "A.m": "member super", "A.m.<3>": "super", "A.x": "super" },
    ],
    [
      "members",
      "class A { m() {} get x() { return 1 } constructor() {} }",
      { A: "", "A.m": "member", "A.x": "member", "A.constructor": "member" },
    ],
    [
      "private names",
      "class A { #x = 1; f = () => this.#x; m() { return (o) => #x in o } }",
      { A: "", "A.f": "this private", "A.m.<3>": "private" },
    ],
    [
      "private names of a class within",
      "const f = () => class { #x = 1; m() { return this.#x } };",
      { f: "", "f.<1>": "" },
    ],
    [
      "assignments",
      "let a, b, c, d, e; const f = () => { a = 1; b += 1; c++; [d] = []; ({ x: e = 1 } = {}) };",
      { f: "assignment assignment assignment assignment assignment" },
    ],
    [
      "assignments in loops",
      "let a, b; const f = () => { for (a of []); for (b in {}); };",
      { f: "assignment assignment" },
    ],
    [
      "assignments to what is declared inside",
      "const f = () => { let a; const g = () => { a = 1 }; return g };",
      { f: "", "f.g": "assignment" },
    ],
    ["assignments to members", "let a; const f = () => { a.b = 1; a[0]++; delete a.c };", { f: "" }],
    ["assignments to imports", 'import { a } from "m"; const f = () => { a = 1 };', { f: "assignment" }],
    ["eval", "const f = () => () => eval('1');", { f: "eval", "f.<1>": "eval" }],
    ["indirect eval", "const f = () => [(0, eval)('1'), eval?.('1'), ((eval) => eval('1'))];", { f: "" }],
    ["enums", "enum E { A, B = A } const f = () => E.A;", { f: "enum" }],
    ["enums within", "const f = () => { enum E { A } return E.A };", { f: "enum" }],
    ["namespaces", "namespace N { export const x = 1 } const f = () => N.x;", { f: "namespace" }],
    ["namespaces of types", "namespace N { export type X = 1 } const f = (x: N.X) => x;", { f: "" }],
    [
      "functions merged with a namespace",
      "function g() {} namespace g { export const x = 1 } const f = () => g.x;",
      { f: "namespace" },
    ],
    [
      "import assignments",
      'import x = require("m"); import y = x.z; const f = () => [x, y];',
      { f: "import-assignment import-assignment" },
    ],
    [
      "decorators",
      "const f = () => { class A { @d m() {} } }; @d class B {} declare const d: any;",
      { f: "decorator", "f.A": "decorator", "f.A.m": "member decorator", B: "decorator" },
    ],
    [
      "parameter properties",
      "class A { constructor(private readonly x: number) {} } const f = () => A;",
      { A: "parameter-property", f: "" },
    ],
  ])("%s", (_, code, units) => {
    const analysis = analyse(code, "/a.ts");
    expect(Object.fromEntries(Object.keys(units).map((path) => [path, issues(unitAt(analysis, path))]))).toEqual(units);
  });

  test("JSX", () => {
    const analysis = analyse(
      "let Box, x; const f = () => <Box a={x}><div>{() => x}</div></Box>; const g = () => <></>;",
      "/a.tsx",
    );
    expect(unitAt(analysis, "f").issues).toEqual([{ at: 28, code: "jsx", name: "JSX" }]);
    expect(free(analysis, unitAt(analysis, "f"))).toBe("Box x");
    expect(issues(unitAt(analysis, "g"))).toBe("jsx");
  });

  test("with", () => {
    const analysis = analyse("function o(x) { with (x) { return () => a } } var a; exports.o = o;", "/a.js");
    expect(analysis.format).toBe("commonjs");
    expect(issues(unitAt(analysis, "o"))).toBe("with");
    expect(issues(unitAt(analysis, "o.<1>"))).toBe("with");
  });

  test("the place is that of the identifier", () => {
    const code = "let 名 = '😀', count = 0; const f = () => { count++ };";
    expect(unitAt(analyse(code, "/a.ts"), "f").issues).toEqual([
      { at: code.lastIndexOf("count"), code: "assignment", name: "count" },
    ]);
  });
});

describe("a unit is pure when it reaches no captured value", () => {
  test.each([
    ["const a = () => b(); const b = () => a(); const c = () => [a, b];", "a b c", ""],
    ["let x; const a = () => b(); const b = () => x; const c = () => 1;", "c", "a b"],
    ['import { x } from "m"; const a = () => [x, console]; class B { m() { return a() } }', "a B", "B.m"],
    ["class A { constructor(private x: number) {} } const f = () => new A(1);", "", "A A.constructor f"],
    ["function o(x) { const i = () => x; return () => i() } const p = () => o;", "o p", "o.i o.<2>"],
  ])("%s", (code, pure, impure) => {
    const { units } = analyse(code, "/a.ts");
    const paths = (wanted: boolean): string[] => units.filter((unit) => unit.pure === wanted).map((unit) => unit.path);
    expect(paths(true)).toEqual(pure.split(" ").filter(Boolean));
    expect(paths(false).toSorted()).toEqual(impure.split(" ").filter(Boolean).toSorted());
  });
});

describe("names and paths are those of the language", () => {
  test.each([
    [
      "function main() { class Foo { bar() {} static #baz() {} get q() { return 1 } set q(v) {} [x]() {} } }",
      "main main.Foo main.Foo.bar main.Foo.#baz main.Foo.q main.Foo.q#2 main.Foo.<6>",
    ],
    ["const a = () => {}; let b = function c() {}; var d = class {};", "a c d"],
    ["export default () => {}; export const x = [() => {}, (0, () => {})];", "default <1> <2>"],
    ["let a; a = () => {}; a ||= () => {}; a += () => {}; o.b = () => {};", "a a#2 <2> <3>"],
    [
      "const o = { a: () => {}, 'b c': () => {}, 1: () => {}, [d]: () => {}, ['e']: () => {}, f() {}, __proto__: () => {} };",
      "a b c 1 <3> e f <6>",
    ],
    ["const { a = () => {}, b: c = () => {} } = {}; const f = (d = () => {}) => {};", "a c f f.d"],
    ["class A { a = () => {}; static #b = () => {}; 'c' = () => {}; [d] = () => {} }", "A A.a A.#b A.c A.<4>"],
    ["export default class { m() {} }", "default default.m"],
    ["{ const a = () => {} } { const a = () => { const b = () => {} } }", "a a#2 a#2.b"],
    ["for (const a = () => {};;) {}", "a"],
  ])("%s", (code, paths) => {
    expect(
      analyse(code, "/a.ts")
        .units.map((unit) => unit.path)
        .join(" "),
    ).toBe(paths);
  });
});

describe("forms and kinds", () => {
  test("of every unit", () => {
    const { units } = analyse(
      "const o = { m() {}, get g() { return 1 }, set s(v) {} }; class A { m() {} } export default function () {} const f = async () => {}, g = function* () {};",
      "/a.ts",
    );
    expect(units.map(({ kind, form, name, declared }) => [kind, form, name, declared])).toEqual([
      ["method", "property", "m", false],
      ["getter", "property", "g", false],
      ["setter", "property", "s", false],
      ["class", "declaration", "A", true],
      ["method", "member", "m", false],
      ["function", "declaration", "default", true],
      ["arrow", "expression", "f", true],
      ["function", "expression", "g", true],
    ]);
  });

  test("ranges hold the text that is code", () => {
    const code =
      "'😀'; export async function f() {} const o = { async *m() {}, get [k]() { return 1 } }; export default class {} abstract class B { static async m(): Promise<void> {} }";
    const analysis = analyse(code, "/a.ts");
    expect(analysis.units.map((unit) => code.slice(unit.start, unit.end))).toEqual([
      "async function f() {}",
      "async *m() {}",
      "get [k]() { return 1 }",
      "class {}",
      "abstract class B { static async m(): Promise<void> {} }",
      "static async m(): Promise<void> {}",
    ]);
    expect(code.slice(...analysis.units[2]!.computedKey!)).toBe("[k]");
  });

  test("units stand in the order of their text", () => {
    const { units } = analyse(
      "const o = { [(() => 1)()]: () => 2, [(() => 3)()]() {} }; @d(() => 4) class A { @d(() => 5) m() {} } @d(() => 6) export class B {}",
      "/a.ts",
    );
    expect(units.map((unit) => unit.start)).toEqual(units.map((unit) => unit.start).toSorted((a, b) => a - b));
    for (const unit of units) expect(unit.parent).toBeLessThan(units.indexOf(unit));
  });
});

describe("the text of an import makes it alone", () => {
  test.each([
    [
      'import a, { b as c, d } from "./x.js" with { type: "json" };',
      [
        'import a from "./x.js" with { type: "json" };',
        'import { b as c } from "./x.js" with { type: "json" };',
        'import { d } from "./x.js" with { type: "json" };',
      ],
    ],
    [
      "import * as n from 'n'; import { default as e, 'x y' as z } from 'm';",
      ['import * as n from "n";', 'import { default as e } from "m";', "import { 'x y' as z } from \"m\";"],
    ],
    [
      'let { a: b,\n  // comment\n  c } = require("x"), z = 1;',
      ['let { a: b, c } = require("x");', 'let { a: b, c } = require("x");'],
    ],
    ['const p = require("fs").promises;', ['const p = require("fs").promises;']],
    [
      'import { createRequire } from "node:module"; const r = createRequire(import.meta.url); const x = r("y");',
      [
        'import { createRequire } from "node:module";',
        'import { createRequire } from "node:module"; const r = createRequire(import.meta.url);',
        'import { createRequire } from "node:module"; const r = createRequire(import.meta.url); const x = r("y");',
      ],
    ],
  ])("%s", (code, texts) => {
    const options = code.includes("require(") ? ({ format: "commonjs" } as const) : {};
    expect(analyse(code, "/a.js", options).imports.map((each) => each.text)).toEqual(texts);
  });

  test("names and origins", () => {
    const { imports } = analyse(
      'import a, { b as c, "x y" as d } from "m"; import * as n from "n"; const { e: { f } } = require("r");',
      "/a.js",
    );
    expect(imports.map(({ local, specifier, imported }) => [local, specifier, imported])).toEqual([
      ["a", "m", "default"],
      ["c", "m", "b"],
      ["d", "m", "x y"],
      ["n", "n", "*"],
      ["f", "r", "e.f"],
    ]);
  });
});

describe("language and format", () => {
  test.each([
    ["/a.ts", "const f = (x: number) => x", true, "module"],
    ["file:///a.mts?x=1#y", "const f = (x: number) => x", true, "module"],
    ["/a.cts", "const f = (x: number) => x", true, "commonjs"],
    ["/a.cjs", "const f = () => 1", false, "commonjs"],
    ["/a.mjs", "require('x')", false, "module"],
    ["/a.js", "import 'x'; module.exports = require('x')", false, "module"],
    ["/a.js", "await 1", false, "module"],
    ["/a.js", "import.meta.url", false, "module"],
    ["/a.js", "const x = require('x')", false, "commonjs"],
    ["/a.js", "module.exports = 1", false, "commonjs"],
    ["/a.js", "exports.a = 1", false, "commonjs"],
    ["/a.js", "a.exports.b; 'require(1)'", false, "module"],
    ["/a.jsx", "const f = () => <a/>", false, "module"],
    ["/a.tsx", "const f = <T,>(x: T) => <a/>", true, "module"],
    ["/a.js?v=1.ts", "const f = () => 1", false, "module"],
  ] as const)("%s: %s", (id, code, typescript, format) => {
    expect(analyse(code, id)).toMatchObject({ typescript, format });
  });

  test("a given format wins", () => {
    expect(analyse("const f = () => 1", "/a.js", { format: "commonjs" }).format).toBe("commonjs");
    expect(analyse("const f = () => 1", "/a.js", { format: "module" }).format).toBe("module");
  });

  test("a syntax error leaves nothing", () => {
    expect(analyse("const = 1; const f = () => 1", "/a.ts")).toEqual({
      typescript: true,
      format: "module",
      units: [],
      imports: [],
    });
  });

  test("strictness is that of the code around a unit", () => {
    const { units } = analyse(
      "const f = () => 1; function g() { 'use strict'; return () => 2 } class A { m() {} } exports.f = f",
      "/a.cjs",
    );
    expect(units.map((unit) => [unit.path, unit.strict])).toEqual([
      ["f", false],
      ["g", false],
      ["g.<2>", true],
      ["A", false],
      ["A.m", true],
    ]);
  });

  test("long sums and long chains of conditions", () => {
    const sum = Array.from({ length: 20_000 }, (_, index) => (index % 1000 ? "'x'" : "(() => a)()")).join(" + ");
    expect(analyse(`let a; export const s = ${sum};`, "/a.ts").units.length).toBe(20);
    const chain = Array.from({ length: 500 }, (_, index) => `if (a === ${index}) b(() => a);`).join(" else ");
    expect(analyse(`let a; ${chain}`, "/a.ts").units.length).toBe(500);
  });

  test("the result is plain data", () => {
    const analysis = analyse('import { a } from "m"; class A extends a { [a]() {} } const o = { [a]() {} };', "/a.ts");
    expect(JSON.parse(JSON.stringify(analysis))).toEqual(analysis);
  });
});
