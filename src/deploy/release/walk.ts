/** All of a folder: what is in it, but for what is left out, and what becomes of links and of what is no file. */
import type { BigIntStats } from "node:fs";
import { isUtf8 } from "node:buffer";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type Entry, fileEntry, folderEntry, linkEntry, look, type Notice, unreadable } from "./entry.ts";
import { cannotPack } from "./error.ts";
import type { IgnoreRules } from "./ignore-rules.ts";
import { type Way, wayOf } from "./links.ts";

export interface WalkOptions {
  /** The real path of what is read. */
  readonly from: string;
  /** Where that is in the release; empty for its root. */
  readonly to: string;
  /** Links must not leave it; a real path. */
  readonly boundary: string;
  readonly rules: IgnoreRules;
  /** Folders of this name are told of and not looked into: everywhere, or only right below `from`. */
  readonly packages: "everywhere" | "on top";
  readonly add: (entry: Entry, real?: string) => void;
  readonly notice: (notice: Notice) => void;
  /** Told of each folder `node_modules`, by its place in the release; `hasManifest` when a package.json is beside it. */
  readonly foundPackages?: (place: string, hasManifest: boolean) => void;
  readonly signal?: AbortSignal | undefined;
}

export async function walk(options: WalkOptions): Promise<void> {
  await walkFolder(options, "", options.rules);
}

/** True when something of it is in the release, or it is empty by itself. */
async function walkFolder(options: WalkOptions, inner: string, outer: IgnoreRules): Promise<boolean> {
  const { from, to, add, notice, signal, packages, foundPackages } = options;
  const names = await namesOf(join(from, inner), join(to, inner));
  signal?.throwIfAborted();
  const rules = outer.within(inner, new Set(names));
  let kept = names.length === 0;
  for (const name of names) {
    const below = (inner && `${inner}/${name}`) || name;
    const path = (to && `${to}/${below}`) || below;
    const source = join(from, below);
    if (name === "node_modules" && (packages === "everywhere" || inner === "")) {
      foundPackages?.(path, names.includes("package.json"));
      continue;
    }
    const stats = look(source, path);
    const isFolder = stats.isDirectory();
    const verdict = rules.judge(below, isFolder);
    if (verdict === "secret")
      notice({ kind: "secret", path, text: secretText(path, isFolder ? `${below}/` : below, to) });
    if (verdict !== "kept") continue;
    if (isFolder) {
      if (!(await walkFolder(options, below, rules))) continue;
      add(folderEntry(path, source));
    } else if (!addOther(options, path, source, stats)) continue;
    kept = true;
  }
  return kept;
}

function addOther({ add, notice, boundary }: WalkOptions, path: string, source: string, stats: BigIntStats): boolean {
  if (stats.isFile()) add(fileEntry(path, source, stats));
  else if (stats.isSymbolicLink()) {
    const way = wayOf(source, path, boundary);
    if (!way.inside) throw leadsOutside(path, way);
    add(linkEntry(path, source, way.target), way.real);
    if (way.real === undefined)
      notice({ kind: "dangling", path, text: `${path} is a link to ${way.target}, and there is nothing` });
  } else {
    notice({ kind: "skipped", path, text: `${path} is left out: it is a ${typeOf(stats)}` });
    return false;
  }
  return true;
}

function typeOf(stats: BigIntStats): string {
  return stats.isSocket() ? "socket" : stats.isFIFO() ? "named pipe" : "device";
}

/** Sorted, so that what is told comes in the same order everywhere. */
async function namesOf(folder: string, path: string): Promise<string[]> {
  let found: Buffer[];
  try {
    found = await readdir(folder, { encoding: "buffer" });
  } catch (cause) {
    throw unreadable(path || ".", cause);
  }
  const foreign = found.find((name) => !isUtf8(name));
  if (foreign)
    throw cannotPack(
      join(path, foreign.toString()),
      `its name is not UTF-8 (bytes ${foreign.toString("hex")}); rename it, or leave its folder out by .tinderboxignore`,
    );
  return found.map(String).toSorted();
}

const secretText = (path: string, line: string, to: string): string =>
  `${path} is left out: such files hold secrets; a line "!${line}" in ${to && `${to}/`}.tinderboxignore brings it along`;

function leadsOutside(path: string, way: Way & { readonly inside: false }): Error {
  return cannotPack(
    path,
    `it is a link to ${way.to}, which is outside; put a copy in its place, or leave it out by a line of .tinderboxignore`,
  );
}
