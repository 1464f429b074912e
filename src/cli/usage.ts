/** Help for terminals: citty's text, without colours and trailing blanks, with long lines folded under themselves. */
import { stripVTControlCharacters } from "node:util";
import { type ArgsDef, type CommandDef, renderUsage } from "citty";

export async function usage<T extends ArgsDef>(
  command: CommandDef<T>,
  parent: CommandDef<T> | undefined,
  width: number,
): Promise<string> {
  const text = stripVTControlCharacters(await renderUsage(command, parent));
  return `${text
    .split("\n")
    .map((line) => folded(line.trimEnd(), width))
    .join("\n")}\n`;
}

/** A line of two columns is folded within its second one. */
function folded(line: string, width: number): string {
  const [first = ""] = /^ +\S+ {2}/.exec(line) ?? [];
  const room = Math.max(20, width - first.length);
  const lines: string[] = [];
  let rest = line.slice(first.length);
  while (rest.length > room) {
    const blank = rest.lastIndexOf(" ", room);
    const at = blank > 0 ? blank : room;
    lines.push(rest.slice(0, at));
    rest = rest.slice(at).trimStart();
  }
  return first + [...lines, rest].join(`\n${" ".repeat(first.length)}`);
}
