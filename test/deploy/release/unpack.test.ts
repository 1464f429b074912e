import { createHash } from "node:crypto";
import { existsSync, lstatSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { asyncProperty, assert, integer, nat } from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeManifest, encodeManifest } from "../../../src/deploy/release/manifest.ts";
import { readManifest } from "../../../src/deploy/release/unpack.ts";
import type { StoreDriver } from "../../../src/ports/store.ts";
import { archive, end, type Figures, member, pax, releaseOf } from "./archive.ts";
import { emptyFolder, memory, pack, pictureOf, project, refusal, unpackRelease } from "./project.ts";

const file = (name: string, body = ""): Buffer => member({ name, body });
const folder = (name: string): Buffer => member({ name, type: "5" });
const link = (name: string, target: string): Buffer => member({ name, type: "2", link: target });

/** Unpacks an archive, and looks at what there is then in and beside the folder that it was unpacked into. */
async function unpack(
  bytes: Buffer,
  figures: Figures = {},
): Promise<{ message: string; tree: Readonly<Record<string, string>>; around: readonly string[] }> {
  const driver = memory();
  const top = emptyFolder("top");
  const into = join(top, "into");
  const manifest = await releaseOf(driver, bytes, figures);
  const message = await refusal(unpackRelease(manifest, driver, into));
  const root = join(into, "srv/app");
  const inner = existsSync(into) ? readdirSync(into).filter((name) => !["srv", "opt"].includes(name)) : [];
  return {
    message,
    tree: existsSync(root) ? pictureOf(root) : {},
    around: [...readdirSync(top).filter((name) => name !== "into"), ...inner],
  };
}

describe("an archive as it should be", () => {
  test("is unpacked, with modes that no umask changes", async () => {
    process.umask(0o077);
    try {
      const bytes = archive(
        folder("d"),
        member({ name: "d/x", body: "run", mode: "0000755" }),
        file("f", "text"),
        link("l", "d/x"),
        pax(["path", "ü".repeat(100)]),
        file("long", "1"),
      );
      const driver = memory();
      const into = emptyFolder("into");
      const { root } = await unpackRelease(
        await releaseOf(driver, bytes, { entries: 5, unpackedBytes: 8 }),
        driver,
        into,
      );
      expect(pictureOf(root)).toEqual({ d: "folder", "d/x": "!run", f: "text", l: "-> d/x", ["ü".repeat(100)]: "1" });
      expect(["", "d", "d/x", "f"].map((name) => (lstatSync(join(root, name)).mode & 0o7777).toString(8))).toEqual([
        "755",
        "755",
        "755",
        "644",
      ]);
    } finally {
      process.umask(0o022);
    }
  });

  test("may lack folders, and make them more than once", async () => {
    const { message, tree } = await unpack(archive(file("a/b/c", "1"), folder("a"), folder("a/b")), {
      entries: 3,
      unpackedBytes: 1,
    });
    expect([message, tree]).toEqual(["it was not refused", { a: "folder", "a/b": "folder", "a/b/c": "1" }]);
  });
});

