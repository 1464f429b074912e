/**
 * Runtime capture: where a function stands and what its variables hold, asked of V8 itself. For functions that no
 * transform has stamped. Everything is synchronous.
 */
import { readFileSync } from "node:fs";
import type { Session } from "node:inspector";
import { createRequire } from "node:module";
import { isAbsolute } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { getCallSites } from "node:util";
import { CaptureError } from "../errors.ts";
import { analyse } from "./analyse.ts";
import { sent } from "./sent.ts";
import { sentScript } from "./sent-units.ts";
import { type SourceFile, sourceFile } from "./units.ts";

export interface Inspected {
  readonly file: SourceFile;
  readonly index: number;
  /** The value of a captured variable; throws `ReferenceError` when it is not initialised yet. */
  read(name: string): unknown;
}

/** A variable that the closure uses and that no scope shows. */
export class NotInScope extends ReferenceError {
  readonly refused: string;
  readonly fix: string;

  constructor(variable: string, isOwnName = false) {
    super(`Cannot access '${variable}': it is in no scope of the closure`);
    this.refused = isOwnName
      ? `\`${variable}\` is the own name of the function around it, which cannot be seen`
      : `it used \`${variable}\` while it was being defined, which cannot be seen any more`;
    this.fix = isOwnName
      ? "declare the function, or give it to a const of another name and use that"
      : "start with --import tinderbox/register, or use the variable in a method too";
  }
}

interface Location {
  readonly scriptId: string;
  readonly lineNumber: number;
  readonly columnNumber: number;
}

interface Scope {
  readonly object: Record<string, unknown>;
}

const slot = Symbol.for("tinderbox.inspect");
const objectGroup = "tinderbox";
const mostFrames = 32;
interface Exchange {
  fn?: object;
  scopes?: ArrayLike<Scope>;
}
const realm = globalThis as { [slot]?: Exchange };
/** What the inspector hands over; one for all copies of the package. */
const shared: Exchange = (realm[slot] ??= {});
let session: Session | undefined;
const scripts = new Map<string, string>();
const files = new Map<string, SourceFile | undefined>();

/** Undefined when V8 does not say where `fn` is from: native and bound functions, proxies. */
export function inspect(fn: object): Inspected | undefined {
  session ??= open();
  try {
    const { location, scopesId } = ask(fn);
    if (!location || scopesId === undefined) return undefined;
    let file = sentScript(location.scriptId, (each) => ask(each).location?.scriptId) ?? fileOf(location.scriptId);
    if (!file) return undefined;
    let index = unitAt(file, location, isClass(fn));
    if (index < 0 || !isText(fn, file, index)) {
      file = runningFile(location.scriptId);
      index = unitAt(file, location, isClass(fn));
      if (index < 0 || !isText(fn, file, index)) return undefined;
    }
    post("Runtime.callFunctionOn", {
      objectId: scopesId,
      functionDeclaration: `function () { globalThis[Symbol.for("tinderbox.inspect")].scopes = this }`,
    });
    const scopes = shared.scopes!;
    const base = baseName(file, index);
    const found = file;
    const see = (name: string): unknown => (name === base ? Object.getPrototypeOf(fn) : read(scopes, name));
    file.lookup = see;
    return { file: withImports(file, scopes), index, read: (name) => readUnder(name, found, index, see) };
  } finally {
    // All that was reached from it belongs to the same group: a scope that stays would keep what the closure captured.
    post("Runtime.releaseObjectGroup", { objectGroup });
    delete shared.fn;
    delete shared.scopes;
  }
}

/** What V8 says of a function. */
function ask(fn: object): { readonly location: Location | undefined; readonly scopesId: string | undefined } {
  shared.fn = fn;
  const expression = `globalThis[Symbol.for("tinderbox.inspect")].fn`;
  const { objectId } = post("Runtime.evaluate", { expression, objectGroup })["result"] as { objectId: string };
  const properties = post("Runtime.getProperties", { objectId, ownProperties: true })["internalProperties"] as
    { name: string; value: { objectId?: string; value?: unknown } }[] | undefined;
  const internal = new Map(properties?.map((property) => [property.name, property.value]));
  return {
    location: internal.get("[[FunctionLocation]]")?.value as Location | undefined,
    scopesId: internal.get("[[Scopes]]")?.objectId,
  };
}

function open(): Session {
  try {
    const { Session } = createRequire(import.meta.url)("node:inspector") as typeof import("node:inspector");
    const opened = new Session();
    opened.connect();
    return opened;
  } catch (error) {
    const denied = (error as { code?: unknown }).code === "ERR_ACCESS_DENIED";
    // The load hook does nothing on a runner.
    const fixes = [
      ...(denied ? ["add --allow-inspector"] : []),
      sent.linker ? "call flame on the parent" : "start with --import tinderbox/register",
    ];
    throw new CaptureError(
      `Cannot look into a closure at run time: the inspector is not available${denied ? " under --permission" : ""}; ${fixes.join(", or ")}`,
      { cause: error },
    );
  }
}

function post(method: string, params: object): Record<string, unknown> {
  let failure: Error | null = null;
  let answer: unknown;
  session!.post(method, params, (error, result) => {
    failure = error;
    answer = result;
  });
  if (failure) throw failure as Error;
  return answer as Record<string, unknown>;
}

/**
 * The file of a script. Its text is read from the disk, because asking V8 for it means switching the debugger on, which
 * takes longer than booting half a runner; when the running code turns out to be another text, V8 is asked after all.
 */
