/** `tinderbox ps`: what the parents on this machine keep up. */
import { type ArgsDef, defineCommand } from "citty";
import { systemClock } from "../clock.ts";
import { formatDuration } from "../duration.ts";
import { printable } from "../print.ts";
import { linesOf } from "../supervisor/tree.ts";
import { Arguments } from "./arguments.ts";
import { explained } from "./explain.ts";
import { type Looked, jsonOf, lookAround } from "./look.ts";

const args = {
  pid: { type: "string", valueHint: "number", description: "Of one parent (Default: all of this user)" },
  json: { type: "boolean", description: "Print JSON" },
} satisfies ArgsDef;

export const psCommand = defineCommand({
  meta: {
    name: "ps",
    description: "Shows the trees of supervision of running parents: pools, runners, services, tasks, binaries",
  },
  args,
  run: ({ args: parsed, rawArgs }) =>
    explained("ps", async () => {
      const given = new Arguments("tinderbox ps", parsed, rawArgs, Object.keys(args));
      const parents = await lookAround(given.text("pid") === undefined ? undefined : given.count("pid", 1));
      const seen = parents.map(({ pid, inspected }) => inspected ?? { pid });
      process.stdout.write(parsed.json ? jsonOf(seen) : asText(parents));
    }),
});

function asText(parents: readonly Looked[]): string {
  if (parents.length === 0) return "No parent runs here that keeps anything up.\n";
  return parents.map((parent) => `${treesOf(parent).join("\n")}\n`).join("\n");
}

function treesOf({ pid, inspected }: Looked): string[] {
  if (!inspected) return [`pid ${pid} does not answer`];
  const { script, node, since, trees } = inspected;
  const age = formatDuration(Math.max(0, systemClock.wall() - since));
  return [printable(`${script || "node"} (pid ${pid}, node ${node}, up ${age})`), ...linesOf(trees)];
}