const hostile: [name: string, archive: Buffer, figures: Figures, message: RegExp][] = [
  ["a path that goes up", archive(file("../evil")), {}, /leads outside/],
  ["a path that goes up in the middle", archive(file("a/../../evil")), {}, /leads outside/],
  ["a path that goes up and comes back", archive(file("a/../b")), {}, /leads outside/],
  ["an absolute path", archive(file("/tmp/evil")), {}, /leads outside/],
  ["a path that is only dots", archive(file("..")), {}, /leads outside/],
  ["a path with a dot", archive(file("./a")), {}, /no plain path/],
  ["an empty path", archive(member({ name: "" })), {}, /no plain path/],
  ["a path with two slashes", archive(file("a//b")), {}, /no plain path/],
  [
    "a long path that goes up",
    archive(pax(["path", `${"a/".repeat(60)}${"../".repeat(70)}evil`]), file("x")),
    {},
    /leads outside/,
  ],
  ["a long absolute path", archive(pax(["path", "/etc/evil"]), file("x")), {}, /leads outside/],
  ["a path with a zero in a long name", archive(pax(["path", "a\0b"]), file("x")), {}, /no plain path/],
  ["a prefix", archive(member({ name: "b", prefix: "../a" })), {}, /in two parts/],
  [
    "a link that is absolute",
    archive(link("l", "/etc/passwd")),
    {},
    /has the link "l", which leads to "\/etc\/passwd"/,
  ],
  ["a link that goes up", archive(link("l", "../x")), {}, /has the link "l"/],
  ["a link that goes up from below", archive(link("a/b/l", "../../../x")), {}, /has the link/],
  ["a link that goes up in the middle", archive(link("l", "a/../../x")), {}, /has the link/],
  [
    "a link that goes up behind another",
    archive(link("d", "a/b"), link("l", "d/../../..")),
    { entries: 2 },
    /has the link/,
  ],
  [
    "a long link that goes up",
    archive(pax(["linkpath", `${"../".repeat(50)}etc/passwd`]), link("l", "x")),
    {},
    /has the link/,
  ],
  ["a link to nothing", archive(member({ name: "l", type: "2" })), {}, /link to nothing/],
  [
    "a file below a link",
    archive(link("l", "d"), file("l/x", "1")),
    { entries: 2 },
    /has "srv\/app\/l" as a folder and as something else/,
  ],
  ["a file over a link", archive(link("l", "d"), file("l", "1")), { entries: 2 }, /has "l" twice/],
  ["a folder over a link", archive(link("l", "d"), folder("l")), { entries: 2 }, /as a folder and as something else/],
  ["a link over a file", archive(file("f", "1"), link("f", "d")), { entries: 2 }, /has "f" twice/],
  ["a link over a folder", archive(folder("f"), link("f", "d")), { entries: 2 }, /has "f" twice/],
  ["a file over a file", archive(file("f", "1"), file("f", "2")), { entries: 2 }, /has "f" twice/],
  ["a file over a folder", archive(folder("f"), file("f", "2")), { entries: 2 }, /has "f" twice/],
  [
    "a file below a file",
    archive(file("f", "1"), file("f/g", "2")),
    { entries: 2 },
    /as a folder and as something else/,
  ],
  [
    "a hard link",
    archive(member({ name: "h", type: "1", link: "/etc/passwd" })),
    {},
    /neither file nor folder nor link/,
  ],
  ["a character device", archive(member({ name: "d", type: "3" })), {}, /neither file nor folder nor link/],
  ["a block device", archive(member({ name: "d", type: "4" })), {}, /neither file nor folder nor link/],
  ["a pipe", archive(member({ name: "p", type: "6" })), {}, /neither file nor folder nor link/],
  ["an old kind of file", archive(member({ name: "p", type: "\0" })), {}, /neither file nor folder nor link/],
  [
    "a long name of GNU",
    archive(member({ name: "././@LongLink", type: "L", body: "../evil" }), file("x")),
    { entries: 2 },
    /neither file/,
  ],
  [
    "headers for all",
    archive(member({ name: "g", type: "g", body: "12 path=../e\n" }), file("x")),
    { entries: 2 },
    /neither file/,
  ],
  ["two headers for one", archive(pax(["path", "a"]), pax(["path", "b"]), file("x")), {}, /neither file/],
  ["a header twice in one", archive(pax(["path", "a"], ["path", "../b"]), file("x")), {}, /damaged header/],
  [
    "a header that is not known",
    archive(pax(["SCHILY.xattr.security.capability", "x"]), file("x")),
    {},
    /damaged header|not used/,
  ],
  [
    "a header that says when",
    archive(pax(["mtime", "5"]), file("x")),
    {},
    /has a header "mtime", which is not used here/,
  ],
  [
    "a header with a wrong length",
    archive(member({ type: "x", body: "99 path=a\n" }), file("x")),
    {},
    /damaged header/,
  ],
  ["a header that is too long", archive(pax(["path", "a".repeat(9_000)]), file("x")), {}, /a name that is too long/],
  [
    "a name that is not UTF-8",
    archive(member({ type: "x", body: Buffer.from("313020706174683dff0a".replace("3130", "39"), "hex") }), file("x")),
    {},
    /not UTF-8/,
  ],
  [
    "a size that lies",
    archive(member({ name: "f", body: "1", size: "77777777777" })),
    { unpackedBytes: 2 ** 40 },
    /ends in the middle/,
  ],
  ["a negative size", archive(member({ name: "f", size: "-0000000001" })), {}, /damaged header/],
  ["a size in base 256", archive(member({ name: "f", size: "\x80\0\0\0\0\0\0\0\0\0\0\x01" })), {}, /damaged header/],
  ["a folder with contents", archive(member({ name: "d", type: "5", body: "1" })), { unpackedBytes: 1 }, /of no size/],
  [
    "a link with contents",
    archive(member({ name: "d", type: "2", link: "x", body: "1" })),
    { unpackedBytes: 1 },
    /of no size/,
  ],
  ["a wrong checksum", archive(member({ sum: "000001\0 " })), {}, /is damaged, or no archive/],
  ["no ustar", archive(member({ magic: "nothing\0" })), {}, /is damaged, or no archive/],
  ["more entries than it may have", archive(file("a"), file("b")), { unpackedBytes: 0 }, /holds more than 1 entries/],
  ["fewer entries than it should have", archive(), { unpackedBytes: 0 }, /holds less/],
  ["more bytes than it may have", archive(file("a", "12345")), { unpackedBytes: 4 }, /holds more than 4 bytes/],
  ["fewer bytes than it should have", archive(file("a", "123")), { unpackedBytes: 4 }, /holds less/],
  ["a bomb", archive(file("a", "\0".repeat(30_000_000))), { unpackedBytes: 1_000 }, /holds more than 1000 bytes/],
  [
    "a bomb behind its end",
    archive(file("a"), end, Buffer.alloc(30_000_000)),
    { unpackedBytes: 0 },
    /goes on after its end/,
  ],
  ["entries behind its end", archive(file("a"), end, file("b")), { unpackedBytes: 0 }, /goes on after its end/],
  ["no end", gzipSync(file("a")), { unpackedBytes: 0 }, /ends in the middle/],
  ["half an end", gzipSync(Buffer.concat([file("a"), Buffer.alloc(512)])), { unpackedBytes: 0 }, /ends in the middle/],
  [
    "something between entries",
    archive(Buffer.concat([file("a", "1").subarray(0, 1_000), Buffer.alloc(24, 1)])),
    { unpackedBytes: 1 },
    /something between its entries/,
  ],
  ["no archive", Buffer.from("nothing of the kind"), {}, /it is damaged/],
  ["half of one", archive(file("a", "x".repeat(5_000))).subarray(0, 40), { unpackedBytes: 5_000 }, /is damaged/],
];

