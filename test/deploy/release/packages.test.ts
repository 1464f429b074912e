import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { expect, test } from "vitest";
import { emptyFolder, installed, pack, type Picture, project, refusal, roundTrip, write } from "./project.ts";

/** The folders of packages in a tree, links to them with where they lead. */
function packagesIn(tree: Picture): string[] {
  const found = Object.entries(tree).flatMap(([path, what]) => {
    if (path.endsWith("/package.json") && path.includes("node_modules")) return [dirname(path)];
    return what.startsWith("-> ") ? [`${path} ${what}`] : [];
  });
  return found.toSorted();
}

test("what dependencies need goes along, and what only devDependencies need does not", async () => {
  const root = project(
    {
      ...installed("node_modules/a", { dependencies: { b: "*" }, devDependencies: { tool: "*" } }),
      ...installed("node_modules/a/node_modules/b", { version: "2.0.0" }),
      ...installed("node_modules/b", { dependencies: { deep: "*" } }),
      ...installed("node_modules/deep", { bundleDependencies: ["bundled"] }),
      ...installed("node_modules/deep/node_modules/bundled"),
      ...installed("node_modules/@scope/c", {
        peerDependencies: { peer: "*", absent: "*" },
        optionalDependencies: { fsevents: "*" },
      }),
      ...installed("node_modules/peer"),
      ...installed("node_modules/optional"),
      ...installed("node_modules/tool", { dependencies: { "tool-part": "*" } }),
      ...installed("node_modules/tool-part"),
      ...installed("node_modules/nobodys"),
      "node_modules/.package-lock.json": "{}",
      "node_modules/.cache/x": "",
    },
    {
      dependencies: { a: "*", "@scope/c": "*" },
      optionalDependencies: { optional: "*", gone: "*" },
      devDependencies: { tool: "*", b: "*" },
    },
  );
  const { tree, release } = await roundTrip(root);
  expect(packagesIn(tree)).toEqual([
    "node_modules/@scope/c",
    "node_modules/a",
    "node_modules/a/node_modules/b",
    "node_modules/optional",
    "node_modules/peer",
  ]);
  expect(tree).toHaveProperty(["node_modules/@scope/c/index.js"]);
  expect(release.omitted).toBe(5);
  expect(Object.keys(tree).filter((path) => path.includes("/."))).toEqual([]);
  write(root, installed("node_modules/a", { dependencies: { b: "*", deep: "*" } }));
  expect(packagesIn((await roundTrip(root)).tree)).toEqual(
    expect.arrayContaining(["node_modules/deep", "node_modules/deep/node_modules/bundled"]),
  );
});

test("packages go along whole: what looks like a secret, what git ignores, and what is no folder of theirs", async () => {
  const files = {
    "certs/ca.pem": "public",
    ".gitignore": "lib",
    "lib/x.js": "",
    "dist/node_modules/inner/index.js": "",
    ".env.example": "",
    "build/a.node": "native",
    ".git/HEAD": "",
  };
  const { tree, notices } = await roundTrip(
    project(installed("node_modules/a", {}, files), { dependencies: { a: "*" } }),
  );
  expect(Object.keys(tree)).toEqual(
    expect.arrayContaining(
      Object.keys(files)
        .filter((name) => !name.startsWith(".git/"))
        .map((name) => `node_modules/a/${name}`),
    ),
  );
  expect(tree).not.toHaveProperty(["node_modules/a/.git"]);
  expect(notices).toEqual([]);
});

test("packages are in a layer of their own, with the folders above them in that of the application", async () => {
  const root = project(
    {
      ...installed("node_modules/a"),
      "packages/w/package.json": '{"name":"w","dependencies":{"b":"*"}}',
      "packages/w/index.js": "",
      ...installed("packages/w/node_modules/b"),
      "node_modules/w": { link: "../packages/w" },
    },
    { dependencies: { a: "*" }, workspaces: ["packages/*"] },
  );
  const before = await pack(root);
  writeFileSync(join(root, "packages/w/index.js"), "changed");
  const after = await pack(root);
  const changed = after.layers.filter(({ sha256 }, index) => sha256 !== before.layers[index]!.sha256);
  expect(changed.map(({ name }) => name)).toEqual(["app"]);
  // node_modules, node_modules/a, its two files, node_modules/w; and the same of b without a link.
  expect(after.layers[1]!.entries).toBe(5 + 4);
});

