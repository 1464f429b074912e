import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import {
  asyncProperty,
  array,
  assert,
  constantFrom,
  dictionary,
  oneof,
  record,
  shuffledSubarray,
  string,
  uint8Array,
} from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeManifest } from "../../../src/deploy/release/manifest.ts";
import { gzipVersion } from "../../../src/deploy/release/gzip.ts";
import { testRun } from "../../harness/run.ts";
import { runScript } from "../../harness/script.ts";
import { repository } from "../../harness/script-folder.ts";
import { emptyFolder, fakeNode, memory, pack, pictureOf, project, refusal, roundTrip, write } from "./project.ts";

const ids = async (root: string): Promise<string[]> => (await pack(root)).layers.map(({ sha256 }) => sha256);

describe("the bytes of a release", () => {
  test("are what they were when this test was written", async () => {
    const root = project({
      "src/a.ts": "a",
      "src/b.sh": { text: "b", mode: 0o755 },
      l: { link: "src/a.ts" },
      empty: {},
      [`long/${"x".repeat(120)}`]: "c",
      ä: "d",
    });
    const { layers } = await pack(root);
    expect(layers.map(({ name, sha256, entries, unpackedBytes }) => [name, sha256, entries, unpackedBytes])).toEqual([
      ["node", "ac822cbfcd2a9839ae41975a179c36e9bc286981242843c420f67a7d783d0986", 2, 383],
      ["dependencies", "62539018952ddec37a4fcf8d77171cfbcd5b21fc3520f32028cd9cfdae546a31", 0, 0],
      ["app", "0f6793caf5219d3dd58fe5d482096ee6f0eab8c71f962e10406ab6483417eec7", 10, 18],
    ]);
  });

  test("do not tell when, by whom and in which order files were made, nor who may read them", async () => {
    const one = project();
    const other = project();
    const names = ["b.txt", "a.txt", "d/z", "d/a", "Z"];
    write(one, Object.fromEntries(names.map((name) => [name, name])));
    process.umask(0o077);
    try {
      write(other, Object.fromEntries(names.toReversed().map((name) => [name, name])));
    } finally {
      process.umask(0o022);
    }
    utimesSync(join(other, "a.txt"), 1, 1);
    utimesSync(join(other, "d"), 1e9, 1e9);
    chmodSync(join(one, "b.txt"), 0o666);
    chmodSync(join(one, "d"), 0o777);
    if (process.getuid?.() === 0) execFileSync("chown", ["-R", "65534:65534", other]);
    expect(await ids(other)).toEqual(await ids(one));
  });

  test("are the same in another process, with another locale, time zone and umask", async () => {
    const root = project({ "ä/ö": "1", z: "2", Ä: "3" });
    const code = `
      import { packRelease } from ${JSON.stringify(join(repository, "src/deploy/release/pack.ts"))};
      import { systemClock } from ${JSON.stringify(join(repository, "src/clock.ts"))};
      process.umask(0o077);
      const { id } = await packRelease({ root: ${JSON.stringify(root)}, node: ${JSON.stringify(fakeNode())}, agent: "main.js", driver: undefined, clock: systemClock, cache: false });
      console.log(id);`;
    const { stdout, stderr } = await runScript(code, {
      env: { LANG: "sv_SE.UTF-8", LC_ALL: "sv_SE.UTF-8", TZ: "Pacific/Apia" },
    });
    expect(stdout.trim(), stderr).toBe((await pack(root)).id);
  });

  test("are an archive that other programs read", async () => {
    const long = `${"ü".repeat(60)}/${"y".repeat(200)}/${"z".repeat(200)}`;
    const root = project({
      [long]: "long",
      "a b": "blank",
      l: { link: `${long}` },
      run: { text: "x", mode: 0o700 },
      e: {},
    });
    const driver = memory();
    const { layers } = await pack(root, { driver });
    const into = emptyFolder("tar");
    const found = await driver.get(`layers/${layers[2]!.sha256}.tar.gz`);
    writeFileSync(join(into, "..", "x.tar.gz"), (found as { body: Uint8Array }).body);
    const { status, stderr } = spawnSync("tar", ["-xzf", "../x.tar.gz"], { cwd: into, encoding: "utf8" });
    expect([status, stderr]).toEqual([0, ""]);
    expect(pictureOf(into)).toEqual(pictureOf(root));
    const python =
      "import tarfile,sys\nfor m in tarfile.open('../x.tar.gz'): print(oct(m.mode), m.uid, m.uname, m.mtime, m.isdir())";
    const seen = spawnSync("python3", ["-c", python], { cwd: into, encoding: "utf8" });
    if (seen.error) console.log("python3 is not here: its tarfile was not asked");
    const modes = new Set(["0o755 0  0 True", "0o644 0  0 False", "0o777 0  0 False", "0o755 0  0 False"]);
    expect(seen.error ? modes : new Set(seen.stdout.trim().split("\n"))).toEqual(modes);
  });

  test("come from a compressor of one version", () => {
    const { dependencies } = JSON.parse(readFileSync(join(repository, "package.json"), "utf8")) as {
      dependencies: Record<string, string>;
    };
    expect(gzipVersion).toContain(`fflate-${dependencies["fflate"]}-`);
  });

  test("give the release its name, with all that the manifest says", async () => {
    const root = project();
    const { id, manifest } = await pack(root);
    expect(encodeManifest(manifest).id).toBe(id);
    expect(encodeManifest({ ...manifest, layers: manifest.layers.toReversed() }).id).toBe(id);
    for (const change of [{ node: "v1.0.0" }, { arch: "arm64" }, { root: "/x" }, { agent: "x" }])
      expect(encodeManifest({ ...manifest, ...change }).id).not.toBe(id);
    expect(manifest).toMatchObject({
      format: 1,
      node: "v24.9.0",
      platform: "linux",
      arch: "x64",
      root,
      agent: "main.js",
    });
    expect(manifest.layers.map(({ name, path }) => [name, path])).toEqual([
      ["node", "/opt/tinderbox/node"],
      ["dependencies", root],
      ["app", root],
    ]);
    expect(Object.keys(manifest.layers[0]!).toSorted()).toContain("unpackedBytes");
  });
});

