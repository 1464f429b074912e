import { afterAll, describe, expect, test } from "vitest";
import { transform, importsTinderbox } from "../../src/closure/transform.ts";
import { Lab, type Extension } from "./lab.ts";

const lab = new Lab();
afterAll(() => lab[Symbol.dispose]());

const esm = 'import { flame } from "tinderbox";\n';
const cjs = 'const { flame } = require("tinderbox");\n';

/** Programs whose `out` must be the same transformed. Everything that runs, is stamped, and reads, must be in order too. */
const modules: Record<string, string> = {
  "a const arrow": "const f = () => 1; export const out = [f(), f.name];",
  "a function expression": "const f = function () { return 1 }; export const out = [f(), f.name];",
  "a named function expression":
    "const f = function g(n) { return n ? g(n - 1) : g.name }; export const out = [f(2), f.name];",
  "an async arrow": "const f = async (x) => x; export const out = [await f(1), f.name];",
  "an async arrow without parentheses": "const f = async x => x; export const out = [await f(1), f.name];",
  "a generator": "const f = function* () { yield 1; yield () => 2 }; export const out = [...f()].length;",
  "an async generator":
    "const f = async function* () { yield 1 }; const l = []; for await (const x of f()) l.push(x); export const out = l;",
  "a hoisted declaration": "export const out = f(); function f() { return g() } function g() { return 2 }",
  "a hoisted async declaration": "export const out = await f(); async function f() { return 3 }",
  "an exported declaration":
    "export function f() { return 1 } export async function* g() { yield 1 } export const out = f();",
  "a default function": "export default function f() { return 1 } export const out = f();",
  "an anonymous default function": "export default function () { return 1 } export const out = 1;",
  "an anonymous default generator": "export default function* () { yield 1 }\nexport const out = 1;",
  "a default arrow": "export default () => 1\nexport const out = 1",
  "a default arrow, squeezed": "export default()=>1;export const out=1;",
  "a default async function in parentheses": "export default (async function () {})\nexport const out = 1",
  "an anonymous default class": "export default class { static n = this.name }\n(0, 1);\nexport const out = 1;",
  "a default class": "export default class A { x = () => 1 }\n[1].map(x => x);\nexport const out = new A().x();",
  "a class": "class A { m() { return 1 } } export const out = [new A().m(), A.name];",
  "classes on one line": "class A{}class B extends A{}export const out=new B() instanceof A;",
  "an exported class": "export class A { static s = () => 1 } export const out = A.s();",
  "a class expression":
    "const A = class {}; const B = class C { static n = C.name }; export const out = [A.name, B.name, B.n];",
  "a class expression that sees its name":
    "const A = class { static n = this.name; static { this.m = this.name } }; export const out = [A.n, A.m];",
  "a class expression with a static name":
    "const A = class { static name = 'x' }; const B = class { static name() {} }; export const out = [A.name, typeof B.name];",
  "a class with private names":
    "class A { #x = 1; static #y() { return 2 } get x() { return this.#x } static y() { return A.#y() } has(o) { return #x in o } } export const out = [new A().x, A.y(), new A().has(new A())];",
  inheritance:
    "class A { m() { return 1 } } class B extends A { m() { return super.m() + (() => super.m())() } } export const out = new B().m();",
  "heritage of expressions":
    "class A extends class { m() { return 1 } } {} class B extends (class { m() { return 2 } }) {} class C extends function () { this.x = 3 } {} export const out = [new A().m(), new B().m(), new C().x];",
  "heritage of a call":
    "const mixin = (Base) => class extends Base { m() { return this.constructor.name } }; class A extends mixin(Object) {} export const out = new A().m();",
  "computed keys":
    "const k = () => 'a'; class A { [k()]() { return 1 } static [(() => 'b')()] = () => 2; get [`c`]() { return 3 } } export const out = [new A().a(), A.b(), new A().c];",
  "class fields without semicolons":
    "class A { f = () => 1\n g = () => { return 2 }\n ['h'] = () => 3;\n *i() { yield 4 }\n static j = x => { }\n}\nconst a = new A(); export const out = [a.f(), a.g(), a.h(), [...a.i()], a.f.name, a.h.name, A.j.name];",
  "private fields":
    "class A { #f = () => 1; get n() { return [this.#f.name, this.#f()] } } export const out = new A().n;",
  "static blocks":
    "let x; class A { static { function f() { return 1 } x = f() + (() => 1)() } } export const out = x;",
  "accessor pairs":
    "const o = { get a() { return () => 1 }, set a(v) {}, b() { return 2 } }; export const out = [o.a(), o.b()];",
  methods:
    "const o = { a() { return 1 }, async b() { return 2 }, *c() { yield 3 }, async *d() { yield 4 }, 'e f'() { return 5 }, 1() { return 6 } }; export const out = [o.a(), await o.b(), [...o.c()], o['e f'](), o[1](), o.a.name, o[1].name];",
  "computed methods":
    "const k = 'z'; const o = { [k]() { return 1 }, ['y']() { return 2 }, x() { return 3 } }; export const out = [o.z(), o.y(), o.x()];",
  "methods overridden by a spread":
    "const more = { a() { return 'more' } }; const o = { a() { return 'own' }, ...more, b() {} }; export const out = o.a();",
  "a method twice": "const o = { a() { return 1 }, a() { return 2 } }; export const out = o.a();",
  "a method and then a value": "const o = { a() { return 1 }, a: 2 }; export const out = o.a;",
  "super in an object":
    "const p = { m() { return 1 } }; const o = { __proto__: p, m() { return super.m() + 1 } }; export const out = o.m();",
  "a prototype given as a function":
    "const o = { __proto__: function () {} }; export const out = [Object.keys(o), typeof o, Object.getPrototypeOf(o).name];",
  "an own __proto__":
    "const o = { ['__proto__']: () => 1, __proto__() { return 2 } }; export const out = o.__proto__();",
  "object literals after new": "export const out = new { A: class { m() { return 1 } }, b() {} }.A().m();",
  "new with a class":
    "export const out = [new class { x = 1 }().x, new (class { x = 2 })().x, new class { static I = class { x = 3 } }.I().x, new (class { constructor(a) { this.a = a } })(4).a];",
  "new without arguments": "export const out = [new class { x = 1 }, new function () { this.x = 2 }].map((o) => o.x);",
  "new with a function":
    "export const out = [new function () { this.a = 1 }().a, new (function () { this.a = 2 }).constructor === Function, typeof new new Function('return class {}')()];",
  "immediate calls":
    "export const out = [(() => 1)(), (function () { return 2 })(), (function () { return 3 }()), await (async () => 4)(), !function () { return 5 }()];",
  "immediate calls by call and apply":
    "export const out = [function () { return this }.call(1) == 1, (function (a) { return a }).apply(null, [2])];",
  "optional calls":
    "export const out = [(() => 1)?.(), (function () { return 2 })?.call?.(null), ({ a() { return 3 } }).a?.(), ({ a: null }).a?.(() => 1)];",
  "tagged templates":
    "const tag = (s, f) => f(); export const out = [tag`${() => 1}`, (x => x.length)`a`, (function (s) { return s[0] })`b`, `${(() => 2)()}`];",
  "sequences and conditions":
    "export const out = [(0, () => 1)(), (true ? () => 2 : () => 3)(), (false || (() => 4))(), (null ?? function () { return 5 })()];",
  "a conditional chain of arrows":
    "const pick = (n) => n ? x => x : y => -y; export const out = [pick(1)(2), pick(0)(2)];",
  "spread and rest":
    "export const out = [...[() => 1, function () { return 2 }].map((f) => f()), Math.max(...[() => 1].map(f => f()))];",
  "default parameters":
    "function f(a = () => 1, { b = function () { return 2 }, c: { d = class {} } = {} } = {}, [e = () => 3] = []) { return [a(), a.name, b(), b.name, d.name, e(), e.name] } export const out = f();",
  "defaults in assignments":
    "let a, b, c; ({ a = () => 1, x: b = () => 2 } = {}); [c = () => 3] = []; export const out = [a(), b(), c(), a.name, b.name, c.name];",
  assignments:
    "let f, o = {}; f = () => 1; o.g = () => 2; f ??= () => 3; let h; h ||= () => 4; export const out = [f(), f.name, o.g(), o.g.name, h(), h.name];",
  "assignment of a name in parentheses": "let f; (f) = () => 1; export const out = [f(), f.name];",
  "names of properties":
    "const o = { a: () => 1, 'b c': function () {}, 1: () => 2, 2n: () => 3, ['d']: () => 4, [`e`]: () => 5 }; export const out = Object.values(o).map((f) => f.name);",
  "names in parentheses": "const f = (() => 1), g = ((function () {})); export const out = [f.name, g.name];",
  "names that are not inferred":
    "const f = (0, () => 1), o = {}; o.x = function () {}; const [g] = [() => 1]; export const out = [f.name, o.x.name, g.name];",
  "closures over loop variables":
    "const l = []; for (let i = 0; i < 3; i++) l.push(() => i); for (const x of [3, 4]) l.push(function () { return x }); for (const k in { a: 1 }) l.push(() => k); export const out = l.map((f) => f());",
  "an arrow in the head of a loop":
    "let n = 0; for (let f = () => n < 2; f(); n++); for (const f of [() => 5]) n += f(); export const out = n;",
  "loops without blocks":
    "const l = []; for (const x of [1, 2]) l.push(() => x)\nwhile (l.length < 3) l.push(() => 9)\ndo l.push(() => 8)\nwhile (l.length < 4)\nexport const out = l.map((f) => f());",
  labels:
    "const l = []; outer: for (const a of [1, 2]) { for (const b of [1, 2]) { if (b === 2) continue outer; l.push(() => [a, b]) } } export const out = l.map((f) => f());",
  "if without blocks":
    "let f; if (1) f = () => { return 1 }\nelse f = () => 2\nif (!1) f = x => x; else if (0) f = y => y\nexport const out = f();",
  "switch with functions":
    "const pick = (n) => { switch (n) { case (() => 1)(): return f(); case 2: function f() { return 'f' + n } default: return f() + '!' } }; export const out = [pick(1), pick(2), pick(3)];",
  "switch, squeezed": "const g=(n)=>{switch(n){case\"a\":return f();function f(){return n}}};export const out=g('a');",
  "switch with only a default":
    "const g = (n) => { switch (n) { default: return f(); function f() { return n } } }; export const out = g(1);",
  "switch with the default first":
    "const g = (n) => { switch (n) { default: return f() + 'd'; case 1: function f() { return n } return f() } }; export const out = [g(1), g(2)];",
  "try and catch":
    "const l = []; try { throw () => 1 } catch (e) { l.push(e, () => e()) } finally { l.push(() => 3) } try { throw { m: 2 } } catch ({ m = () => 1 }) { l.push(() => m) } export const out = l.map((f) => f());",
  throw: "const f = () => { throw() => 1 }; let out; try { f() } catch (e) { out = e() } export { out };",
  "block functions":
    "const l = []; { l.push(f()); function f() { return 1 } } for (let i = 0; i < 2; i++) { l.push(f()); function f() { return i } } export const out = l;",
  recursion:
    "const fact = (n) => n ? n * fact(n - 1) : 1; function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2) } export const out = [fact(5), fib(7)];",
  "mutual recursion":
    "const even = (n) => n === 0 || odd(n - 1); const odd = (n) => n !== 0 && even(n - 1); export const out = [even(4), odd(4)];",
  "a variable before its value":
    "let early; try { (() => later)() } catch (e) { early = e.name } const later = 1; export const out = early;",
  "a class used before it is declared":
    "const make = () => new Later(); class Later { x = 1 } export const out = make().x;",
  "a function that is replaced":
    "function f() { return 1 } const g = f; f = () => 2; export const out = [f(), g(), f.name];",
  shadowing:
    "const x = 1; const f = (x) => { { let x = 3; return (() => x)() } }; export const out = [f(2), ((x) => () => x)(5)()];",
  "a parameter named as a function":
    "function f(g) { return g(); function g() { return 1 } } export const out = f(() => 2);",
  "a parameter and a variable of the same name":
    "function f(x, y = () => x) { var x = 2; return [x, y(), (() => x)()] } export const out = f(1);",
  "a directive": "function f() { 'use strict'; return g(); function g() { return this } } export const out = f();",
  "a directive without a semicolon":
    "function f() { 'use strict'\n return g()\n function g() { return this === undefined } }\nexport const out = f()",
  "arguments and this":
    "function f() { return (() => [this.a, arguments.length])() } export const out = f.call({ a: 1 }, 2, 3);",
  "new.target": "function F() { return (() => ({ t: new.target === F }))() } export const out = new F().t;",
  "derived constructors":
    "class A { constructor(x) { this.x = x } } class B extends A { constructor() { const f = () => super(g()); f(); function g() { return 1 } } } export const out = new B().x;",
  "semicolons left out before brackets":
    "let n = 0\nconst a = () => {}\n[1, 2].forEach((x) => { n += x })\nconst b = () => { n++ }\n(1, 2)\nlet c\nc = () => {}\n`x`.length\nconst d = x => y => {}\n/re/.test('re')\nexport const out = n",
  "semicolons left out after operators":
    "let n = 1\nconst a = () => n++\n(2)\nconst b = x => { }\n+n\nconst c = true ? null : () => {}\n-n\nexport const out = [n, typeof a, typeof b, typeof c]",
  "return and yield without blanks":
    "const a=()=>{return()=>1},b=function*(){yield()=>2;yield function(){return 3}},c=()=>{return{m(){return 4}}},d=typeof function(){},e=void function(){}(),g=async()=>await(async()=>5)();export const out=[a()(),[...b()].map(f=>f()),c().m(),d,e,await g()];",
  "in and instanceof without blanks":
    "const o={a:1};export const out=['a'in{a(){return 1}},{}instanceof class{},'a'in o];",
  "extends without blanks": "class A extends function(){}{}class B extends class{x=1}{}export const out=new B().x;",
  minified:
    "var a=Object.defineProperty,b=(c,d)=>a(c,'name',{value:d,configurable:!0});var e=class{static{b(this,'E')}f=1;g(){return this.f}};var h=(i,j)=>()=>(i&&(j=i(i=0)),j),k=h(()=>7);export const out=[e.name,new e().g(),k(),k()];",
  "letters and signs beyond ASCII":
    "const 名 = '😀'; const ñ = () => 名; class Ä { 𠮷() { return ñ() } } export const out = [ñ(), new Ä().𠮷(), '😀'.length, (() => '👨‍👩‍👧')()];",
  "words right before a function that end beyond ASCII":
    "const o = { é: 1 }; const a = o.é\nexport const out = [a, (x => x)(2)]",
  "namespace and default imports":
    'import * as ns from "./dep.mjs"; import Dep, { add as plus } from "./dep.mjs"; const f = () => plus(ns.a, new Dep().n); export const out = f();',
  "JSON imports":
    'import data from "./data.json" with { type: "json" }; const f = () => data.answer; export const out = f();',
  "import.meta": "const f = () => typeof import.meta.url; export const out = f();",
  "top-level await": 'const { add } = await import("./dep.mjs"); const f = () => add(1, 2); export const out = f();',
  "dynamic import": 'const f = async () => (await import("./dep.mjs")).a; export const out = await f();',
  createRequire:
    'import { createRequire } from "node:module"; const require = createRequire(import.meta.url); const { deep: { two }, add } = require("./dep.cjs"); const f = () => add(two, 1); export const out = f();',
  "re-exports":
    'export { a as again } from "./dep.mjs"; export * as all from "./dep.mjs"; const f = () => 1; export { f as "a b", f as default }; export const out = f();',
  "a comment at the start": "/** @license x */\n// y\nconst f = () => 1; export const out = f();",
  "comments within":
    "const f = /* a */ (/* b */) /* c */ => /* d */ 1 /* e */; /* f */ function g /* h */ () {} export const out = f();",
  "carriage returns":
    "const f = () => {\r\n  return 1\r\n}\r\n;[1].map((x) => x)\r\nfunction g() {\r\n return 2 }\r\nexport const out = [f(), g()]\r\n",
  "names that look like ours": "const $tb0 = 1, $tb = 2; const f = () => $tb0 + $tb; export const out = f();",
  "eval and Function":
    "const f = () => (0, eval)('1'); const g = new Function('return 2'); export const out = [f(), g()];",
  "getters beside methods of a class in an object":
    "const o = { A: class { static a() { return () => 1 } }, b: { c() { return { d() { return 2 } } } } }; export const out = [o.A.a()(), o.b.c().d(), o.A.name];",
  "functions in template literals":
    "export const out = `${[1, 2].map((x) => `<${(() => x)()}>`).join(`${(() => '')()}`)}`;",
  "arrow bodies that are literals":
    "const f = () => ({ m() { return 1 } }), g = () => [() => 2], h = () => () => () => 3, i = () => class { x = 4 }, j = () => function () { return 5 }; export const out = [f().m(), g()[0](), h()()(), new (i())().x, j()()];",
  "comma in declarations":
    "const a = () => 1, b = () => a() + 1\n, c = function () { return b() + 1 }\nexport const out = [a(), b(), c()]",
  "delete, typeof and void":
    "export const out = [typeof (() => 1), typeof class {}, void (() => 1)(), delete { a() {} }.a];",
  "async methods and await in parameters":
    "const o = { async m(f = async () => 1) { return (await f()) + 1 } }; export const out = await o.m();",
  "a function named like a global":
    "function Map() { return 1 } const Object = () => 2; export const out = [Map(), Object()];",
  "a hoisted function called through an argument":
    "export const out = [3, 1, 2].sort(by); function by(a, b) { return a - b }",
  toString: "const f = (a,   b) => a /* c */; export const out = f.toString();",
  "line numbers":
    "\n\nconst f = () => { return new Error().stack.match(/(\\d+):\\d+\\)?$/m)[1] }\n\nfunction g() { return f() } export const out = [f(), g()];",
};

