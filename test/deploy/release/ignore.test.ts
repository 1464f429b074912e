import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { array, assert, constant, constantFrom, oneof, property } from "fast-check";
import { expect, test } from "vitest";
import { askLines, ignoreLines } from "../../../src/deploy/release/ignore-line.ts";
import { ignoreRules } from "../../../src/deploy/release/ignore-rules.ts";
import { testRun } from "../../harness/run.ts";

const says = (lines: string, path: string): boolean | undefined =>
  askLines(ignoreLines(lines), path.replace(/\/$/, ""), path.endsWith("/"));

test.each([
  ["a", "a", true],
  ["a", "x/a", true],
  ["/a", "x/a", undefined],
  ["a/b", "x/a/b", undefined],
  ["a/", "a", undefined],
  ["a/", "a/", true],
  ["*.log\n!keep.log", "keep.log", false],
  ["**/b", "a/x/b", true],
  ["a/**", "a/", undefined],
  ["a/**", "a/x/y", true],
  ["a/**/b", "a/b", true],
  ["a/**/b", "a/x/y/b", true],
  ["a*b", "a/b", undefined],
  ["[ab]c", "bc", true],
  ["[!ab]c", "bc", undefined],
  ["[a-", "[a-", undefined],
  ["# a", "# a", undefined],
  ["\\#a", "#a", true],
  ["\\!a", "!a", true],
  ["a  ", "a", true],
  ["a\\ ", "a ", true],
  ["a\r\nb", "a", true],
  ["\ufeffa", "a", true],
  ["ä?", "äö", true],
])("the line %j says of %j: left out is %j", (lines, path, expected) => {
  expect(says(lines, path)).toBe(expected);
});

test("lines mean what they mean to git", () => {
  const repository = mkdtempSync(join(testRun.folder, "ignore-"));
  execFileSync("git", ["init", "-q", repository]);
  const piece = constantFrom(
    "a",
    "b",
    "c",
    "*",
    "?",
    "**",
    "[ab]",
    "[!a]",
    "[^b-c]",
    "\\a",
    "\\",
    "]",
    "[",
    "-",
    ".",
    " ",
    "!",
    "#",
  );
  const line = array(oneof({ weight: 4, arbitrary: piece }, { weight: 2, arbitrary: constant("/") }), {
    minLength: 1,
    maxLength: 7,
  }).map((parts) => parts.join(""));
  const name = array(constantFrom("a", "b", "c", ".", "-", "[", "]", "!", "#"), { minLength: 1, maxLength: 3 });
  const path = array(
    name.map((parts) => parts.join("")).filter((text) => !/^\.+$/.test(text)),
    { minLength: 1, maxLength: 3 },
  ).map((parts) => parts.join("/"));
  assert(
    property(
      array(line, { minLength: 1, maxLength: 4 }),
      array(path, { minLength: 1, maxLength: 30 }),
      (lines, paths) => {
        writeFileSync(join(repository, ".gitignore"), `${lines.join("\n")}\n`);
        const compiled = ignoreLines(lines.join("\n"));
        const all = [...new Set(paths)];
        // Nothing is there, so git takes each for a file; what is below a folder that is left out is left out too.
        const ours = all.filter((one) => {
          const parts = one.split("/");
          const above = parts.slice(1).map((_, index) => parts.slice(0, index + 1).join("/"));
          return above.some((folder) => askLines(compiled, folder, true)) || askLines(compiled, one, false);
        });
        expect({ lines, left: ours.toSorted() }).toEqual({ lines, left: leftOutByGit(repository, all).toSorted() });
      },
    ),
    { numRuns: 150 },
  );
}, 60_000);

function leftOutByGit(cwd: string, paths: readonly string[]): string[] {
  try {
    const input = paths.join("\0");
    const found = execFileSync("git", ["check-ignore", "--no-index", "-z", "--stdin"], {
      cwd,
      input,
      encoding: "utf8",
    });
    return found.split("\0").filter(Boolean);
  } catch (error) {
    // Nothing is left out.
    if ((error as { status?: number }).status === 1) return [];
    throw error;
  }
}

function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(testRun.folder, "rules-"));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

test("the deepest file decides, and .tinderboxignore is stronger than any .gitignore", () => {
  const root = folderOf({
    ".gitignore": "dist/\n*.log\n",
    ".tinderboxignore": "!dist/\nbig\n",
    "p/.gitignore": "dist/\n!a.log\n",
  });
  const top = ignoreRules(root).within("", new Set([".gitignore", ".tinderboxignore"]));
  expect(top.judge("dist", true)).toBe("kept");
  expect(top.judge("a.log", false)).toBe("ignored");
  expect(top.judge("big", false)).toBe("ignored");
  const inner = top.within("p", new Set([".gitignore"]));
  expect(inner.judge("p/dist", true)).toBe("kept");
  expect(inner.judge("p/a.log", false)).toBe("kept");
  expect(inner.judge("p/b.log", false)).toBe("ignored");
  const dist = top.within("dist", new Set());
  expect(dist.judge("dist/x", false)).toBe("kept");
});

test("files above the root count up to where its repository begins", () => {
  const top = folderOf({
    ".gitignore": "never\n",
    "repository/.git/HEAD": "",
    "repository/.gitignore": "out\n/apps/web/tmp\n/tmp2\n",
    "repository/apps/web/x": "",
  });
  const rules = ignoreRules(join(top, "repository", "apps", "web"));
  expect(rules.judge("out", true)).toBe("ignored");
  expect(rules.judge("tmp", true)).toBe("ignored");
  expect(rules.judge("tmp2", true)).toBe("kept");
  expect(rules.judge("never", false)).toBe("kept");
});

test("secrets are left out by their names until .tinderboxignore brings them back", () => {
  const root = folderOf({ ".gitignore": ".env\n!id_rsa\n", ".tinderboxignore": "!certs/ca.pem\n" });
  const rules = ignoreRules(root).within("", new Set([".gitignore", ".tinderboxignore"]));
  for (const name of [
    ".env",
    ".env.local",
    ".ENV",
    "a.pem",
    "KEY.PEM",
    "b/c.key",
    "id_rsa",
    "id_ed25519.pub",
    ".npmrc",
    "x/.netrc",
    "k.p12",
    "k.pfx",
    "credentials.json",
    "credentials-prod.json",
    "terraform.tfstate",
    ".yarnrc.yml",
  ])
    expect([name, rules.judge(name, false)]).toEqual([name, "secret"]);
  for (const name of [".aws", "x/.ssh", ".terraform"]) expect(rules.judge(name, true)).toBe("secret");
  for (const name of ["env.ts", "key.ts", "pem", "credentials.ts", "aws", "my.environment"])
    expect(rules.judge(name, false)).toBe("kept");
  expect(rules.judge("certs/ca.pem", false)).toBe("kept");
  expect(rules.judge("certs/key.pem", false)).toBe("secret");
  for (const name of [".git", "sub/.git", ".svn"]) expect(rules.judge(name, true)).toBe("git");
  expect(rules.judge("sub/.git", false)).toBe("git");
});
