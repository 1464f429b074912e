/** What the tests of releases share: projects in temporary folders, programs that look like Node, and pictures of trees. */
import { createHash } from "node:crypto";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { systemClock } from "../../../src/clock.ts";
import type { Notice } from "../../../src/deploy/release/entry.ts";
import { checkManifest, type ReleaseManifest } from "../../../src/deploy/release/manifest.ts";
import { packRelease, type PackOptions, type Release } from "../../../src/deploy/release/pack.ts";
import { unpackLayers } from "../../../src/deploy/release/unpack.ts";
import type { StoreDriver } from "../../../src/ports/store.ts";
import { memoryDriver } from "../../../src/store/drivers/memory.ts";
import { whenTestEnds } from "../../harness/hooks.ts";
import { testRun } from "../../harness/run.ts";

/** A text, `{ link }`, `{ bytes, mode }`, or "folder" as an object without anything. */
export type Content =
  | string
  | Buffer
  | { readonly link: string }
  | { readonly text: string; readonly mode: number }
  | Record<string, never>;
export type Tree = Readonly<Record<string, Content>>;

export function emptyFolder(name = "project"): string {
  const folder = mkdtempSync(join(testRun.folder, `${name}-`));
  whenTestEnds(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function write(folder: string, tree: Tree): void {
  for (const [name, content] of Object.entries(tree)) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    if (typeof content === "string" || Buffer.isBuffer(content)) writeFileSync(path, content);
    else if ("link" in content) symlinkSync(content["link"] as string, path);
    else if ("text" in content) {
      writeFileSync(path, content["text"] as string);
      chmodSync(path, content["mode"] as number);
    } else mkdirSync(path, { recursive: true });
  }
}

/** A folder with a package.json, an agent `main.js`, and `tree`. */
export function project(tree: Tree = {}, manifest: object = {}): string {
  const folder = emptyFolder();
  write(folder, { "package.json": JSON.stringify({ name: "app", ...manifest }), "main.js": "", ...tree });
  return folder;
}

/** An installed package, below a folder. */
export function installed(at: string, manifest: object = {}, tree: Tree = {}): Tree {
  const name = at.split("node_modules/").at(-1);
  const files = {
    "package.json": JSON.stringify({ name, version: "1.0.0", ...manifest }),
    "index.js": `// ${at}\n`,
    ...tree,
  };
  return Object.fromEntries(Object.entries(files).map(([file, content]) => [`${at}/${file}`, content]));
}

export interface FakeNode {
  readonly machine?: number;
  readonly version?: string;
  readonly interpreter?: string;
  readonly libraries?: readonly string[];
  readonly fill?: number;
}

/** The bytes of a program that could be Node for Linux, as far as can be told without running it. */
export function nodeBytes({
  machine = 0x3e,
  version = "v24.9.0",
  interpreter = "/lib64/ld-linux-x86-64.so.2",
  libraries = ["libc.so.6"],
  fill = 0,
}: FakeNode = {}): Buffer {
  const head = Buffer.alloc(64 + 3 * 56);
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]).copy(head);
  head.writeUInt16LE(machine, 18);
  head.writeBigUInt64LE(64n, 32);
  head.writeUInt16LE(56, 54);
  head.writeUInt16LE(3, 56);
  const strings = Buffer.from(`\0${libraries.map((name) => `${name}\0`).join("")}`);
  const interp = Buffer.from(`${interpreter}\0`);
  const dynamic = Buffer.alloc(16 * (libraries.length + 2));
  const base = 0x400000;
  const stringsAt = head.length;
  const interpAt = stringsAt + strings.length;
  const dynamicAt = interpAt + interp.length;
  dynamic.writeBigInt64LE(5n, 0);
  dynamic.writeBigUInt64LE(BigInt(base + stringsAt), 8);
  for (const [index, name] of libraries.entries()) {
    dynamic.writeBigInt64LE(1n, 16 * (index + 1));
    dynamic.writeBigUInt64LE(BigInt(strings.indexOf(`\0${name}\0`) + 1), 16 * (index + 1) + 8);
  }
  const whole = dynamicAt + dynamic.length;
  const segments = [
    { type: 1, offset: 0, address: base, size: whole },
    { type: 3, offset: interpAt, address: base + interpAt, size: interp.length },
    { type: 2, offset: dynamicAt, address: base + dynamicAt, size: dynamic.length },
  ];
  for (const [index, { type, offset, address, size }] of segments.entries()) {
    const at = 64 + 56 * index;
    head.writeUInt32LE(type, at);
    head.writeBigUInt64LE(BigInt(offset), at + 8);
    head.writeBigUInt64LE(BigInt(address), at + 16);
    head.writeBigUInt64LE(BigInt(size), at + 32);
  }
  const tail = Buffer.from(`https://nodejs.org/download/release/${version}/node-${version}.tar.gz\0`);
  return Buffer.concat([head, strings, interp, dynamic, tail, Buffer.alloc(fill, 7)]);
}

