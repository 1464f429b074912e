/**
 * `node --import tinderbox/register app.ts`: stamps functions while files load, so that capturing one costs nothing.
 * Works for ES modules and CommonJS, JavaScript and TypeScript. Synchronous and in this thread; no second copy of
 * anything, no loader thread.
 */
import { registerHooks } from "node:module";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

// A runner inherits the flag, but only imports files: it has no use for stamps, and no time for a parser.
if (process.env["TINDERBOX_RUNNER"] === undefined) {
  const { stampSource } = await import("./closure/load.ts");
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context);
      if (!url.startsWith("file:") || url.includes("/node_modules/")) return loaded;
      const format = formatOf(loaded.format ?? context.format);
      if (!format) return loaded;
      // Node leaves the source of CommonJS out when it will read the file itself.
      const source = loaded.source ?? readFileSync(fileURLToPath(url), "utf8");
      const text = typeof source === "string" ? source : Buffer.from(source as Uint8Array).toString("utf8");
      const stamped = stampSource(text, url, format);
      return stamped === undefined ? loaded : { ...loaded, source: stamped };
    },
  });
}

function formatOf(format: string | null | undefined): "module" | "commonjs" | undefined {
  if (format === "module" || format === "module-typescript") return "module";
  if (format === "commonjs" || format === "commonjs-typescript") return "commonjs";
  return undefined;
}
