/** Where a binary was declared, and what its relative paths are relative to. */
import { existsSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";

/** `file:line:column` of whoever called `below`, as the stack shows it. */
export function callerOf(below: (...args: never[]) => unknown): string | undefined {
  const holder: { stack?: string } = {};
  Error.captureStackTrace(holder, below);
  return holder.stack?.split("\n")[1]?.trim();
}

/** The release that the caller's file belongs to: the folder of the nearest package.json, else the file's own. */
export function releaseOf(caller: string | undefined): string {
  const [, where] = /\(?((?:file:\/\/)?\/[^()]*?)(?:\?[^():]*)?:\d+:\d+\)?$/.exec(caller ?? "") ?? [];
  if (where === undefined) return process.cwd();
  const file = where.startsWith("file://") ? fileURLToPath(where) : where;
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    if (existsSync(join(folder, "package.json"))) return folder;
    if (folder === dirname(folder)) return dirname(file);
  }
}

/** A path of the release. On a machine that keeps its release elsewhere it is the working folder that counts. */
export function pathIn(release: string, path: string): string {
  if (isAbsolute(path)) return path;
  return join(existsSync(release) ? release : process.cwd(), path);
}

/** A name without a slash stays one: it is looked up on PATH. */
export function commandIn(release: string, command: string): string {
  return command.includes("/") ? pathIn(release, command) : command;
}
