import { family } from "../case.ts";

const it = family("values");
export const values = it.cases;

/** Their hidden properties are the engine's own. */
const opaque = /errors|exceptions|URL|typed/;

/** Each is captured, looked at there, returned, and looked at here. */
const expressions: Record<string, string> = {
  undefined: `undefined`,
  null: `null`,
  "not a number, infinities and minus zero": `[NaN, Infinity, -Infinity, -0, 0, Number.MAX_SAFE_INTEGER, 5e-324]`,
  bigints: `[0n, -1n, 2n ** 200n]`,
  "strings of all kinds": `["", "é日😀", "\\u0000\\ud800", "a".repeat(100_000)]`,
  symbols: `[Symbol.for("shared"), Symbol.iterator]`,
  dates: `[new Date(0), new Date(NaN), new Date(8.64e15)]`,
  "regular expressions": `[/a(?<b>c)/giu, Object.assign(/x/y, { lastIndex: 3 }), new RegExp("[\\\\p{L}]", "v")]`,
  "maps and sets": `[new Map<unknown, unknown>([["a", new Set([1, NaN])], [{ k: 1 }, new Map()], [undefined, null]]), new Set([new Set()])]`,
  "sparse arrays and arrays with properties": `[[1, , 3], Object.assign([1], { extra: true }), new Array(5)]`,
  "objects without a prototype": `Object.assign(Object.create(null), { a: 1, ["__proto__"]: 2 })`,
  "symbol keys": `{ [Symbol.for("key")]: 1, [Symbol.toStringTag]: "Tagged" }`,
  "frozen and sealed objects": `[Object.freeze({ a: 1 }), Object.seal([1]), Object.preventExtensions({})]`,
  "hidden and fixed properties": `Object.defineProperties({}, { hidden: { value: 1, enumerable: false }, fixed: { value: 2, enumerable: true } })`,
  "errors with code and cause": `Object.assign(new TypeError("t", { cause: new RangeError("r", { cause: { deep: 1 } }) }), { code: "E_X", at: new Date(1) })`,
  "aggregate errors": `new AggregateError([new Error("a"), 2], "many")`,
  "DOM exceptions": `new DOMException("m", "DataCloneError")`,
  "URL, URLSearchParams and Headers": `[new URL("https://u:p@host:81/p?q=1#h"), new URLSearchParams("a=1&a=2&b=%20"), new Headers([["accept", "1"], ["set-cookie", "a"], ["set-cookie", "b"]])]`,
  "array buffers": `[new ArrayBuffer(3), Uint8Array.from([1, 2]).buffer, new ArrayBuffer(2, { maxByteLength: 8 })]`,
  "typed arrays": `[new Uint8Array([1]), new Int8Array([-1]), new Uint8ClampedArray([300]), new Uint16Array([65535]), new Int16Array([-2]), new Uint32Array([1]), new Int32Array([-1]), new Float32Array([0.5]), new Float64Array([Math.PI]), new BigInt64Array([-1n]), new BigUint64Array([1n]), new DataView(new ArrayBuffer(4))]`,
  "Node's buffers": `[Buffer.from("text"), Buffer.alloc(3, 7), Buffer.from([1, 2, 3]).subarray(1)]`,
  "boxed primitives": `[Object(1), Object("s"), Object(true), Object(1n)]`,
  "empty containers": `[{}, [], new Map(), new Set(), "", Object.create(null)]`,
};

for (const [name, expression] of Object.entries(expressions)) {
  it.works(name, `
import { inspect } from "node:util";
const look = (value: unknown) => inspect(value, { depth: 9, showHidden: ${!opaque.test(name)}, maxStringLength: null, maxArrayLength: null }).replace(/^ +at .*\\n?/gm, "");
const value: unknown = ${expression};
export const run = async () => {
  const [there, back] = await flame(() => [look(value), value] as const);
  const here = look(value);
  return [there === here || [there, here], look(back) === here || [look(back), here]];
};
`, [true, true]);
}

it.works("-0 and NaN as themselves", `
const zero = -0, nothing = NaN;
export const run = async () => { const back = await flame(() => [Object.is(zero, -0), Object.is(nothing, NaN), zero, nothing] as const); return [back[0], back[1], Object.is(back[2], -0), Object.is(back[3], NaN)]; };
`, [true, true, true, true]);

