/** Decides what goes into a release, without reading any of it. */
import { existsSync, lstatSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { type Entry, folderEntry, isBelow, type Notice } from "./entry.ts";
import { ReleaseError } from "../../errors.ts";
import { type IgnoreRules, ignoreRules } from "./ignore-rules.ts";
import { addCommands, addHoisted, companionsOf, linksIn } from "./installed.ts";
import { realOf } from "./links.ts";
import { nodeFolder } from "./manifest.ts";
import { refuseRoot } from "./node-binary.ts";
import { isPlugAndPlay, Packages } from "./packages.ts";
import { walk } from "./walk.ts";

export interface Plan {
  /** The real path of the application's folder. */
  readonly root: string;
  /** Sorted, folders before what is in them. */
  readonly dependencies: readonly Entry[];
  readonly app: readonly Entry[];
  /** Every path, of both. */
  readonly paths: ReadonlySet<string>;
  /** Where the packages of some name are. */
  places(name: string): readonly string[];
  /** How many packages right below `node_modules` are not needed, and stay behind. */
  readonly omitted: number;
}

export interface PlanOptions {
  readonly root: string;
  readonly notice: (notice: Notice) => void;
  readonly signal?: AbortSignal | undefined;
}

/** @throws ReleaseError for what can be in no release; each says what to do. */
export async function planRelease({ root: given, notice, signal }: PlanOptions): Promise<Plan> {
  const root = rootOf(given);
  const entries = new Map<string, Entry>();
  const ends = new Map<string, string>();
  const add = (entry: Entry, real?: string): void => {
    if (entries.has(entry.path)) return;
    entries.set(entry.path, entry);
    if (real !== undefined) ends.set(entry.path, real);
  };
  const packages = new Packages({ root, add, notice });
  const folders: string[] = [];
  const foundPackages = (place: string, hasManifest: boolean): void => {
    if (hasManifest) folders.push(dirname(place));
    else notice({ kind: "skipped", path: place, text: `${place} is left out: no package.json is beside it` });
  };
  const common = { add, notice, signal };
  const rules = ignoreRules(root);
  await walk({ ...common, from: root, to: "", boundary: root, rules, packages: "everywhere", foundPackages });

  packages.addMember(root);
  for (const folder of folders) packages.addMember(join(root, folder));
  // Packages of a workspace are linked, whether anything names them or not.
  for (const link of linksIn(join(root, "node_modules"))) {
    const real = lstatSync(link).isSymbolicLink() ? realOf(link) : undefined;
    if (real === undefined || !isBelow(real, root) || relative(root, real).split("/").includes("node_modules"))
      continue;
    if (existsSync(join(real, "package.json"))) packages.addLinked(link, real);
  }
  for (const { folder, place, outside } of packages.found) {
    add(folderEntry(place, folder));
    const isLinked = outside === folder;
    const own = isLinked ? ignoreRules(folder, { git: false }) : everything;
    const within = { from: folder, to: place, boundary: folder, rules: own };
    await walk({ ...common, ...within, packages: outside === undefined ? "on top" : "everywhere" });
  }
  for (const { folder, place } of companionsOf(packages.found))
    await walk({ ...common, from: folder, to: place, boundary: folder, rules: everything, packages: "on top" });
  const installed = { root, found: packages.found, paths: entries, add };
  addHoisted(installed);
  addCommands(installed);

  for (const path of entries.keys()) addParents(entries, path, root);
  const paths = new Set(entries.keys());
  for (const [path, real] of ends) {
    const place = packages.placeOf(real);
    if (place === undefined || place === "" || paths.has(place)) continue;
    notice({ kind: "dangling", path, text: `${path} is a link to ${place}, which is left out` });
  }
  for (const { place, json } of packages.members)
    for (const entry of json?.entries ?? []) noticeEntry(join(place, entry), { root, paths, notice });

  const sorted = [...entries.values()].toSorted((one, other) => (one.path < other.path ? -1 : 1));
  const isInstalled = ({ path }: Entry): boolean => path.split("/").includes("node_modules");
  return {
    root,
    paths,
    dependencies: sorted.filter(isInstalled),
    app: sorted.filter((entry) => !isInstalled(entry)),
    places: (name) => packages.placesOf(name),
    omitted: linksIn(join(root, "node_modules")).filter((each) => !paths.has(relative(root, each))).length,
  };
}

/** For installed packages: somebody has published all of it. */
const everything: IgnoreRules = {
  within: () => everything,
  judge: (path) => (/(^|\/)\.git$/.test(path) ? "git" : "kept"),
};

function rootOf(given: string): string {
  const root = realOf(given);
  if (root === undefined || !statSync(root).isDirectory())
    throw new ReleaseError(`Cannot pack ${given}: there is no such folder; name the folder of the application`);
  refuseRoot(root, nodeFolder);
  if (!existsSync(join(root, "package.json")))
    throw new ReleaseError(`Cannot pack ${root}: it has no package.json; name the folder of the application (--root)`);
  if (isPlugAndPlay(root) && !existsSync(join(root, "node_modules")))
    throw new ReleaseError(
      `Cannot pack ${root}: Yarn keeps its packages in archives; set "nodeLinker: node-modules" in .yarnrc.yml and run yarn install`,
    );
  return root;
}

function addParents(entries: Map<string, Entry>, path: string, root: string): void {
  for (let at = dirname(path); at !== "." && !entries.has(at); at = dirname(at))
    entries.set(at, folderEntry(at, join(root, at)));
}

/** A built file that git ignores is the usual reason why something is not there on a machine. */
function noticeEntry(
  path: string,
  { root, paths, notice }: { root: string; paths: ReadonlySet<string>; notice: (notice: Notice) => void },
): void {
  if (paths.has(path) || path.startsWith("..") || !statSync(join(root, path), { throwIfNoEntry: false })?.isFile())
    return;
  const text = `${path} is named in a package.json, and is left out as .gitignore says; a line "!${path}" in .tinderboxignore brings it along, after one for each folder above that is ignored`;
  notice({ kind: "ignored-entry", path, text });
}
