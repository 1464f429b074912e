import { family } from "../case.ts";

const it = family("functions");
export const functions = it.cases;

it.works("helper of the same file", `
function area(width: number, height: number) { return width * height; }
export const run = () => flame(() => area(3, 4));
`, 12);

it.works("arrow helper", `
const double = (n: number) => n * 2;
export const run = () => flame(() => double(4));
`, 8);

it.works("helper that uses a helper", `
const one = () => 1;
const two = () => one() + one();
const four = () => two() + two();
export const run = () => flame(() => four());
`, 4);

it.works("helper that captures", `
let base = 10;
const add = (n: number) => n + base;
export const run = () => { base = 20; return flame(() => add(1)); };
`, 21);

it.works("helper declared below", `
export const run = () => flame(() => below(2));
function below(n: number) { return n * later; }
const later = 50;
`, 100);

it.works("async helper", `
async function get(n: number) { await null; return n + 1; }
export const run = () => flame(async () => (await get(1)) + (await get(2)));
`, 5);

it.works("generator helper", `
function* count(to: number) { for (let i = 0; i < to; i++) yield i; }
export const run = () => flame(() => [...count(4)]);
`, [0, 1, 2, 3]);

it.works("async generator helper", `
const step = 2;
async function* count(to: number) { for (let i = 0; i < to; i += step) yield i; }
export const run = () => flame(async () => { const all = []; for await (const n of count(7)) all.push(n); return all; });
`, [0, 2, 4, 6]);

it.works("recursion", `
function fibonacci(n: number): number { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
export const run = () => flame(() => fibonacci(15));
`, 610);

it.works("recursion that captures", `
let floor = 2;
const walk = (n: number): number => (n <= floor ? n : walk(n - 1) + 1);
export const run = () => flame(() => walk(6));
`, 6);

it.works("mutual recursion", `
function even(n: number): boolean { return n === 0 || odd(n - 1); }
function odd(n: number): boolean { return n !== 0 && even(n - 1); }
export const run = () => flame(() => [even(10), odd(10), odd(7)]);
`, [true, false, true]);

it.works("mutual recursion that captures", `
let end = 0;
const even = (n: number): boolean => n === end || odd(n - 1);
const odd = (n: number): boolean => n !== end && even(n - 1);
export const run = () => flame(() => [even(4), even(5)]);
`, [true, false]);

it.works("recursion of the closure itself", `
const depth = 3;
const job = (_context: unknown, n = 0): number => (n < depth ? job(_context, n + 1) : n);
export const run = () => flame(job);
`, 3);

it.works("functions three deep", `
const a = 1;
const outer = () => {
  const b = 2;
  const middle = () => {
    const c = 3;
    const inner = () => a + b + c;
    return inner;
  };
  return middle();
};
const made = outer();
export const run = () => flame(() => made());
`, 6);

it.works("closure that makes closures", `
const a = 1;
export const run = () => flame(() => {
  const make = (b: number) => (c: number) => (d: number) => a + b + c + d;
  return make(10)(100)(1000);
});
`, 1111);

it.works("two functions of one maker", `
const make = (n: number) => () => n;
const one = make(1), two = make(2);
export const run = () => flame(() => [one(), two(), one === one, one === (two as unknown)]);
`, [1, 2, true, false]);

it.works("functions of one maker share their scope's objects", `
const pair = () => { const log: string[] = []; return { write: (text: string) => void log.push(text), read: () => log }; };
const { write, read } = pair();
export const run = () => flame(() => { write("a"); write("b"); return read(); });
`, ["a", "b"]);

it.works("function in a captured object", `
const tools = { double: (n: number) => n * 2, half: function (n: number) { return n / 2; } };
export const run = () => flame(() => [tools.double(4), tools.half(4), tools.double.name, tools.half.name]);
`, [8, 2, "double", "half"]);

it.works("methods in a captured object", `
const unit = "px";
const tools = {
  base: 3,
  plain(n: number) { return this.base + n + unit; },
  async later() { return this.plain(1); },
  *many() { yield this.base; yield unit; },
  "quoted name"() { return 1; },
  ["computed"]() { return 2; },
  7() { return 3; },
} as Record<string, any>;
export const run = () => flame(async () => [tools.plain(1), await tools.later(), [...tools.many()], tools["quoted name"](), tools.computed(), tools[7]()]);
`, ["4px", "4px", [3, "px"], 1, 2, 3]);

