/** Builds a folder's entry the way an application is built for production, with the plugin. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { repository } from "../harness/script-folder.ts";

export type Bundler =
  "vite" | "vite-minified" | "rolldown" | "rolldown-minified" | "esbuild" | "esbuild-minified" | "esbuild-commonjs";

interface Plugins {
  vite(): never;
  rolldown(): never;
  esbuild(): never;
}

const file = join(repository, "src/plugin.ts");

const external = [/^tinderbox(\/|$)/, /^node:/];

/** Returns the path of the built entry within `folder`. */
export async function bundle(bundler: Bundler, folder: string, entry: string): Promise<string> {
  const { tinderbox } = (await import(/* @vite-ignore */ file)) as { tinderbox: Plugins };
  const minify = bundler.endsWith("-minified");
  const input = join(folder, entry);
  const dir = join(folder, "dist");
  if (bundler.startsWith("vite")) {
    const { build } = await import("vite");
    await build({
      root: folder,
      configFile: false,
      logLevel: "error",
      plugins: [tinderbox.vite()],
      ssr: { external: ["tinderbox"] },
      build: {
        ssr: input,
        outDir: dir,
        minify,
        target: "esnext",
        rolldownOptions: { output: { entryFileNames: "entry.mjs" } },
      },
    });
  } else if (bundler.startsWith("rolldown")) {
    const { rolldown } = await import("rolldown");
    const built = await rolldown({
      input,
      external,
      platform: "node",
      plugins: [tinderbox.rolldown()],
      onLog: () => undefined,
    });
    await built.write({ dir, format: "esm", entryFileNames: "entry.mjs", minify });
    await built.close();
  } else {
    const { build } = await import("esbuild");
    const commonjs = bundler === "esbuild-commonjs";
    await build({
      entryPoints: { entry: input },
      absWorkingDir: folder,
      bundle: true,
      minify,
      format: commonjs ? "cjs" : "esm",
      platform: "node",
      target: "esnext",
      outdir: dir,
      outExtension: { ".js": commonjs ? ".cjs" : ".mjs" },
      external: ["tinderbox", "tinderbox/*"],
      plugins: [tinderbox.esbuild()],
      logLevel: "silent",
    });
  }
  return existsSync(join(dir, "entry.cjs")) ? "dist/entry.cjs" : "dist/entry.mjs";
}
