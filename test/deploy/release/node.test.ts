import { chmodSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { executableOf } from "../../../src/deploy/release/executable.ts";
import { emptyFolder, fakeNode, installed, nodeBytes, pack, project, refusal } from "./project.ts";

const macho = (cpu: number): Buffer => {
  const bytes = Buffer.alloc(4096);
  bytes.writeUInt32LE(0xfeedfacf, 0);
  bytes.writeUInt32LE(cpu, 4);
  return bytes;
};
const placed = (bytes: Buffer | string): string => {
  const file = join(emptyFolder("node"), "node");
  writeFileSync(file, bytes);
  return file;
};

test("the Node that runs this test is for this machine, with libraries that every Linux has", async () => {
  const { platform, arch, libraries, interpreter } = executableOf(process.execPath)!;
  expect({ platform, arch }).toEqual({ platform: process.platform, arch: process.arch });
  expect(libraries.some((name) => name.startsWith("libc."))).toBe(true);
  expect(interpreter).toMatch(/^\/lib.*\/ld-/);
  if (process.platform !== "linux") return;
  const { manifest, notices } = await pack(project(), { node: process.execPath, upload: false });
  expect(manifest).toMatchObject({ node: process.version, platform: "linux", arch: process.arch });
  expect(notices).toEqual([]);
}, 120_000);

describe("a Node that is not for the machines is refused, with what to do", () => {
  const help = "a build for it is on nodejs.org/dist; name its path by option node (--node)";
  test.each([
    ["of a Mac", macho(0x0100000c), {}, `it is for darwin-arm64, and the machines are linux-arm64; ${help}`],
    [
      "of another Mac",
      macho(0x01000007),
      { arch: "arm64" },
      `it is for darwin-x64, and the machines are linux-arm64; ${help}`,
    ],
    [
      "of another processor",
      nodeBytes({ machine: 0xb7 }),
      { arch: "x64" },
      `it is for linux-arm64, and the machines are linux-x64; ${help}`,
    ],
    [
      "of Windows",
      Buffer.from(`MZ${"x".repeat(100)}`),
      {},
      `it is for win32-unknown, and the machines are linux-unknown; ${help}`,
    ],
    ["that is a script", "#!/bin/sh\nexec node", {}, `it is no program, but perhaps a script that starts one; ${help}`],
    ["that is empty", "", {}, `it is no program, but perhaps a script that starts one; ${help}`],
    ["that is cut", nodeBytes().subarray(0, 30), {}, `its version is not in it; ${help}`],
    [
      "of a distribution, with libraries of its own",
      nodeBytes({ libraries: ["libnode.so.115", "libc.so.6", "libz.so.1"] }),
      {},
      `it needs libnode.so.115, libz.so.1, which the machines may not have; ${help}`,
    ],
    ["that does not say its version", nodeBytes({ version: "unknown" }), {}, `its version is not in it; ${help}`],
  ])("one %s", async (_what, bytes, options, message) => {
    const node = placed(bytes);
    expect(await refusal(pack(project(), { node, ...options }))).toBe(`Cannot pack Node ${node}: ${message}`);
  });

  test("one that is not there, or a folder", async () => {
    expect(await refusal(pack(project(), { node: "/nowhere/node" }))).toMatch(
      /^Cannot pack Node \/nowhere\/node: there is no such file/,
    );
    const folder = emptyFolder();
    expect(await refusal(pack(project(), { node: folder }))).toMatch(/it is no file/);
  });
});

test("a Node of another processor can be packed here, and a link to one is followed", async () => {
  const node = fakeNode({ machine: 0xb7, version: "v26.1.2", interpreter: "/lib/ld-linux-aarch64.so.1" });
  const link = join(emptyFolder(), "node");
  symlinkSync(node, link);
  chmodSync(node, 0o600);
  expect((await pack(project(), { node: link, arch: "arm64" })).manifest).toMatchObject({
    node: "v26.1.2",
    arch: "arm64",
  });
});

test("the version is found wherever in the program it is", async () => {
  for (const fill of [0, 2 ** 20 - 420, 2 ** 20 - 400, 2 ** 20 - 380]) {
    const node = placed(
      Buffer.concat([nodeBytes({ version: "unknown" }), Buffer.alloc(fill), Buffer.from("/node-v24.1.1.tar.gz")]),
    );
    expect((await pack(project(), { node })).manifest.node).toBe("v24.1.1");
  }
});

test("a Node for musl is packed, and it is told that most machines cannot start it", async () => {
  const node = fakeNode({
    interpreter: "/lib/ld-musl-x86_64.so.1",
    libraries: ["libc.musl-x86_64.so.1", "libstdc++.so.6"],
  });
  expect((await pack(project(), { node })).notices.map(({ kind, text }) => [kind, text.replace(node, "NODE")])).toEqual(
    [["node", "Node NODE is for musl (Alpine): machines with glibc, as most images of EC2 have it, cannot start it"]],
  );
});

test("native code that is for other machines only is told of", async () => {
  const root = project(
    {
      ...installed(
        "node_modules/fits",
        {},
        { "prebuilds/linux.node": nodeBytes(), "prebuilds/mac.node": macho(0x0100000c) },
      ),
      ...installed("node_modules/@img/mac", {}, { "lib/a.node": macho(0x0100000c) }),
      ...installed("node_modules/other", {}, { "a.node": nodeBytes({ machine: 0xb7 }), "text.node": "no program" }),
    },
    { dependencies: { fits: "*", "@img/mac": "*", other: "*" } },
  );
  expect((await pack(root)).notices.map(({ text }) => text)).toEqual([
    "node_modules/@img/mac has native code for darwin-arm64 and none for linux-x64; install for it, as with npm install --os=linux --cpu=x64",
    "node_modules/other has native code for linux-arm64 and none for linux-x64; install for it, as with npm install --os=linux --cpu=x64",
  ]);
});
