/** What the bundler plugin writes into its output for one source file. Knows no bundler. */
import { existsSync } from "node:fs";
import { findPackageJSON, isBuiltin } from "node:module";
import { dirname, isAbsolute, relative, resolve, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { CaptureError } from "../errors.ts";
import { hashOf } from "../hash.ts";
import { analyse } from "./analyse.ts";
import type { FileAnalysis, ImportInfo } from "./analysis.ts";
import { generateUnit } from "./generate.ts";
import { stripTypes } from "./strip.ts";
import { type Transformed, importsTinderbox, transform } from "./transform.ts";

/** Finds what the bundler would take for a specifier: an absolute path, or undefined for what it leaves alone. */
export type Resolve = (specifier: string, importer: string) => Promise<string | undefined>;

export interface BundleOptions {
  /** `file`: code runs from its own file. `package`: from sources beside the output. `chunk`: from chunks in the output. */
  readonly from: "file" | "package" | "chunk";
  readonly format: "module" | "commonjs";
  readonly resolve: Resolve;
  /** Adds the module of a unit to the output; gives a text that will be its path from the output file. */
  readonly emit?: (unit: number, source: string) => string;
}

/** Marks the modules of units among a bundler's ids. */
export const unitQuery = "?flame-unit=";

/** Nothing for a file that does not import the package. */
export async function bundleFile(code: string, id: string, options: BundleOptions): Promise<Transformed | undefined> {
  if (!importsTinderbox(code)) return undefined;
  const found = analyse(code, id);
  if (found.units.length === 0) return undefined;
  // What is stamped must be of the output's own kind: a bundler turns CommonJS sources into modules after us.
  if (found.format === "commonjs" && options.format === "module" && options.from !== "file") return undefined;
  const embedded = await embeddable(code, id, found, options);
  const key = hashOf(`${id}\n${code}`);
  const chunks = options.emit ? emitUnits(embedded, options.emit) : "";
  const register = `{ ${originOf(id, options)}${chunks} }`;
  return (
    transform(code, id, { analysis: found, key, register, embed: JSON.stringify(embedded), sourcemap: true }) ??
    undefined
  );
}

interface Embedded {
  readonly source: string;
  readonly analysis: FileAnalysis;
}

/** Types are erased now where they can be, so that the process that captures has nothing to erase. */
async function embeddable(code: string, id: string, found: FileAnalysis, options: BundleOptions): Promise<Embedded> {
  const imports =
    options.from === "chunk"
      ? found.imports
      : await Promise.all(found.imports.map((each) => located(each, id, options)));
  const analysis = { ...found, imports };
  if (!found.typescript) return { source: code, analysis };
  try {
    return { source: stripTypes(code, id), analysis: { ...analysis, typescript: false } };
  } catch {
    return { source: code, analysis };
  }
}

/** The import as plain Node finds it from the file: what the bundler resolves in its own way becomes a relative path. */
async function located(info: ImportInfo, id: string, { resolve: find, from }: BundleOptions): Promise<ImportInfo> {
  const { specifier } = info;
  if (specifier === "" || isBuiltin(specifier) || specifier.includes(":")) return info;
  const local = specifier.startsWith(".") || isAbsolute(specifier);
  if (local && existsSync(resolve(dirname(id), specifier))) return info;
  const path = (await find(specifier, id))?.replace(/[?#].*$/s, "");
  if (path === undefined || !isAbsolute(path) || !existsSync(path)) {
    if (!local || from === "file") return info;
    throw new CaptureError(
      `Cannot bundle ${id}: its import "${specifier}" is not a file, and a closure that uses it would fail on the runner; write the file's full name`,
    );
  }
  if (path.includes(`${sep}node_modules${sep}`)) return info;
  const way = relative(dirname(id), path).split(sep).join("/");
  const target = way.startsWith(".") ? way : `./${way}`;
  return {
    ...info,
    specifier: target,
    text: info.text.replace(/(["'])(?:(?!\1).)*\1/, (quoted) =>
      quoted.slice(1, -1) === specifier ? JSON.stringify(target) : quoted,
    ),
  };
}

/** How the running output finds the file's own URL. */
function originOf(id: string, { from, format }: BundleOptions): string {
  if (from !== "package") return `url: ${JSON.stringify(pathToFileURL(id).href)}`;
  const manifest = findPackageJSON(pathToFileURL(id));
  const path = relative(manifest ? dirname(manifest) : process.cwd(), id)
    .split(sep)
    .join("/");
  const output = format === "module" ? "import.meta.url" : `require("node:url").pathToFileURL(__filename).href`;
  return `output: ${output}, path: ${JSON.stringify(path)}`;
}

function emitUnits({ source, analysis }: Embedded, emit: NonNullable<BundleOptions["emit"]>): string {
  const urls: string[] = [];
  for (const [index, info] of analysis.units.entries()) {
    if (info.form === "member" || info.issues.length > 0) continue;
    const text = generateUnit(source, analysis, index);
    urls.push(`${index}: [${JSON.stringify(hashOf(text))}, ${JSON.stringify(emit(index, withHash(text)))}]`);
  }
  return urls.length === 0 ? "" : `, output: import.meta.url, chunks: { ${urls.join(", ")} }`;
}

/** A chunk says which text it was made of, so that parent and runner cannot differ unnoticed. */
function withHash(text: string): string {
  return `${text}\nexport const flameHash = ${JSON.stringify(hashOf(text))};\n`;
}
