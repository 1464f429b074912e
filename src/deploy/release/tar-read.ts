/**
 * Reads archives as `tar-format.ts` writes them, and refuses all others: what is not needed cannot be misused. Nothing of it depends on
 * what is on the disk.
 */
import { isUtf8 } from "node:buffer";
import { isPlainPath } from "./manifest.ts";
import { blockBytes, checksum, type Member, type MemberKind } from "./tar-format.ts";

export interface Limits {
  readonly unpackedBytes: number;
  readonly entries: number;
}

export interface ReadMember extends Member {
  /** To be read before the next member is asked for; what is left of it is skipped. */
  readonly contents: AsyncIterable<Uint8Array>;
}

/** The longest path that Linux knows, twice, and what is around them. */
const longestPax = 2 * 4096 + 256;

/** @throws Error that completes "<archive> ...", for what is no such archive or holds more than `limits`. */
export async function* readArchive(source: AsyncIterable<Uint8Array>, limits: Limits): AsyncGenerator<ReadMember> {
  const bytes = new Bytes(source);
  let entries = 0;
  let unpacked = 0;
  try {
    for (;;) {
      const block = await bytes.take(blockBytes);
      if (isZero(block)) break;
      const pax = typeAt(block) === "x" ? await paxOf(bytes, block) : undefined;
      const member = memberOf(pax ? await bytes.take(blockBytes) : block, pax);
      if (++entries > limits.entries) throw new Error(`holds more than ${limits.entries} entries`);
      unpacked += member.size;
      if (unpacked > limits.unpackedBytes) throw new Error(`holds more than ${limits.unpackedBytes} bytes`);
      const contents = bytes.stream(member.size);
      yield { ...member, contents };
      for await (const _ of contents);
      const rest = (blockBytes - (member.size % blockBytes)) % blockBytes;
      if (!isZero(await bytes.take(rest))) throw new Error("has something between its entries");
    }
    if (!isZero(await bytes.take(blockBytes))) throw new Error("ends in the middle");
    if (!(await bytes.ended())) throw new Error("goes on after its end");
    if (entries !== limits.entries || unpacked !== limits.unpackedBytes)
      throw new Error("holds less than its manifest says");
  } finally {
    await bytes.close();
  }
}

