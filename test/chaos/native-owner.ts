/** An application with a program of each vice, made to be killed at any moment. Arguments: what is tagged in its programs, the tag. */
import { join } from "node:path";
import { programs } from "../../src/services.ts";
import { tagVariable, vices } from "./vices.ts";

const [folder, tag] = process.argv.slice(2) as [string, string];
setInterval(() => {}, 1e6);
console.log("begins");
await Promise.all(
  vices.map(async ({ name, command, limits, wantsFile }) => {
    const program = await programs.start({
      name,
      command,
      args: [wantsFile ? join(folder, tag) : tag],
      env: { ...process.env, [tagVariable]: tag },
      cwd: folder,
      graceMs: 200,
      ...(limits && { limits }),
    });
    program.stderr.resume();
    await Promise.race([new Promise((resolve) => program.stdout.on("data", resolve)), program.exited]);
  }),
);
console.log("all are up");
