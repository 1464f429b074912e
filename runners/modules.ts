/**
 * How a runner loads code: the modules it is sent stand at their file's own URL plus `?flame=<hash>`, and the parent's
 * entry file stays shut, because its top level is the application.
 */
import { Module, createRequire, registerHooks } from "node:module";
import { dirname } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { types } from "node:util";
import type { FindLoaded, LoadedModule } from "../src/closure/link.ts";
import { textAsLoaded } from "../src/closure/sent.ts";
import { EntryError, ProtocolError } from "../src/errors.ts";
import type { ModuleText } from "../src/wire/messages.ts";
import { hashOf } from "../src/hash.ts";

const sent = new Map<string, string>();
/** Who imported a module first: enough to tell how the entry file was reached. */
const importers = new Map<string, string>();
const loadedFiles = new Set<string>();

/** Call once, before the first module. `entry` is the URL of the parent's entry file. */
export function installHooks(entry: string | null): void {
  registerHooks({
    resolve(specifier, context, next) {
      if (sent.has(specifier)) return { url: specifier, shortCircuit: true };
      const resolved = next(specifier, context);
      const { parentURL } = context;
      if (parentURL !== undefined && !importers.has(resolved.url)) importers.set(resolved.url, parentURL);
      if (entry !== null && resolved.url === entry) throw entryError(entry, parentURL);
      return resolved;
    },
    load(url, context, next) {
      loadedFiles.add(url);
      const source = sent.get(url);
      return source === undefined ? next(url, context) : { format: "module", source, shortCircuit: true };
    },
  });
}

/** Evaluates a module that was sent. Rejects with what its imports throw. */
export async function loadModule(module: ModuleText): Promise<LoadedModule> {
  if (module.source === "") {
    const chunk = (await import(module.url)) as LoadedModule & { readonly flameHash?: string };
    if (chunk.flameHash !== module.hash) throw skew(module, chunk.flameHash ?? "missing");
    return chunk;
  }
  const found = hashOf(module.source);
  if (found !== module.hash) throw skew(module, found);
  return module.format === "module" ? ((await import(publish(module))) as LoadedModule) : compile(module);
}

/** What a file imports by a relative path or a package's name, if that module is loaded already. */
export const findLoaded: FindLoaded = (url, { specifier, imported }) => {
  try {
    const require = createRequire(url);
    const found = specifier.startsWith(".")
      ? new URL(specifier, url).href
      : pathToFileURL(require.resolve(specifier)).href;
    if (!loadedFiles.has(found)) return undefined;
    const module = require(fileURLToPath(found)) as Record<string, unknown>;
    return imported === "default" && !types.isModuleNamespaceObject(module) ? module : module[imported];
  } catch {
    return undefined;
  }
};

function skew(module: ModuleText, found: string): ProtocolError {
  return new ProtocolError(
    `Cannot load code of ${module.url}: its hash is ${found}, the parent says ${module.hash}; both must run the same release`,
  );
}

function publish(module: ModuleText): string {
  const url = `${module.url}${module.url.includes("?") ? "&" : "?"}flame=${module.hash}`;
  sent.set(url, textAsLoaded(module));
  return url;
}

/** CommonJS: a module object of its own, with the file name, folder and look-up paths of the original. */
function compile(module: ModuleText): LoadedModule {
  const filename = fileURLToPath(module.url);
  const made = new Module(filename) as Module & { _compile(source: string, filename: string): void };
  made.filename = filename;
  made.paths = (Module as unknown as { _nodeModulePaths(folder: string): string[] })._nodeModulePaths(
    dirname(filename),
  );
  made._compile(textAsLoaded(module), filename);
  return made.exports as LoadedModule;
}

function entryError(entry: string, from: string | undefined): EntryError {
  const chain = [entry];
  for (let at = from; at !== undefined && !chain.includes(at); at = importers.get(at))
    chain.unshift(at.replace(/[?&]flame=\w+$/, ""));
  const shown = chain.map((url) => url.replace("file://", "")).join("\n  -> ");
  return new EntryError(
    `Cannot import ${entry}: it is the application's entry file, and a runner must not start the application again; ` +
      `move what the closure needs into a module of its own\n     ${shown}`,
    { chain },
  );
}
