import { family } from "../case.ts";

const it = family("shadowing");
export const shadowing = it.cases;

it.works("inner const", `
const x = 1;
export function run() {
  const x = 2;
  return flame(() => x);
}
`, 2);

it.works("parameter of the function around", `
const x = 1;
const call = (x: number) => flame(() => x);
export const run = async () => [await call(5), await flame(() => x)];
`, [5, 1]);

it.works("own parameter", `
const x = 1;
export const run = () => flame(() => [3].map((x) => x + 1).concat(x));
`, [4, 1]);

it.works("block in the closure", `
const x = "outer";
export const run = () => flame(() => {
  const found = [x];
  { const x = "inner"; found.push(x); }
  found.push(x);
  return found;
});
`, ["outer", "inner", "outer"]);

it.works("catch parameter in the closure", `
const error = "outer";
export const run = () => flame(() => {
  try { throw "thrown"; } catch (error) { return [error]; }
});
`, ["thrown"]);

it.works("class name", `
class Shape { kind = "outer"; }
export function run() {
  class Shape { kind = "inner"; }
  return flame(() => new Shape().kind);
}
`, "inner");

it.works("both classes of one name", `
class Shape { kind = "outer"; }
const Outer = Shape;
export function run() {
  class Shape { kind = "inner"; }
  return flame(() => [new Shape().kind, new Outer().kind]);
}
`, ["inner", "outer"]);

it.works("label with the name of a variable", `
const loop = 3;
export const run = () => flame(() => {
  let count = 0;
  loop: for (let i = 0; i < 5; i++) {
    for (;;) { if (i > loop) break loop; count++; continue loop; }
  }
  return count;
});
`, 4);

it.works("own function of the name", `
const helper = () => "outer";
export const run = () => flame(() => {
  function helper() { return "inner"; }
  return helper();
});
`, "inner");

it.works("own var hoisted above its use", `
const x = 1;
export const run = () => flame(() => {
  const seen = typeof x;
  if (seen) { var x = 2; }
  return [seen, x];
});
`, ["undefined", 2]);

it.works("name of a function expression", `
const self = "outer";
export const run = () => flame(function self(): string { return typeof self; });
`, "function");

it.works("for-let in the closure", `
const i = 100;
export const run = () => flame(() => {
  let sum = 0;
  for (let i = 0; i < 3; i++) sum += i;
  return sum + i;
});
`, 103);

it.works("destructured locals in the closure", `
const a = 1, b = 2;
export const run = () => flame(() => {
  const { a, c: [b] } = { a: 10, c: [20] };
  return [a, b];
});
`, [10, 20]);

it.works("global of the same name", `
const Map = class { kind = "mine"; };
const process = { pid: "mine" };
export const run = () => flame(() => [new Map().kind, process.pid]);
`, ["mine", "mine"]);

it.works("import of the same name", `
import { join } from "node:path";
export const outer = join;
export function run() {
  const join = "not the import";
  return flame(() => join);
}
`, "not the import");

it.works("property names are not variables", `
const size = 1, name = "n";
export const run = () => flame(() => ({ size: 2, name, inner: { size }, ["name" + size]: 3 }).inner.size + { size: 5 }.size);
`, 6);

it.works("shorthand properties and methods", `
const size = 1;
export const run = () => flame(() => {
  const object = { size, name() { return size + 1; } };
  return [object.size, object.name()];
});
`, [1, 2]);

it.works("two closures see different variables of one name", `
export async function run() {
  const made = [];
  { const x = "first"; made.push(() => x); }
  { const x = "second"; made.push(() => x); }
  return Promise.all(made.map((fn) => flame(fn)));
}
`, ["first", "second"]);

it.works("function parameter default sees the outer name", `
const x = 1;
export const run = () => flame(() => ((y = x) => { const x = 5; return [x, y]; })());
`, [5, 1]);

it.works("class member names are not variables", `
const count = 7;
export const run = () => flame(() => {
  class Counter { count = count + 1; static count = count; get twice() { return this.count * 2; } }
  return [new Counter().count, Counter.count, new Counter().twice];
});
`, [8, 7, 16]);

it.works("helper shadowed in one of its callers", `
function helper() { return "module"; }
function left() { return helper(); }
function right() { const helper = () => "local"; return helper(); }
export const run = () => flame(() => [left(), right()]);
`, ["module", "local"]);

it.works("own name of a function around, where another variable has that name", `
const start = 1;
{
  const down = 5;
  void (() => down);
  var call = function down(n: number): unknown { return n === 0 ? start : flame(() => [typeof down, n]); };
}
export const run = () => call(2);
`, ["function", 2], { notIn: { inspector: "V8 does not show the name" } });