test("packages of a workspace stay where they are, linked as before, with what they need and without their tools", async () => {
  const root = project(
    {
      "packages/w/package.json": JSON.stringify({
        name: "@me/w",
        dependencies: { shared: "*", own: "*" },
        devDependencies: { tool: "*" },
      }),
      "packages/w/index.js": "w",
      ...installed("packages/w/node_modules/own"),
      "packages/unused/package.json": '{"name":"unused"}',
      "node_modules/@me/w": { link: "../../packages/w" },
      "node_modules/unused": { link: "../packages/unused" },
      ...installed("node_modules/shared"),
      ...installed("node_modules/tool"),
    },
    { workspaces: ["packages/*"] },
  );
  const { tree } = await roundTrip(root);
  expect(packagesIn(tree)).toEqual([
    "node_modules/@me/w -> ../../packages/w",
    "node_modules/shared",
    "node_modules/unused -> ../packages/unused",
    "packages/w/node_modules/own",
  ]);
  expect(tree["packages/w/index.js"]).toBe("w");
});

test("the folders of pnpm go along with their links, but for those of tools", async () => {
  const store = "node_modules/.pnpm";
  const root = project(
    {
      ...installed(
        `${store}/a@1.0.0/node_modules/a`,
        { dependencies: { b: "*" }, bin: { acmd: "cli.js" } },
        { "cli.js": { text: "#!x", mode: 0o755 } },
      ),
      [`${store}/a@1.0.0/node_modules/b`]: { link: "../../b@1.0.0/node_modules/b" },
      ...installed(`${store}/b@1.0.0/node_modules/b`, { dependencies: { a: "*" } }),
      [`${store}/b@1.0.0/node_modules/a`]: { link: "../../a@1.0.0/node_modules/a" },
      ...installed(`${store}/tool@1.0.0/node_modules/tool`, { bin: "t.js" }),
      "node_modules/a": { link: ".pnpm/a@1.0.0/node_modules/a" },
      "node_modules/tool": { link: ".pnpm/tool@1.0.0/node_modules/tool" },
      [`${store}/node_modules/b`]: { link: "../b@1.0.0/node_modules/b" },
      [`${store}/node_modules/tool`]: { link: "../tool@1.0.0/node_modules/tool" },
      "node_modules/.bin/acmd": { text: "exec a", mode: 0o755 },
      "node_modules/.bin/tool": { text: "exec tool", mode: 0o755 },
      "node_modules/.modules.yaml": "",
    },
    { dependencies: { a: "*" }, devDependencies: { tool: "*" } },
  );
  const { tree } = await roundTrip(root);
  expect(packagesIn(tree)).toEqual([
    `${store}/a@1.0.0/node_modules/a`,
    `${store}/a@1.0.0/node_modules/b -> ../../b@1.0.0/node_modules/b`,
    `${store}/b@1.0.0/node_modules/a -> ../../a@1.0.0/node_modules/a`,
    `${store}/b@1.0.0/node_modules/b`,
    `${store}/node_modules/b -> ../b@1.0.0/node_modules/b`,
    "node_modules/a -> .pnpm/a@1.0.0/node_modules/a",
  ]);
  expect(tree["node_modules/.bin/acmd"]).toBe("!exec a");
  expect(tree).not.toHaveProperty(["node_modules/.bin/tool"]);
});

test("commands of packages go along, and those of tools do not", async () => {
  const root = project(
    {
      ...installed("node_modules/a", { bin: "cli.js" }, { "cli.js": { text: "#!", mode: 0o755 } }),
      ...installed("node_modules/tool", { bin: "cli.js" }, { "cli.js": "" }),
      "node_modules/.bin/a": { link: "../a/cli.js" },
      "node_modules/.bin/tool": { link: "../tool/cli.js" },
    },
    { dependencies: { a: "*" } },
  );
  const { tree } = await roundTrip(root);
  expect(tree).toMatchObject({ "node_modules/.bin/a": "-> ../a/cli.js", "node_modules/a/cli.js": "!#!" });
  expect(tree).not.toHaveProperty(["node_modules/.bin/tool"]);
});