function fileOf(scriptId: string): SourceFile | undefined {
  if (files.has(scriptId)) return files.get(scriptId);
  const url = urlOf(scriptId);
  let file: SourceFile | undefined;
  if (url?.startsWith("file:")) {
    try {
      file = fileFrom(url, readFileSync(fileURLToPath(url), "utf8"));
    } catch {
      file = runningFile(scriptId);
    }
  } else if (url !== undefined && !url.startsWith("node:")) file = runningFile(scriptId);
  files.set(scriptId, file);
  return file;
}

/**
 * Most closures are given away by the file that they stand in, which then is on the stack. Else the coverage that V8
 * collects anyway names every script that has run, at a fifth of the debugger's price.
 */
function urlOf(scriptId: string): string | undefined {
  if (scripts.has(scriptId)) return scripts.get(scriptId);
  const site = getCallSites(mostFrames, { sourceMap: false }).find((each) => each.scriptId === scriptId);
  const name = site?.scriptName ?? "";
  if (name.startsWith("file:")) scripts.set(scriptId, name);
  // CommonJS.
  else if (isAbsolute(name)) scripts.set(scriptId, pathToFileURL(name).href);
  else {
    post("Profiler.enable", {});
    const { result } = post("Profiler.getBestEffortCoverage", {}) as { result: { scriptId: string; url: string }[] };
    post("Profiler.disable", {});
    for (const script of result) scripts.set(script.scriptId, script.url);
  }
  return scripts.get(scriptId);
}

/** The text that runs: types have become blanks, a loader may have changed it altogether. */
function runningFile(scriptId: string): SourceFile {
  post("Debugger.enable", {});
  post("Debugger.setSkipAllPauses", { skip: true });
  const source = post("Debugger.getScriptSource", { scriptId })["scriptSource"] as string;
  post("Debugger.disable", {});
  const url = scripts.get(scriptId) ?? "";
  const file = fileFrom(
    url.includes("://") ? url : new URL(url, pathToFileURL(`${process.cwd()}/`)).href,
    source,
    true,
  );
  files.set(scriptId, file);
  return file;
}

function fileFrom(url: string, source: string, javascript = false): SourceFile {
  const name = url.replace(/[?#].*$/s, "");
  return sourceFile(name, source, analyse(source, javascript ? name.replace(/\.([cm]?)tsx?$/, ".$1js") : name));
}

/** Whether `fn` is this text. Erased types are blanks, or a semicolon, in the running one. */
function isText(fn: object, file: SourceFile, index: number): boolean {
  const { start, end } = file.analysis.units[index]!;
  const running = Function.prototype.toString.call(fn);
  if (running.length !== end - start) return false;
  if (file.source.startsWith(running, start)) return true;
  if (!file.analysis.typescript) return false;
  for (let at = 0; at < running.length; at++) {
    const char = running[at]!;
    if (char !== file.source[start + at] && char !== " " && char !== ";") return false;
  }
  return true;
}

/** The innermost scope that has the name is the one the function sees: scopes hold captured variables only. */
function read(scopes: ArrayLike<Scope>, name: string): unknown {
  for (let index = 0; index < scopes.length; index++) {
    const { object } = scopes[index]!;
    if (Object.hasOwn(object, name)) return object[name];
  }
  throw new NotInScope(name);
}

/**
 * No scope shows a function under its own name (`function f() {}` as an expression). What stands under that name further
 * out is that very function in the modules that runners are sent, and something else anywhere else.
 */
function readUnder(name: string, file: SourceFile, index: number, see: (name: string) => unknown): unknown {
  const { units } = file.analysis;
  const free = units[index]!.free.find((each) => each.name === name);
  const owner = free?.kind === "unit" ? units[free.unit]! : undefined;
  if (owner?.kind !== "function" || owner.form !== "expression" || free!.declaredAt < owner.start) return see(name);
  let value: unknown;
  try {
    value = see(name);
  } catch {
    // Nothing has that name.
  }
  if (typeof value === "function" && isText(value, file, units.indexOf(owner))) return value;
  throw new NotInScope(name, true);
}

/** A class keeps its base class even where no scope keeps the variable. */
function baseName({ source, analysis }: SourceFile, index: number): string | undefined {
  const { kind, start, end } = analysis.units[index]!;
  return kind === "class" ? /^[^{]*?\bextends\s+([\w$]+)\s*[{<]/.exec(source.slice(start, end))?.[1] : undefined;
}

function withImports(file: SourceFile, scopes: ArrayLike<Scope>): SourceFile {
  if (file.imports) return file;
  const locals = file.analysis.imports.map(({ local }) => local);
  // Kept for as long as the file is: the others hold what this one closure captured.
  const owners = Array.from(scopes, ({ object }) => object).filter((object) =>
    locals.some((local) => Object.hasOwn(object, local)),
  );
  const imports = (): Record<string, unknown> => {
    const found: Record<string, unknown> = {};
    for (const local of locals) {
      const owner = owners.find((object) => Object.hasOwn(object, local));
      if (owner) found[local] = owner[local];
    }
    return found;
  };
  return Object.assign(file, { imports });
}

function unitAt(file: SourceFile, { lineNumber, columnNumber }: Location, wantsClass: boolean): number {
  const { units } = file.analysis;
  const offset = offsetOf(file.source, lineNumber, columnNumber);
  let best = -1;
  for (let index = 0; index < units.length && units[index]!.start <= offset; index++) {
    if (units[index]!.end > offset) best = index;
  }
  // V8 places a class with a constructor at that constructor.
  while (best >= 0 && wantsClass && units[best]!.kind !== "class") best = units[best]!.parent;
  return best;
}

function offsetOf(source: string, line: number, column: number): number {
  let at = 0;
  for (let left = line; left > 0; left--) at = source.indexOf("\n", at) + 1;
  return at + column;
}

export function isClass(fn: object): boolean {
  return typeof fn === "function" && /^class[\s{]/.test(Function.prototype.toString.call(fn));
}
