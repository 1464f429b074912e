import { expect, test } from "vitest";
import { encodeMember, ending, type Member, padding } from "../../../src/deploy/release/tar-format.ts";
import { readArchive } from "../../../src/deploy/release/tar-read.ts";

async function* pieces(bytes: Buffer, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

/** What is read of members that were written, cut into pieces of some length. */
async function readBack(members: readonly Member[], length = 700): Promise<Member[]> {
  const bytes = Buffer.concat([
    ...members.flatMap((each) => [encodeMember(each), Buffer.alloc(each.size, 1), padding(each.size)]),
    ending,
  ]);
  const limits = { entries: members.length, unpackedBytes: members.reduce((sum, { size }) => sum + size, 0) };
  const seen: Member[] = [];
  for await (const { contents, ...member } of readArchive(pieces(bytes, length), limits)) {
    let size = 0;
    for await (const piece of contents) size += piece.length;
    expect(size).toBe(member.size);
    seen.push(member);
  }
  return seen;
}

// Around what a header has room for, and around where the length of a record gets a digit more.
const lengths = [
  1,
  2,
  50,
  ...Array.from({ length: 40 }, (_, index) => 75 + index),
  ...Array.from({ length: 30 }, (_, index) => 975 + index),
  4_000,
];

test.each(["a", "ä"])("names and links of any length come back, of %j", async (letter) => {
  const members = lengths.flatMap((length): Member[] => {
    const name = letter.repeat(Math.max(1, Math.floor(length / Buffer.byteLength(letter))));
    return [
      { kind: "file", path: name, size: 0, executable: false },
      { kind: "folder", path: name, size: 0, executable: true },
      { kind: "link", path: name, size: 0, executable: true, target: name },
    ];
  });
  expect(await readBack(members)).toEqual(members);
});

test("what fits into a header is in it, up to its last byte", () => {
  const bytesOf = (kind: Member["kind"], length: number): number =>
    encodeMember({ kind, path: "x".repeat(length), size: 0, executable: false }).length;
  expect([bytesOf("file", 100), bytesOf("file", 101), bytesOf("folder", 99), bytesOf("folder", 100)]).toEqual([
    512, 1536, 512, 1536,
  ]);
});

test("contents of any size come back, however they are cut", async () => {
  const members = [0, 1, 511, 512, 513, 5_000].map((size): Member => ({
    kind: "file",
    path: `f${size}`,
    size,
    executable: size > 600,
  }));
  for (const length of [1, 511, 512, 513, 100_000]) expect(await readBack(members, length)).toEqual(members);
});

test("a file of more than 8 GiB has its size beside the header", () => {
  const size = 2 ** 33 + 5;
  const bytes = encodeMember({ kind: "file", path: "big", size, executable: false });
  expect(bytes.toString("latin1", 512, 540)).toContain(`size=${size}\n`);
  expect(bytes.toString("latin1", 1024 + 124, 1024 + 135)).toBe("00000000000");
});
