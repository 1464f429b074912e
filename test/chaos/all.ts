/**
 * `npm run chaos`: the chaos run of calls, then that of native programs. Both print their seed; `--seed N` gives both the same one.
 *
 * [--seconds 60] [--rounds 200] [--seed N]
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const option = { type: "string" } as const;
const { values } = parseArgs({ options: { seconds: option, rounds: option, seed: option } });

const seed = values.seed === undefined ? [] : ["--seed", values.seed];
const calls = run("main.ts", ["--seconds", values.seconds ?? "60", ...seed]);
const natives = run("natives.ts", ["--rounds", values.rounds ?? "200", ...seed]);
process.exitCode = calls && natives ? 0 : 1;

function run(name: string, args: readonly string[]): boolean {
  const file = fileURLToPath(new URL(name, import.meta.url));
  const { status } = spawnSync(process.execPath, [...process.execArgv, file, ...args], { stdio: "inherit" });
  return status === 0;
}
