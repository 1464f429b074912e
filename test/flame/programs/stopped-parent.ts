/**
 * A parent that is stopped from outside for a while, with a call on a runner of each kind.
 *
 * argv: folder to talk through. Each call writes `<kind>` with its process and ends when "go" is there; its result is
 * printed, and that of a further call.
 */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { flame, pool } from "tinderbox";

const [folder] = process.argv.slice(2) as [string];

async function serve(kind: "kill" | "drain"): Promise<void> {
  const own = pool(kind, { max: 1, onParentLoss: kind });
  const first = await flame(
    async () => {
      writeFileSync(join(folder, kind), `${process.pid}\n`);
      while (!existsSync(join(folder, "go"))) await new Promise((resolve) => setTimeout(resolve, 10));
      return process.pid;
    },
    { pool: own },
  );
  const second = await flame(() => process.pid, { pool: own });
  console.log(`${kind} ${first} ${second} ${own.stats().boots.ok}`);
}

await Promise.all([serve("kill"), serve("drain")]);
