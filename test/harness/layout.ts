import { posix } from "node:path";
import { outside, type Outside } from "./imports.ts";

export type Level = 0 | 1 | "2i" | 2 | 3 | 4;

/** The rules of one repository; a path that ends in "/" means the folder with all below it, the longest match wins. */
export interface House {
  readonly levels: Readonly<Record<string, Level>>;
  readonly sideways: readonly { from: string; to: string; because: string }[];
  readonly never: readonly { from: string; to: string; because: string }[];
  readonly only: readonly { from: string; to: readonly string[]; because: string }[];
  readonly modules: readonly { name: RegExp; in: readonly string[] }[];
  readonly time: readonly string[];
  readonly size: { readonly median: number; readonly long: number };
  /** The file behind `import "<package>"` and `import "<package>/<name>"`, which is an import like any other. */
  readonly self: (specifier: string) => string | undefined;
}

export interface Violation {
  readonly rule: "place" | "level" | "cycle" | "never" | "only" | "module" | "time" | "size";
  readonly file: string;
  readonly message: string;
}

type Report = (rule: Violation["rule"], file: string, message: string) => void;

/** Checks sources (path -> text, all below src/ and runners/) against the rules. */
export function violations(files: ReadonlyMap<string, string>, house: House): Violation[] {
  const found: Violation[] = [];
  const report: Report = (rule, file, message) => found.push({ rule, file, message });
  const graph = new Map<string, string[]>();
  for (const [file, text] of files) {
    if (unit(file, house) === undefined) report("place", file, "is unknown; say where it belongs in layout.test.ts");
    const named = outside(file, text);
    const targets = [...named.modules]
      .map((module) => target(file, module, house))
      .filter((path) => path !== undefined);
    graph.set(file, targets);
    for (const to of targets) checkImport(file, to, house, report);
    checkForbidden(file, named, house, report);
  }
  for (const cycle of cycles(graph)) report("cycle", cycle[0] ?? "", `imports itself: ${cycle.join(" -> ")}`);
  checkSizes(files, house, report);
  return found;
}

const within = (file: string, place: string): boolean =>
  place.endsWith("/") ? file.startsWith(place) : file === place;

/** The key of `levels` that a file belongs to. */
function unit(file: string, house: House): string | undefined {
  const places = Object.keys(house.levels).filter((place) => within(file, place));
  return places.toSorted((a, b) => b.length - a.length)[0];
}

/** The path of an imported file of the repository; undefined for packages and built-in modules. */
function target(file: string, module: string, house: House): string | undefined {
  return module.startsWith(".") ? posix.join(posix.dirname(file), module) : house.self(module);
}

function checkImport(from: string, to: string, house: House, report: Report): void {
  const fromUnit = unit(from, house);
  const toUnit = unit(to, house);
  if (fromUnit === undefined) return;
  if (toUnit === undefined) return report("place", from, `imports ${to}, which is unknown to layout.test.ts`);

  const never = house.never.find((pair) => within(from, pair.from) && within(to, pair.to));
  if (never) return report("never", from, `imports ${to}: ${never.because}`);
  const only = house.only.find((entry) => within(from, entry.from) && !entry.to.some((place) => within(to, place)));
  if (only) return report("only", from, `imports ${to}: ${only.because}`);

  if (fromUnit === toUnit || house.sideways.some((pair) => pair.from === fromUnit && pair.to === toUnit)) return;
  const [high, low] = [house.levels[fromUnit] ?? 0, house.levels[toUnit] ?? 0];
  // One file is not a folder: a leaf may use errors.ts, a command may use the package's entry.
  if (high === low && !toUnit.endsWith("/")) return;
  if (low === "2i" ? high === 4 : (high === "2i" ? 2 : high) > low) return;
  report("level", from, `of level ${high} imports ${to} of level ${low}`);
}

function checkForbidden(file: string, named: Outside, house: House, report: Report): void {
  for (const { name, in: places } of house.modules) {
    const module = [...named.modules].find((specifier) => name.test(specifier));
    if (module === undefined || places.some((place) => within(file, place))) continue;
    report("module", file, `names ${module}, which only ${places.join(", ")} may`);
  }
  if (named.time.size === 0 || house.time.some((place) => within(file, place))) return;
  report("time", file, `uses ${[...named.time].join(", ")}; time comes through the clock port`);
}

/** One path for each knot of files that reach themselves. */
function cycles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = [];
  const state = new Map<string, "open" | "done">();
  const path: string[] = [];
  const visit = (file: string): void => {
    if (state.get(file) === "done") return;
    if (state.get(file) === "open") return void found.push([...path.slice(path.indexOf(file)), file]);
    state.set(file, "open");
    path.push(file);
    for (const to of graph.get(file) ?? []) visit(to);
    path.pop();
    state.set(file, "done");
  };
  for (const file of graph.keys()) visit(file);
  return found;
}

function checkSizes(files: ReadonlyMap<string, string>, house: House, report: Report): void {
  const sizes = [...files].map(([file, text]) => ({ file, text, lines: text.trimEnd().split("\n").length }));
  for (const { file, text, lines } of sizes) {
    const header = /^\s*(\/\*[^]*?\*\/|(\/\/.*\n)+)/.exec(text)?.[0] ?? "";
    if (lines <= house.size.long || header.includes("long because")) continue;
    report("size", file, `has ${lines} lines and no header comment that says "long because"`);
  }
  const median = sizes.map(({ lines }) => lines).toSorted((a, b) => a - b)[Math.floor(sizes.length / 2)] ?? 0;
  if (median < house.size.median) return;
  report("size", "src/", `has a median of ${median} lines a file; less than ${house.size.median} is wanted`);
}
