/**
 * The module that a runner gets for one unit. Its default export is a factory, `(early) => ({ value, fill(late) })`, which
 * makes the function or class anew for each set of captured values; `imports` gives the unit's import bindings by local
 * name. The unit stands at the line and column of its file, so that stack traces and breakpoints are the user's own; all
 * else is on the first line.
 */

import type { FileAnalysis, UnitInfo } from "./analysis.ts";
import { freshNames, naming } from "./naming.ts";
import { countLines, lineAt } from "./lines.ts";

/** Throws `TypeError` for a member of a class: only its class is code of its own. TypeScript stays TypeScript. */
export function generateUnit(code: string, analysis: FileAnalysis, unit: number): string {
  const info = analysis.units[unit];
  if (!info)
    throw new TypeError(
      `Cannot generate unit ${unit}: the file has ${analysis.units.length}; use the analysis of this very file`,
    );
  if (info.form === "member")
    throw new TypeError(`Cannot generate ${info.path}: it is a member of a class; generate the class`);
  const slice = sliceOf(code, info, unit);
  const indexes = info.free.flatMap((free) => (free.kind === "import" ? [free.import] : []));
  const texts = importTexts(analysis, indexes);
  const captured = info.free.filter((free) => free.kind !== "import");
  const names = captured.map((free) => free.name);
  const fresh = freshNames(slice, ...texts, ...names);
  const [imports, factory, early, value, late] = [0, 1, 2, 3, 4].map(fresh) as [string, string, string, string, string];

  const locals = indexes.map((index) => analysis.imports[index]!.local);
  const assign = (wanted: boolean, from: string): string => {
    const list = captured.filter((free) => free.early === wanted).map((free) => free.name);
    return list.length > 0 ? ` ({ ${list.join(", ")} } = ${from});` : "";
  };
  const [before, after] = embrace(info, value, isAbstract(slice));
  const thunk = `const ${imports} = () => (${locals.length > 0 ? `{ ${locals.join(", ")} }` : "{}"});`;
  // `let` itself may be the name of a variable in sloppy code.
  const declared = names.length > 0 ? ` ${names.includes("let") ? "var" : "let"} ${names.join(", ")};` : "";
  const opening = `(${early}) => {${declared}${assign(true, early)} ${before}`;
  const closing = `${after} return { value: ${value}, fill(${late}) {${assign(false, late)} } }; };`;
  if (analysis.format === "module") {
    const head = [...texts, thunk, `export { ${imports} as imports };`, `export default ${opening}`].join(" ");
    return `${place(head, code, info.start)}${slice}${closing}\n`;
  }
  const directive = info.strict ? '"use strict"; ' : "";
  const exported = `{ default: ${factory}, imports: ${imports} }`;
  const head = [...texts, thunk, `const ${factory} = ${opening}`].join(" ");
  if (!shadowsModule(analysis, texts))
    return `${place(directive + head, code, info.start)}${slice}${closing} module.exports = ${exported};\n`;
  return `${place(`${directive}module.exports = (() => { ${head}`, code, info.start)}${slice}${closing} return ${exported}; })();\n`;
}

/** A module whose default export is one import binding of the file. */
export function generateImport(analysis: FileAnalysis, importIndex: number): string {
  const info = analysis.imports[importIndex];
  if (!info)
    throw new TypeError(
      `Cannot generate import ${importIndex}: the file has ${analysis.imports.length}; use the analysis of this very file`,
    );
  const texts = importTexts(analysis, [importIndex]);
  const text = texts.join(" ");
  if (analysis.format === "module") return `${text} export default ${info.local};\n`;
  if (!shadowsModule(analysis, texts)) return `${text} module.exports = { default: ${info.local} };\n`;
  return `module.exports = (() => { ${text} return { default: ${info.local} }; })();\n`;
}

/** Each text once. A declaration of several names is narrowed to one where these would clash with another's. */
function importTexts(analysis: FileAnalysis, indexes: readonly number[]): string[] {
  const wanted = new Set<number>();
  const want = (index: number): void => {
    const { after } = analysis.imports[index]!;
    if (after !== undefined) want(after);
    wanted.add(index);
  };
  for (const index of indexes) want(index);

  const own = (index: number): string => {
    const { text, after } = analysis.imports[index]!;
    return after === undefined ? text : text.slice(analysis.imports[after]!.text.length).trimStart();
  };
  const makers = new Map<string, number>();
  const makes = (text: string): string[] =>
    analysis.imports.filter((each) => each.text === text).map((each) => each.local);
  for (const index of wanted) for (const name of new Set(makes(analysis.imports[index]!.text))) makers.set(name, 0);
  const texts = new Set([...wanted].map((index) => analysis.imports[index]!.text));
  for (const text of texts) for (const name of makes(text)) makers.set(name, (makers.get(name) ?? 0) + 1);

  const made = new Set<string>();
  for (const index of wanted) {
    const { text, local } = analysis.imports[index]!;
    const clashes = makes(text).some((name) => makers.get(name)! > 1);
    if (!clashes) made.add(own(index));
    else if (/\bawait\b/.test(text))
      made.add(`const ${local} = await (async () => { ${own(index)} return ${local}; })();`);
    else made.add(`const ${local} = (() => { ${own(index)} return ${local}; })();`);
  }
  return [...made];
}

/** Whether the texts declare a name that a CommonJS module has already. */
function shadowsModule(analysis: FileAnalysis, texts: readonly string[]): boolean {
  const reserved = /^(module|exports|require|__filename|__dirname)$/;
  return analysis.imports.some(({ local, text }) => reserved.test(local) && texts.includes(text));
}

/** The text that makes `value` the unit, under its own name. The name in brackets is the one that the language gives. */
function embrace(
  { form, kind, name }: UnitInfo,
  value: string,
  abstract: boolean,
): readonly [before: string, after: string] {
  const key = JSON.stringify(name);
  // TypeScript has no abstract class expressions.
  if (abstract) return ["", ` const ${value} = ${name};`];
  let around: readonly [string, string];
  // An argument is the one place where neither the language nor V8's stack traces give an unnamed function a name.
  if (form !== "property") around = name === "" ? ["((_) => _)(", ")"] : naming(name);
  else if (kind === "method") around = ["({ ", ` })[${key}]`];
  else around = [`({}).__lookup${kind === "getter" ? "G" : "S"}etter__.call({ `, ` }, ${key})`];
  return [`const ${value} = ${around[0]}`, `${around[1]};`];
}

function isAbstract(slice: string): boolean {
  return /^abstract\b/.test(slice);
}

/** The unit's text, with what it cannot keep as an expression of its own blanked out in place. */
function sliceOf(code: string, info: UnitInfo, unit: number): string {
  const { start, end, computedKey, name } = info;
  if (computedKey) {
    const [from, to] = computedKey;
    const key = JSON.stringify(name);
    const lines = "\n".repeat(countLines(code.slice(from, to)));
    const width = lines ? to - lineAt(code, to).start : to - from;
    return `${code.slice(start, from)}${lines ? key + lines + " ".repeat(width) : key.padEnd(width)}${code.slice(to, end)}`;
  }
  const slice = code.slice(start, end);
  if (info.form !== "declaration") return slice;
  // One that has no name cannot be a declaration either; it must do without `abstract`.
  if (info.kind === "class") return name === "default" ? slice.replace(/^abstract\b/, "        ") : slice;
  const own = info.free.find((free) => free.name === name);
  if (!own || (own.kind === "unit" && own.unit === unit)) return slice;
  // Inside, the name means something else by then: `function f() { return f(); } f = wrapped(f);`
  const head = /^(?:\s|\/\*[^]*?\*\/|\/\/.*|async\b|function\b|\*)*/.exec(slice)![0].length;
  return slice.slice(0, head) + " ".repeat(name.length) + slice.slice(head + name.length);
}

/** `head` and the blanks that bring what follows to the place of `offset` in its file. */
function place(head: string, code: string, offset: number): string {
  const { number, start } = lineAt(code, offset);
  const column = offset - start;
  return number > 1 ? head + "\n".repeat(number - 1) + " ".repeat(column) : head.padEnd(column);
}