/** Pieces of a stream as they are wanted. */
class Bytes {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #piece: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#pieces = source[Symbol.asyncIterator]();
  }

  /** False at the end. */
  async #more(): Promise<boolean> {
    while (this.#piece.length === 0) {
      const { done, value } = await this.#pieces.next();
      if (done) return false;
      this.#piece = Buffer.from(value.buffer, value.byteOffset, value.length);
    }
    return true;
  }

  #cut(most: number): Buffer {
    const cut = this.#piece.subarray(0, most);
    this.#piece = this.#piece.subarray(cut.length);
    return cut;
  }

  async take(count: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for await (const part of this.stream(count)) parts.push(part);
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }

  /** So many bytes, once: read again it goes on where it was left. */
  stream(count: number): AsyncIterable<Buffer> {
    let left = count;
    const read = async function* (this: Bytes): AsyncGenerator<Buffer> {
      while (left > 0) {
        if (!(await this.#more())) throw new Error("ends in the middle");
        const part = this.#cut(left);
        left -= part.length;
        yield part;
      }
    };
    return { [Symbol.asyncIterator]: () => read.call(this) };
  }

  async ended(): Promise<boolean> {
    return !(await this.#more());
  }

  async close(): Promise<void> {
    await this.#pieces.return?.();
  }
}

const typeAt = (block: Buffer): string => block.toString("latin1", 156, 157);
const isZero = (bytes: Buffer): boolean => bytes.every((byte) => byte === 0);
const kinds: ReadonlyMap<string, MemberKind> = new Map([
  ["0", "file"],
  ["5", "folder"],
  ["2", "link"],
]);

type Pax = ReadonlyMap<string, string>;

async function paxOf(bytes: Bytes, block: Buffer): Promise<Pax> {
  checkHeader(block);
  const size = octalAt(block, 124, 12);
  if (size > longestPax) throw new Error("has a name that is too long");
  const records = await bytes.take(size);
  await bytes.take((blockBytes - (size % blockBytes)) % blockBytes);
  if (!isUtf8(records)) throw new Error("has a name that is not UTF-8");
  const found = new Map<string, string>();
  for (let at = 0; at < records.length;) {
    const [head = "", digits, key = ""] =
      /^([1-9]\d{0,4}) ([a-z]+)=/.exec(records.toString("latin1", at, at + 32)) ?? [];
    const end = at + Number(digits);
    if (!(end <= records.length) || records[end - 1] !== 0x0a || end - at <= head.length || found.has(key))
      throw new Error("has a damaged header");
    if (!["path", "linkpath", "size"].includes(key))
      throw new Error(`has a header ${JSON.stringify(key)}, which is not used here`);
    found.set(key, records.toString("utf8", at + head.length, end - 1));
    at = end;
  }
  return found;
}

function memberOf(block: Buffer, pax: Pax = new Map()): Member {
  checkHeader(block);
  const kind = kinds.get(typeAt(block));
  const named = pax.get("path") ?? textAt(block, 0, 100);
  if (kind === undefined) throw new Error(`has ${show(named)}, which is neither file nor folder nor link`);
  if (textAt(block, 345, 155) !== "") throw new Error("has a name in two parts, which is not used here");
  const path = kind === "folder" ? named.replace(/\/$/, "") : named;
  if (!isPlainPath(path)) throw new Error(`has ${show(named)}, which leads outside or is no plain path`);
  const stated = pax.get("size");
  const size = stated === undefined ? octalAt(block, 124, 12) : /^\d{1,15}$/.test(stated) ? Number(stated) : Number.NaN;
  if (!Number.isSafeInteger(size) || (kind !== "file" && size !== 0)) throw new Error(`has ${show(path)} of no size`);
  const target = pax.get("linkpath") ?? textAt(block, 157, 100);
  if ((kind === "link") !== (target !== ""))
    throw new Error(`has ${show(path)}, which is a link to nothing, or no link`);
  if (kind === "link" && !staysInside(path, target))
    throw new Error(`has the link ${show(path)}, which leads to ${show(target)}`);
  const executable = (octalAt(block, 100, 8) & 0o100) !== 0;
  return { kind, path, size, executable, ...(kind === "link" && { target }) };
}

/**
 * Up only at its beginning, where the folders are those of the path, which are no links; then down, perhaps through other links, each of
 * which stays inside as well.
 */
function staysInside(path: string, target: string): boolean {
  if (target === ".") return true;
  const parts = target.split("/");
  const up = parts.findIndex((part) => part !== "..");
  const down = up < 0 ? [] : parts.slice(up);
  if (down.length > 0 && !isPlainPath(down.join("/"))) return false;
  return parts.length - down.length <= path.split("/").length - 1;
}

function checkHeader(block: Buffer): void {
  if (textAt(block, 257, 6) !== "ustar" || octalAt(block, 148, 8) !== checksum(block))
    throw new Error("is damaged, or no archive");
}

function textAt(block: Buffer, at: number, length: number): string {
  const field = block.subarray(at, at + length);
  const end = field.indexOf(0);
  const text = end < 0 ? field : field.subarray(0, end);
  if (!isUtf8(text)) throw new Error("has a name that is not UTF-8");
  return text.toString("utf8");
}

function octalAt(block: Buffer, at: number, length: number): number {
  const [, digits] = /^([0-7]{1,11})[\0 ]{0,2}$/.exec(block.toString("latin1", at, at + length)) ?? [];
  if (digits === undefined) throw new Error("has a damaged header");
  return Number.parseInt(digits, 8);
}

const show = (path: string): string => JSON.stringify(path.slice(0, 200));
