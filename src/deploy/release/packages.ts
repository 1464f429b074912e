/**
 * Which installed packages an application runs with: those that are found from it, as Node finds them, by the names in `dependencies`,
 * `optionalDependencies` and `peerDependencies`, and so on from each of them. What only `devDependencies` name is not among them. No lock file is
 * asked, so it is the same for npm, pnpm and Yarn.
 */
import { existsSync, lstatSync, statSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { isBelow, linkEntry, type Entry, type Notice } from "./entry.ts";
import { ReleaseError } from "../../errors.ts";
import { cannotPack } from "./error.ts";
import { realOf, textTo } from "./links.ts";
import { type PackageJson, readPackageJson } from "./package-json.ts";

/** A package whose files go into the release. */
export interface FoundPackage {
  /** Its real folder. */
  readonly folder: string;
  /** Where that is in the release. */
  readonly place: string;
  readonly json: PackageJson | undefined;
  /** The real folder outside of the root that it is, or is in; undefined for what is installed inside of the root. */
  readonly outside: string | undefined;
}

export interface PackagesOptions {
  /** A real path. */
  readonly root: string;
  readonly add: (entry: Entry, real?: string) => void;
  readonly notice: (notice: Notice) => void;
}

/** One whose dependencies are looked for: the application, a package of its workspace, or an installed package. */
interface Importer {
  readonly folder: string;
  readonly place: string;
  readonly json: PackageJson | undefined;
  readonly outside: string | undefined;
  readonly installed: boolean;
}

export class Packages {
  readonly #options: PackagesOptions;
  /** By real folder. */
  readonly #found = new Map<string, FoundPackage>();
  readonly #importers = new Map<string, Importer>();
  readonly #waiting: Importer[] = [];
  readonly #links = new Set<string>();

  constructor(options: PackagesOptions) {
    this.#options = options;
  }

  get found(): readonly FoundPackage[] {
    return [...this.#found.values()];
  }

  /** The application itself and the packages of its workspace. */
  get members(): readonly Importer[] {
    return [...this.#importers.values()].filter(({ installed }) => !installed);
  }

  /** Looks for all that a part of the application needs. `folder` is a real path inside of the root. */
  addMember(folder: string): void {
    const place = relative(this.#options.root, folder);
    this.#import({ folder, place, json: readPackageJson(folder, place), outside: undefined, installed: false });
    this.#followAll();
  }

  #followAll(): void {
    for (let next = this.#waiting.pop(); next; next = this.#waiting.pop()) this.#follow(next);
  }

  /** A package of the workspace, and the link to it that its package manager has made. */
  addLinked(link: string, real: string): void {
    this.#arrive(relative(this.#options.root, link), link, real, true);
    this.addMember(real);
  }

  /** Where packages of some name are, the one that is found from the root first. */
  placesOf(name: string): readonly string[] {
    const all = [...this.members, ...this.found].filter(({ json }) => json?.name === name);
    return all.map(({ place }) => place).toSorted((one, other) => one.length - other.length || (one < other ? -1 : 1));
  }

  /** Where a real path is in the release; undefined when it is not in it. */
  placeOf(real: string): string | undefined {
    if (isBelow(real, this.#options.root)) return relative(this.#options.root, real);
    for (let at = real; ; at = dirname(at)) {
      const found = this.#found.get(at);
      if (found) return join(found.place, relative(at, real));
      if (dirname(at) === at) return undefined;
    }
  }

  #import(importer: Importer): void {
    if (this.#importers.has(importer.folder)) return;
    this.#importers.set(importer.folder, importer);
    this.#waiting.push(importer);
  }

  #follow(importer: Importer): void {
    const { required = [], optional = [] } = importer.json ?? {};
    for (const name of required) {
      if (this.#resolve(importer, name, false)) continue;
      if (!importer.installed)
        throw new ReleaseError(
          `Cannot pack ${this.#options.root}: package ${JSON.stringify(name)}, a dependency of ${nameOf(importer)}, is not installed; run the package manager's install`,
          { path: importer.place },
        );
      const text = `${importer.place} wants package ${JSON.stringify(name)}, which is not installed`;
      this.#options.notice({ kind: "missing", path: importer.place, text });
    }
    for (const name of optional) this.#resolve(importer, name, true);
  }

  /** Finds a package as Node does: in `node_modules` of the importer's folder and of each above it. */
  #resolve(importer: Importer, name: string, optional: boolean): boolean {
    for (let folder = importer.folder; ; folder = dirname(folder)) {
      if (basename(folder) !== "node_modules") {
        const candidate = join(folder, "node_modules", name);
        const stats = lstatSync(candidate, { throwIfNoEntry: false });
        if (stats) return this.#take(importer, { candidate, name, isLink: stats.isSymbolicLink(), optional });
      }
      if (dirname(folder) === folder) return false;
    }
  }

  #take(
    importer: Importer,
    { candidate, name, isLink, optional }: { candidate: string; name: string; isLink: boolean; optional: boolean },
  ): boolean {
    const { root } = this.#options;
    const real = realOf(candidate);
    if (real === undefined || !statSync(real).isDirectory()) return false;
    if (!isLink && real !== candidate) refuseLinkedFolder(root, candidate, real);
    if (isBelow(candidate, root)) {
      this.#arrive(relative(root, candidate), candidate, real, isLink);
      return true;
    }
    if (importer.outside === undefined) {
      // By chance there, and nobody has asked for it.
      if (optional) return false;
      throw new ReleaseError(
        `Cannot pack ${root}: package ${JSON.stringify(name)}, a dependency of ${nameOf(importer)}, is installed in ${dirname(candidate)}, outside of it; pack the folder that it is installed in, as with --root ${dirname(dirname(candidate))}`,
        { path: importer.place },
      );
    }
    // Below a package that is not inside of the root itself: it keeps its place in it, or gets one.
    const inIt = isBelow(candidate, importer.outside);
    const place = inIt ? this.placeOf(dirname(candidate)) : undefined;
    const own = place === undefined ? join(importer.place, "node_modules", name) : join(place, basename(candidate));
    this.#arrive(own, candidate, real, isLink || !inIt);
    return true;
  }

  /** `place` is where a package is looked for in the release, and `real` what is there. */
  #arrive(place: string, candidate: string, real: string, isLink: boolean): void {
    const { root, add } = this.#options;
    const known = this.#found.get(real);
    const inside = isBelow(real, root);
    if (!isLink || (!inside && !known && !this.#isWithin(real))) {
      if (!known) this.#find(real, place, inside ? undefined : (this.#outsideOf(real) ?? real));
      return;
    }
    const to = known?.place ?? this.placeOf(real)!;
    if (!this.#links.has(place) && place !== to) {
      this.#links.add(place);
      add(linkEntry(place, candidate, textTo(join(root, dirname(place)), join(root, to))), join(root, to));
    }
    if (known) return;
    if (inside && !to.split("/").includes("node_modules")) {
      const json = readPackageJson(real, to);
      return this.#import({ folder: real, place: to, json, outside: undefined, installed: false });
    }
    this.#find(real, to, inside ? undefined : this.#outsideOf(real));
  }

  #find(folder: string, place: string, outside: string | undefined): void {
    const json = readPackageJson(folder, place);
    this.#found.set(folder, { folder, place, json, outside });
    this.#import({ folder, place, json, outside, installed: true });
  }

  #isWithin(real: string): boolean {
    return this.#outsideOf(real) !== undefined;
  }

  /** The package from outside that a real path is in. */
  #outsideOf(real: string): string | undefined {
    for (const { folder, outside } of this.#found.values())
      if (outside === folder && isBelow(real, folder)) return folder;
    return undefined;
  }
}

function refuseLinkedFolder(root: string, candidate: string, real: string): void {
  const place = relative(root, candidate);
  throw cannotPack(
    place,
    `it is reached by a link, and really is ${real}; make the folder above it one of its own, and install into that`,
  );
}

function nameOf({ place, json }: Importer): string {
  return JSON.stringify(json?.name ?? (place || "the application"));
}

/** True for a folder of Yarn's that has no `node_modules` on purpose. */
export function isPlugAndPlay(root: string): boolean {
  return existsSync(join(root, ".pnp.cjs")) || existsSync(join(root, ".pnp.js"));
}
