import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

/**
 * One test file's own mark. Every process that comes from it can be found by this mark, also after its parent died.
 * It is a temporary folder, because TMPDIR is one of the few variables that travel to runners by themselves; so the
 * same name shows what a file's processes left behind on disk. Short, since Unix socket paths end at 107 bytes.
 */
export interface TestRun {
  readonly marker: string;
  readonly folder: string;
}

function begin(): TestRun {
  const folder = mkdtempSync(join(tmpdir(), "tb-"));
  process.env["TMPDIR"] = folder;
  process.env["TINDERBOX_TEST_RUN"] = basename(folder);
  return { marker: basename(folder), folder };
}

export const testRun: TestRun = begin();
