import { existsSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";
import { PackLine, sizeOf } from "../../../src/cli/pack-progress.ts";
import { systemClock } from "../../../src/clock.ts";
import { readManifest } from "../../../src/deploy/release/unpack.ts";
import { fileDriver } from "../../../src/store/drivers/file.ts";
import { startS3 } from "../../harness/s3/server.ts";
import { repository } from "../../harness/script-folder.ts";
import { runScript, startScript, type ScriptOptions, type ScriptResult } from "../../harness/script.ts";
import { until } from "../../harness/until.ts";
import { emptyFolder, fakeNode, pack, pictureOf, project, type Tree, unpackRelease } from "./project.ts";

const main = join(repository, "src/cli/main.ts");
const run = (args: readonly string[], options: ScriptOptions = {}): Promise<ScriptResult> =>
  runScript(main, {
    args: ["pack", "--node", fakeNode(), ...args],
    timeout: 30_000,
    ...options,
    env: { XDG_CACHE_HOME: emptyFolder("cache"), ...options.env },
  });
const app = (tree: Tree = {}): string =>
  project(
    {
      "node_modules/tinderbox/package.json": '{"name":"tinderbox"}',
      "node_modules/tinderbox/dist/runners/machine.js": "",
      "node_modules/tool/package.json": "{}",
      ...tree,
    },
    { dependencies: { tinderbox: "*" } },
  );

describe("tinderbox pack", { timeout: 60_000 }, () => {
  test("brings a release into a folder, and tells what it has done", async () => {
    const root = app({ ".env": "KEY=1", "x.js": "x" });
    const store = emptyFolder("store");
    const to = pathToFileURL(store).href;
    const { code, stdout, stderr } = await run(["--to", to], { cwd: root });
    expect([code, stderr]).toEqual([
      0,
      'note: .env is left out: such files hold secrets; a line "!.env" in .tinderboxignore brings it along\n' +
        stderr.split("\n").slice(1).join("\n"),
    ]);
    expect(stderr.split("\n").slice(1).toSorted().join("\n")).toMatch(
      /^\napp: uploaded \d+ B\ndependencies: uploaded \d+ B\nnode: uploaded \d+ B$/,
    );
    const id = /^release ([0-9a-f]{64})$/m.exec(stdout)![1]!;
    expect(stdout).toMatch(
      /^layer +packed +unpacked +entries +store\nnode +\d+ B +\d+ B +2 +uploaded\ndependencies +.* uploaded\napp .* uploaded\n/,
    );
    expect(stdout).toContain(`${root} for linux-x64, Node v24.9.0\n1 installed packages left out`);
    const driver = fileDriver({ folder: store, clock: systemClock });
    const unpacked = await unpackRelease(await readManifest(id, driver), driver, emptyFolder("into"));
    const { ".env": secret, ...rest } = pictureOf(root);
    expect(secret).toBe("KEY=1");
    expect(pictureOf(unpacked.root)).toEqual(
      Object.fromEntries(Object.entries(rest).filter(([path]) => !path.includes("tool"))),
    );
    const again = await run(["--to", to, "--root", root]);
    expect(again.stdout).toContain(`release ${id}\n`);
    expect(again.stderr).toMatch(/^app: packed \d+ B, already in the store$/m);
  });

  test("brings a release into a bucket, with what the environment says of it", async () => {
    const server = await startS3();
    try {
      const { accessKeyId, secretAccessKey } = server.credentials;
      const env = {
        AWS_ENDPOINT_URL_S3: server.endpoint,
        AWS_REGION: server.region,
        AWS_ACCESS_KEY_ID: accessKeyId,
        AWS_SECRET_ACCESS_KEY: secretAccessKey,
      };
      const { code, stdout, stderr } = await run(["--to", "s3://test/some/apps", "--json", "--root", app()], { env });
      expect(code, stderr).toBe(0);
      const { id, layers } = JSON.parse(stdout) as { id: string; layers: { sha256: string }[] };
      expect(server.buckets.keys("test")).toEqual(
        [
          ...layers.map(({ sha256 }) => `some/apps/layers/${sha256}.tar.gz`),
          `some/apps/releases/${id}.json`,
        ].toSorted(),
      );
      expect(stderr).toBe("");
    } finally {
      await server.dispose();
    }
  });

  test("brings nothing anywhere in a dry run", async () => {
    const root = app();
    const store = join(emptyFolder(), "store");
    const { code, stdout } = await run(["--root", root, "--dry-run", "--to", pathToFileURL(store).href]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/not uploaded[^]*\(dry run, nothing was uploaded\)\n$/);
    expect(existsSync(store)).toBe(false);
    const { id } = JSON.parse((await run(["--root", root, "--dry-run", "--json"])).stdout) as { id: string };
    expect(stdout).toContain(id);
    expect((await pack(root, { agent: undefined })).id).toBe(id);
  });

  test.each([
    [
      ["--root", "."],
      /^tinderbox pack: Cannot pack without a place for it: add --to s3:\/\/bucket\/prefix, or --dry-run\n$/,
    ],
    [["--to", "ftp://x"], /Cannot use "ftp:\/\/x" as --to: s3:\/\/bucket\/prefix or file:\/\/\/folder is wanted/],
    [["--to", "s3://key:secret@bucket"], /Cannot use .* as --to/],
    [["--dry-run", "--rot", "x"], /option "rot" of tinderbox pack: it does not exist; did you mean "root"/],
    [["--dry-run", "folder"], /Cannot use "folder" of tinderbox pack/],
    [["--dry-run", "--root", "/nowhere"], /Cannot pack \/nowhere: there is no such folder/],
    [["--dry-run", "--arch", "arm64"], /it is for linux-x64, and the machines are linux-arm64/],
  ])("%j is a mistake that it explains", async (args, message) => {
    const { code, stdout, stderr } = await run(args);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n {4}at /);
  });

  test("is ended by a signal, and leaves nothing behind", async () => {
    const root = app({ "big.bin": Buffer.alloc(60_000_000, "abcdefg") });
    const script = startScript(main, {
      args: ["pack", "--node", fakeNode(), "--root", root, "--dry-run"],
      env: { XDG_CACHE_HOME: emptyFolder("cache") },
    });
    await until(
      "its temporary folder",
      () => readdirSync(tmpdir()).some((name) => name.startsWith(`tinderbox-${script.pid}_pack-`)),
      { every: 1 },
    );
    script.kill("SIGINT");
    const { signal } = await script.finished;
    expect(signal).toBe("SIGINT");
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith("tinderbox-"))).toEqual([]);
  });
});

