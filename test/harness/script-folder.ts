import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { whenTestEnds } from "./hooks.ts";
import { testRun } from "./run.ts";

/** The repository's root folder. */
export const repository = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Makes a folder outside the repository with the given files and a package.json of type "module" (unless given), in
 * which `import "tinderbox"` is this repository. Removed when the test is over. Returns its path.
 */
export function scriptFolder(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(testRun.folder, "script-"));
  const all = { "package.json": '{ "type": "module" }\n', ...files };
  for (const [name, text] of Object.entries(all)) {
    const file = join(folder, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  mkdirSync(join(folder, "node_modules"), { recursive: true });
  symlinkSync(repository, join(folder, "node_modules", "tinderbox"), "dir");
  whenTestEnds(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