const commonjs: Record<string, string> = {
  require: "const { add } = require('./dep.cjs'); const f = () => add(1, 2); exports.out = f();",
  "a directive": "function f() { return g() } function g() { return this === undefined } exports.out = f();",
  "sloppy this": "function f() { return typeof this } exports.out = f.call(1);",
  "block functions seen outside": "{ function f() { return 1 } } exports.out = f();",
  "if with a function": "if (true) function f() { return 1 } exports.out = typeof f;",
  "duplicate functions": "exports.out = f(); function f() { return 1 } function f() { return 2 }",
  "a variable and a function of the same name":
    "exports.out = [typeof f]; var f = () => 1; function f() { return 2 } exports.out.push(f());",
  "labelled functions": "exports.out = f(); foo: function f() { return 1 }",
  "names that are reserved elsewhere":
    "var yield_ = 1; var let = 2; var await = 3; var static = 4; const f = () => [let, await, static]; exports.out = f();",
  "yield in a function in a generator":
    "var yield = 1; function* g() { yield function () { return 1 } } exports.out = [...g()].map((f) => f());",
  "await in a function in an async function":
    "var await = 5; async function f() { return function () { return await } } exports.out = typeof f;",
  with: "with ({ a: 1 }) { var f = () => a } exports.out = f();",
  "arguments of the module": "exports.out = typeof (() => arguments.length)();",
  "return at the top": "const f = () => 1; exports.out = f(); if (f()) return; exports.out = 2;",
  "direct eval": "const f = () => { var x = 1; return eval('x') }; exports.out = f();",
  "a require of its own": "var mine = require; exports.out = mine('./dep.cjs').one + (() => 1)();",
  "assignment to module.exports": "module.exports = { out: (() => 1)(), m() { return 1 } };",
  "octal and html comments": "var x = 010; <!-- comment\nexports.out = (() => x)();",
  "await import":
    "const f = async () => { const { add } = await import('./dep.mjs'); return () => add(1, 1) }; exports.out = typeof f;",
};

