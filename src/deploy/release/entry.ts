/** What is to be in a release, before any of it is read. */
import { type BigIntStats, lstatSync } from "node:fs";
import { cannotPack } from "./error.ts";
import type { Member } from "./tar-format.ts";

/** What tells one state of a file from another without reading it. */
export interface FileState {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

export interface Entry extends Member {
  /** The absolute path that it comes from. */
  readonly source: string;
  /** Of files only. */
  readonly state?: FileState;
}

/** Something that whoever packs should know; the release is made all the same. */
export interface Notice {
  readonly kind: "secret" | "skipped" | "dangling" | "ignored-entry" | "missing" | "addon" | "node";
  /** Relative to the root, or the name of a package. */
  readonly path: string;
  /** A sentence for people. */
  readonly text: string;
}

export function stateOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): FileState {
  return { dev, ino, size, mtimeNs, ctimeNs };
}

export function sameState(one: FileState, other: FileState): boolean {
  return (["dev", "ino", "size", "mtimeNs", "ctimeNs"] as const).every((key) => one[key] === other[key]);
}

export function fileEntry(path: string, source: string, stats: BigIntStats): Entry {
  const executable = (stats.mode & 0o100n) !== 0n;
  return { kind: "file", path, source, size: Number(stats.size), executable, state: stateOf(stats) };
}

export function folderEntry(path: string, source: string): Entry {
  return { kind: "folder", path, source, size: 0, executable: true };
}

export function linkEntry(path: string, source: string, target: string): Entry {
  return { kind: "link", path, source, target, size: 0, executable: true };
}

/** What is at `source`, without following a link. */
export function look(source: string, path: string): BigIntStats {
  try {
    return lstatSync(source, { bigint: true });
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

/** Why a file or folder could not be read. */
export function unreadable(path: string, cause: unknown): Error {
  const { code } = cause as NodeJS.ErrnoException;
  if (code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP") return changed(path);
  if (code === "EACCES" || code === "EPERM")
    return cannotPack(
      path,
      "this user may not read it; make it readable, or leave it out by a line of .tinderboxignore",
      cause,
    );
  return cannotPack(
    path,
    `it cannot be read (${code ?? String(cause)}); mend it, or leave it out by .tinderboxignore`,
    cause,
  );
}

export function changed(path: string): Error {
  return cannotPack(
    path,
    "it has changed while it was read; pack again when nothing writes to it, or leave it out by a line of .tinderboxignore",
  );
}

/** `path` is `folder` or below it; both absolute. */
export function isBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === "/" ? "/" : `${folder}/`);
}