test("a package that is linked from elsewhere is packed in place, without its tools and its secrets", async () => {
  const elsewhere = emptyFolder("lib");
  write(elsewhere, {
    "package.json": JSON.stringify({
      name: "lib",
      dependencies: { dep: "*", hoisted: "*" },
      devDependencies: { tool: "*" },
    }),
    ".gitignore": "dist",
    ".tinderboxignore": "docs",
    "dist/index.js": "built",
    "docs/x": "",
    ".env": "KEY=1",
    "to-dist": { link: join(elsewhere, "dist") },
    "examples/x/node_modules/y/index.js": "",
    ...installed("node_modules/dep", { dependencies: { lib: "*" } }),
    "node_modules/dep/node_modules/lib": { link: "../../.." },
    ...installed("node_modules/tool"),
  });
  write(dirname(elsewhere), installed("node_modules/hoisted"));
  const root = project({ "node_modules/lib": { link: elsewhere } }, { dependencies: { lib: "file:../lib" } });
  const { tree, notices } = await roundTrip(root);
  expect(packagesIn(tree)).toEqual([
    "node_modules/lib",
    "node_modules/lib/node_modules/dep",
    "node_modules/lib/node_modules/dep/node_modules/lib -> ../../..",
    "node_modules/lib/node_modules/hoisted",
    "node_modules/lib/to-dist -> dist",
  ]);
  expect(tree["node_modules/lib/dist/index.js"]).toBe("built");
  expect(Object.keys(tree).filter((path) => /docs|env|tool|examples\/x\//.test(path))).toEqual([]);
  expect(notices.map(({ text }) => text)).toEqual([
    expect.stringMatching(
      /^node_modules\/lib\/\.env is left out: .* a line "!\.env" in node_modules\/lib\/\.tinderboxignore brings it along$/,
    ),
  ]);
});

test("two linked packages that need each other are packed once each", async () => {
  const [one, two] = [emptyFolder("one"), emptyFolder("two")];
  write(one, { "package.json": '{"name":"one","dependencies":{"two":"*"}}', "node_modules/two": { link: two } });
  write(two, { "package.json": '{"name":"two","dependencies":{"one":"*"}}', "node_modules/one": { link: one } });
  const { tree } = await roundTrip(project({ "node_modules/one": { link: one } }, { dependencies: { one: "*" } }));
  expect(packagesIn(tree)).toEqual([
    "node_modules/one",
    "node_modules/one/node_modules/two",
    "node_modules/one/node_modules/two/node_modules/one -> ../../..",
  ]);
});

test("a link of a linked package that leaves it is refused", async () => {
  const elsewhere = emptyFolder("lib");
  write(elsewhere, { "package.json": '{"name":"lib"}', out: { link: "/etc/passwd" } });
  const root = project({ "node_modules/lib": { link: elsewhere } }, { dependencies: { lib: "*" } });
  expect(await refusal(pack(root))).toMatch(
    /^Cannot pack "node_modules\/lib\/out": it is a link to \/etc\/passwd, which is outside/,
  );
});

test("what is installed above the root is refused with the folder to pack instead", async () => {
  const top = emptyFolder("top");
  write(top, {
    "package.json": "{}",
    ...installed("node_modules/a"),
    "apps/web/package.json": '{"name":"web","dependencies":{"a":"*"}}',
    "apps/web/main.js": "",
  });
  expect(await refusal(pack(join(top, "apps/web")))).toBe(
    `Cannot pack ${top}/apps/web: package "a", a dependency of "web", is installed in ${top}/node_modules, outside of it; pack the folder that it is installed in, as with --root ${top}`,
  );
});

test("a dependency that is not installed is refused, and one of a package is told of", async () => {
  const root = project(installed("node_modules/a", { dependencies: { b: "*" } }), { dependencies: { a: "*" } });
  expect((await pack(root)).notices.map(({ text }) => text)).toEqual([
    'node_modules/a wants package "b", which is not installed',
  ]);
  write(root, { "package.json": '{"name":"app","dependencies":{"z":"*"}}' });
  expect(await refusal(pack(root))).toBe(
    `Cannot pack ${root}: package "z", a dependency of "app", is not installed; run the package manager's install`,
  );
});

test("the archives of Yarn are refused, with the setting that helps", async () => {
  expect(await refusal(pack(project({ ".pnp.cjs": "" }, { dependencies: { a: "*" } })))).toMatch(
    /Yarn keeps its packages in archives; set "nodeLinker: node-modules" in \.yarnrc\.yml and run yarn install$/,
  );
});

test("a node_modules folder that is a link itself is refused", async () => {
  const elsewhere = emptyFolder("modules");
  write(elsewhere, installed("node_modules/a"));
  const root = project({}, { dependencies: { a: "*" } });
  symlinkSync(join(elsewhere, "node_modules"), join(root, "node_modules"));
  expect(await refusal(pack(root))).toMatch(
    /^Cannot pack "node_modules\/a": it is reached by a link, and really is .*; make the folder above it one of its own/,
  );
});

test("a node_modules folder without a package.json beside it is left out and named", async () => {
  const { tree, notices } = await roundTrip(
    project({ "test/fixture/node_modules/x/index.js": "", "test/fixture/a": "" }),
  );
  expect(Object.keys(tree)).not.toContain("test/fixture/node_modules");
  expect(notices.map(({ path }) => path)).toEqual(["test/fixture/node_modules"]);
});

test("what Prisma makes beside its client goes along", async () => {
  const root = project(
    { ...installed("node_modules/@prisma/client"), "node_modules/.prisma/client/index.js": "made" },
    { dependencies: { "@prisma/client": "*" } },
  );
  expect((await roundTrip(root)).tree["node_modules/.prisma/client/index.js"]).toBe("made");
});

test("folders with packages of their own have them, whether they are linked or not", async () => {
  const root = project({
    "services/x/package.json": '{"name":"x","dependencies":{"a":"*"},"devDependencies":{"tool":"*"}}',
    ...installed("services/x/node_modules/a"),
    ...installed("services/x/node_modules/tool"),
  });
  expect(packagesIn((await roundTrip(root)).tree)).toEqual(["services/x/node_modules/a"]);
});

test("packages of a workspace may need each other", async () => {
  const root = project(
    {
      "w/one/package.json": '{"name":"one","dependencies":{"two":"*"}}',
      "w/two/package.json": '{"name":"two","dependencies":{"one":"*"}}',
      "node_modules/one": { link: "../w/one" },
      "node_modules/two": { link: "../w/two" },
    },
    { dependencies: { one: "*" } },
  );
  expect(packagesIn((await roundTrip(root)).tree)).toEqual([
    "node_modules/one -> ../w/one",
    "node_modules/two -> ../w/two",
  ]);
});

test("what is only wished for may be absent, also when it is named twice, or be somewhere above by chance", async () => {
  const top = emptyFolder("top");
  write(top, {
    ...installed("node_modules/chance"),
    "app/package.json":
      '{"dependencies":{"gone":"*"},"optionalDependencies":{"gone":"*","chance":"*"},"peerDependencies":{"chance":"*"}}',
    "app/main.js": "",
  });
  const { tree, notices } = await roundTrip(join(top, "app"));
  expect([Object.keys(tree), notices]).toEqual([["main.js", "package.json"], []]);
});

test("names that are no packages lead nowhere", async () => {
  const root = project(
    { "secret/package.json": "{}", "secret/x": "" },
    { dependencies: { "../secret": "*", "..": "*", "": "*", "a/../../secret": "*" } },
  );
  mkdirSync(join(root, "node_modules"));
  expect(await refusal(pack(root))).toBe("it was not refused");
  const beside = emptyFolder("beside");
  write(beside, { "package.json": "{}", secret: "" });
  const names = [`../../${basename(beside)}`, `@x/../../../${basename(beside)}`, `a/../../../${basename(beside)}`];
  for (const name of names) {
    write(root, {
      "package.json": JSON.stringify({ dependencies: { [name]: "*" }, peerDependencies: { [name]: "*" } }),
    });
    expect([name, await refusal(pack(root))]).toEqual([name, "it was not refused"]);
  }
});

test("a copy of a project in another folder has the same layers", async () => {
  const root = project(
    {
      ...installed("node_modules/a"),
      "node_modules/w": { link: "../w" },
      "w/package.json": "{}",
      deep: { link: "w/package.json" },
    },
    { dependencies: { a: "*" } },
  );
  const copy = join(emptyFolder(), "copy");
  cpSync(root, copy, { recursive: true, verbatimSymlinks: true });
  const [one, other] = [await pack(root), await pack(copy)];
  expect(other.layers.map(({ sha256 }) => sha256)).toEqual(one.layers.map(({ sha256 }) => sha256));
  expect(other.id).not.toBe(one.id);
});
