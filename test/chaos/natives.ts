/**
 * The chaos run of native programs: every program of test/programs/ is started and ended hundreds of times, several at a time, in all
 * ways at random moments, with control groups and without; and whole applications are killed with all of them running. After each
 * round the system itself is asked: no process of the round may be there. In the end no group, watchdog or descriptor may be left.
 *
 * node --conditions=tinderbox-source test/chaos/natives.ts [--rounds 200] [--seed N]
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { expectNoProcessLeft } from "../harness/leaks.ts";
import { testRun } from "../harness/run.ts";
import { until } from "../harness/until.ts";
import { newTag } from "../native/lab.ts";
import { groupFolders, groupsOf } from "./groups.ts";
import { lanes } from "./lanes.ts";
import { ways } from "./native-round.ts";
import type { Share } from "./native-share.ts";
import { type Random, random } from "./random.ts";
import { described, tagged, vices } from "./vices.ts";

const { values } = parseArgs({ options: { rounds: { type: "string" }, seed: { type: "string" } } });
const rounds = Number(values.rounds ?? 200);
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
if (!(rounds > 0) || !Number.isSafeInteger(seed)) throw new TypeError("Cannot run: numbers are wanted");
const applications = Math.ceil(rounds / 10);
const parts = Math.max(2, availableParallelism());
const hasGroups = groupFolders.length > 0;
const violations: string[] = [];
console.log(
  `chaos of native programs: ${rounds} rounds of each of ${vices.length} vices, ${applications} whole applications, seed ${seed}` +
    (hasGroups ? "" : "; this system lets us make no control groups, so all are without"),
);

const began = performance.now();
const ends = { longestMs: 0, most: 0, untraced: 0 };
const source = random(seed);
const [shares] = await Promise.all([
  Promise.all(Array.from({ length: parts }, (_, part) => share(part))),
  // One at a time: each is a storm of its own.
  lanes(
    1,
    Array.from({ length: applications }, () => source.fork()),
    killApplication,
  ),
]);
await expectNoProcessLeft().catch(({ message }: Error) => violations.push(message));
print(shares.filter((each) => each !== undefined));
rmSync(testRun.folder, { recursive: true, force: true });
process.exitCode = violations.length > 0 ? 1 : 0;

function program(name: string, args: readonly (string | number)[], env: NodeJS.ProcessEnv = {}) {
  const file = fileURLToPath(new URL(name, import.meta.url));
  return spawn(process.execPath, ["--conditions=tinderbox-source", file, ...args.map(String)], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...env },
  });
}

async function share(part: number): Promise<Share | undefined> {
  const child = program("native-share.ts", [seed, rounds, part, parts, hasGroups ? 1 : 0]);
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
  try {
    const report = JSON.parse(output) as Share;
    violations.push(...report.violations);
    return report;
  } catch {
    violations.push(`a part of the rounds has ended with ${String(code)} and no report: ${output}`);
    return undefined;
  }
}

/** Killed while it starts its programs, or when all are up. */
async function killApplication(chance: Random): Promise<void> {
  const tag = newTag();
  const folder = join(testRun.folder, `application-${tag}`);
  mkdirSync(folder);
  const groups = hasGroups && chance.chance(0.5);
  const child = program("native-owner.ts", [folder, tag], { TINDERBOX_CGROUPS: groups ? "on" : "off" });
  const pid = child.pid!;
  await once(child.stdout, "data");
  await sleep(chance.gap(400));
  ends.most = Math.max(ends.most, tagged(tag).length);
  const at = performance.now();
  child.kill("SIGKILL");
  await once(child, "exit");
  child.stdout.destroy();
  const what = `kill -9 of an application ${groups ? "with" : "without"} groups`;
  // Without groups one may stay, of the vice that leaves no trace.
  await until("that nothing is left", () => tagged(tag).length <= (groups ? 0 : 1), { within: 20_000 }).catch(() =>
    violations.push(`${what}: left are ${tagged(tag).map(described).join(", ")}`),
  );
  ends.longestMs = Math.max(ends.longestMs, performance.now() - at);
  if (!groups) await until("its end", () => tagged(tag).length === 0, { within: 1_000 }).catch(() => ends.untraced++);
  for (const each of tagged(tag)) process.kill(each, "SIGKILL");
  await until("the end of its groups", () => groupsOf(pid).length === 0).catch(() =>
    violations.push(`${what}: control groups are left: ${groupsOf(pid).join(", ")}`),
  );
}

function print(all: readonly Share[]): void {
  const done = all.flatMap(({ rows }) => rows);
  const width = Math.max(...vices.map(({ name }) => name.length));
  console.log(`  ${"".padEnd(width)}  ${ways.map((way) => way.padStart(7)).join(" ")}   longest end`);
  for (const { name } of vices) {
    const own = done.filter(({ vice }) => vice === name);
    const counts = ways.map((wanted) => String(own.filter(({ way }) => way === wanted).length).padStart(7));
    const longest = Math.max(...own.map(({ endMs }) => endMs)).toFixed(0);
    console.log(`  ${name.padEnd(width)}  ${counts.join(" ")}   ${longest.padStart(8)} ms`);
  }
  const untraced = all.reduce((sum, each) => sum + each.untraced, ends.untraced);
  const rows: [string, string][] = [
    ["seed", String(seed)],
    ["rounds", `${done.length}, ${done.filter(({ groups }) => groups).length} of them with control groups`],
    [
      "applications killed",
      `${applications}, with up to ${ends.most} processes; the longest end ${ends.longestMs.toFixed(0)} ms`,
    ],
    ["daemons that left no trace", `${untraced}, all without control groups`],
    [
      "descriptors, before and after",
      all.map(({ descriptors: { before, after } }) => `${before}, ${after}`).join("; "),
    ],
    ["time", `${((performance.now() - began) / 1_000).toFixed(0)} s`],
    ["violations", String(violations.length)],
  ];
  for (const [name, value] of rows) console.log(`  ${name.padEnd(width)}  ${value}`);
  for (const violation of violations.slice(0, 40)) console.error(`VIOLATION: ${violation}`);
  const verdict = violations.length === 0 ? "nothing is wrong" : `FAILED; again with --seed ${seed}`;
  console.log(`chaos of native programs: ${verdict}`);
}