it.works("methods in a captured object beside one with a computed name", `
const tools = { plain() { return 1; }, ["computed" + Math.min(1, 2)]() { return 2; } } as Record<string, any>;
export const run = () => flame(() => [tools.plain(), tools.computed1()]);
`, [1, 2], { broken: { stamps: "an object literal with a name that is computed is not stamped" } });

it.works("functions in an array, a Map and a Set", `
const add = (n: number) => n + 1;
const list = [add, (n: number) => n * 3];
const map = new Map([["add", add]]);
const set = new Set([add]);
export const run = () => flame(() => [list.map((fn) => fn(2)), map.get("add")!(5), [...set][0]!(6), list[0] === map.get("add"), set.has(add)]);
`, [[3, 6], 6, 7, true, true]);

it.works("function deep in a captured graph", `
const suffix = "!";
const registry = { routes: [{ path: "/", handlers: new Map([["get", [(name: string) => name + suffix]]]) }] };
export const run = () => flame(() => registry.routes[0]!.handlers.get("get")![0]!("hello"));
`, "hello!");

it.works("object whose methods call each other through a variable", `
const api = { a: (): number => api.b() + 1, b: () => 41 };
export const run = () => flame(() => api.a());
`, 42);

it.works("imported function in a captured object", `
import { join } from "./join.ts";
const tools = { join, list: [join] };
export const run = () => flame(() => [tools.join("a", "b"), tools.list[0] === join]);
`, ["a-b", true], { files: { "join.ts": `export const join = (a: string, b: string) => a + "-" + b;\n` } });

it.works("imported function under another name", `
import { join } from "./join.ts";
const alias = join;
export const run = () => flame(() => alias("a", "b"));
`, "a-b", { broken: { chunks: "there is no chunk for an import that only a value holds" }, files: { "join.ts": `export function join(a: string, b: string) { return a + "-" + b; }\n` } });

it.works("imported function as the closure", `
import { job } from "./job.ts";
export const run = () => flame(job);
`, "imported job", { files: { "job.ts": `const text = "imported job";\nexport function job() { return text; }\n` } });

it.works("native functions by their global names", `
export const run = () => flame(() => [Math.max(1, 2), parseInt("12px", 10), structuredClone([1]), [3, 1].toSorted()]);
`, [2, 12, [1], [1, 3]]);

it.works("function of another file that uses the package", `
import { makeAdder } from "./other.ts";
const add = makeAdder(5);
export const run = () => flame(() => add(2));
`, 7, { files: { "other.ts": `import { flame } from "tinderbox";\nexport { flame };\nexport const makeAdder = (n: number) => (m: number) => n + m;\n` } });

it.works("name and length of functions", `
const named = (a: number, b: number) => a + b;
const other = { key: (a: number) => a };
function plain() {}
export const run = () => flame(() => [named.name, named.length, other.key.name, plain.name]);
`, ["named", 2, "key", "plain"], { notIn: { minified: "names are shortened" } });

it.works("reassigned function variable", `
let current = () => "first";
current = () => "second";
export const run = () => flame(() => current());
`, "second");

it.works("reassigned function declaration", `
function current(): string { return "first"; }
const first = current;
// @ts-expect-error: a function is assigned to
current = () => first() + " wrapped";
export const run = () => flame(() => current());
`, "first wrapped", { notIn: { tsx: "esbuild refuses it", bundle: "bundlers refuse it" } });

it.works("function in a parameter with a closure around it", `
const apply = (fn: (n: number) => number) => flame(() => fn(20) + 1);
const factor = 2;
export const run = () => apply((n) => n * factor);
`, 41);

it.works("curried helpers with captured options", `
const options = { trim: true, upper: false };
const clean = (text: string) => (options.trim ? text.trim() : text);
const shout = (text: string) => (options.upper ? text.toUpperCase() : clean(text));
export const run = () => flame(() => shout("  hi "));
`, "hi");

it.works("function used as a constructor", `
function Point(this: { x: number }, x: number) { this.x = x; }
Point.prototype.twice = function () { return this.x * 2; };
export const run = () => flame(() => { const p = Reflect.construct(Point, [4]); return p.x; });
`, 4);

it.works("exported default function", `
export default function job() { return helper() + 1; }
const helper = () => 1;
export const run = () => flame(job);
`, 2);

it.works("anonymous default function", `
export default () => "anonymous";
export const run = async () => flame((await import("./index.ts")).default);
`, "anonymous", { notIn: { javascript: "the file has another name" } });

it.works("sloppy function of a CommonJS module", `
function sloppy() { return typeof this; }
exports.run = () => flame(() => sloppy());
`, "object", { language: "cjs" });
