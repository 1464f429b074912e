import { fileURLToPath } from "node:url";
import { command } from "./command.ts";

let built: Promise<string> | undefined;

/** Compiles, once, the library by which a machine's clock is wrong. Returns its path. Needs a C compiler. */
export function clockLibrary(folder: string): Promise<string> {
  return (built ??= build(folder));
}

async function build(folder: string): Promise<string> {
  const source = fileURLToPath(new URL("skew.c", import.meta.url));
  const library = `${folder}/skew.so`;
  await command("cc", ["-shared", "-fPIC", "-O2", "-Wall", "-o", library, source], { env: { TMPDIR: folder } });
  return library;
}
