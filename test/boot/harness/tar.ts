import { gzipSync } from "node:zlib";

/** An entry as it is written, also one that no honest archive has. */
export interface TarEntry {
  readonly name: string;
  /** ustar's letter. @default "0", a file */
  readonly kind?: string;
  readonly data?: string | Uint8Array;
  /** @default 0o644 */
  readonly mode?: number;
  readonly link?: string;
  /** What the header says, instead of the length of `data`. */
  readonly size?: number;
}

const field = (text: string, length: number): Buffer => {
  const bytes = Buffer.alloc(length);
  bytes.write(text, "latin1");
  return bytes;
};
const octal = (value: number, length: number): Buffer => field(value.toString(8).padStart(length - 1, "0"), length);

/** One entry's bytes. */
export function tarEntry(entry: TarEntry): Buffer {
  const { name, kind = "0", mode = 0o644, link = "" } = entry;
  const data = Buffer.from(entry.data ?? "");
  const header = Buffer.concat([
    field(name, 100),
    octal(mode, 8),
    octal(1234, 8),
    octal(1234, 8),
    octal(entry.size ?? data.length, 12),
    octal(0, 12),
    Buffer.from("        "),
    field(kind, 1),
    field(link, 100),
    Buffer.from("ustar\x0000"),
    Buffer.alloc(247),
  ]);
  header.write(
    `${header
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, "0")}\0 `,
    148,
    "latin1",
  );
  return Buffer.concat([header, data, Buffer.alloc((512 - (data.length % 512)) % 512)]);
}

/** A pax header that renames the entry after it. */
export function paxEntry(records: Readonly<Record<string, string>>): Buffer {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = ` ${key}=${value}\n`;
    let length = Buffer.byteLength(rest);
    while (String(length).length + Buffer.byteLength(rest) !== length) length++;
    return `${length}${rest}`;
  });
  return tarEntry({ name: "pax", kind: "x", data: lines.join("") });
}

export const archive = (...entries: readonly (TarEntry | Buffer)[]): Buffer =>
  gzipSync(Buffer.concat([...entries.map((one) => (Buffer.isBuffer(one) ? one : tarEntry(one))), Buffer.alloc(1024)]));
