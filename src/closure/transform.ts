/**
 * Stamps every unit of a file where it is created: with its number, and a function that reads what it captures. Text is
 * only added, and never a line, so that functions do the same, at the same lines, when they are called directly.
 */

import { createRequire } from "node:module";
import type { SourceMap } from "magic-string";
import { analyse, placementOf } from "./analyse.ts";
import type { FileAnalysis } from "./analysis.ts";
import { mockFactories } from "./mock-factories.ts";
import { freshNames, naming } from "./naming.ts";
import { importsTinderbox } from "./prefilter.ts";
import type { Hoist } from "./scope.ts";

export { importsTinderbox };

export interface TransformOptions {
  /** Of this code, if it has been made already. */
  readonly analysis?: FileAnalysis;
  /** JavaScript that evaluates to the URL of the file: `import.meta.url`. */
  readonly register: string;
  /** JSON of `{ source, analysis }` for code that leaves its file, `null` for code that stays in this process. */
  readonly embed: string;
  /** Names this version of the file. */
  readonly key: string;
  /** Where the stamping functions come from. @default "tinderbox/stamp" */
  readonly runtime?: string;
  /** @default false */
  readonly sourcemap?: boolean;
}

export interface Transformed {
  readonly code: string;
  readonly map?: SourceMap;
}

/** Nothing for a file that does not import the package, or has nothing to stamp. */
export function transform(code: string, id: string, options: TransformOptions): Transformed | null {
  if (!importsTinderbox(code)) return null;
  const given = options.analysis;
  const analysis = given && placementOf(given) ? given : analyse(code, id, given ? { format: given.format } : {});
  const { top, usesPackage, usedImports } = placementOf(analysis)!;
  if (!usesPackage || !top || (analysis.units.length === 0 && usedImports.length === 0)) return null;
  const added = [...additions(code, analysis, options)].toSorted(([a], [b]) => a - b);
  return options.sourcemap ? withMap(code, id, added) : { code: insert(code, added) };
}

function insert(code: string, added: readonly (readonly [number, string])[]): string {
  const parts: string[] = [];
  let from = 0;
  for (const [at, text] of added) {
    parts.push(code.slice(from, at), text);
    from = at;
  }
  return parts.join("") + code.slice(from);
}

/** Only bundlers want maps, so the load hook does not pay for the package that makes them. */
function withMap(code: string, id: string, added: readonly (readonly [number, string])[]): Transformed {
  const { default: MagicString } = createRequire(import.meta.url)("magic-string") as typeof import("magic-string");
  const text = new MagicString(code);
  for (const [at, inserted] of added) text.appendLeft(at, inserted);
  return { code: text.toString(), map: text.generateMap({ hires: "boundary", source: id }) };
}

