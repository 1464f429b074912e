/** What package managers put beside packages, as far as applications need it. */
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Entry, fileEntry, linkEntry, look } from "./entry.ts";
import { wayOf } from "./links.ts";
import type { FoundPackage } from "./packages.ts";

export interface InstalledOptions {
  /** A real path. */
  readonly root: string;
  readonly found: readonly FoundPackage[];
  /** What is in the release by now. */
  readonly paths: ReadonlyMap<string, Entry>;
  readonly add: (entry: Entry, real?: string) => void;
}

/** Folders that belong to a package and are made beside it. */
const companions: ReadonlyMap<string, string> = new Map([["@prisma/client", ".prisma"]]);

/** Of packages, the folder `node_modules` that each is in. */
export function foldersOf(
  found: readonly FoundPackage[],
): Map<string, { readonly folder: string; readonly commands: Set<string> }> {
  const folders = new Map<string, { folder: string; commands: Set<string> }>();
  for (const { folder, place, json } of found) {
    const isScoped = /(^|\/)node_modules\/@[^/]+\/[^/]+$/.test(place);
    const [at, real] = isScoped
      ? [dirname(dirname(place)), dirname(dirname(folder))]
      : [dirname(place), dirname(folder)];
    // One that was linked is elsewhere, and beside it are other things.
    if (!real.endsWith("/node_modules")) continue;
    const known = folders.get(at) ?? { folder: real, commands: new Set() };
    for (const command of json?.commands ?? []) known.commands.add(command);
    folders.set(at, known);
  }
  return folders;
}

/** Commands of packages in the release: links to them, or the scripts that pnpm writes in their place. */
export function addCommands({ root, found, paths, add }: InstalledOptions): void {
  const folders = foldersOf(found);
  const commands = new Set(found.flatMap(({ json }) => json?.commands ?? []));
  const top = join(root, "node_modules");
  if (!folders.has("node_modules")) folders.set("node_modules", { folder: top, commands });
  for (const [place, { folder, commands: own }] of folders) {
    for (const name of namesIn(join(folder, ".bin"))) {
      const source = join(folder, ".bin", name);
      const path = join(place, ".bin", name);
      const stats = look(source, path);
      if (stats.isFile() && (place === "node_modules" ? commands : own).has(name)) add(fileEntry(path, source, stats));
      if (!stats.isSymbolicLink()) continue;
      const way = wayOf(source, path, dirname(folder));
      if (way.inside && way.real !== undefined && paths.has(join(place, ".bin", way.target)))
        add(linkEntry(path, source, way.target));
    }
  }
}

/** What pnpm has for packages that use what they do not name: links, of which those to packages in the release go along. */
export function addHoisted({ root, found, add }: InstalledOptions): void {
  const at = "node_modules/.pnpm/node_modules";
  const included = new Set(found.map(({ folder }) => folder));
  const names = namesIn(join(root, at)).flatMap((name) =>
    name.startsWith("@") ? namesIn(join(root, at, name)).map((inner) => `${name}/${inner}`) : [name],
  );
  for (const name of names) {
    const source = join(root, at, name);
    const path = join(at, name);
    if (!look(source, path).isSymbolicLink()) continue;
    const way = wayOf(source, path, root);
    if (way.inside && way.real !== undefined && included.has(way.real))
      add(linkEntry(path, source, way.target), way.real);
  }
}

/** Folders to be taken along whole: where they are, and where they go. */
export function companionsOf(found: readonly FoundPackage[]): { readonly folder: string; readonly place: string }[] {
  return found.flatMap(({ folder, place, json }) => {
    const name = companions.get(json?.name ?? "");
    if (name === undefined || !place.endsWith(`/${json?.name}`)) return [];
    const up = (path: string): string => join(path, "../..", name);
    return namesIn(up(folder)).length > 0 ? [{ folder: up(folder), place: up(place) }] : [];
  });
}

/** Links of a `node_modules` folder, by the names that they are found by. */
export function linksIn(folder: string): string[] {
  return namesIn(folder)
    .filter((name) => !name.startsWith("."))
    .flatMap((name) => (name.startsWith("@") ? namesIn(join(folder, name)).map((inner) => join(name, inner)) : [name]))
    .map((name) => join(folder, name));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).toSorted();
  } catch {
    return [];
  }
}
