/**
 * Runs small programs twice, as written and transformed, with a stand-in for the package, and makes units again from their
 * generated modules as a runner would.
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire, stripTypeScriptTypes } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { analyse } from "../../src/closure/analyse.ts";
import type { FileAnalysis } from "../../src/closure/analysis.ts";
import { generateUnit } from "../../src/closure/generate.ts";
import { transform } from "../../src/closure/transform.ts";

export type Extension = "mjs" | "cjs" | "ts" | "mts" | "cts" | "js";

export interface Stamped {
  readonly fn: { readonly name: string };
  readonly index: number;
  readonly thunk: (() => Record<string, unknown>) | undefined;
}

export interface Ran {
  readonly code: string;
  readonly transformed: string;
  readonly analysis: FileAnalysis;
  readonly exports: Record<string, unknown>;
  readonly original: Record<string, unknown>;
  readonly stamps: readonly Stamped[];
  readonly imports: (() => Record<string, unknown>) | undefined;
}

/** Vitest's own `import` would transform the programs. */
type Load = (url: string) => Promise<Record<string, unknown>>;

const runtime = `
const slot = (globalThis[Symbol.for("lab")] ??= { stamps: new Map(), files: new Map() });
const add = (key, entry) => slot.stamps.set(key, slot.stamps.get(key) ?? []).get(key).push(entry);
export function stamp(fn, key, index, thunk, name) {
  if (typeof fn !== "function") throw new TypeError("not a function: " + String(fn));
  if (name !== undefined && fn.name === "") Object.defineProperty(fn, "name", { value: name, configurable: true });
  add(key, { fn, index, thunk });
  return fn;
}
export function stampFile(key, url, embedded, imports) { slot.files.set(key, { url, embedded, imports }); }
export function stampMethods(object, key, methods) {
  for (const [name, index, thunk] of methods) {
    add(key, { fn: Object.getOwnPropertyDescriptor(object, name).value, index, thunk });
  }
  return object;
}
`;

interface Slot {
  readonly stamps: Map<string, Stamped[]>;
  readonly files: Map<
    string,
    { url: string; embedded: string | null; imports: (() => Record<string, unknown>) | undefined }
  >;
}

export class Lab {
  readonly folder: string = mkdtempSync(join(tmpdir(), "tinderbox-lab-"));
  #count = 0;
  readonly #import: Load;

  constructor() {
    const home = join(this.folder, "node_modules/tinderbox");
    mkdirSync(home, { recursive: true });
    const exports = { ".": "./index.mjs", "./stamp": "./stamp.mjs" };
    writeFileSync(join(home, "package.json"), JSON.stringify({ name: "tinderbox", exports }));
    writeFileSync(join(home, "index.mjs"), "export const flame = (fn) => fn; export default flame;");
    writeFileSync(join(home, "stamp.mjs"), runtime);
    writeFileSync(join(this.folder, "load.cjs"), "exports.load = (url) => import(url);");
    this.#import = (createRequire(home)(join(this.folder, "load.cjs")) as { load: Load }).load;
    writeFileSync(join(this.folder, "data.json"), '{ "answer": 42 }');
    writeFileSync(
      join(this.folder, "dep.mjs"),
      "export const a = 1; export const add = (x, y) => x + y; export default class Dep { n = 7 }",
    );
    writeFileSync(
      join(this.folder, "dep.cjs"),
      "exports.one = 1; exports.deep = { two: 2 }; exports.add = (x, y) => x + y;",
    );
  }

  /** Runs `code` both ways. */
  async run(code: string, extension: Extension): Promise<Ran> {
    const key = `file-${this.#count++}`;
    const file = (kind: string): string => join(this.folder, `${key}.${kind}.${extension}`);
    const analysis = analyse(code, file("plain"));
    const register = analysis.format === "module" ? "import.meta.url" : "__filename";
    const transformed = transform(code, file("stamped"), { analysis, register, embed: "null", key });
    if (!transformed) throw new Error(`Not transformed: ${code}`);
    const original = await this.#load(file("plain"), code);
    const exports = await this.#load(file("stamped"), transformed.code);
    const slot = (globalThis as unknown as Record<symbol, Slot>)[Symbol.for("lab")]!;
    const { imports } = slot.files.get(key)!;
    return {
      code,
      transformed: transformed.code,
      analysis,
      exports,
      original,
      stamps: slot.stamps.get(key) ?? [],
      imports,
    };
  }

  /** The function or class again, from the text a runner gets, with what the stamped one captures right now. */
  async remake(ran: Ran, fn: unknown): Promise<unknown> {
    const stamp = ran.stamps.findLast((each) => each.fn === fn);
    if (!stamp) throw new Error(`Not stamped: ${String(fn)}`);
    return this.#make(ran, stamp.index, stamp.thunk?.() ?? {}, new Map());
  }

  async #make(
    ran: Ran,
    index: number,
    captured: Record<string, unknown>,
    made: Map<number, unknown>,
  ): Promise<unknown> {
    const { analysis } = ran;
    const { free, issues } = analysis.units[index]!;
    if (issues.length > 0) throw new Error(`Refused: ${issues.map((issue) => issue.code).join()}`);
    const module = await this.module(ran.code, analysis, index);
    const early: Record<string, unknown> = {};
    const late: Record<string, unknown> = {};
    const give = async (name: (typeof free)[number]): Promise<void> => {
      if (name.kind === "import") return;
      let value = captured[name.name];
      if (name.kind === "unit" && analysis.units[name.unit]!.pure) {
        value = made.get(name.unit) ?? (await this.#make(ran, name.unit, {}, made));
      } else if (!(name.name in captured)) throw new Error(`Not captured: ${name.name}`);
      (name.early ? early : late)[name.name] = value;
    };
    for (const name of free) if (name.early) await give(name);
    const { value, fill } = module.default(early);
    made.set(index, value);
    for (const name of free) if (!name.early) await give(name);
    fill(late);
    return value;
  }

  async module(code: string, analysis: FileAnalysis, index: number): Promise<Factory> {
    const generated = generateUnit(code, analysis, index);
    const source = analysis.typescript ? stripTypeScriptTypes(generated) : generated;
    const name = `unit-${this.#count++}.${analysis.format === "module" ? "mjs" : "cjs"}`;
    return (await this.#load(join(this.folder, name), source)) as unknown as Factory;
  }

  async #load(file: string, code: string): Promise<Record<string, unknown>> {
    writeFileSync(file, code);
    const commonjs = file.endsWith(".cjs") || file.endsWith(".cts") || !/\b(import|export)\b/.test(code);
    return commonjs ? (createRequire(file)(file) as Record<string, unknown>) : this.#import(pathToFileURL(file).href);
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

interface Factory {
  readonly default: (early: Record<string, unknown>) => { value: unknown; fill(late: Record<string, unknown>): void };
  readonly imports: () => Record<string, unknown>;
}