describe("the bar", () => {
  const terminal = (isTTY: boolean): { text: string; columns: number; isTTY: boolean; write(text: string): void } => ({
    text: "",
    columns: 60,
    isTTY,
    write(text) {
      this.text += text;
    },
  });
  const layer = {
    name: "app",
    sha256: "",
    bytes: 2_500_000,
    unpackedBytes: 100,
    entries: 1,
    path: "/x",
    cached: false,
  } as const;
  const play = (line: PackLine, tick: () => void): void => {
    line.show({ step: "planned", layers: [{ name: "app", unpackedBytes: 100 }] });
    tick();
    line.show({ step: "pack", layer: "app", done: 50, total: 100 });
    line.line("note: a\u001b[2Kb");
    tick();
    line.show({ step: "upload", layer: "app", done: 1, total: 2_500_000 });
    line.show({ step: "done", layer: "app", result: { ...layer, outcome: "uploaded" } });
    line.clear();
  };

  test("is drawn on a terminal, gives room to lines, and goes", () => {
    const stream = terminal(true);
    let now = 0;
    play(new PackLine(stream, { ...systemClock, now: () => now }), () => (now += 1_000));
    const drawn = stream.text.split("\r\u001b[K").filter(Boolean);
    expect(drawn).toEqual([
      "[........................] 0 %  planning",
      "[######..................] 25 %  packing app, 50 B of 100 B",
      "note: a\\x1b[2Kb\n",
      "[######..................] 25 %  packing app, 50 B of 100 B",
      "[######..................] 25 %  uploading app, 1 B of 2.5 ",
      "app: uploaded 2.5 MB\n",
    ]);
    for (const text of drawn) for (const line of text.split("\n")) expect(line.length).toBeLessThan(60);
  });

  test("is not drawn where nobody could see it", () => {
    const stream = terminal(false);
    play(new PackLine(stream), () => undefined);
    expect(stream.text).toBe("note: a\\x1b[2Kb\napp: uploaded 2.5 MB\n");
  });

  test("sizes are for people", () => {
    expect([0, 999, 1_000, 1_500_000, 45_345_113, 2e9, 3e12, 5e15].map(sizeOf)).toEqual([
      "0 B",
      "999 B",
      "1.0 kB",
      "1.5 MB",
      "45.3 MB",
      "2.0 GB",
      "3.0 TB",
      "5000.0 TB",
    ]);
  });
});