describe("any tree", () => {
  const name = oneof(
    string({ minLength: 1, maxLength: 12, unit: "grapheme" }),
    string({ minLength: 90, maxLength: 110 }),
    constantFrom("a", "b", "Ä", "x".repeat(255), "ü".repeat(127)),
  )
    .map((text) => text.replaceAll(/[/\0\\]/g, "_").toWellFormed())
    .filter(
      (text) =>
        !/^(\.+|node_modules|package\.json|main\.js|\..*ignore|\.git.*)$/.test(text) && Buffer.byteLength(text) <= 255,
    );
  const content = record({
    bytes: uint8Array({ maxLength: 2_000 }),
    executable: constantFrom(true, false),
    kind: constantFrom("file", "file", "file", "folder", "link"),
  });
  const tree = dictionary(
    array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/")),
    content,
    { maxKeys: 12 },
  );

  test(
    "comes out as it went in, and is the same release in whatever order it was written",
    { timeout: 120_000 },
    async () => {
      await assert(
        asyncProperty(
          tree.chain((made) =>
            record({
              made: constantFrom(made),
              order: shuffledSubarray(Object.keys(made), { minLength: Object.keys(made).length }),
            }),
          ),
          async ({ made, order }) => {
            const one = project({ ".tinderboxignore": "!*\n" });
            const other = project({ ".tinderboxignore": "!*\n" });
            const names = Object.keys(made).filter(
              (path) => !Object.keys(made).some((longer) => longer.startsWith(`${path}/`)),
            );
            const build = (root: string, paths: readonly string[]): void => {
              for (const path of paths.filter((each) => names.includes(each))) {
                const { kind, bytes, executable } = made[path]!;
                if (kind === "folder") mkdirSync(join(root, path), { recursive: true });
                else {
                  mkdirSync(join(root, path, ".."), { recursive: true });
                  if (kind === "link")
                    symlinkSync(`${"../".repeat(path.split("/").length - 1)}main.js`, join(root, path));
                  else writeFileSync(join(root, path), bytes, { mode: executable ? 0o755 : 0o644 });
                }
              }
            };
            build(one, names);
            build(other, order);
            const { tree: seen, release } = await roundTrip(one);
            expect(seen).toEqual(pictureOf(one));
            const [, , app] = (await pack(other)).layers;
            expect(app!.sha256).toBe(release.layers[2]!.sha256);
          },
        ),
        { numRuns: 60 },
      );
    },
  );
});

