import { family } from "../case.ts";

const it = family("syntax");
export const syntax = it.cases;
const major = Number(process.versions.node.split(".")[0]);

it.works("labelled loops", `
const grid = [[1, 2], [3, 4], [5, 6]];
export const run = () => flame(() => {
  const seen: number[] = [];
  rows: for (const row of grid) {
    for (const cell of row) {
      if (cell === 3) continue rows;
      if (cell === 6) break rows;
      seen.push(cell);
    }
  }
  return seen;
});
`, [1, 2, 5]);

it.works("tagged templates", `
const tag = (strings: TemplateStringsArray, ...values: unknown[]) => strings.raw.join("|") + values.join();
const site = () => ((strings: TemplateStringsArray) => strings)\`same\`;
const n = 5;
export const run = () => flame(() => [tag\`a\${n}b\\n\${n + 1}c\`, site() === site(), String.raw\`\\u0041\${n}\`]);
`, ["a|b\\n|c5,6", true, "\\u00415"]);

it.works("nested templates", `
const names = ["a", "b"];
export const run = () => flame(() => \`<\${names.map((name) => \`[\${name + \`\${names.length}\`}]\`).join("")}>\`);
`, "<[a2][b2]>");

it.works("optional chaining and nullish values", `
const config = { a: { b: null as null | { c: number } }, f: undefined as undefined | (() => number), zero: 0 };
export const run = () => flame(() => [config.a?.b?.c ?? "none", config.f?.() ?? "no f", config["zero"] ?? 1, config.a?.["b"] === null]);
`, ["none", "no f", 0, true]);

it.works("logical assignment to locals", `
const start = { a: null as number | null, b: 0, c: 1 };
export const run = () => flame(() => { let { a, b, c } = start; a ??= 5; b ||= 6; c &&= 7; return [a, b, c]; });
`, [5, 6, 7]);

it.works("assignment to properties of captured objects", `
const state = { n: 1, list: [1] };
export const run = async () => [await flame(() => { state.n++; state.list.push(2); [state.n] = [state.n * 10]; return state; }), state];
`, [{ n: 20, list: [1, 2] }, { n: 1, list: [1] }]);

it.works("spread", `
const list = [2, 3], object = { b: 2 };
export const run = () => flame(() => [[1, ...list, ...new Set("aa")], { a: 1, ...object }, Math.max(...list)]);
`, [[1, 2, 3, "a"], { a: 1, b: 2 }, 3]);

it.works("regular expressions", `
const pattern = /(?<year>\\d{4})-(?<month>\\d\\d)/gu;
export const run = () => flame(() => [..."on 2024-05 and 2025-06".matchAll(pattern)].map(({ groups }) => groups!.year + "/" + groups!.month).concat("a/b".replace(/[\\/--[a]]/v, "'")));
`, ["2024/05", "2025/06", "a'b"]);

it.works("bigint, exponent, separators and commas", `
const big = 2n ** 64n;
export const run = () => flame(() => { let n = 1_000; n **= 2; return [big + 1n, n, (1, 2), 0b11 + 0o7 + 0xf, -(2 ** 2)]; });
`, [2n ** 64n + 1n, 1_000_000, 2, 25, -4]);

it.works("switch with fallthrough", `
const kind = "b";
export const run = () => flame(() => { const seen = []; switch (kind as string) { case "a": seen.push("a"); case "b": seen.push("b"); case "c": seen.push("c"); break; default: seen.push("d"); } return seen; });
`, ["b", "c"]);

it.works("try, catch and finally", `
const log = "l";
export const run = () => flame(() => {
  const seen: string[] = [];
  const attempt = () => { try { seen.push(log); throw new Error("x"); } catch { seen.push("caught"); return 1; } finally { seen.push("finally"); } };
  return [attempt(), seen];
});
`, [1, ["l", "caught", "finally"]]);

it.works("default parameters that use captures and each other", `
const base = 2;
const scale = (n: number, by = base, to = n * by) => [n, by, to];
export const run = () => flame(() => [scale(3), scale(3, 5)]);
`, [[3, 2, 6], [3, 5, 15]]);

it.works("this, arguments and new.target of own functions", `
export const run = () => flame(() => {
  function count() { return arguments.length; }
  function Made(this: { made: boolean }) { this.made = new.target !== undefined; }
  const object = { n: 3, get() { return this.n; } };
  return [count.apply(null, [1, 2] as never), new (Made as any)().made, object.get()];
});
`, [2, true, 3]);

it.works("own this of a closure written as a function", `
const value = 1;
export const run = () => flame(function (this: unknown) { return [value, this === undefined]; });
`, [1, true]);

it.works("generators inside", `
const to = 3;
export const run = () => flame(() => {
  function* inner(): Generator<number, string> { for (let i = 0; i < to; i++) yield i; return "done"; }
  function* outer() { const end = yield* inner(); yield end; }
  return [...outer()];
});
`, [0, 1, 2, "done"]);

it.works("async iteration inside", `
const delays = [1, 2];
export const run = () => flame(async () => {
  async function* ticks() { for (const ms of delays) { await new Promise((done) => setTimeout(done, ms)); yield ms; } }
  const seen = [];
  for await (const tick of ticks()) seen.push(tick);
  return seen;
});
`, [1, 2]);