const typescript: Record<string, string> = {
  "types everywhere":
    "interface A { x: number } type F = typeof f; const f = (a: A): number => a.x; export const out: number = f({ x: 1 } satisfies A as A);",
  "generic arrows":
    "const id = <T,>(x: T): T => x; const id2 = async <T>(x: T) => x; export const out = [id<number>(1), await id2(2), id.name];",
  "assertions around functions":
    "const f = ((() => 1) as () => number), g = (function () { return 2 })!, h = (() => 3) satisfies () => number; export const out = [f(), g(), h(), f.name, g.name, h.name];",
  overloads:
    "function f(x: string): string; function f(x: number): number; function f(x: any): any { return x } export const out = f(1);",
  "overloaded methods":
    "class A { m(x: string): string; m(x: any): any { return x } declare y: string; private z?: () => void = () => {}; readonly w = () => 1 } export const out = [new A().m('a'), new A().w()];",
  "abstract classes":
    "abstract class A { abstract m(): number; n() { return this.m() } } class B extends A { override m() { return 1 } } export const out = new B().n();",
  "exported abstract classes":
    "export abstract class A<T> { protected f = (x: T) => x } export default abstract class B { static s = 1 } export const out = B.s;",
  "this parameters":
    "function f(this: { a: number }, b: number) { return this.a + b } export const out = f.call({ a: 1 }, 2);",
  "return types in conditions":
    "const a = true ? (b: number): number => b : (c: number): number => -c; export const out = a(1);",
  "declarations without values":
    "declare const x: number; declare function y(): void; declare class Z {} declare enum E { A } declare namespace N { const q: number } export const out = (() => typeof globalThis)();",
  "non-null and optional chains":
    "const o: { f?: () => number } = { f: () => 1 }; export const out = [o.f!(), o?.f?.()];",
  "type-only imports":
    'import type { Stats } from "node:fs"; import { type Dirent, statSync } from "node:fs"; const f = (s?: Stats | Dirent) => typeof statSync; export const out = f();',
  "generic classes":
    "class Box<T extends object = {}> implements Iterable<T> { constructor(readonly_: T) { this.v = readonly_ } v: T; *[Symbol.iterator]() { yield this.v } static of<U extends object>(u: U) { return new Box<U>(u) } } export const out = [...Box.of({ a: 1 })].length;",
  "definite assignments and indexes":
    "let f!: () => number; f = () => 1; class A { [key: string]: unknown; a = () => f() } export const out = (new A().a as () => number)();",
  "asserting functions":
    "function check(x: unknown): asserts x is number { if (typeof x !== 'number') throw new Error() } const is = (x: unknown): x is string => typeof x === 'string'; check(1); export const out = is('a');",
  "enums elsewhere": "const Color = { Red: 0 } as const; const f = () => Color.Red; export const out = f();",
  "arrow parameters with defaults and types":
    "const f = ({ a = (() => 1) as () => number }: { a?: () => number } = {}) => a(); export const out = f();",
};