/** What is added, by offset. */
function additions(code: string, analysis: FileAnalysis, options: TransformOptions): Map<number, string> {
  const { units } = analysis;
  const { sites, objects, openEnds, top, usedImports, bindsRequire } = placementOf(analysis)!;
  const fresh = freshNames(code);
  const [stamp, stampFile, stampMethods] = [fresh(0), fresh(1), fresh(2)];
  const key = JSON.stringify(options.key);
  const opened = new Map<number, string>();
  const closed = new Map<number, string>();
  const hoisted = new Map<number, { readonly place: Hoist; readonly calls: string[] }>();

  // Outer units come before inner ones, so that an end they share closes the inner one first.
  const close = (at: number, text: string): void => void closed.set(at, text + (closed.get(at) ?? ""));
  const wrap = (start: number, end: number, afterNew: boolean, before: string, after: string): void => {
    opened.set(start, gap(code, start) + (afterNew ? "(" : "") + before);
    close(end, after + (afterNew ? ")" : "") + (openEnds.has(end) && !closed.has(end) ? ";" : ""));
  };

  const factories = mockFactories(code, analysis);
  for (const [index, info] of units.entries()) {
    const site = sites[index]!;
    if (factories.has(index)) continue;
    if (info.form === "member" || info.form === "property" || site.untouchable) continue;
    const thunk = thunkOf(analysis, index);
    const about = `${key}, ${index}`;
    if (info.form === "declaration" && !site.anonymousDefault) {
      const call = `${stamp}(${info.name}, ${about}${thunk && `, ${thunk}`})`;
      if (info.kind === "class") close(info.end, `;${call};`);
      else if (site.hoist && site.bound) {
        const known = hoisted.get(site.hoist.at);
        if (known) known.calls.push(call);
        else hoisted.set(site.hoist.at, { place: site.hoist, calls: [call] });
      }
      continue;
    }
    const inferred = site.inferred && info.name !== "";
    const [before, after] = inferred && site.seesName ? naming(info.name) : ["", ""];
    const named = inferred && !site.seesName;
    const rest = named ? `, ${thunk || "undefined"}, ${JSON.stringify(info.name)}` : thunk && `, ${thunk}`;
    wrap(info.start, info.end, site.afterNew, `${stamp}(${before}`, `${after}, ${about}${rest})`);
  }
  for (const { start, end, afterNew, methods } of objects) {
    if (methods.some((index) => factories.has(index))) continue;
    const entries = methods.map((index) => {
      const thunk = thunkOf(analysis, index);
      return `[${JSON.stringify(units[index]!.name)}, ${index}${thunk && `, ${thunk}`}]`;
    });
    wrap(start, end, afterNew, `${stampMethods}(`, `, ${key}, [${entries.join(", ")}])`);
  }

  const runtime = JSON.stringify(options.runtime ?? "tinderbox/stamp");
  const imports = usedImports.length > 0 ? `, () => ({ ${usedImports.join(", ")} })` : "";
  const embedded = options.embed === "null" ? "null" : JSON.stringify(options.embed);
  const prelude =
    analysis.format === "module"
      ? `import { stamp as ${stamp}, stampFile as ${stampFile}, stampMethods as ${stampMethods} } from ${runtime};`
      : commonJsPrelude(
          [stamp, stampFile, stampMethods],
          fresh(3),
          `${bindsRequire ? "module.require" : "require"}(${runtime})`,
        );
  const first = `${prelude} ${stampFile}(${key}, ${options.register}, ${embedded}${imports});`;

  const added = new Map<number, string>();
  if (!hoisted.has(top!.at)) hoisted.set(top!.at, { place: top!, calls: [] });
  for (const at of new Set([...closed.keys(), ...hoisted.keys(), ...opened.keys()])) {
    const start = hoisted.get(at);
    const hoist = start ? hoistText(code, start.place, start.calls, at === top!.at ? first : "") : "";
    added.set(at, (closed.get(at) ?? "") + hoist + (opened.get(at) ?? ""));
  }
  return added;
}

/** What keeps a name put at `at` from growing together with the word before it: `return()=>1`. */
function gap(code: string, at: number): string {
  return /[\w$\u0080-\uffff]/.test(code[at - 1] ?? "") ? " " : "";
}

function hoistText(code: string, { at, kind }: Hoist, calls: readonly string[], first: string): string {
  if (kind === "case") return `${gap(code, at)}${calls.map((call) => `${call}, `).join("")}`;
  const text = [first, ...calls.map((call) => `${call};`)].filter((each) => each !== "").join(" ");
  return kind === "directive" ? `;${text}` : `${text} `;
}

/** Functions, because other modules of a cycle may call into this one before its first line has run. */
function commonJsPrelude(names: readonly string[], module: string, load: string): string {
  const made = ["stamp", "stampFile", "stampMethods"].map(
    (name, index) => `function ${names[index]}(...given) { return (${module} ??= ${load}).${name}(...given); }`,
  );
  return `var ${module}; ${made.join(" ")}`;
}

/**
 * A function that reads what the unit captures, or nothing if it captures nothing. What reaches no captured value is left
 * out: a runner makes it from its text.
 */
function thunkOf({ units }: FileAnalysis, index: number): string {
  const names = units[index]!.free.flatMap((free) => {
    if (free.kind === "import") return [];
    return free.kind === "value" || free.unit === index || !units[free.unit]!.pure ? [free.name] : [];
  });
  if (names.length === 0) return "";
  const list = `{ ${names.join(", ")} }`;
  // In an arrow function of a generator or async function these two are no names.
  return names.includes("await") || names.includes("yield") ? `function () { return ${list}; }` : `() => (${list})`;
}
