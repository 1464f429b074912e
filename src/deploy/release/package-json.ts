/** What is used of the package.json of a project or a package. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { cannotPack } from "./error.ts";

export interface PackageJson {
  readonly name: string | undefined;
  /** Names of what it cannot do without, and of what it uses where it is there. */
  readonly required: readonly string[];
  readonly optional: readonly string[];
  /** Names of its commands. */
  readonly commands: readonly string[];
  /** Files that it is entered by, relative and without patterns. */
  readonly entries: readonly string[];
}

/** Undefined when there is none. */
export function readPackageJson(folder: string, place: string): PackageJson | undefined {
  let text: string;
  try {
    text = readFileSync(join(folder, "package.json"), "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw cannotPack(join(place, "package.json"), "it cannot be read; make it readable", cause);
  }
  let json: unknown;
  try {
    json = JSON.parse(text.replace(/^\ufeff/, ""));
  } catch (cause) {
    throw cannotPack(join(place, "package.json"), "it is no JSON; mend it", cause);
  }
  const read = recordOf(json);
  const name = typeof read["name"] === "string" ? read["name"] : undefined;
  const meta = recordOf(read["peerDependenciesMeta"]);
  const optional = Object.keys(recordOf(read["optionalDependencies"]));
  const peers = Object.keys(recordOf(read["peerDependencies"]));
  const wanted = Object.keys(recordOf(read["dependencies"])).filter((each) => !optional.includes(each));
  const bundled = read["bundleDependencies"] ?? read["bundledDependencies"];
  const bin = read["bin"];
  return {
    name,
    required: wanted.filter(isName),
    optional: [...new Set([...optional, ...peers, ...Object.keys(meta), ...stringsOf(bundled)])].filter(
      (each) => isName(each) && !wanted.includes(each),
    ),
    commands: typeof bin === "string" ? [name?.split("/").at(-1) ?? ""].filter(Boolean) : Object.keys(recordOf(bin)),
    entries: [...stringsOf(read["main"]), ...stringsOf(bin), ...stringsOf(read["exports"])]
      .map((each) => each.replace(/^\.\//, ""))
      .filter((each) => !each.includes("*") && !each.startsWith("../") && !each.startsWith("/")),
  };
}

/** What could lead a search out of node_modules is no name of a package. */
function isName(name: string): boolean {
  return /^(@[^/@]+\/)?[^/@.][^/]*$/.test(name);
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

/** All strings in a value, however deep. */
function stringsOf(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(stringsOf) : [];
}
