/** A tree of supervision as people read it. */
import type { Branch } from "../ports/child.ts";
import { printable } from "../print.ts";

/** One line for each place, its children below it. */
export function printTree(branch: Branch): string {
  return [lineOf(branch), ...linesBelow(branch)].join("\n");
}

function linesBelow({ children = [] }: Branch): string[] {
  return linesOf(children);
}

/** Branches of one root, as they stand below its line. */
export function linesOf(children: readonly Branch[]): string[] {
  return children.flatMap((child, index) => {
    const last = index === children.length - 1;
    const [first, rest] = last ? ["└─ ", "   "] : ["├─ ", "│  "];
    return [first + lineOf(child), ...linesBelow(child).map((line) => rest + line)];
  });
}

function lineOf({ id, type, status, restarts, detail }: Branch): string {
  const facts = [type === "supervisor" ? `${type}, ${status}` : status];
  if (restarts > 0) facts.push(`${restarts} ${restarts === 1 ? "restart" : "restarts"}`);
  if (detail) facts.push(detail);
  return plain(`${id} (${facts.join(", ")})`);
}

/** Colours of a child's own words would run on into the rest of the tree. */
function plain(text: string): string {
  return printable(text).replaceAll("\u001b", "\\x1b");
}
