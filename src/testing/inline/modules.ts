/**
 * How code is loaded that is sent within one process: as on any runner it stands at its file's own URL plus a query, so that captured
 * values are copies and declarations are made anew. What its file imports is what that file has imported here: a module that a test
 * has replaced is replaced for the closure as well.
 */
import { createRequire, registerHooks } from "node:module";
import type { Code } from "../../../runners/executor.ts";
import { loadModule } from "../../../runners/modules.ts";
import type { ImportInfo } from "../../closure/analysis.ts";
import type { LoadedModule } from "../../closure/link.ts";
import { textAsLoaded } from "../../closure/sent.ts";
import { registry } from "../../closure/stamp.ts";
import { stampedFile, unitByNumber } from "../../closure/units.ts";
import type { ModuleText } from "../../wire/messages.ts";

/** How executors within this process come by code. */
export const sharedCode: Code = { load, find: (url, { local }) => files.get(url)?.read()[local] };

/** A file of this process, and what it has imported, by local name. */
interface File {
  readonly imports: readonly ImportInfo[];
  read(): Record<string, unknown>;
  /** By specifier, the modules that stand for what it imports. */
  readonly standIns: Map<string, string>;
}

const files = new Map<string, File>();
/** By URL: the code that was sent, and the stand-ins. */
const sources = new Map<string, string>();
/** By URL of what was sent. */
const senders = new Map<string, File>();

interface StandIn {
  values(): readonly unknown[];
  /** Reads them again. */
  refresh(): void;
}

const slot = Symbol.for("tinderbox.inline");
const standIns = new Map<string, StandIn>();
(globalThis as { [slot]?: typeof standIns })[slot] = standIns;

const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
const { importModule } = createRequire(import.meta.url)(`./import-module.${extension}`) as {
  importModule(url: string): Promise<LoadedModule>;
};

let hooked = false;

function hook(): void {
  if (hooked) return;
  hooked = true;
  registerHooks({
    resolve(specifier, context, next) {
      if (sources.has(specifier)) return { url: specifier, shortCircuit: true };
      const url = senders.get(context.parentURL ?? "")?.standIns.get(specifier);
      return url === undefined ? next(specifier, context) : { url, shortCircuit: true };
    },
    load(url, context, next) {
      const source = sources.get(url);
      return source === undefined ? next(url, context) : { format: "module", source, shortCircuit: true };
    },
  });
}

async function load(module: ModuleText, id: number): Promise<LoadedModule> {
  const file = fileOf(module.url, id);
  if (module.source === "" || module.format !== "module") return loadModule(module);
  hook();
  const url = `${module.url}${module.url.includes("?") ? "&" : "?"}flame=${module.hash}`;
  if (file) senders.set(url, file);
  sources.set(url, textAsLoaded(module));
  return importModule(url);
}

/** As it was stamped last, by whichever copy of the package; else as the inspector has seen it. */
function fileOf(url: string, id: number): File | undefined {
  const known = files.get(url);
  if (known) return known;
  const [key] = [...registry.files].findLast(([, file]) => file.url === url) ?? [];
  const found = key === undefined ? unitByNumber(id)?.file : stampedFile(key);
  if (!found) return undefined;
  const read = (): Record<string, unknown> => {
    try {
      return (key === undefined ? found : registry.files.get(key))?.imports?.() ?? {};
    } catch {
      // A cyclic import may not be initialised yet.
      return {};
    }
  };
  const file: File = { imports: found.analysis.imports, read, standIns: new Map() };
  addStandIns(file);
  files.set(url, file);
  return file;
}

function addStandIns({ imports, read, standIns: made }: File): void {
  const bindings = read();
  for (const specifier of new Set(imports.map((each) => each.specifier))) {
    const wanted = imports.filter((each) => each.specifier === specifier && each.local in bindings);
    // With attributes it is data, which nobody replaces.
    if (specifier === "" || wanted.length === 0 || wanted.some(({ text }) => /\bwith\s*\{/.test(text))) continue;
    const readers = new Map<string, (now: Record<string, unknown>) => unknown>();
    for (const { local, imported } of wanted) {
      if (imported !== "*") readers.set(imported, (now) => now[local]);
      else for (const name of namesOf(bindings[local])) readers.set(name, (now) => memberOf(now[local], name));
    }
    made.set(
      specifier,
      standIn([...readers.keys()], () => {
        const now = read();
        return [...readers.values()].map((reader) => reader(now));
      }),
    );
  }
}

const namesOf = (namespace: unknown): string[] =>
  typeof namespace === "object" && namespace !== null ? Object.keys(namespace) : [];
const memberOf = (namespace: unknown, name: string): unknown => (namespace as Record<string, unknown>)[name];

function standIn(names: readonly string[], values: () => readonly unknown[]): string {
  const url = `tinderbox-inline:${standIns.size}`;
  standIns.set(url, { values, refresh() {} });
  const locals = names.map((_, index) => `$${index}`).join(", ");
  const exported = names.map((name, index) => `$${index} as ${JSON.stringify(name)}`).join(", ");
  const entry = `globalThis[Symbol.for("tinderbox.inline")].get(${JSON.stringify(url)})`;
  const refresh = names.length > 0 ? `[${locals}] = entry.values();` : "";
  const declared = names.length > 0 ? `let ${locals}; ` : "";
  sources.set(
    url,
    `${declared}const entry = ${entry}; entry.refresh = () => { ${refresh} }; entry.refresh(); export { ${exported} };`,
  );
  return url;
}

/** Before each call: a test may have replaced something since the last one. */
export function refreshImports(): void {
  for (const each of standIns.values()) each.refresh();
}
