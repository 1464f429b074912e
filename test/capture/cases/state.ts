import { family } from "../case.ts";

const it = family("state");
export const state = it.cases;

it.works("statics hold between calls", `
class Counter { static count = 0; static next() { return ++Counter.count; } }
export const run = async () => [await flame(() => Counter.next()), await flame(() => Counter.next()), await flame(() => Counter.next() * 10), Counter.count];
`, [1, 2, 30, 0]);

it.works("properties of functions hold between calls", `
function next(): number { return (next.count = (next.count ?? 0) + 1); }
next.count = undefined as number | undefined;
export const run = async () => [await flame(() => next()), await flame(() => next())];
`, [1, 2]);

it.works("cache of a function that captures it holds between calls", `
const cache = new Map<number, number>();
let misses = { count: 0 };
function square(n: number) { if (!cache.has(n)) { misses.count++; cache.set(n, n * n); } return [cache.get(n), misses.count]; }
export const run = async () => [await flame(() => square(4)), await flame(() => square(4)), await flame(() => square(5)), cache.size];
`, [[16, 1], [16, 1], [25, 2], 0]);

it.works("captured map is a fresh copy for each call of the closure", `
const seen = new Map<string, number>();
export const run = async () => {
  const call = () => flame(() => { seen.set("n", (seen.get("n") ?? 0) + 1); return seen.get("n"); });
  return [await call(), await call(), seen.size];
};
`, [1, 1, 0]);

it.works("a map that closure and function share is a fresh copy", `
const cache = new Map<number, number>();
function put(n: number) { cache.set(n, n); return cache.size; }
export const run = async () => { const call = (n: number) => flame(() => [put(n), cache.size]); return [await call(1), await call(2)]; };
`, [[1, 1], [1, 1]]);

it.works("classes that capture hold between calls with the same captures", `
const step = 5;
class Counter { static count = 0; static next() { return (Counter.count += step); } }
export const run = async () => [await flame(() => Counter.next()), await flame(() => Counter.next())];
`, [5, 10]);

it.works("different captures are separate", `
const make = (step: number) => class Counter { static count = 0; static next() { return (this.count += step); } };
const One = make(1), Ten = make(10);
export const run = async () => [await flame(() => One.next()), await flame(() => Ten.next()), await flame(() => One.next()), await flame(() => Ten.next())];
`, [1, 10, 2, 20]);

it.works("a changed capture is another function", `
let step = 1;
class Counter { static count = 0; static next() { return (Counter.count += step); } }
export const run = async () => { const all = [await flame(() => Counter.next())]; step = 100; all.push(await flame(() => Counter.next())); step = 1; all.push(await flame(() => Counter.next())); return all; };
`, [1, 100, 2]);

it.works("group of functions that reach each other", `
const log: string[] = [];
const ping = (n: number): number => { log.push("ping"); return n === 0 ? log.length : pong(n - 1); };
const pong = (n: number): number => { log.push("pong"); return n === 0 ? log.length : ping(n - 1); };
export const run = async () => [await flame(() => ping(2)), await flame(() => pong(0)), log.length];
`, [3, 4, 0]);

it.works("functions that share a variable share its state", `
const counts = { n: 0 };
const up = () => ++counts.n;
const both = { up, read: () => counts.n };
export const run = async () => [await flame(() => { both.up(); return both.read(); })];
`, [1]);

it.works("class identity between two closures", `
class Token { id: number; constructor(id: number) { this.id = id; } }
export const run = async () => {
  const token = await flame(() => new Token(1));
  return [await flame(() => token instanceof Token), await flame(() => { (globalThis as any).TokenSeen = Token; return true; }), await flame(() => (globalThis as any).TokenSeen === Token)];
};
`, [true, true, true]);

it.works("class identity between closures, class that captures", `
const prefix = "t";
class Token { id = prefix + 1; }
export const run = async () => [await flame(() => { (globalThis as any).TokenSeen2 = new Token(); return 1; }), await flame(() => (globalThis as any).TokenSeen2 instanceof Token)];
`, [1, true]);

it.works("helper identity between closures", `
const helper = () => 1;
export const run = async () => [await flame(() => { (globalThis as any).helperSeen = helper; return 1; }), await flame(() => (globalThis as any).helperSeen === helper)];
`, [1, true]);

it.works("lazy singleton of a declaration", `
class Database { static #open: Database | undefined; static opened = 0; static get open() { return (Database.#open ??= (Database.opened++, new Database())); } query() { return Database.opened; } }
export const run = async () => [await flame(() => Database.open.query()), await flame(() => Database.open.query())];
`, [1, 1]);

it.works("changes there do not change the value here", `
const state = { list: [1], inner: { n: 1 } };
export const run = async () => { const back = await flame(() => { state.list.push(2); state.inner.n = 9; return state; }); return [back, state]; };
`, [{ list: [1, 2], inner: { n: 9 } }, { list: [1], inner: { n: 1 } }]);

it.works("values are those of the moment of the call", `
let n = 1;
const object = { n: 1 };
export const run = async () => { const call = flame(() => [n, object.n]); n = 2; object.n = 2; const other = flame(() => [n, object.n]); return [await call, await other]; };
`, [[1, 1], [2, 2]]);

it.works("arrays changed right after the call", `
export const run = async () => {
  const list = [1, 2, 3];
  const call = flame(() => list.join());
  list.length = 0;
  list.push(9);
  return [await call, list];
};
`, ["1,2,3", [9]]);

it.works("many calls in flight keep their own variables", `
export const run = async () => { const all = await Promise.all(Array.from({ length: 200 }, (_, i) => flame(() => i * 2))); return [all.length, all.every((n, i) => n === i * 2)]; };
`, [200, true]);

it.works("results do not share objects with later calls", `
const shared = { n: 0 };
export const run = async () => { const one = await flame(() => { shared.n++; return shared; }); const two = await flame(() => { shared.n++; return shared; }); return [one.n, two.n, (one as unknown) === two]; };
`, [1, 1, false]);

it.works("stack of an error names the user's own line", `
function thrower() {
  throw new Error("told"); // the fourth line of the file
}
export const run = () => flame(() => thrower()).catch((error: Error) => [/index\\.ts:3:9\\)/.test(error.stack!), error.stack!.includes("flame="), /index\\.ts:5:/.test(error.stack!)]);
`, [true, false, true], { notIn: { compiled: "lines and columns are those of the compiled text", javascript: "the file has another name" } });
