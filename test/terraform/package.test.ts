/** `terraform/` is a part of the npm package, and of use from there. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { whenTestEnds } from "../harness/hooks.ts";
import { testRun } from "../harness/run.ts";
import { repository } from "../harness/script-folder.ts";
import { absence, Workspace } from "../harness/terraform/terraform.ts";

const missing = absence();
if (missing) console.warn(`\n*** TERRAFORM'S MODULE IN THE PACKAGE WAS NOT TRIED: ${missing} ***\n`);

/** What npm would publish of a folder with the repository's package.json and `terraform/` in it. */
function packedIn(folder: string): string[] {
  const said = execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts", "--loglevel=error"], {
    cwd: folder,
    encoding: "utf8",
    stdio: "pipe",
  });
  const [{ files }] = JSON.parse(said) as [{ files: { path: string }[] }];
  return files.map(({ path }) => path).filter((path) => path.startsWith("terraform/"));
}

/** A copy in which one has also applied it. */
function used(): string {
  const folder = mkdtempSync(join(testRun.folder, "package-"));
  cpSync(join(repository, "package.json"), join(folder, "package.json"));
  cpSync(join(repository, "terraform"), join(folder, "terraform"), { recursive: true });
  for (const stray of [
    "terraform.tfstate",
    "terraform.tfvars",
    ".terraform/modules/other/main.tf",
    "bake.auto.tfvars.json",
  ]) {
    const path = join(folder, "terraform", stray);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, "");
  }
  return folder;
}

test("all of the configuration is published, and no state, settings or tests", () => {
  const tracked = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "terraform"], {
    cwd: repository,
    encoding: "utf8",
  });
  // npm never publishes a .gitignore.
  const wanted = tracked
    .trim()
    .split("\n")
    .filter((path) => !path.includes("/tests/") && !path.endsWith(".gitignore"));
  expect(packedIn(used()).toSorted()).toEqual(wanted.toSorted());
  expect(wanted.length).toBeGreaterThan(10);
});

test.skipIf(missing)(
  "it is valid as it is published: copied, and as a module of a configuration of one's own",
  async () => {
    const folder = mkdtempSync(join(testRun.folder, "package-"));
    for (const path of packedIn(repository))
      cpSync(join(repository, path), join(folder, "node_modules/tinderbox", path), { recursive: true });
    cpSync(join(folder, "node_modules/tinderbox/terraform"), join(folder, "copied"), { recursive: true });
    // The very lines that the page shows.
    const page = readFileSync(join(repository, "terraform/README.md"), "utf8");
    const [, own = ""] = /```hcl\n(module "tinderbox" \{[^]*?)```/.exec(page) ?? [];
    expect(own).toContain("node_modules/tinderbox/");
    mkdirSync(join(folder, "own"));
    writeFileSync(join(folder, "own/main.tf"), own);
    const workspace = await Workspace.open(folder, ["copied", "own"]);
    whenTestEnds(() => workspace.close());
    for (const where of ["copied", "own"])
      expect(await workspace.run(where, "validate")).toEqual({
        code: 0,
        output: "Success! The configuration is valid. ",
      });
  },
  60_000,
);
