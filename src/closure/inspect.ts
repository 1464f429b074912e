/**
 * Runtime capture: where a function stands and what its variables hold, asked of V8 itself. For functions that no
 * transform has stamped. Everything is synchronous; the debugger is switched on once, to learn the scripts, and off again.
 */
import { createRequire } from "node:module";
import type { Session } from "node:inspector";
import { CaptureError } from "../errors.ts";
import { analyse } from "./analyse.ts";
import { type SourceFile, sourceFile } from "./units.ts";

export interface Inspected {
  readonly file: SourceFile;
  readonly index: number;
  /** The value of a captured variable; throws `ReferenceError` when it is not initialised yet. */
  read(name: string): unknown;
}

interface Scope {
  readonly object: Record<string, unknown>;
}

const slot = Symbol.for("tinderbox.inspect");
const shared: { fn?: object; scopes?: ArrayLike<Scope> } = {};
let session: Session | undefined;
const scripts = new Map<string, string>();
const files = new Map<string, SourceFile | undefined>();

/** Undefined when V8 does not say where `fn` is from: native and bound functions, proxies. */
export function inspect(fn: object): Inspected | undefined {
  session ??= open();
  shared.fn = fn;
  const objectId = (post("Runtime.evaluate", { expression: `globalThis[Symbol.for("tinderbox.inspect")].fn` })["result"] as { objectId: string }).objectId;
  try {
    const properties = post("Runtime.getProperties", { objectId, ownProperties: true })["internalProperties"] as { name: string; value: { objectId?: string; value?: unknown } }[] | undefined;
    const internal = new Map(properties?.map((property) => [property.name, property.value]));
    const location = internal.get("[[FunctionLocation]]")?.value as { scriptId: string; lineNumber: number; columnNumber: number } | undefined;
    const scopesId = internal.get("[[Scopes]]")?.objectId;
    if (!location || scopesId === undefined) return undefined;
    const file = fileOf(location.scriptId);
    if (!file) return undefined;
    const index = unitAt(file, offsetOf(file.source, location.lineNumber, location.columnNumber), isClass(fn));
    if (index < 0) return undefined;
    post("Runtime.callFunctionOn", { objectId: scopesId, functionDeclaration: `function () { globalThis[Symbol.for("tinderbox.inspect")].scopes = this }` });
    const scopes = shared.scopes!;
    file.lookup = (name) => read(scopes, name);
    return { file: withImports(file, scopes), index, read: file.lookup };
  } finally {
    post("Runtime.releaseObject", { objectId });
    delete shared.fn;
    delete shared.scopes;
  }
}

function open(): Session {
  Object.defineProperty(globalThis, slot, { value: shared, configurable: true });
  try {
    const { Session } = createRequire(import.meta.url)("node:inspector") as typeof import("node:inspector");
    const opened = new Session();
    opened.connect();
    opened.on("Debugger.scriptParsed", ({ params }) => scripts.set(params.scriptId, params.url));
    return opened;
  } catch (error) {
    const denied = (error as { code?: unknown }).code === "ERR_ACCESS_DENIED";
    const fix = denied ? "add --allow-inspector, or" : "";
    throw new CaptureError(`Cannot look into a closure at run time: the inspector is not available${denied ? " under --permission" : ""}; ${fix} start with --import tinderbox/register`, { cause: error });
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

/** Scripts loaded since the last look are only announced while the debugger is enabled. */
function learnScripts(): void {
  post("Debugger.enable", {});
  post("Debugger.setSkipAllPauses", { skip: true });
}

function fileOf(scriptId: string): SourceFile | undefined {
  if (files.has(scriptId)) return files.get(scriptId);
  learnScripts();
  const url = scripts.get(scriptId);
  let file: SourceFile | undefined;
  if (url !== undefined && url !== "" && !url.startsWith("node:")) {
    const source = post("Debugger.getScriptSource", { scriptId })["scriptSource"] as string;
    // The running script is JavaScript whatever its file is called: types have become blanks, in place.
    const analysis = analyse(source, url);
    file = sourceFile(url.includes("://") ? url : new URL(url, "file:///").href, source, analysis);
  }
  post("Debugger.disable", {});
  files.set(scriptId, file);
  return file;
}

/** The innermost scope that has the name is the one the function sees: scopes hold captured variables only. */
function read(scopes: ArrayLike<Scope>, name: string): unknown {
  for (let index = 0; index < scopes.length; index++) {
    const { object } = scopes[index]!;
    if (Object.hasOwn(object, name)) return object[name];
  }
  throw new ReferenceError(`Cannot access '${name}': it is in no scope of the closure`);
}

function withImports(file: SourceFile, scopes: ArrayLike<Scope>): SourceFile {
  if (file.imports) return file;
  const imports = (): Record<string, unknown> => {
    const found: Record<string, unknown> = {};
    for (const { local } of file.analysis.imports) {
      for (let index = 0; index < scopes.length; index++) {
        const { object } = scopes[index]!;
        if (!Object.hasOwn(object, local)) continue;
        found[local] = object[local];
        break;
      }
    }
    return found;
  };
  return Object.assign(file, { imports });
}

function unitAt(file: SourceFile, offset: number, wantsClass: boolean): number {
  const { units } = file.analysis;
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
