/** `tinderbox inspect`: one place of a tree, with all that is known of it. */
import { type ArgsDef, defineCommand } from "citty";
import { systemClock } from "../clock.ts";
import { formatDuration } from "../duration.ts";
import { refuseUnknown, resolveCount, show } from "../options.ts";
import type { Branch } from "../ports/child.ts";
import { printable } from "../print.ts";
import { linesOf } from "../supervisor/tree.ts";
import { explained } from "./explain.ts";
import { branchAt, jsonOf, lookAround } from "./look.ts";

const args = {
  path: { type: "positional", required: false, description: "As ps shows it, e.g. pools/media/media-1 or app/web" },
  pid: { type: "string", valueHint: "number", description: "Of the parent, where several have such a place" },
  json: { type: "boolean", description: "Print JSON" },
} satisfies ArgsDef;

export const inspectCommand = defineCommand({
  meta: { name: "inspect", description: "Shows one pool, runner, service, task or supervisor, and what is below it" },
  args,
  run: ({ args: parsed }) =>
    explained("inspect", async () => {
      refuseUnknown(parsed, ["_", ...Object.keys(args)], "tinderbox inspect");
      const { path, pid, json } = parsed;
      if (path === undefined) throw new TypeError("Cannot inspect nothing: give a path, as in inspect pools/media");
      const one = pid === undefined ? undefined : resolveCount(/^\d+$/.test(pid) ? Number(pid) : pid, "--pid", 1);
      const found = (await lookAround(one)).flatMap(({ pid: number, inspected }) => {
        const branch = inspected && branchAt(inspected.trees, path);
        return branch ? [{ pid: number, branch }] : [];
      });
      const [only] = found;
      if (!only)
        throw new TypeError(`Cannot find ${show(path)}: no parent here keeps it up; tinderbox ps shows what there is`);
      if (found.length > 1) {
        const pids = found.map((each) => each.pid).join(", ");
        throw new TypeError(`Cannot choose ${show(path)}: the parents ${pids} have one; add --pid`);
      }
      process.stdout.write(json ? jsonOf({ pid: only.pid, ...only.branch }) : asText(only.pid, path, only.branch));
    }),
});

function asText(pid: number, path: string, { type, status, restarts, since, detail, children = [] }: Branch): string {
  const facts: [string, string][] = [
    ["path", path],
    ["parent", `pid ${pid}`],
    ["type", type],
    ["status", since > 0 ? `${status} for ${formatDuration(Math.max(0, systemClock.wall() - since))}` : status],
    ["restarts", String(restarts)],
  ];
  if (detail !== undefined) facts.push(["now", detail]);
  const lines = facts.map(([name, value]) => printable(`${`${name}:`.padEnd(10)}${value}`));
  if (children.length > 0) lines.push("", ...linesOf(children));
  return `${lines.join("\n")}\n`;
}
