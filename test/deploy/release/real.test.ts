/** Applications as they are on npm: installed by a package manager, packed, and run elsewhere by the Node that was packed with them. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { emptyFolder, memory, pack, pictureOf, project, type Tree, unpackRelease, write } from "./project.ts";

/** A command in a login shell, which knows how to reach a registry; undefined when it went well, else what it wrote. */
async function shell(command: string, cwd: string): Promise<string | undefined> {
  // What npm says to its children is about another project, and hides the machine's own settings.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("npm_")));
  const child = spawn("bash", ["-lc", command], { cwd, env, stdio: ["ignore", "pipe", "pipe"], timeout: 100_000 });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  const [code] = (await once(child, "close")) as [number | null];
  return code === 0 ? undefined : text;
}

const npm = "npm install --no-audit --no-fund --ignore-scripts --loglevel=error";

/** Installs, or skips the test with the reason. */
async function install(root: string, command: string, skip: (why: string) => never): Promise<void> {
  const failed = await shell(command, root);
  if (failed === undefined) return;
  console.log(`Skipped: ${command} does not work here: ${failed}`);
  skip("packages cannot be installed here");
}

/** Packs with this Node, takes the project away, and runs what was unpacked, with nothing of this process's environment. */
async function runElsewhere(
  root: string,
): Promise<{ output: string; code: number | null; there: string; omitted: number }> {
  const driver = memory();
  const { manifest, omitted } = await pack(root, { driver, node: process.execPath });
  const unpacked = await unpackRelease(manifest, driver, emptyFolder("machine"));
  rmSync(root, { recursive: true });
  const child = spawn(unpacked.node, [unpacked.agent], { cwd: "/", env: {}, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (chunk: string) => (output += chunk));
  const [code] = (await once(child, "close")) as [number | null];
  return { output, code, there: unpacked.root, omitted };
}

const code = (imports: string): Tree => ({
  "main.js": `
    import sharp from "sharp";
    ${imports}
    const png = await sharp({ create: { width: 4, height: 3, channels: 3, background: "#fff" } }).png().toBuffer();
    const { width, height } = await sharp(png).metadata();
    console.log(process.version, width, height, greet());`,
});

test(
  "one with native code and a workspace, installed by npm, runs where nothing else is",
  { timeout: 180_000 },
  async ({ skip }) => {
    const root = project(
      {
        ...code('import { greet } from "@me/greet";'),
        "packages/greet/package.json":
          '{"name":"@me/greet","version":"1.0.0","type":"module","main":"index.js","dependencies":{"semver":"7"},"devDependencies":{"left-pad":"1"}}',
        "packages/greet/index.js": 'import semver from "semver"; export const greet = () => semver.major("3.2.1");',
      },
      {
        type: "module",
        private: true,
        workspaces: ["packages/*"],
        dependencies: { sharp: "^0.34.0", "@me/greet": "*" },
        devDependencies: { "is-number": "7" },
      },
    );
    await install(root, npm, skip);
    const { packages } = JSON.parse(readFileSync(join(root, "node_modules/.package-lock.json"), "utf8")) as {
      packages: Record<string, { dev?: boolean; link?: boolean }>;
    };
    const wanted = Object.entries(packages).filter(
      ([path, { dev }]) => !dev && path.includes("node_modules/") && existsSync(join(root, path)),
    );
    const { output, code: exit, there } = await runElsewhere(root);
    expect([output.trim(), exit]).toEqual([`${process.version} 4 3 3`, 0]);
    // npm's own idea of what production needs.
    const tree = pictureOf(there);
    const found = Object.keys(tree).filter((path) => /(^|\/)node_modules\/(@[^/]+\/)?[^/@.][^/]*$/.test(path));
    expect(found.toSorted()).toEqual(wanted.map(([path]) => path).toSorted());
    expect(tree["node_modules/@me/greet"]).toBe("-> ../../packages/greet");
  },
);

test("one that pnpm has installed runs where nothing else is", { timeout: 240_000 }, async ({ skip }) => {
  const tools = emptyFolder("tools");
  write(tools, { "package.json": "{}" });
  await install(tools, `${npm} pnpm@9`, skip);
  const root = project(
    { ...code("const greet = () => 1;"), ".npmrc": "package-import-method=hardlink\n" },
    { type: "module", private: true, dependencies: { sharp: "^0.34.0" }, devDependencies: { "is-number": "7" } },
  );
  mkdirSync(join(tools, "store"));
  await install(root, `${tools}/node_modules/.bin/pnpm install --ignore-scripts --store-dir ${tools}/store`, skip);
  const { output, code: exit, there, omitted } = await runElsewhere(root);
  expect([output.trim(), exit]).toEqual([`${process.version} 4 3 1`, 0]);
  expect(omitted).toBe(1);
  expect(Object.keys(pictureOf(there)).filter((path) => path.includes("is-number"))).toEqual([]);
});