interface Seen {
  readonly out: unknown;
  readonly lines: number;
  /** Of each stamp what it says: the path, the name and the captured names of its function, and its text. */
  readonly stamps: readonly (readonly [path: string, name: string, captured: string, text: string])[];
}

/** What a transformed program shows, and what it should show. */
async function seen(code: string, extension: Extension): Promise<readonly [Seen, Seen]> {
  const ran = await lab.run(code, extension);
  const { units, typescript: typed } = ran.analysis;
  const found: Seen["stamps"][number][] = [];
  const wanted: Seen["stamps"][number][] = [];
  for (const { fn, index, thunk } of ran.stamps) {
    const unit = units[index]!;
    const slice = code.slice(unit.start, unit.end);
    const ownName = /static ?(name|{)/.test(slice);
    // Erased types leave blanks, and inner units have text added.
    const plain = !typed && units.every((each) => each.parent !== index);
    const text = plain ? Function.prototype.toString.call(fn) : slice;
    const captured = unit.free.filter(
      (free) => free.kind === "value" || (free.kind === "unit" && (free.unit === index || !units[free.unit]!.pure)),
    );
    found.push([unit.path, ownName ? unit.name : fn.name, Object.keys(thunk?.() ?? {}).join(), text]);
    wanted.push([unit.path, unit.name, captured.map((free) => free.name).join(), slice]);
  }
  ran.imports?.();
  const lines = (text: string): number => text.split(/\r\n|[\n\r]/).length;
  return [
    { out: ran.exports["out"], lines: lines(ran.transformed), stamps: found },
    { out: ran.original["out"], lines: lines(code), stamps: wanted },
  ];
}

describe("a transformed module does what it did", () => {
  test.each(Object.entries(modules))("%s", async (_, code) => {
    const [found, wanted] = await seen(esm + code, "mjs");
    expect(found).toEqual(wanted);
  });
});

describe("a transformed CommonJS file does what it did", () => {
  const strict = `'use strict'\n${cjs}${commonjs["a directive"]}`;
  const cases = Object.entries(commonjs).map(([title, code]) => [title, cjs + code]);
  test.each([...cases, ["use strict", strict]])("%s", async (_, code) => {
    const [found, wanted] = await seen(code!, "cjs");
    expect(found).toEqual(wanted);
  });
});

describe("a transformed TypeScript module does what it did", () => {
  test.each(Object.entries(typescript))("%s", async (_, code) => {
    const [found, wanted] = await seen(esm + code, "ts");
    expect(found).toEqual(wanted);
  });
});

describe("what has to be first stays first", () => {
  test.each<[string, Extension]>([
    [`#!/usr/bin/env node\n'use strict'\n'another'\n${esm}function f() { return 1 }\nexport const out = f()`, "mjs"],
    [`\ufeff${esm}const f = () => '😀'; export const out = f()`, "mjs"],
    [`#!/usr/bin/env node\n${cjs}exports.out = f()(); function f() { return () => 1 }`, "cjs"],
  ])("%j", async (code, extension) => {
    const [found, wanted] = await seen(code, extension);
    expect(found).toEqual(wanted);
  });
});

test("a function called through a cycle before its module has run is stamped in it", async () => {
  const ran = await lab.run(`${cjs}exports.out = (() => 1)();`, "cjs");
  expect(ran.transformed).toContain("function $tb0(...given)");
});

const options = { register: "import.meta.url", embed: "null", key: "k" };

describe("only files that import the package are touched", () => {
  test.each([
    ['import { flame } from "tinderbox"; () => 1', true],
    ["import { flame } from 'tinderbox/pool'; () => 1", true],
    ['import "tinderbox"; () => 1', true],
    ['const t = await import("tinderbox"); () => 1', true],
    ['const t = require("tinderbox"); () => 1', true],
    ['import tinderbox, {\n  flame,\n} from "tinderbox"; () => 1', true],
    ['import type { Pool } from "tinderbox"; () => 1', false],
    ['import { type Pool } from "tinderbox"; () => 1', false],
    ['const s = `import { flame } from "tinderbox"`; () => 1', false],
    ['// import { flame } from "tinderbox"\n() => 1', false],
    ['import { flame } from "tinderboxes"; () => 1', false],
    ['import { flame } from "./tinderbox"; () => 1', false],
    ["() => 1", false],
    [
      'import { createRequire } from "module"; const r = createRequire(import.meta.url); const { flame } = r("tinderbox");',
      true,
    ],
    ['import { flame } from /* it\'s */ "tinderbox"; () => 1', true],
    ['const tinderbox = "tinderbox"; import("x"); () => 1', false],
    ['import { flame } from "tinderbox"; const = 1', false],
  ])("%s", (code, expected) => {
    expect([transform(code, "/a.ts", options) !== null, expected && !importsTinderbox(code)]).toEqual([
      expected,
      false,
    ]);
  });
});

describe("decorated classes, and others that cannot be expressions, keep their text", () => {
  test.each([
    "@a(() => 1) class A { @b m() {} }",
    "@a export class A {}",
    "export @a class A { @b(() => 1) x = 1 }",
    "export default @a class {}",
    "const A = @a class {};",
    "@a export default class A {}",
    "export default abstract class { abstract m(): void }",
  ])("%s", (text) => {
    const { code } = transform(`${esm}${text}\nconst f = () => 1;`, "/a.ts", options)!;
    expect(code).toContain(text.replace(/;$/, ""));
    expect(transform(code, "/a.ts", options)).not.toBeNull();
  });
});

test("what is embedded becomes one string on one line", () => {
  const embed = JSON.stringify({ source: "a\nb", analysis: {} }, null, 2);
  const { code } = transform(`${esm}const f = () => 1;`, "/a.ts", { ...options, embed })!;
  expect(code.split("\n").length).toBe(2);
  expect(code).toContain(JSON.stringify(embed));
});

test("a source map leads back to the original columns", () => {
  const { code, map } = transform(`${esm}const f = () => 1;`, "/a.ts", { ...options, sourcemap: true })!;
  expect(map?.sources).toEqual(["/a.ts"]);
  expect(map?.mappings.length).toBeGreaterThan(10);
  expect(code).toBe(transform(`${esm}const f = () => 1;`, "/a.ts", options)!.code);
});

test("the imports that types alone use are left out", () => {
  const { code } = transform(`${esm}import { A, b } from "x"; const f = (a: A) => b;`, "/a.ts", options)!;
  expect(code).toContain("() => ({ b }))");
});