describe("what is in a release", () => {
  test("two names of one file are two files, and an empty folder is one", async () => {
    const root = project({ a: "same", empty: {} });
    linkSync(join(root, "a"), join(root, "b"));
    const { tree } = await roundTrip(root);
    expect(tree).toMatchObject({ a: "same", b: "same", empty: "folder" });
  });

  test("a folder of which everything is ignored is not there", async () => {
    const root = project({ ".gitignore": "*.log", "logs/a.log": "", "deep/er/b.log": "", "kept/c": "" });
    const { tree } = await roundTrip(root);
    expect(Object.keys(tree).toSorted()).toEqual([".gitignore", "kept", "kept/c", "main.js", "package.json"]);
  });

  test("ignored files, repositories and secrets stay behind; secrets are named", async () => {
    const root = project({
      ".git/HEAD": "",
      "sub/.git": "gitdir: x",
      ".gitignore": "dist/\n.env.local\n",
      ".tinderboxignore": "docs\n!dist/\n!config/ca.pem\n",
      "dist/main.js": "built",
      "docs/a.md": "",
      ".env": "KEY=1",
      ".env.local": "KEY=2",
      "config/server.key": "k",
      "config/ca.pem": "ca",
      ".aws/credentials": "x",
      id_rsa: "k",
      "sub/.npmrc": "//r/:_authToken=1",
      "sub/code.js": "1",
    });
    const { tree, notices } = await roundTrip(root);
    expect(Object.keys(tree)).toEqual(expect.arrayContaining(["dist/main.js", "config/ca.pem", "sub/code.js"]));
    expect(Object.keys(tree).filter((path) => /\.git$|docs|env|key|aws|rsa|npmrc/.test(path))).toEqual([]);
    expect(notices.map(({ kind, path }) => `${kind} ${path}`).toSorted()).toEqual([
      "secret .aws",
      "secret .env",
      "secret .env.local",
      "secret config/server.key",
      "secret id_rsa",
      "secret sub/.npmrc",
    ]);
    expect(notices.find(({ path }) => path === ".env")!.text).toBe(
      '.env is left out: such files hold secrets; a line "!.env" in .tinderboxignore brings it along',
    );
    for (const { text } of notices) expect(text).not.toMatch(/KEY|_authToken/);
  });

  test("sockets and pipes are skipped and named", async () => {
    const root = project({ "a.txt": "" });
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(root, "s.sock"), resolve));
    execFileSync("mkfifo", [join(root, "pipe")]);
    const { tree, notices } = await roundTrip(root);
    await new Promise((resolve) => server.close(resolve));
    expect(Object.keys(tree)).toEqual(["a.txt", "main.js", "package.json"]);
    expect(notices.map(({ text }) => text)).toEqual([
      "pipe is left out: it is a named pipe",
      "s.sock is left out: it is a socket",
    ]);
  });

  test("an entry of a package.json that git ignores is named", async () => {
    const root = project({ ".gitignore": "dist", "dist/index.js": "" }, { main: "./dist/index.js" });
    expect((await pack(root)).notices.map(({ kind, path }) => [kind, path])).toEqual([
      ["ignored-entry", "dist/index.js"],
    ]);
  });
});

