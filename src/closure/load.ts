/** Stamps a source file as it is loaded into this process; its text and analysis stay here, nothing is embedded. */
import { hashOf } from "../hash.ts";
import { analyse } from "./analyse.ts";
import { registry } from "./stamp.ts";
import { importsTinderbox, transform } from "./transform.ts";

/** The stamped text, or undefined for a file that does not import the package. */
export function stampSource(source: string, url: string, format: "module" | "commonjs"): string | undefined {
  if (!importsTinderbox(source)) return undefined;
  const file = url.replace(/[?#].*$/s, "");
  const analysis = analyse(source, file, { format });
  const key = hashOf(`${url}\n${source}`);
  const register = format === "module" ? "import.meta.url" : `require("node:url").pathToFileURL(__filename).href`;
  const stamped = transform(source, file, { analysis, key, register, embed: "null" });
  if (!stamped) return undefined;
  registry.sources.set(key, { source, analysis });
  return stamped.code;
}
