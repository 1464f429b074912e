/**
 * Keys as paths. Each segment of a key is a folder: lower-case letters, digits, "_", "-" and "." stand for themselves, any other byte is
 * "%" and two digits, so that no file system takes two keys for one. An empty segment is "%". What is longer than a name may be is divided
 * into folders, all but the last of which end in "+". Names that begin with "@" or "." are never a segment's.
 */
import { join } from "node:path";

/** Below the 255 bytes of most file systems, also with "+" and for those that want some for themselves. */
const longestName = 200;

/** Folder of what is kept of a key, in the folder of the key. */
const lifeName = "@";

/** Folder of what is being written, and of what was removed a moment ago, in the folder of the store. */
export const temporaryName = ".tmp";

export function folderOf(root: string, key: string): string {
  return join(root, ...key.split("/").flatMap(partsOf), lifeName);
}

/** The names of the nested folders of one segment. */
export function partsOf(segment: string): string[] {
  const name = encode(segment);
  if (name.length <= longestName) return [name];
  // Divided anywhere, a part could become ".".
  const dotless = name.replaceAll(".", "%2e");
  const count = Math.ceil(dotless.length / longestName);
  return Array.from({ length: count }, (_, index) => {
    const part = dotless.slice(index * longestName, (index + 1) * longestName);
    return index < count - 1 ? `${part}+` : part;
  });
}

/** The opposite of `partsOf`; undefined for names that it would not have given. */
export function segmentOf(parts: readonly string[]): string | undefined {
  const name = parts.map((part) => part.replace(/\+$/, "")).join("");
  if (!/^(?:[a-z0-9_.-]|%[0-9a-f]{2})+$|^%$/.test(name)) return undefined;
  const bytes = Buffer.from(
    name === "%" ? "" : name.replaceAll(/[^%]|%(..)/g, (each, hex?: string) => hex ?? hexOf(each)),
    "hex",
  );
  const segment = bytes.toString();
  const own = partsOf(segment);
  return own.length === parts.length && own.every((part, index) => part === parts[index]) ? segment : undefined;
}

export function isContinued(name: string): boolean {
  return name.endsWith("+");
}

const hexOf = (character: string): string => character.charCodeAt(0).toString(16).padStart(2, "0");

function encode(segment: string): string {
  if (segment === "") return "%";
  const name = Array.from(Buffer.from(segment), (byte) => {
    const character = String.fromCharCode(byte);
    return /[a-z0-9_.-]/.test(character) ? character : `%${hexOf(character)}`;
  }).join("");
  return name.startsWith(".") ? `%2e${name.slice(1)}` : name;
}
