/**
 * A part of the rounds, in a process of its own: looking through /proc is most of the work. Arguments: seed, rounds of each vice, which
 * part, of how many, whether there are control groups. Prints its report as one line of JSON.
 */
import { readdirSync, rmSync } from "node:fs";
import { systemClock } from "../../src/clock.ts";
import { ownMark } from "../../src/mark.ts";
import { Programs } from "../../src/native/process.ts";
import { testRun } from "../harness/run.ts";
import { until } from "../harness/until.ts";
import { groupsOf } from "./groups.ts";
import { lanes } from "./lanes.ts";
import { before, descriptors, findLeaks } from "./leaks.ts";
import { type Way, play, ways } from "./native-round.ts";
import { random } from "./random.ts";
import { commandOf, vices } from "./vices.ts";

export interface Share {
  readonly rows: readonly {
    readonly vice: string;
    readonly way: Way;
    readonly groups: boolean;
    readonly endMs: number;
  }[];
  readonly untraced: number;
  readonly descriptors: { readonly before: number; readonly after: number };
  readonly violations: readonly string[];
}

const atATime = 8;

const [seed, rounds, part, parts, hasGroups] = process.argv.slice(2).map(Number) as [
  number,
  number,
  number,
  number,
  number,
];
const violations: string[] = [];
process.on("unhandledRejection", (error) => violations.push(`unhandled rejection: ${String(error)}`));
process.on("warning", ({ name, message }) => {
  if (name !== "ExperimentalWarning") violations.push(`warning: ${name}: ${message}`);
});

const pools = { with: makePrograms(true), without: makePrograms(false) };
// What is opened at the first use of all stays open: that is no leak.
await (await pools.without.start({ name: "first", command: "true" })).stop();
const start = before();

const source = random(seed);
const deck = source
  .shuffle(vices.flatMap((vice) => Array.from({ length: rounds }, () => vice)))
  .map((vice) => {
    const own = source.fork();
    return { vice, way: own.pick(ways), groups: hasGroups === 1 && own.chance(0.5), random: own };
  })
  .filter((_, index) => index % parts === part);
const rows: Share["rows"][number][] = [];
let untraced = 0;
await lanes(atATime, deck, async (round) => {
  const { vice, way, groups } = round;
  const outcome = await play(round, groups ? pools.with : pools.without);
  rows.push({ vice: vice.name, way, groups, endMs: outcome.endMs });
  untraced += outcome.untraced;
  for (const text of outcome.wrong)
    violations.push(`${vice.name}, ${way}, ${groups ? "with" : "without"} groups: ${text}`);
});

await until("the end of both watchdogs", () => watchdogs().length === 0).catch(() =>
  violations.push(`watchdogs are left: ${watchdogs().join(", ")}`),
);
const left = groupsOf(process.pid);
if (left.length > 0) violations.push(`control groups are left: ${left.join(", ")}`);
violations.push(...(await findLeaks(start)));
const report: Share = {
  rows,
  untraced,
  violations,
  descriptors: { before: start.descriptors, after: descriptors().length },
};
console.log(JSON.stringify(report));
rmSync(testRun.folder, { recursive: true, force: true });

function makePrograms(groups: boolean): Programs {
  return new Programs({
    clock: systemClock,
    groups,
    unenforced() {},
    stray: (name, pids) => violations.push(`${name}: ${pids.join(", ")} cannot be ended`),
  });
}

/** Those of this process: each has its mark among its arguments. */
function watchdogs(): string[] {
  return readdirSync("/proc").filter((pid) => {
    const words = /^\d+$/.test(pid) ? commandOf(Number(pid)) : "";
    return words.includes("tinderbox-watchdog") && words.includes(ownMark);
  });
}
