#!/usr/bin/env node
/** The command `tinderbox`: its subcommands, each loaded when it is called. */
import { readFileSync } from "node:fs";
import { findPackageJSON } from "node:module";
import { defineCommand, runMain } from "citty";
import { usage } from "./usage.ts";

function version(): string {
  const file = findPackageJSON(import.meta.url);
  return (JSON.parse(readFileSync(file!, "utf8")) as { version: string }).version;
}

const main = defineCommand({
  meta: { name: "tinderbox", version: version(), description: "Runs closures on ephemeral runners" },
  subCommands: {
    ps: () => import("./ps.ts").then(({ psCommand }) => psCommand),
    inspect: () => import("./inspect.ts").then(({ inspectCommand }) => inspectCommand),
    pack: () => import("./pack.ts").then(({ packCommand }) => packCommand),
    reap: () => import("./reap.ts").then(({ reapCommand }) => reapCommand),
    simulate: () => import("./simulate.ts").then(({ simulateCommand }) => simulateCommand),
  },
});

await runMain(main, {
  async showUsage(command, parent) {
    process.stdout.write(await usage(command, parent, process.stdout.columns || 100));
  },
});