describe("links", () => {
  test("stay as they are inside, and are written anew when they are absolute or go up in the middle", async () => {
    const root = project({ "d/e/f": "x", "g/h": "y" });
    for (const [path, target] of [
      ["to-file", "d/e/f"],
      ["to-folder", "d/e"],
      ["d/up", "../g/h"],
      ["absolute", join(root, "d/e/f")],
      ["middle", "d/../g/h"],
      ["dot", "./g/"],
      ["to-link", "to-folder"],
      ["d/self", "."],
      ["through", "to-folder/../../g"],
    ])
      symlinkSync(target!, join(root, path!));
    const { tree, notices } = await roundTrip(root);
    expect(tree).toMatchObject({
      "to-file": "-> d/e/f",
      "to-folder": "-> d/e",
      "d/up": "-> ../g/h",
      absolute: "-> d/e/f",
      middle: "-> g/h",
      dot: "-> g",
      "to-link": "-> to-folder",
      "d/self": "-> .",
      through: "-> g",
    });
    expect(notices).toEqual([]);
  });

  test.each([
    ["an absolute one", "/etc/passwd"],
    ["one that goes up", "../../../../../../../../etc/passwd"],
    ["one to the folder above", "../.."],
    ["one through another", "inner/../../../../../../../../../../etc"],
    ["one to nowhere outside", "/nowhere/at/all"],
  ])("%s that leaves the root is refused by name", async (_what, target) => {
    const root = project({ "d/inner": { link: "." }, "d/bad": { link: target } });
    expect(await refusal(pack(root))).toMatch(
      /^Cannot pack "d\/bad": it is a link to .*, which is outside; put a copy in its place, or leave it out by a line of \.tinderboxignore$/,
    );
    write(root, { ".tinderboxignore": "bad\n" });
    expect((await pack(root)).notices).toEqual([]);
  });

  test("one to a neighbour whose name begins like that of the root is refused", async () => {
    const root = project();
    write(`${root}-more`, { x: "" });
    symlinkSync(`${root}-more`, join(root, "l"));
    expect(await refusal(pack(root))).toMatch(/^Cannot pack "l": it is a link to .*-more, which is outside/);
    rmSync(`${root}-more`, { recursive: true });
  });

  test("that lead to nothing, to each other or to what is left out go along and are named", async () => {
    const root = project({
      gone: { link: "nothing" },
      one: { link: "two" },
      two: { link: "one" },
      ".env": "",
      env: { link: ".env" },
    });
    const { tree, notices } = await roundTrip(root);
    expect(tree).toMatchObject({ gone: "-> nothing", one: "-> two", two: "-> one", env: "-> .env" });
    expect(
      notices
        .filter(({ kind }) => kind === "dangling")
        .map(({ path }) => path)
        .toSorted(),
    ).toEqual(["env", "gone", "one", "two"]);
  });

  test("a root that is reached by a link is packed as what it is", async () => {
    const root = project();
    const link = join(emptyFolder(), "link");
    symlinkSync(root, link);
    expect((await pack(link)).manifest.root).toBe(root);
  });
});

