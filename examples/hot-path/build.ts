/** Builds the program of this folder into a temporary folder, with the first compiler that is there. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export interface Built {
  readonly file: string;
  /** A folder that goes with it, for its socket. */
  readonly folder: string;
  readonly language: "C" | "Rust";
  remove(): void;
}

const compilers: readonly [language: Built["language"], command: string, ...args: string[]][] = [
  ["C", "cc", "-O2", "-pthread", "hot-path.c", "-o"],
  ["C", "clang", "-O2", "-pthread", "hot-path.c", "-o"],
  ["Rust", "rustc", "-O", "hot-path.rs", "-o"],
];

/** `wanted` is "c" or "rust"; without it, either. Ends the process where there is no compiler. */
export function build(wanted?: string): Built {
  const folder = mkdtempSync(join(tmpdir(), "hot-path-"));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  const file = join(folder, "hot-path");
  for (const [language, command, ...args] of compilers) {
    if (wanted !== undefined && wanted !== language.toLowerCase()) continue;
    const { error, status, stderr } = spawnSync(command, [...args, file], {
      cwd: fileURLToPath(new URL(".", import.meta.url)),
      encoding: "utf8",
    });
    if (error) continue;
    if (status === 0) return { file, folder, language, remove };
    console.error(`${command} cannot build hot-path:\n${stderr}`);
  }
  remove();
  console.error(`
This example needs a compiler ${wanted === undefined ? "of C or Rust" : `of ${wanted}`}. On Debian and Ubuntu:
  sudo apt install gcc libc6-dev    or    sudo apt install rustc`);
  process.exit(1);
}