let plain: string | undefined;

/** The path of such a program. */
export function fakeNode(options?: FakeNode): string {
  if (!options && plain) return plain;
  const file = join(mkdtempSync(join(testRun.folder, "node-")), "node");
  writeFileSync(file, nodeBytes(options));
  if (!options) plain = file;
  return file;
}

/** Packs as it is done in most tests: a small Node, no cache, no store. */
export function pack(root: string, options: Partial<PackOptions> = {}): Promise<Release> {
  return packRelease({
    root,
    driver: undefined,
    clock: systemClock,
    node: fakeNode(),
    agent: "main.js",
    cache: false,
    ...options,
  });
}

export function memory(): StoreDriver {
  return memoryDriver({ clock: systemClock });
}

/** Packs and unpacks; gives what lies where the application is then, and what was told. */
export async function roundTrip(
  root: string,
  options: Partial<PackOptions> = {},
): Promise<{ tree: Picture; notices: readonly Notice[]; root: string; release: Release }> {
  const driver = memory();
  const release = await pack(root, { driver, ...options });
  const unpacked = await unpackRelease(release.manifest, driver, emptyFolder("into"));
  return { tree: pictureOf(unpacked.root), notices: release.notices, root: unpacked.root, release };
}

/** What a machine does with a release; `into` stands for the root of its file system. Where things are then. */
export async function unpackRelease(
  manifest: ReleaseManifest,
  driver: StoreDriver,
  into: string,
  signal?: AbortSignal,
): Promise<{ readonly root: string; readonly node: string; readonly agent: string }> {
  checkManifest(manifest);
  const { layers, root, agent } = manifest;
  await unpackLayers(layers, driver, into, signal);
  const node = layers.find(({ name }) => name === "node")!;
  return { root: join(into, root), node: join(into, node.path, "bin/node"), agent: join(into, root, agent) };
}

/** Of each path what it is: "folder", "-> target", or the contents of a file, with "!" before those of a program. */
export type Picture = Readonly<Record<string, string>>;

export function pictureOf(folder: string, inner = ""): Picture {
  const seen: Record<string, string> = {};
  for (const name of readdirSync(join(folder, inner)).toSorted()) {
    const path = inner ? `${inner}/${name}` : name;
    const stats = lstatSync(join(folder, path));
    if (stats.isSymbolicLink()) seen[path] = `-> ${readlinkSync(join(folder, path))}`;
    else if (stats.isDirectory()) Object.assign(seen, { [path]: "folder" }, pictureOf(folder, path));
    else if (stats.isFile()) {
      const bytes = readFileSync(join(folder, path));
      const text = bytes.length > 200 ? createHash("sha256").update(bytes).digest("hex") : bytes.toString("latin1");
      seen[path] = `${(stats.mode & 0o111) === 0 ? "" : "!"}${text}`;
    } else seen[path] = "special";
  }
  return seen;
}

/** The message that a promise is rejected with. */
export async function refusal(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return (error as Error).message;
  }
  return "it was not refused";
}
