/**
 * Units that another process has made and sent here. What was made of them travels on under their own numbers and with
 * their own text, so that a class stays one class wherever it is received. Functions written inside of them are units of
 * this process: the text that was sent is their file.
 */
import { analyse } from "./analyse.ts";
import type { FileAnalysis, ImportInfo, UnitInfo } from "./analysis.ts";
import type { Entry, Linker } from "./link.ts";
import { sent, textAsLoaded } from "./sent.ts";
import { type SourceFile, type Unit, type UnitModule, enterUnit, reach, sourceFile, unitByNumber } from "./units.ts";

/** A function that was made of what was sent: its unit, and a way to read what it captured. */
export interface SentFunction {
  readonly unit: Unit;
  read(name: string): unknown;
}

/** Undefined on a parent, and for what the runner has made by itself. */
export function sentFunction(fn: object): SentFunction | undefined {
  const made = sent.linker?.makingOf(fn);
  const unit = made && sentUnit(made.unit);
  if (!unit) return undefined;
  // Of several classes that one declaration has become, the one that travelled last is what comes back.
  if (unit.info?.kind === "class" && "prototype" in fn)
    unit.file.classes.set(unit.file.analysis.units.indexOf(unit.info), fn);
  return { unit, read: (name) => made.values[name] };
}

/** The import, and the member of its namespace, by which a value was sent here. */
export function sentImport(value: object): { readonly unit: Unit; readonly member?: string } | undefined {
  const origin = sent.linker?.importOf(value);
  const unit = origin && sentUnit(origin.unit);
  if (!unit) return undefined;
  return origin.member === undefined ? { unit } : { unit, member: origin.member };
}

const scripts = new Map<string, SourceFile>();
const seen = new Set<number>();

/**
 * The text that V8 runs as a script, if it was sent. Many of them share one URL, so `scriptOf` is asked for a function
 * of each.
 */
export function sentScript(scriptId: string, scriptOf: (fn: object) => string | undefined): SourceFile | undefined {
  for (const [unit, { module, loaded }] of sent.linker?.entries() ?? []) {
    if (seen.has(unit) || !loaded) continue;
    seen.add(unit);
    if (module.binding || module.source === "") continue;
    const id = scriptOf(loaded.default as object);
    // Two units of one text are one module.
    if (id !== undefined && !scripts.has(id)) scripts.set(id, sentUnit(unit)!.file);
  }
  return scripts.get(scriptId);
}

function sentUnit(number: number): Unit | undefined {
  const known = unitByNumber(number);
  if (known) return known;
  const linker = sent.linker!;
  const entry = linker.entry(number);
  if (!entry) return undefined;
  const { module } = entry;
  const { early, late, single } = module;
  const { file, index } = fileOf(entry, linker, linker.isGrouped(number));
  const links: { name: string; unit: Unit; early: boolean }[] = [];
  const info = file.analysis.units[index];
  let needs: number[] | undefined;
  const unit: Unit = {
    number,
    file,
    info,
    early,
    late,
    names: [...early, ...late],
    links,
    get needs() {
      return (needs ??= reach(unit));
    },
    single,
    pure: early.length + late.length === 0,
    made: () => entry.single,
  };
  enterUnit(unit, module);
  if (info) file.units.set(index, unit);
  else file.bindings.set(0, unit);
  for (const link of module.links) links.push({ ...link, unit: sentUnit(link.unit)! });
  return unit;
}

/** The text as a file, and which of its units the module was sent for. */
function fileOf({ module, loaded }: Entry, linker: Linker, grouped: boolean): { file: SourceFile; index: number } {
  const { url, format, path, single, binding, early, late } = module;
  const own = { path, declared: single || grouped, pure: early.length + late.length === 0, issues: [] };
  const source = textAsLoaded(module);
  // TypeScript has been stripped from it.
  const found = analyse(source, url.replace(/[?#].*$/s, "").replace(/\.([cm]?)tsx?$/, ".$1js"), { format });
  const bare: FileAnalysis = { typescript: false, format, units: [], imports: [] };
  if (binding) {
    const specifier = found.imports.at(-1)?.specifier ?? "";
    const analysis = { ...bare, imports: [{ local: "default", at: 0, specifier, imported: "default", text: "" }] };
    return { file: sourceFile(url, source, analysis, () => ({ default: loaded?.default })), index: -1 };
  }
  if (module.source === "") {
    const imports = (): Record<string, unknown> => loaded?.imports?.() ?? {};
    return { file: sourceFile(url, "", { ...bare, units: [{ ...unwritten, ...own }] }, imports), index: 0 };
  }
  const index = mainUnit(found.units);
  const within = `${found.units[index]!.path}.`;
  const inside = (each: UnitInfo): UnitInfo =>
    each.path.startsWith(within) ? { ...each, path: `${path}.${each.path.slice(within.length)}` } : each;
  const units = found.units.map(inside).with(index, { ...found.units[index]!, ...own });
  const siblings = module.siblings.map((sibling) => siblingInfo(sibling, format));
  const analysis = { ...found, units, imports: [...found.imports, ...siblings] };
  const imports = (): Record<string, unknown> => ({ ...linker.siblingsOf(module), ...loaded?.imports?.() });
  return { file: sourceFile(url, source, analysis, imports), index };
}

/** Code in a chunk: it may be a class. */
const unwritten: UnitInfo = {
  kind: "class",
  form: "expression",
  name: "",
  path: "",
  start: 0,
  end: 0,
  parent: -1,
  free: [],
  issues: [],
  declared: false,
  pure: false,
  strict: true,
};

/** What the factory makes stands last in it but for its method `fill` (generate.ts). */
function mainUnit(units: readonly UnitInfo[]): number {
  const fill = units.findLastIndex(({ form, name }) => form === "property" && name === "fill");
  return units.findLastIndex(({ parent }, index) => index < fill && parent === units[fill]!.parent);
}

function siblingInfo({ local, specifier, imported }: UnitModule["siblings"][number], format: string): ImportInfo {
  const from = JSON.stringify(specifier);
  const whole = imported === "default";
  const text =
    format === "module"
      ? `import ${whole ? local : `{ ${imported} as ${local} }`} from ${from};`
      : `const ${whole ? local : `{ ${imported}: ${local} }`} = require(${from});`;
  return { local, at: 0, specifier, imported, text };
}