it.works("blob", `
const blob = new Blob(["hel", new Uint8Array([108, 111])], { type: "text/plain" });
export const run = async () => { const [there, back] = await flame(async () => [await blob.text(), new Blob([blob, "!"], { type: "x/y" })] as const); return [there, await back.text(), back.type, back instanceof Blob]; };
`, ["hello", "hello!", "x/y", true]);

it.works("file", `
const file = new File(["content"], "name.txt", { type: "text/plain", lastModified: 5 });
export const run = async () => { const back = await flame(() => file); return [back instanceof File, back.name, back.lastModified, await back.text()]; };
`, [true, "name.txt", 5, "content"]);

it.works("cycles", `
const node: Record<string, unknown> = { name: "n" };
node.self = node;
node.list = [node, new Map([[node, node]])];
export const run = async () => {
  const back = await flame(() => { if (node.self !== node) throw new Error("not the same"); return node; });
  return [back.self === back, (back.list as unknown[])[0] === back, ((back.list as unknown[])[1] as Map<unknown, unknown>).get(back) === back];
};
`, [true, true, true]);

it.works("shared references within a variable", `
const shared = { n: 1 };
const both = { left: shared, right: [shared] };
export const run = async () => { const back = await flame(() => { both.left.n++; return both; }); return [back.left === back.right[0], back.right[0]!.n]; };
`, [true, 2]);

it.works("shared references across variables", `
const shared = { n: 1 };
const left = { shared }, right = { shared };
export const run = () => flame(() => { left.shared.n = 5; return [left.shared === right.shared, right.shared.n, shared.n]; });
`, [true, 5, 5]);

it.works("shared references across functions", `
const shared = { n: 1 };
const bump = () => ++shared.n;
const read = () => shared.n;
export const run = () => flame(() => { bump(); shared.n += 10; return [read(), shared.n]; });
`, [12, 12]);

it.works("views that share a buffer", `
const buffer = new ArrayBuffer(8);
const left = new Uint8Array(buffer), right = new Uint16Array(buffer, 2, 2);
export const run = () => flame(() => { left[2] = 5; return [right[0], left.buffer === right.buffer]; });
`, [5, true]);

it.works("a megabyte of bytes", `
const bytes = new Uint8Array(1 << 20).fill(7);
export const run = async () => { const back = await flame(() => { let sum = 0; for (const byte of bytes) sum += byte; return { sum, bytes }; }); return [back.sum, back.bytes.length, back.bytes[12345], back.bytes instanceof Uint8Array]; };
`, [7 << 20, 1 << 20, 7, true]);

it.works("a hundred thousand objects", `
const rows = Array.from({ length: 100_000 }, (_, id) => ({ id, name: "row" + id }));
export const run = async () => { const back = await flame(() => rows.filter((row) => row.id % 2 === 0)); return [back.length, back.at(-1)]; };
`, [50_000, { id: 99_998, name: "row99998" }]);

it.works("a very deep list", `
let list: { next: unknown } | null = null;
for (let i = 0; i < 20_000; i++) list = { next: list };
export const run = () => flame(() => { let depth = 0; for (let at: any = list; at; at = at.next) depth++; return depth; });
`, 20_000);

it.works("keys that look dangerous", `
const object = JSON.parse('{ "__proto__": { "polluted": 1 }, "constructor": 2, "toString": 3 }');
export const run = async () => { const back = await flame(() => object); return [Object.hasOwn(back, "__proto__"), ({} as any).polluted, back.constructor, back.toString]; };
`, [true, undefined, 2, 3]);

it.works("promises are awaited in results", `
export const run = () => flame(() => Promise.resolve(Promise.resolve(5)));
`, 5);

it.works("thenables are awaited in results", `
export const run = () => flame(() => ({ then(done: (n: number) => void) { done(6); } }));
`, 6);

it.works("the value of globals that differ is the runner's", `
const here = process.pid;
export const run = async () => (await flame(() => process.pid)) !== here;
`, true);

it.works("the argument of a captured arguments object as an array", `
function call(..._: unknown[]) { const all = [...arguments]; return flame(() => all.length); }
export const run = () => call(1, 2, 3);
`, 3);

it.works("global objects by name", `
const m = Math.PI;
export const run = () => flame(() => [Math.PI === m, JSON.stringify({ a: [1] }), [...new Intl.Locale("de").language].length]);
`, [true, '{"a":[1]}', 2]);
