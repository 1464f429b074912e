import { family } from "../case.ts";

const it = family("bindings");
export const bindings = it.cases;

it.works("const of the module", `
const width = 4;
export const run = () => flame(() => width * 2);
`, 8);

it.works("let of the module, as it is at the call", `
let width = 4;
width += 1;
export const run = () => flame(() => width * 2);
`, 10);

it.works("var of the module", `
var width = 4;
export const run = () => flame(() => width * 2);
`, 8);

it.works("exported const", `
export const width = 4;
export const run = () => flame(() => width * 2);
`, 8);

it.works("const of a function", `
export function run() {
  const local = "a";
  return flame(() => local + "b");
}
`, "ab");

it.works("let of a block", `
export function run() {
  const calls: Promise<string>[] = [];
  if (calls.length === 0) {
    let inner = "block";
    calls.push(flame(() => inner));
  }
  return calls[0];
}
`, "block");

it.works("var hoisted out of a block", `
export function run() {
  if (true) {
    var hoisted = 7;
  }
  return flame(() => hoisted);
}
`, 7);

it.works("parameter", `
const call = (left: number, right: number) => flame(() => left - right);
export const run = () => call(9, 2);
`, 7);

it.works("destructured parameter", `
const call = ({ left, to: { right } }: { left: number; to: { right: number } }, [first]: number[]) => flame(() => [left, right, first]);
export const run = () => call({ left: 1, to: { right: 2 } }, [3, 4]);
`, [1, 2, 3]);

it.works("parameter with a default", `
const call = (left: number, right = left * 2) => flame(() => [left, right]);
export const run = () => call(4);
`, [4, 8]);

it.works("rest parameter", `
const call = (first: string, ...rest: string[]) => flame(() => first + rest.length + rest.join());
export const run = () => call("a", "b", "c");
`, "a2b,c");

it.works("catch parameter", `
export function run() {
  try {
    throw Object.assign(new Error("told"), { code: "E1" });
  } catch (error) {
    return flame(() => [(error as Error).message, (error as { code: string }).code, error instanceof Error]);
  }
}
`, ["told", "E1", true]);

it.works("destructured catch parameter", `
export function run() {
  try {
    throw new Error("told");
  } catch ({ message }) {
    return flame(() => message);
  }
}
`, "told");

it.works("for-of variable", `
export async function run() {
  const calls = [];
  for (const item of ["a", "b", "c"]) calls.push(flame(() => item + item));
  return Promise.all(calls);
}
`, ["aa", "bb", "cc"]);

it.works("for-of with destructuring", `
export async function run() {
  const calls = [];
  for (const [key, { value = "none" }] of Object.entries({ a: { value: "x" }, b: {} } as Record<string, { value?: string }>)) calls.push(flame(() => key + value));
  return Promise.all(calls);
}
`, ["ax", "bnone"]);

it.works("for-in variable", `
export async function run() {
  const calls = [];
  for (const key in { a: 1, b: 2 }) calls.push(flame(() => key));
  return Promise.all(calls);
}
`, ["a", "b"]);

it.works("for-let of each iteration", `
export async function run() {
  const calls = [];
  for (let index = 0; index < 3; index++) calls.push(flame(() => index * 10));
  return Promise.all(calls);
}
`, [0, 10, 20]);

it.works("for-await variable", `
async function* source() { yield 1; yield 2; }
export async function run() {
  const found: number[] = [];
  for await (const item of source()) found.push(await flame(() => item + 0.5));
  return found;
}
`, [1.5, 2.5]);

it.works("for-var variable shared by all iterations", `
export async function run() {
  for (var index = 0; index < 3; index++);
  return flame(() => index);
}
`, 3);

it.works("array destructuring with holes, defaults and rest", `
const [first, , third = 3, ...others] = [1, 2, undefined, 4, 5];
export const run = () => flame(() => ({ first, third, others }));
`, { first: 1, third: 3, others: [4, 5] });

it.works("object destructuring with renaming, defaults and rest", `
const { a, b: renamed, c = "c", ["d" + 1]: computed, ...others } = { a: 1, b: 2, d1: 3, e: 4, f: 5 } as Record<string, unknown>;
export const run = () => flame(() => ({ a, renamed, c, computed, others }));
`, { a: 1, renamed: 2, c: "c", computed: 3, others: { e: 4, f: 5 } });

it.works("nested destructuring", `
const { user: { name, tags: [tag] }, user } = { user: { name: "n", tags: ["t", "u"] } };
export const run = () => flame(() => [name, tag, user.tags.length]);
`, ["n", "t", 2]);

it.works("destructuring assignment before the call", `
let left = 1, right = 2;
[left, right] = [right, left];
export const run = () => flame(() => [left, right]);
`, [2, 1]);

it.works("switch case", `
export function run() {
  switch (1 as number) {
    case 1: {
      const inner = "one";
      return flame(() => inner);
    }
    default:
      return "other";
  }
}
`, "one");