describe("hostile archives", () => {
  test.each(hostile)("%s is refused", async (_name, bytes, figures, expected) => {
    const { message, tree, around } = await unpack(bytes, figures);
    expect(message).toMatch(/^Cannot unpack layer app: it .*; nothing of this release can be trusted$/);
    expect(message).toMatch(expected);
    // Links are made last: of an archive that is refused none is.
    expect(Object.values(tree).filter((what) => what.startsWith("->"))).toEqual([]);
    expect(around).toEqual([]);
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith("tinderbox-"))).toEqual([]);
  });

  test("bits for other users are not taken over", async () => {
    const driver = memory();
    const manifest = await releaseOf(
      driver,
      archive(member({ name: "s", mode: "0006777" }), member({ name: "w", mode: "0000666" })),
      { entries: 2, unpackedBytes: 0 },
    );
    const { root } = await unpackRelease(manifest, driver, emptyFolder("into"));
    expect(["s", "w"].map((name) => (lstatSync(join(root, name)).mode & 0o7777).toString(8))).toEqual(["755", "644"]);
  });

  test("any damage to an archive is refused, or leaves it as it was, and never leads outside", async () => {
    const whole = Buffer.concat([
      folder("d"),
      file("d/f", "text"),
      link("l", "d/f"),
      pax(["path", "x".repeat(120)]),
      file("x", "1"),
      end,
    ]);
    await assert(
      asyncProperty(nat(whole.length - 1), integer({ min: 1, max: 255 }), async (at, by) => {
        const damaged = Buffer.from(whole);
        damaged[at] = damaged[at]! ^ by;
        const { message, around } = await unpack(gzipSync(damaged), { entries: 4, unpackedBytes: 5 });
        expect(around).toEqual([]);
        expect(message).toMatch(/^it was not refused$|^Cannot unpack/);
        // What is in a header is under its checksum; the rest is the contents of two files and the long name.
        const contents = (at >= 1024 && at < 1028) || (at >= 2560 && at < 3072) || at === 3584;
        expect(message === "it was not refused" && !contents && !(at >= 2048 && at < 2560)).toBe(false);
      }),
      { numRuns: 150 },
    );
  }, 60_000);
});

