/**
 * Units of this process: each function or class that may travel, numbered once, with the text a runner gets for it.
 * Numbers are what payloads and connections talk about; a runner is told of a number once.
 */
import { hashOf } from "../hash.ts";
import { CaptureError } from "../errors.ts";
import type { FileAnalysis, ImportInfo, UnitInfo } from "./analysis.ts";
import { position } from "./code-frame.ts";
import { generateImport, generateUnit } from "./generate.ts";
import { isSince, returnNumbers, takeNumber } from "./numbers.ts";
import { stripTypes } from "./strip.ts";
import { type Chunks, type Thunk, registry } from "./stamp.ts";

/** One evaluation of one source file. */
export interface SourceFile {
  readonly url: string;
  readonly source: string;
  readonly analysis: FileAnalysis;
  /** Import bindings by local name, where they can be read. */
  readonly imports: Thunk | undefined;
  /** Classes by unit index, as far as they are known. */
  readonly classes: Map<number, object>;
  /** Where a bundler has put the units. */
  readonly chunks: Chunks | undefined;
  /** Reads a variable of the last inspected scope, where there is no stamp to ask. */
  lookup?: (name: string) => unknown;
  readonly units: Map<number, Unit>;
  readonly bindings: Map<number, Unit>;
}

export interface Unit {
  readonly number: number;
  readonly file: SourceFile;
  /** Undefined for an import made by itself. */
  readonly info: UnitInfo | undefined;
  readonly early: readonly string[];
  readonly late: readonly string[];
  /** The early names, then the late ones. */
  readonly names: readonly string[];
  readonly links: readonly { readonly name: string; readonly unit: Unit; readonly early: boolean }[];
  /** This unit and all it links to, this one first. */
  readonly needs: readonly number[];
  /** Evaluated once per runner. */
  readonly single: boolean;
  readonly pure: boolean;
  /** What was made of it here, where another process has sent it and it exists once. */
  readonly made?: () => object | undefined;
}

/** The text of a unit; made when the first runner needs it. */
export interface UnitText {
  readonly url: string;
  readonly hash: string;
  readonly format: "module" | "commonjs";
  readonly source: string;
}

/** All that a runner is told of a unit. */
export interface UnitModule extends UnitText {
  readonly path: string;
  readonly single: boolean;
  readonly early: readonly string[];
  readonly late: readonly string[];
  readonly links: readonly { readonly name: string; readonly unit: number; readonly early: boolean }[];
  readonly siblings: readonly Pick<ImportInfo, "local" | "specifier" | "imported">[];
  readonly binding: boolean;
}

const units = new Map<number, Unit>();
const texts = new WeakMap<Unit, UnitText>();
/** Of units that another process has made. */
const received = new WeakMap<Unit, UnitModule>();
const files = new Map<string, SourceFile>();

/** The unit of a number: one that `unitOf` gave out, or that was entered. */
export function unitByNumber(number: number): Unit | undefined {
  return units.get(number);
}

/** Enters a unit of another process, which keeps the number and the text that it has there. */
export function enterUnit(unit: Unit, module: UnitModule): void {
  units.set(unit.number, unit);
  received.set(unit, module);
}

export function moduleOf(unit: Unit): UnitModule {
  const known = received.get(unit);
  if (known) return known;
  return {
    ...textOf(unit),
    path: unit.info?.path ?? "",
    single: unit.single,
    early: unit.early,
    late: unit.late,
    links: unit.links.map((link) => ({ name: link.name, unit: link.unit.number, early: link.early })),
    siblings: unit.file.chunks ? [] : siblingsOf(unit),
    binding: !unit.info,
  };
}

/** The file that transformed code registered under `key`; read once. */
export function stampedFile(key: string): SourceFile | undefined {
  let file = files.get(key);
  if (file) return file;
  const stamped = registry.files.get(key);
  const content =
    stamped?.embedded === undefined
      ? registry.sources.get(key)
      : (JSON.parse(stamped.embedded) as { source: string; analysis: FileAnalysis });
  if (!stamped || !content) return undefined;
  file = sourceFile(stamped.url, content.source, content.analysis, stamped.imports, stamped.classes, stamped.chunks);
  files.set(key, file);
  return file;
}

export function sourceFile(
  url: string,
  source: string,
  analysis: FileAnalysis,
  imports?: Thunk,
  classes = new Map<number, object>(),
  chunks?: Chunks,
): SourceFile {
  return { url, source, analysis, imports, classes, chunks, units: new Map(), bindings: new Map() };
}

