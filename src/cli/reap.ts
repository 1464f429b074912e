/** `tinderbox reap`: ends machines whose parent is gone. */
import { type ArgsDef, defineCommand } from "citty";
import { formatDuration } from "../duration.ts";
import { type Orphan, reap } from "../ec2.ts";
import { printable } from "../print.ts";
import { Arguments } from "./arguments.ts";
import { explained } from "./explain.ts";
import { jsonOf } from "./look.ts";
import { type Column, table } from "./table.ts";

const args = {
  terraform: { type: "string", valueHint: "folder", description: "Of the module whose outputs name bucket and region" },
  bucket: { type: "string", valueHint: "name", description: "Of the releases, instead of --terraform" },
  prefix: { type: "string", valueHint: "path", description: "In the bucket (Default: tinderbox)" },
  region: { type: "string", valueHint: "name", description: "Default: as the AWS SDK finds it" },
  "dry-run": { type: "boolean", description: "End nothing; only tell what would be ended" },
  json: { type: "boolean", description: "Print JSON" },
} satisfies ArgsDef;

export const reapCommand = defineCommand({
  meta: {
    name: "reap",
    description: "Ends EC2 instances whose parent is gone; those of parents that live are never touched",
  },
  args,
  run: ({ args: parsed, rawArgs }) =>
    explained("reap", async () => {
      const given = new Arguments("tinderbox reap", parsed, rawArgs, Object.keys(args));
      const [terraform, bucket, prefix, region] = (["terraform", "bucket", "prefix", "region"] as const).map((name) =>
        given.text(name),
      );
      const dryRun = parsed["dry-run"] === true;
      const orphans = await reap({
        dryRun,
        release: { ...(bucket === undefined ? {} : { bucket }), ...(prefix === undefined ? {} : { prefix }) },
        ...(terraform === undefined ? {} : { terraform }),
        ...(region === undefined ? {} : { region }),
      });
      process.stdout.write(parsed.json ? jsonOf(orphans) : asText(orphans, dryRun));
    }),
});

const columns: readonly Column<Orphan>[] = [
  { title: "instance", left: true, text: ({ instance }) => instance },
  { title: "pool", left: true, text: ({ pool }) => printable(pool) },
  { title: "state", left: true, text: ({ state }) => state },
  { title: "age", text: ({ ageMs }) => formatDuration(ageMs) },
  { title: "parent that is gone", left: true, text: ({ owner }) => printable(owner) },
];

function asText(orphans: readonly Orphan[], dryRun: boolean): string {
  if (orphans.length === 0) return "No machine is without its parent.\n";
  const one = orphans.length === 1;
  const what = `${orphans.length} ${one ? "machine" : "machines"}`;
  const end = dryRun ? `${what} would be ended.` : `${what} ${one ? "is" : "are"} being ended.`;
  return `${table(columns, orphans)}${end}\n`;
}