it.works("switch without blocks", `
export function run() {
  switch (2 as number) {
    case 1:
      const shared = "one";
    case 2:
      const other = "two";
      return flame(() => other);
  }
}
`, "two");

it.works("local of a method", `
class Service {
  factor = 3;
  start() {
    const { factor } = this;
    return flame(() => factor * 2);
  }
}
export const run = () => new Service().start();
`, 6);

it.works("local of a static block", `
class Holder {
  static call: () => Promise<number>;
  static {
    const secret = 11;
    Holder.call = () => flame(() => secret);
  }
}
export const run = () => Holder.call();
`, 11);

it.works("local of a constructor", `
class Job {
  result: Promise<number>;
  constructor(size: number) {
    const doubled = size * 2;
    this.result = flame(() => doubled + size);
  }
}
export const run = () => new Job(5).result;
`, 15);

it.works("local of an object's method and getter", `
const object = {
  method() { const a = 1; return flame(() => a); },
  get property() { const b = 2; return flame(() => b); },
};
export const run = async () => [await object.method(), await object.property];
`, [1, 2]);

it.works("local of a generator", `
function* make() {
  const inner = "from a generator";
  yield flame(() => inner);
}
export const run = () => make().next().value;
`, "from a generator");

it.works("local of an async function after await", `
export async function run() {
  const early = await Promise.resolve(1);
  const late = early + 1;
  return flame(() => [early, late]);
}
`, [1, 2]);

it.works("closure in a default parameter", `
const make = (size: number, call = () => flame(() => size + 1)) => call();
export const run = () => make(1);
`, 2);

it.works("own name of a function expression", `
const factorial = function self(n: number): number { return n < 2 ? 1 : n * self(n - 1); };
export const run = () => flame(() => factorial(5));
`, 120);

it.works("own name of a class expression", `
const Node = class Inner { static make() { return new Inner(); } kind = "inner"; };
export const run = () => flame(() => Node.make().kind);
`, "inner");

it.works("immediately invoked function", `
export const run = () => ((hidden: number) => flame(() => hidden))(13);
`, 13);

it.works("names at three levels", `
const one = 1;
export function run() {
  const two = 2;
  return (() => {
    const three = 3;
    return flame(() => [one, two, three]);
  })();
}
`, [1, 2, 3]);

it.works("closure kept in a variable", `
const base = 40;
const closure = () => base + 2;
export const run = () => flame(closure);
`, 42);

it.works("closure is a function declaration", `
const base = 40;
function job() { return base + 2; }
export const run = () => flame(job);
`, 42);

it.works("closure is an async function expression", `
export const run = () => flame(async function () { return await Promise.resolve("async"); });
`, "async");

it.works("closure is a method of an object literal", `
const offset = 3;
const jobs = { async count() { return offset + 1; } };
export const run = () => flame(jobs.count);
`, 4);

it.works("flame under another name", `
import { flame as burn } from "tinderbox";
const n = 2;
export const run = () => burn(() => n * n);
`, 4);

it.works("flame of a namespace", `
import * as tinderbox from "tinderbox";
const n = 3;
export const run = () => tinderbox.flame(() => n * n);
`, 9);

it.works("flame behind a wrapper of the same file", `
const twice = async (fn: () => number) => [await flame(fn), await flame(fn)];
const n = 5;
export const run = () => twice(() => n + 1);
`, [6, 6]);

it.works("flame behind closure()", `
import { flame, closure } from "tinderbox";
const call = <T>(fn: () => T) => flame(closure(fn));
const n = 6;
export const run = () => call(() => n + 1);
`, 7);

it.works("context argument", `
export const run = () => flame(({ runner, signal }) => [runner.pool, typeof runner.id, runner.attempt, signal.aborted]);
`, ["default", "string", 0, false]);

it.works("own parameter with a default of a captured value", `
const fallback = { size: 9 };
export const run = () => flame((_context, size = fallback.size) => size);
`, 9);

it.works("uninitialised variable is the language's own error", `
export async function run() {
  const call = flame(() => later).catch((error: Error) => [error.name, error.message.includes("later")]);
  const later = 1;
  return call;
}
`, ["ReferenceError", true], { notIn: { minified: "names are shortened" } });

it.works("undeclared global is the language's own error there", `
declare const nowhere: number;
export const run = () => flame(() => nowhere).catch((error: Error) => [error.name, error.message]);
`, ["ReferenceError", "nowhere is not defined"]);

it.works("names that look like others", `
const $ = 1, _ = 2, été = 3, \\u0061bc = 4, of = 5, async = 6, get = 7, type = 8;
export const run = () => flame(() => [$, _, été, abc, of, async, get, type]);
`, [1, 2, 3, 4, 5, 6, 7, 8]);

it.works("names of what surrounds the generated module", `
const value = 1, fill = 2, imports = 3, module = 4, exports = 5, factory = 6, early = 7, late = 8, require = 9;
export const run = () => flame(() => [value, fill, imports, module, exports, factory, early, late, require]);
`, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