it.works("object literals with everything", `
const key = "k", n = 1;
export const run = () => flame(() => {
  const object = { [key + 1]: n, get double() { return n * 2; }, set double(_) {}, async later() { return n; }, *many() { yield n; }, "a-b": 1, 3: 4, __proto__: { inherited: 5 } };
  return [object.k1, object.double, [...object.many()], object["a-b"], object[3], (object as any).inherited];
});
`, [1, 2, [1], 1, 4, 5]);

it.works("typeof, in, delete, void and instanceof", `
declare const missing: unknown;
const object: Record<string, number> = { a: 1, b: 2 };
export const run = () => flame(() => { delete object.a; return [typeof missing, "a" in object, "b" in object, void 0, [] instanceof Array, typeof object]; });
`, ["undefined", false, true, undefined, true, "object"]);

it.works("do-while, for without parts and nested conditions", `
const limit = 4;
export const run = () => flame(() => { let n = 0; do n++; while (n < limit); for (;;) { if (n-- <= 0) break; } return n < 0 ? "neg" : n === 0 ? "zero" : "pos"; });
`, "neg");

it.works("comments and strings that look like code", `
const a = 1; // const b = "}";
export const run = () => flame(() => { /* } ) => */ const text = "}); \\" ' \`"; // }
  return [a, text.length, '/*', /[}"'\`]/.test("}")]; });
`, [1, 9, "/*", true]);

it.works("code that is written closely", `
const n=1;export const run=()=>flame(async()=>{for(const i of[1])if(i)return[n,...[i]].map(x=>x+n)});
`, [2, 2]);

it.works("line separators and astral characters", `
const text = "😀 \\u2028", 𝒳 = 3;
export const run = () => flame(() => [text, 𝒳, "😀".length]); const after = 1; export { after };
`, ["😀 \u2028", 3, 2]);

it.works("Windows line ends", `
const a = 1;\r\nexport const run = () =>\r\n  flame(() => {\r\n    const b = 2;\r\n    return a + b;\r\n  });\r\n`, 3);

it.works("code without semicolons", `
const a = 1
const b = () => a
export const run = () => flame(() => {
  const c = b()
  ;[1].forEach(() => {})
  return c
})
`, 1);

it.works("closure without braces that returns an object", `
const a = 1;
export const run = () => flame(() => ({ a }));
`, { a: 1 });

it.works("closure in parentheses and behind a comma", `
const a = 1;
export const run = async () => [await flame((() => a)), await flame((0, () => a + 1))];
`, [1, 2]);

it.works("closure chosen by a condition", `
const a = 1;
const pick = (left: boolean) => flame(left ? () => a : () => -a);
export const run = async () => [await pick(true), await pick(false)];
`, [1, -1]);

it.works("closures of one line", `
const a = 1; export const run = async () => [await flame(() => a), await flame(() => a + 1), await flame(() => [a].map((b) => b + 2)[0])];
`, [1, 2, 3]);

it.works("sequence, assignment and update of locals", `
export const run = () => flame(() => { let a = 1, b; b = a++ + ++a; [a, b] = [b, a]; ({ a, ...b } = { a: a * 2, c: 1 } as any); return [a, b]; });
`, [8, { c: 1 }]);

it.works("getter that computes from captures", `
const rate = 0.5;
export const run = () => flame(() => ({ get half() { return rate * 2; } }).half);
`, 1);

it.works("explicit resource management", `
const log: string[] = [];
export const run = () => flame(async () => {
  const open = (name: string) => ({ [Symbol.dispose]() { log.push("close " + name); }, async [Symbol.asyncDispose]() { log.push("end " + name); } });
  { using a = open("a"); await using b = open("b"); log.push("body"); void [a, b]; }
  return log;
});
`, ["body", "end b", "close a"], major < 24 ? { notIn: { stamps: "needs Node 24", inspector: "needs Node 24" } } : {});

it.works("indirect eval and Function see globals only", `
const hidden = 1;
export const run = () => flame(() => [(0, eval)("typeof hidden"), new Function("return typeof hidden")(), hidden]);
`, ["undefined", "undefined", 1], { notIn: { bundle: "bundlers warn of it and may rename" } });

it.works("very long closures", `
const n = 1;
export const run = () => flame(() => {
${Array.from({ length: 400 }, (_, i) => `  const v${i} = n + ${i};`).join("\n")}
  return v0 + v399;
});
`, 401);

it.works("many captures", `
${Array.from({ length: 60 }, (_, i) => `const v${i} = ${i};`).join("\n")}
export const run = () => flame(() => [${Array.from({ length: 60 }, (_, i) => `v${i}`).join(", ")}].reduce((a, b) => a + b, 0));
`, 1770);

it.works("directives in the closure", `
export const run = () => flame(function () { "use strict"; return this === undefined; });
`, true);

it.works("HTML-like comments and hashbang", `#!/usr/bin/env node
import { flame } from "tinderbox";
const a = 1;
export const run = () => flame(() => a);
`, 1);