describe("before anything of a release is unpacked", () => {
  const broken: [
    name: string,
    act: (driver: StoreDriver, key: string, bytes: Buffer) => Promise<unknown>,
    message: RegExp,
  ][] = [
    ["is not there", (driver, key) => driver.remove(key), /layers\/[0-9a-f]{64}\.tar\.gz is not there; pack again$/],
    [
      "has other bytes",
      (driver, key, bytes) =>
        driver.put(key, Buffer.from(bytes.map((byte, index) => (index === 20 ? byte ^ 1 : byte)))),
      /its sha256 is [0-9a-f]{64}, and [0-9a-f]{64} is wanted; remove layers/,
    ],
    ["is cut", (driver, key, bytes) => driver.put(key, bytes.subarray(0, -1)), /its sha256 is/],
    [
      "goes on",
      (driver, key, bytes) => driver.put(key, Buffer.concat([bytes, Buffer.alloc(1)])),
      /it has more than \d+ bytes/,
    ],
    ["is empty", (driver, key) => driver.put(key, Buffer.alloc(0)), /its sha256 is e3b0c442/],
  ];
  test.each(broken)("a layer that %s is noticed", async (_what, act, message) => {
    for (const index of [0, 1, 2]) {
      const driver = memory();
      const root = project({ a: "1" });
      const { manifest } = await pack(root, { driver });
      const key = `layers/${manifest.layers[index]!.sha256}.tar.gz`;
      await act(driver, key, Buffer.from(((await driver.get(key)) as { body: Uint8Array }).body));
      const into = join(emptyFolder("top"), "into");
      const refused = await refusal(unpackRelease(manifest, driver, into));
      expect(refused).toMatch(message);
      expect(refused).toContain(manifest.layers[index]!.name);
      expect(existsSync(into)).toBe(false);
    }
  });

  test("a manifest is that of its id, and one that this version knows", async () => {
    const driver = memory();
    const { id, manifest } = await pack(project(), { driver });
    expect(await readManifest(id, driver)).toEqual(manifest);
    expect(await refusal(readManifest("0".repeat(64), driver))).toMatch(/it is not in memory/);
    expect(await refusal(readManifest("../x", driver))).toMatch(/an id is 64 hexadecimal digits/);
    const { bytes } = encodeManifest(manifest);
    expect(() => decodeManifest(Buffer.concat([bytes, Buffer.from(" ")]), id)).toThrow(/its sha256 is/);
    await driver.put(`releases/${id}.json`, Buffer.from("{}"));
    expect(await refusal(readManifest(id, driver))).toMatch(
      /^Cannot use release [0-9a-f]{64}: its sha256 is [0-9a-f]{64}; pack it again$/,
    );
  });

  const layer = {
    name: "app",
    sha256: "0".repeat(64),
    bytes: 1,
    unpackedBytes: 1,
    entries: 1,
    path: "/srv/app",
  } as const;
  const layers = [{ ...layer, name: "node", path: "/opt/tinderbox/node" }, { ...layer, name: "dependencies" }, layer];
  const good = { format: 1, node: "v1.0.0", platform: "linux", arch: "x64", root: "/srv/app", layers, agent: "a.js" };
  test.each([
    ["nothing", null],
    ["another format", { ...good, format: 2 }],
    ["a root that is not absolute", { ...good, root: "srv/app" }],
    ["a root that goes up", { ...good, root: "/srv/../etc" }],
    ["a root that ends in a slash", { ...good, root: "/srv/app/" }],
    ["an agent that leads outside", { ...good, agent: "../../bin/sh" }],
    ["an absolute agent", { ...good, agent: "/bin/sh" }],
    ["no layers", { ...good, layers: undefined }],
    ["too few layers", { ...good, layers: layers.slice(1) }],
    ["one layer twice", { ...good, layers: [...layers, layer] }],
    ["a layer for another folder", { ...good, layers: [...layers.slice(0, 2), { ...layer, path: "/etc" }] }],
    ["a Node for another folder", { ...good, layers: [{ ...layers[0], path: "/usr" }, ...layers.slice(1)] }],
    ["a hash that is a path", { ...good, layers: [...layers.slice(0, 2), { ...layer, sha256: "../x" }] }],
    ["a size below zero", { ...good, layers: [...layers.slice(0, 2), { ...layer, bytes: -1 }] }],
    ["no entries", { ...good, layers: [...layers.slice(0, 2), { ...layer, entries: undefined }] }],
    ["a layer of another name", { ...good, layers: [...layers.slice(0, 2), { ...layer, name: "boot" }] }],
    ["an architecture that is none", { ...good, arch: "x64; rm -rf" }],
  ])("a manifest with %s is refused", (_what, manifest) => {
    const bytes = Buffer.from(JSON.stringify(manifest));
    const id = createHash("sha256").update(bytes).digest("hex");
    expect(() => decodeManifest(bytes, id)).toThrow(/^Cannot use release [0-9a-f]{64}: .*; pack it again/);
  });
  test("and that one is right without it", () => {
    const bytes = Buffer.from(JSON.stringify(good));
    expect(decodeManifest(bytes, createHash("sha256").update(bytes).digest("hex"))).toEqual(good);
  });
});

