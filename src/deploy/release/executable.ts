/** What machine a program or a library is for, by its first bytes. Nothing is run: it may be for another machine. */
import { closeSync, openSync, readSync } from "node:fs";

export interface Executable {
  /** As `process.platform` and `process.arch` have it; "unknown" for what Node does not run on. */
  readonly platform: string;
  readonly arch: string;
  /** What starts it, such as "/lib64/ld-linux-x86-64.so.2"; of programs of Linux that use libraries. */
  readonly interpreter?: string;
  /** File names of the libraries that it wants. */
  readonly libraries: readonly string[];
}

/** Undefined for what is neither of Linux, nor of macOS, nor of Windows. */
export function executableOf(file: string): Executable | undefined {
  const descriptor = openSync(file, "r");
  try {
    const read = (at: number, length: number): Buffer => {
      const piece = Buffer.alloc(Math.max(0, Math.min(length, 2 ** 20)));
      return piece.subarray(0, readSync(descriptor, piece, 0, piece.length, at));
    };
    const head = read(0, 64);
    if (head.length < 20) return undefined;
    if (head.readUInt32BE(0) === 0x7f454c46) return elf(head, read);
    if (head.readUInt32LE(0) === 0xfeedfacf)
      return { platform: "darwin", arch: archOf(macArchs, head.readUInt32LE(4)), libraries: [] };
    if (head.readUInt32BE(0) === 0xcafebabe) return { platform: "darwin", arch: "universal", libraries: [] };
    if (head.toString("latin1", 0, 2) === "MZ") return { platform: "win32", arch: "unknown", libraries: [] };
    return undefined;
  } finally {
    closeSync(descriptor);
  }
}

type Read = (at: number, length: number) => Buffer;

const elfArchs: Readonly<Record<number, string>> = {
  0x03: "ia32",
  0x15: "ppc64",
  0x16: "s390x",
  0x28: "arm",
  0x3e: "x64",
  0xb7: "arm64",
  0xf3: "riscv64",
  0x102: "loong64",
};
const macArchs: Readonly<Record<number, string>> = { 0x01000007: "x64", 0x0100000c: "arm64" };
const archOf = (known: Readonly<Record<number, string>>, code: number): string => known[code] ?? "unknown";

function elf(head: Buffer, read: Read): Executable {
  const little = head[5] === 1;
  const arch = archOf(elfArchs, little ? head.readUInt16LE(18) : head.readUInt16BE(18));
  // All that matter are of 64 bits and begin with their least byte.
  if (head[4] !== 2 || !little || head.length < 64) return { platform: "linux", arch, libraries: [] };
  const at = Number(head.readBigUInt64LE(32));
  const entryBytes = head.readUInt16LE(54);
  const count = head.readUInt16LE(56);
  const table = read(at, entryBytes * count);
  const segments = Array.from({ length: entryBytes < 56 ? 0 : Math.floor(table.length / entryBytes) }, (_, index) => {
    const entry = table.subarray(index * entryBytes);
    const field = (offset: number): number => Number(entry.readBigUInt64LE(offset));
    return { type: entry.readUInt32LE(0), offset: field(8), address: field(16), size: field(32) };
  });
  const interpreter = segments.find(({ type }) => type === 3);
  const dynamic = segments.find(({ type }) => type === 2);
  return {
    platform: "linux",
    arch,
    ...(interpreter && { interpreter: text(read(interpreter.offset, interpreter.size), 0) }),
    libraries: dynamic ? needed(segments, read(dynamic.offset, dynamic.size), read) : [],
  };
}

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

/** The names behind DT_NEEDED, from the table of strings that DT_STRTAB tells of. */
function needed(segments: readonly Segment[], dynamic: Buffer, read: Read): string[] {
  const tags: [tag: number, value: number][] = [];
  for (let at = 0; at + 16 <= dynamic.length; at += 16)
    tags.push([Number(dynamic.readBigInt64LE(at)), Number(dynamic.readBigUInt64LE(at + 8))]);
  const address = tags.find(([tag]) => tag === 5)?.[1];
  const home = segments.find(
    ({ type, address: start, size }) =>
      type === 1 && address !== undefined && address >= start && address < start + size,
  );
  if (address === undefined || !home) return [];
  const strings = address - home.address + home.offset;
  return tags.filter(([tag]) => tag === 1).map(([, value]) => text(read(strings + value, 256), 0));
}

function text(bytes: Buffer, from: number): string {
  const end = bytes.indexOf(0, from);
  return bytes.toString("latin1", from, end < 0 ? bytes.length : end);
}
