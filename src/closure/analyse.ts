/** What one source file is made of: units of code that can travel, and what each of them needs. */

import type { FileAnalysis, UnitInfo } from "./analysis.ts";
import { resolveImports } from "./imports.ts";
import { parseFile } from "./language.ts";
import { pathsOf } from "./paths.ts";
import { distinctIssues, isConstant, resolveNames, resolveUnits } from "./resolve.ts";
import { Survey, type ObjectSite } from "./survey.ts";
import { classes } from "./survey-classes.ts";
import { isPackage, names } from "./survey-names.ts";
import { scopes } from "./survey-scopes.ts";
import { typescript as typescriptHandlers } from "./survey-typescript.ts";
import type { Hoist, Site } from "./scope.ts";

/** Where the transform may put its text. Known beside the analysis, which is what travels. */
export interface Placement {
  /** Whether the file imports a value of the package, not only types. */
  readonly usesPackage: boolean;
  /** Nothing in a file without statements. */
  readonly top: Hoist | null;
  /** Parallel to the units. */
  readonly sites: readonly Site[];
  readonly objects: readonly {
    readonly start: number;
    readonly end: number;
    readonly afterNew: boolean;
    readonly methods: readonly number[];
  }[];
  /** Ends of statements that have no semicolon. */
  readonly openEnds: ReadonlySet<number>;
  /** Local names of module-level imports that code of the file uses. */
  readonly usedImports: readonly string[];
  /** Whether the file has a `require` of its own. */
  readonly bindsRequire: boolean;
}

const handlers = { ...names, ...scopes, ...classes, ...typescriptHandlers };
const placements = new WeakMap<FileAnalysis, Placement>();
const nothing: Placement = {
  usesPackage: false,
  top: null,
  sites: [],
  objects: [],
  openEnds: new Set(),
  usedImports: [],
  bindsRequire: false,
};

/** The placement that goes with an analysis of this process; one from elsewhere has to be made again. */
export function placementOf(analysis: FileAnalysis): Placement | undefined {
  return placements.get(analysis);
}

/**
 * `id`, a path or URL, tells the language. A file with a syntax error has no units.
 * @param options.format overrides what the name and the content of the file say.
 */
export function analyse(code: string, id: string, options: { format?: "module" | "commonjs" } = {}): FileAnalysis {
  const parsed = parseFile(code, id, options.format);
  if (parsed === null) {
    const typescript = /\.[cm]?tsx?$/i.test(id.replace(/[?#].*$/s, ""));
    return keep({ typescript, format: options.format ?? "module", units: [], imports: [] }, nothing);
  }
  const { program, typescript } = parsed;
  const survey = new Survey(code, handlers, parsed.format === "module");
  const top = survey.statements(program.body);
  const { resolved, globals } = resolveNames(survey);
  const usesCommonJs = ["require", "module", "exports"].some((name) => globals.has(name));
  const format = parsed.format ?? (usesCommonJs ? "commonjs" : "module");
  const imports = resolveImports(survey, parsed.comments, format);
  survey.units.sort((a, b) => a.start - b.start);
  for (const [index, unit] of survey.units.entries()) {
    unit.index = index;
    unit.site.bound = unit.binding?.unit === unit;
  }
  const { free, pure, usedImports } = resolveUnits(survey, resolved);
  const paths = pathsOf(survey.units);
  const strict = format === "module" || hasDirective(program.body);
  const units = survey.units.map((unit): UnitInfo => {
    const { kind, form, name, start, end, index, computedKey } = unit;
    const parent = unit.parent?.index ?? -1;
    const declared = form === "declaration" || kind === "class" || isConstant(unit);
    const about = { kind, form, name, path: paths[index]!, start, end, parent, free: free.get(unit) ?? [] };
    const issues = distinctIssues(unit.issues);
    const info = { ...about, issues, declared, pure: pure.has(unit), strict: strict || unit.strict };
    return computedKey ? { ...info, computedKey } : info;
  });
  const moduleNames = survey.scope.names;
  return keep(
    { typescript, format, units, imports },
    {
      usesPackage: survey.usesPackage || imports.some((each) => isPackage(each.specifier)),
      top,
      sites: survey.units.map((unit) => unit.site),
      objects: survey.objects.map((object) => placeMethods(object)),
      openEnds: survey.openEnds,
      usedImports: [...moduleNames.values()].filter((it) => usedImports.has(it.import)).map((it) => it.name),
      bindsRequire: moduleNames.has("require"),
    },
  );
}

function keep(analysis: FileAnalysis, placement: Placement): FileAnalysis {
  placements.set(analysis, placement);
  return analysis;
}

function placeMethods({ start, end, afterNew, methods }: ObjectSite): Placement["objects"][number] {
  return { start, end, afterNew, methods: methods.map((unit) => unit.index) };
}

function hasDirective(body: readonly object[]): boolean {
  return body.some((statement) => "directive" in statement && statement.directive === "use strict");
}