describe("where a release is unpacked to", () => {
  test("what is there stays, and is not written through", async () => {
    const driver = memory();
    const manifest = await releaseOf(driver, archive(file("d/f", "new")), { unpackedBytes: 3 });
    const outside = emptyFolder("outside");
    const cases: ((root: string) => void)[] = [
      (root) => writeFileSync(join(mk(root, "d"), "f"), "old"),
      (root) => symlinkSync(join(outside, "f"), join(mk(root, "d"), "f")),
      (root) => symlinkSync(outside, join(mk(root, ""), "d")),
      (root) => symlinkSync(outside, join(mk(root, ".."), "app")),
    ];
    for (const prepare of cases) {
      const into = emptyFolder("into");
      prepare(join(into, "srv/app"));
      expect(await refusal(unpackRelease(manifest, driver, into))).toMatch(
        /^Cannot unpack layer (app|dependencies): .*; use an empty folder/,
      );
      expect(readdirSync(outside)).toEqual([]);
    }
    expect(await refusal(unpackRelease(manifest, driver, emptyFolder("into")))).toBe("it was not refused");
  });

  test("temporary files are gone when it is stopped", async () => {
    const driver = memory();
    const { manifest } = await pack(project(), { driver });
    const stop = new AbortController();
    const slow: StoreDriver = {
      ...driver,
      read: (...args) => (stop.abort(new Error("stopped")), driver.read(...args)),
    };
    const into = join(emptyFolder("top"), "into");
    expect(await refusal(unpackRelease(manifest, slow, into, stop.signal))).toBe("stopped");
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith("tinderbox-"))).toEqual([]);
    expect(existsSync(into)).toBe(false);
  });
});

function mk(root: string, inner: string): string {
  mkdirSync(join(root, inner), { recursive: true });
  return join(root, inner);
}
