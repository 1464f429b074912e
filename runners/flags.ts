/** Flags of Node as the parent has them, of which some may name what is only there. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const preload = /^(?:-r|--require|--import)(?:=|$)/;

/** Those that can be used here: a module to load first, named by its path, is left out where there is no such file. `missing` is told of it. */
export function usableFlags(flags: readonly string[], missing: (flag: string) => void): string[] {
  const usable: string[] = [];
  for (let index = 0; index < flags.length; index++) {
    const words = [flags[index]!];
    if (preload.test(words[0]!) && !words[0]!.includes("=")) words.push(flags[++index] ?? "");
    const name = preload.test(words[0]!) ? (words[1] ?? words[0]!.replace(/^[^=]*=/, "")) : "";
    const file = name.startsWith("file:///") ? fileURLToPath(name) : name;
    if (file.startsWith("/") && !existsSync(file)) missing(words.join(" "));
    else usable.push(...words);
  }
  return usable;
}
