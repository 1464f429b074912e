/** On a runner: the code that it was sent, for captures that begin there. */
import type { Linker } from "./link.ts";
import type { UnitModule } from "./units.ts";

const slot = Symbol.for("tinderbox.sent");
const realm = globalThis as { [slot]?: { linker: Linker | undefined } };
/** Shared by all copies of the package; a runner fills it in, on a parent it stays empty. */
export const sent = (realm[slot] ??= { linker: undefined });

/** What stands before the code is on its first line: lines stay what they are, and import.meta.url is the user's file. */
export function textAsLoaded({ format, source, url }: Pick<UnitModule, "format" | "source" | "url">): string {
  if (format === "commonjs") return source;
  const meta = source.includes("import.meta") ? `import.meta.url = ${JSON.stringify(url)};` : "";
  return `${meta}${source}\n//# sourceURL=${url}`;
}
