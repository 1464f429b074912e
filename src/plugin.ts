/**
 * The bundler plugin: the load hook's work at build time, so that closures survive bundling and minification.
 *
 * - Vite's dev server and vitest: code runs from its own source files.
 * - Vite builds, Rollup, Rolldown: each function that may travel becomes a chunk of its own, with its imports bundled.
 * - esbuild: code runs from the source files, which must be in the release next to the output.
 *
 * `tinderbox` itself stays outside of the bundle: install it where the output runs.
 *
 * @example
 * // vite.config.ts, vitest.config.ts
 * import { tinderbox } from "tinderbox/plugin";
 * export default { plugins: [tinderbox.vite()] };
 */
import { posix } from "node:path";
import { createUnplugin } from "unplugin";
import { type BundleOptions, type Resolve, bundleFile, unitQuery } from "./closure/bundle.ts";

interface RollupContext {
  resolve(
    specifier: string,
    importer: string,
  ): Promise<{ readonly id: string; readonly external: boolean | string } | null>;
  emitFile(file: { readonly type: "chunk"; readonly id: string }): string;
  getFileName(reference: string): string;
}

interface OutputFile {
  readonly type: string;
  readonly fileName: string;
  code: string;
}

interface EsbuildBuild {
  readonly initialOptions: { readonly format?: string };
  resolve(
    specifier: string,
    options: { readonly importer: string; readonly resolveDir: string; readonly kind: string },
  ): Promise<{ readonly path: string; readonly errors: readonly unknown[] }>;
}

const mark = "__flame_chunk_";
const placeholders = new RegExp(`${mark}([\\w$]+)__`, "g");
const placeholder = (reference: string): string => `${mark}${reference}__`;
const source = /\.[cm]?[jt]sx?$/;

export const tinderbox = createUnplugin<undefined>((_options, meta) => {
  const units = new Map<string, string>();
  let chunks = meta.framework === "rollup" || meta.framework === "rolldown";
  let esbuild: EsbuildBuild | undefined;

  const optionsFor = (context: RollupContext, id: string): BundleOptions => {
    if (esbuild) {
      const format = esbuild.initialOptions.format === "cjs" ? "commonjs" : "module";
      return { from: "package", format, resolve: resolveWithEsbuild(esbuild) };
    }
    const resolve: Resolve = async (specifier, importer) => (await context.resolve(specifier, importer))?.id;
    if (!chunks) return { from: "file", format: "module", resolve };
    const emit = (unit: number, text: string): string => {
      const name = `${id}${unitQuery}${unit}`;
      units.set(name, text);
      return placeholder(context.emitFile({ type: "chunk", id: name }));
    };
    return { from: "chunk", format: "module", resolve, emit };
  };

  // Paths of chunks are known at the very end. (`import.meta.ROLLUP_FILE_URL_*` would do, but Vite makes it absolute.)
  function generateBundle(this: unknown, _output: unknown, bundle: object): void {
    const nameOf = (reference: string): string => (this as RollupContext).getFileName(reference);
    for (const file of Object.values(bundle) as OutputFile[]) {
      if (file.type !== "chunk" || !file.code.includes(mark)) continue;
      file.code = file.code.replace(placeholders, (_, reference: string) => pathFrom(file.fileName, nameOf(reference)));
    }
  }

  return {
    name: "tinderbox",
    enforce: "pre",
    rollup: { generateBundle },
    rolldown: { generateBundle },
    vite: {
      generateBundle,
      configResolved(config) {
        chunks = config.command === "build";
      },
    },
    esbuild: {
      setup(build) {
        esbuild = build as unknown as EsbuildBuild;
      },
    },
    resolveId: {
      filter: { id: /\?flame-unit=|^tinderbox(\/|$)/ },
      handler(id) {
        if (units.has(id)) return id;
        // It starts runners from its own files, so it cannot be part of a bundle.
        return (chunks || esbuild) && id.startsWith("tinderbox") ? { id, external: true } : undefined;
      },
    },
    load: { filter: { id: /\?flame-unit=/ }, handler: (id) => units.get(id) },
    transform: {
      filter: { id: source, code: /tinderbox/ },
      async handler(code, id) {
        if (id.includes("/node_modules/") || id.includes("\0")) return undefined;
        return bundleFile(code, id, optionsFor(this as unknown as RollupContext, id));
      },
    },
  };
});

export default tinderbox;

function pathFrom(file: string, target: string): string {
  const path = posix.relative(posix.dirname(file), target);
  return path.startsWith(".") ? path : `./${path}`;
}

function resolveWithEsbuild(build: EsbuildBuild): Resolve {
  return async (specifier, importer) => {
    const resolveDir = importer.replace(/[\\/][^\\/]*$/, "");
    const { path, errors } = await build.resolve(specifier, { importer, resolveDir, kind: "import-statement" });
    return errors.length > 0 ? undefined : path;
  };
}
