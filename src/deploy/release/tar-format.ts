/**
 * Archives as releases have them: ustar with pax headers for what does not fit. Of all that tar knows there are files, folders and symbolic
 * links, and every field that tells who, when and where is the same for everybody.
 */

export const blockBytes = 512;
/** What a ustar header has room for. */
const longestName = 100;
const largestSize = 0o77777777777;

export type MemberKind = "file" | "folder" | "link";

export interface Member {
  readonly kind: MemberKind;
  /** Relative, with `/` between its parts and none at its end. */
  readonly path: string;
  /** Bytes of a file; 0 for all others. */
  readonly size: number;
  readonly executable: boolean;
  /** Of a link: what it leads to, relative to the folder that it is in. */
  readonly target?: string | undefined;
}

export const typeOf: Readonly<Record<MemberKind, string>> = { file: "0", folder: "5", link: "2" };

/** All blocks before the contents of a member. */
export function encodeMember({ kind, path, size, executable, target = "" }: Member): Buffer {
  const name = kind === "folder" ? `${path}/` : path;
  const pax: [string, string][] = [];
  if (target !== "" && !fits(target)) pax.push(["linkpath", target]);
  if (!fits(name)) pax.push(["path", name]);
  if (size > largestSize) pax.push(["size", String(size)]);
  const mode = kind === "file" && !executable ? 0o644 : kind === "link" ? 0o777 : 0o755;
  const own = header({
    name: fits(name) ? name : "long",
    mode,
    size: size > largestSize ? 0 : size,
    type: typeOf[kind],
    target: fits(target) ? target : "long",
  });
  if (pax.length === 0) return own;
  const records = Buffer.concat(pax.map(([key, value]) => record(key, value)));
  const first = header({ name: "pax", mode: 0o644, size: records.length, type: "x", target: "" });
  return Buffer.concat([first, records, padding(records.length), own]);
}

/** What follows so many bytes, up to the next block. */
export function padding(size: number): Buffer {
  return Buffer.alloc((blockBytes - (size % blockBytes)) % blockBytes);
}

/** The end of an archive. */
export const ending = Buffer.alloc(2 * blockBytes);

/** In the plain fields are plain characters only: what others would mean there is not agreed on. */
function fits(text: string): boolean {
  return text.length <= longestName && /^[\x20-\x7e]*$/.test(text);
}

interface Fields {
  readonly name: string;
  readonly mode: number;
  readonly size: number;
  readonly type: string;
  readonly target: string;
}

function header({ name, mode, size, type, target }: Fields): Buffer {
  const block = Buffer.alloc(blockBytes);
  block.write(name, 0);
  block.write(octal(mode, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(size, 11), 124);
  block.write(octal(0, 11), 136);
  block.write(type, 156);
  block.write(target, 157);
  block.write("ustar\u000000", 257);
  block.write(octal(0, 7), 329);
  block.write(octal(0, 7), 337);
  block.write(`${octal(checksum(block), 6)}\0 `, 148);
  return block;
}

const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, "0");

/** The sum of all bytes of a header, its own field taken as blanks. */
export function checksum(block: Uint8Array): number {
  let sum = 8 * 0x20;
  for (let at = 0; at < blockBytes; at++) if (at < 148 || at >= 156) sum += block[at]!;
  return sum;
}

/** `<length of all of it> <key>=<value>\n` */
function record(key: string, value: string): Buffer {
  const rest = Buffer.from(` ${key}=${value}\n`);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}
