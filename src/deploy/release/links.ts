/** Symbolic links of what is packed: they go along when they stay inside, and are written so that this can be seen from their text. */
import { readlinkSync, realpathSync } from "node:fs";
import { dirname, isAbsolute, posix, relative, resolve } from "node:path";
import { isBelow, unreadable } from "./entry.ts";

export type Way =
  /** Its text in the release; `real` is where it ends, absolute, and absent where there is nothing. */
  | { readonly inside: true; readonly target: string; readonly real: string | undefined }
  | { readonly inside: false; readonly to: string };

/**
 * Where a link leads. `boundary` is the real path of the folder that it must not leave; the folder that it is in has to be a real path below.
 *
 * A text that goes up anywhere but at its beginning, or is absolute, is written anew: what it means would depend on other links.
 */
export function wayOf(source: string, path: string, boundary: string): Way {
  let text: string;
  try {
    text = readlinkSync(source);
  } catch (cause) {
    throw unreadable(path, cause);
  }
  const folder = dirname(source);
  const named = resolve(folder, text);
  const real = realOf(source);
  if (real !== undefined && !isBelow(real, boundary)) return { inside: false, to: real };
  if (real === undefined && !isBelow(named, boundary)) return { inside: false, to: named };
  const plain = !isAbsolute(text) && posix.normalize(text) === text && !text.endsWith("/") && isBelow(named, boundary);
  return { inside: true, real, target: plain ? text : textTo(folder, real ?? named) };
}

/** The text of a link in `folder` that leads to `to`. */
export function textTo(folder: string, to: string): string {
  return relative(folder, to) || ".";
}

/** Undefined where there is nothing, or links that lead to each other. */
export function realOf(path: string): string | undefined {
  try {
    return realpathSync.native(path);
  } catch {
    return undefined;
  }
}