describe("it is refused, by name and with what to do,", () => {
  test("when a file may not be read", async ({ skip }) => {
    if (process.getuid?.() !== 0) return skip("only root can become somebody else");
    const root = project({ "a/secret.txt": { text: "x", mode: 0o600 } });
    const folder = project({ "b/x": "" });
    chmodSync(join(folder, "b"), 0o700);
    // All else is there for anybody.
    for (const open of [root, folder, testRun.folder, dirname(fakeNode())]) chmodSync(open, 0o777);
    process.seteuid!(65534);
    try {
      expect(await refusal(pack(root))).toBe(
        'Cannot pack "a/secret.txt": this user may not read it; make it readable, or leave it out by a line of .tinderboxignore',
      );
      expect(await refusal(pack(folder))).toBe(
        'Cannot pack "b": this user may not read it; make it readable, or leave it out by a line of .tinderboxignore',
      );
    } finally {
      process.seteuid!(0);
      chmodSync(testRun.folder, 0o700);
    }
  });

  test.each([
    ["grows", (file: string) => writeFileSync(file, "more", { flag: "a" })],
    ["shrinks", (file: string) => writeFileSync(file, "")],
    ["is written over", (file: string) => writeFileSync(file, "x".repeat(500_000))],
    [
      "is replaced",
      (file: string) => execFileSync("sh", ["-c", 'cp -p "$1" "$1.new" && mv "$1.new" "$1"', "sh", file]),
    ],
    ["vanishes", (file: string) => execFileSync("rm", [file])],
    [
      "becomes a link",
      (file: string) => execFileSync("sh", ["-c", 'mv "$1" "$1.old" && ln -s "$1.old" "$1"', "sh", file]),
    ],
    ["becomes a pipe", (file: string) => execFileSync("sh", ["-c", 'rm "$1" && mkfifo "$1"', "sh", file])],
  ])("when a file %s meanwhile", async (_how, act) => {
    for (const size of [100, 500_000]) {
      const root = project({ "data.bin": "x".repeat(size) });
      const onProgress = ({ step }: { step: string }): void => void (step === "planned" && act(join(root, "data.bin")));
      expect(await refusal(pack(root, { onProgress }))).toMatch(
        /^Cannot pack "data\.bin": it has changed while it was read; pack again/,
      );
    }
  });

  test("when a file changes while it is being read", async () => {
    const root = project({ "a.bin": Buffer.alloc(4_000_000) });
    const onProgress = (progress: { step: string; layer?: string; done?: unknown }): void => {
      if (progress.step === "pack" && progress.layer === "app" && Number(progress.done) > 1_000_000)
        writeFileSync(join(root, "a.bin"), Buffer.alloc(4_000_000, 1));
    };
    expect(await refusal(pack(root, { onProgress }))).toMatch(
      /^Cannot pack "a\.bin": it has changed while it was read/,
    );
  });

  test("when a name is not UTF-8", async () => {
    const root = project();
    writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0x61, 0xff])]), "");
    expect(await refusal(pack(root))).toMatch(/its name is not UTF-8 \(bytes 61ff\); rename it/);
  });

  test.each([
    ["no such folder", "/nowhere", /^Cannot pack \/nowhere: there is no such folder/],
    ["the whole machine", "/", /^Cannot pack \/: on machines the application is in the same folder/],
    ["a file", process.execPath, /there is no such folder/],
  ])("when the root is %s", async (_what, root, message) => {
    expect(await refusal(pack(root))).toMatch(message);
  });

  test("when there is no package.json, or one that is no JSON", async () => {
    expect(await refusal(pack(emptyFolder()))).toMatch(/it has no package\.json; name the folder of the application/);
    const root = project({ "package.json": "{" });
    expect(await refusal(pack(root))).toMatch(/^Cannot pack "package\.json": it is no JSON; mend it$/);
  });

  test("when what machines are to run first is not in it", async () => {
    const root = project({ ".gitignore": "out" });
    expect(await refusal(pack(root, { agent: "out/x.js" }))).toMatch(
      /"out\/x\.js" is to be run first, and is not in the release/,
    );
    expect(await refusal(pack(root, { agent: "../main.js" }))).toMatch(/is not in the release/);
    expect(await refusal(pack(root, { agent: undefined }))).toMatch(
      /package "tinderbox" is not among its dependencies; run "npm install tinderbox"$/,
    );
  });
});

test("the agent is the machine process of this package, wherever it is installed", async () => {
  const own = { "node_modules/tinderbox/package.json": '{"name":"tinderbox"}' };
  const root = project(own, { dependencies: { tinderbox: "*" } });
  expect(await refusal(pack(root, { agent: undefined }))).toMatch(
    /package "tinderbox" in "node_modules\/tinderbox" lacks dist\/runners\/machine\.js/,
  );
  write(root, { "node_modules/tinderbox/runners/machine.ts": "" });
  expect(await refusal(pack(root, { agent: undefined }))).toMatch(/lacks/);
  write(root, { "node_modules/tinderbox/dist/runners/machine.js": "" });
  expect((await pack(root, { agent: undefined })).manifest.agent).toBe(
    "node_modules/tinderbox/dist/runners/machine.js",
  );
  const itself = project({ "runners/machine.ts": "" }, { name: "tinderbox" });
  expect((await pack(itself, { agent: undefined })).manifest.agent).toBe("runners/machine.ts");
});

test("nothing of the project is touched", async () => {
  const root = project({ "a/b": "1" });
  const before = lstatSync(join(root, "a/b"), { bigint: true });
  const picture = pictureOf(root);
  await pack(root);
  expect(pictureOf(root)).toEqual(picture);
  expect(lstatSync(join(root, "a/b"), { bigint: true }).ctimeNs).toBe(before.ctimeNs);
  copyFileSync(join(root, "a/b"), join(root, "c"));
});