/** The unit at `index` of a file, numbered at its first use. */
export function unitOf(file: SourceFile, index: number): Unit {
  const known = file.units.get(index);
  if (known) return known;
  const info = file.analysis.units[index]!;
  const early: string[] = [];
  const late: string[] = [];
  const names: string[] = [];
  const links: { name: string; unit: Unit; early: boolean }[] = [];
  const number = takeNumber();
  let needs: number[] | undefined;
  const unit: Unit = {
    number,
    file,
    info,
    early,
    late,
    names,
    links,
    // Asked for later: while it is made, those that it links to may lack links of their own.
    get needs() {
      return (needs ??= reach(unit));
    },
    single: info.pure && info.declared,
    pure: info.pure,
  };
  units.set(number, unit);
  file.units.set(index, unit);
  try {
    for (const free of info.free) {
      if (free.kind === "import") continue;
      const target = free.kind === "unit" ? file.analysis.units[free.unit]! : undefined;
      if (free.kind === "unit" && target?.pure)
        links.push({ name: free.name, unit: unitOf(file, free.unit), early: free.early });
      else (free.early ? early : late).push(free.name);
    }
  } catch (error) {
    forget(file, number);
    throw error;
  }
  names.push(...early, ...late);
  return unit;
}

/** Units that lack links would be taken for whole the next time. */
function forget(file: SourceFile, first: number): void {
  for (const [index, { number }] of file.units) {
    if (!isSince(number, first)) continue;
    file.units.delete(index);
    units.delete(number);
  }
  returnNumbers(first);
}

/** The unit of one import binding of a file. */
export function bindingOf(file: SourceFile, index: number): Unit {
  let unit = file.bindings.get(index);
  if (!unit) {
    const number = takeNumber();
    unit = {
      number,
      file,
      info: undefined,
      early: [],
      late: [],
      names: [],
      links: [],
      needs: [number],
      single: true,
      pure: true,
    };
    units.set(number, unit);
    file.bindings.set(index, unit);
  }
  return unit;
}

/** The module text of a unit. Throws `CaptureError` for syntax that cannot be erased. */
export function textOf(unit: Unit): UnitText {
  let text = received.get(unit) ?? texts.get(unit);
  if (!text) texts.set(unit, (text = unit.file.chunks ? chunkOf(unit, unit.file.chunks) : generatedText(unit)));
  return text;
}

function generatedText({ file, info, ...unit }: Unit): UnitText {
  const { source, analysis, url } = file;
  const generated = info
    ? generateUnit(source, analysis, analysis.units.indexOf(info))
    : generateImport(analysis, importIndex(file, unit.number));
  const text = analysis.typescript ? stripTypes(generated, url) : generated;
  return { url, hash: hashOf(text), format: analysis.format, source: text };
}

/** Without a source: the runner imports the chunk itself. A binding is read out of a chunk that imports it. */
function chunkOf({ file, info, number }: Unit, chunks: Chunks): UnitText {
  const { units: infos, imports } = file.analysis;
  const wanted = info ? -1 : importIndex(file, number);
  const index = info
    ? infos.indexOf(info)
    : infos.findIndex(
        ({ free }, at) => chunks[at] && free.some((name) => name.kind === "import" && name.import === wanted),
      );
  const chunk = chunks[index];
  if (!chunk)
    throw new CaptureError(
      `Cannot send ${info?.path ?? imports[wanted]?.local ?? "a binding"} of ${file.url}: the bundler has made no chunk for it; use it in the closure`,
    );
  const [hash, url] = chunk;
  if (info) return { url, hash, format: "module", source: "" };
  const source = `import { imports } from ${JSON.stringify(url)}; export default imports()[${JSON.stringify(imports[wanted]!.local)}];`;
  return { url, hash: hashOf(source), format: "module", source };
}

/** The import that a unit made by `bindingOf` stands for. */
export function importInfoOf({ file, number }: Unit): ImportInfo {
  return file.analysis.imports[importIndex(file, number)]!;
}

function importIndex(file: SourceFile, number: number): number {
  return [...file.bindings].find(([, binding]) => binding.number === number)?.[0] ?? -1;
}

/** Imports of a unit's file that the unit itself does not use. */
export function siblingsOf({ file, info }: Unit): Pick<ImportInfo, "local" | "specifier" | "imported">[] {
  const own = new Set(info?.free.flatMap((free) => (free.kind === "import" ? [free.import] : [])));
  return file.analysis.imports.flatMap(({ local, specifier, imported }, index) =>
    own.has(index) || specifier === "" || !/^[\w$]+$/.test(imported) ? [] : [{ local, specifier, imported }],
  );
}

/** Where a unit is written, as a stack frame says it. */
export function placeOf({ file, info }: Unit): string {
  const { line, column } = position(file.source, info?.start ?? 0);
  const around = info && info.parent >= 0 ? file.analysis.units[info.parent]!.path : "";
  const place = `${file.url}:${line}:${column}`;
  return around ? `${around} (${place})` : place;
}

/** Numbers of a unit and of all it links to, its own first. */
export function reach(from: Unit): number[] {
  const found = new Set([from]);
  for (const unit of found) for (const link of unit.links) found.add(link.unit);
  return [...found].map((unit) => unit.number);
}
