/**
 * `npm run bench`: Tinderbox against its peers, measured in the same run, in interleaved rounds, medians. Every figure is
 * taken in a process of its own, which prints one number; pinned ones run on one core, so that they show what the software
 * costs and not what waking another core does.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

interface Case {
  readonly name: string;
  readonly unit: "ms" | "us" | "calls/s";
  /** What is run: a program of `programs/`, or arguments of Node. */
  readonly program: string;
  readonly args?: readonly string[];
  readonly execArgv?: readonly string[];
  readonly pinned?: boolean;
}

interface Section {
  readonly title: string;
  readonly cases: readonly Case[];
  /** Index of the case that the others are compared with. */
  readonly against: number;
  readonly rounds: number;
}

const register = ["--import", "tinderbox/register"];

function small(pinned: boolean): readonly Case[] {
  const unit = "us";
  return [
    { name: "bare Unix socket, 32 B there and back", unit, program: "ping-pong.mjs", pinned },
    {
      name: "tinderbox: flame(() => a + b)",
      unit,
      program: "tinderbox.mjs",
      args: ["latency"],
      execArgv: register,
      pinned,
    },
    { name: "piscina, atomics off", unit, program: "piscina.mjs", args: ["latency"], pinned },
    { name: "tinypool, processes", unit, program: "tinypool.mjs", args: ["latency"], pinned },
    { name: "workerpool, processes", unit, program: "workerpool.mjs", args: ["latency"], pinned },
  ];
}

const sections: readonly Section[] = [
  {
    title: "Cold: from the call to the first result, no runner yet (target: 3x)",
    against: 0,
    rounds: 15,
    cases: [
      { name: "node -e 0", unit: "ms", program: "node.mjs" },
      { name: "tinderbox, load hook", unit: "ms", program: "tinderbox.mjs", args: ["cold"], execArgv: register },
      { name: "tinderbox, no flag", unit: "ms", program: "tinderbox.mjs", args: ["cold"] },
      { name: "piscina, one thread", unit: "ms", program: "piscina.mjs", args: ["cold"] },
      { name: "tinypool, one process", unit: "ms", program: "tinypool.mjs", args: ["cold"] },
      { name: "workerpool, one process", unit: "ms", program: "workerpool.mjs", args: ["cold"] },
    ],
  },
  {
    title: "Warm: one small call at a time, p50, both ends on one core (target: 1.6x)",
    against: 0,
    rounds: 5,
    cases: small(true),
  },
  {
    title: "Warm: one small call at a time, p50, scheduler's choice (target: 1.6x)",
    against: 0,
    rounds: 5,
    cases: small(false),
  },
  {
    title: "64 calls in flight on one runner (target: 0.86x of piscina with 64 tasks per worker)",
    against: 0,
    rounds: 5,
    cases: [
      { name: "piscina, 1 worker, 64 tasks each", unit: "calls/s", program: "piscina.mjs", args: ["throughput"] },
      {
        name: "tinderbox, 1 runner, concurrency 64",
        unit: "calls/s",
        program: "tinderbox.mjs",
        args: ["throughput"],
        execArgv: register,
      },
      { name: "tinypool, 1 process", unit: "calls/s", program: "tinypool.mjs", args: ["throughput"] },
      { name: "workerpool, 1 process", unit: "calls/s", program: "workerpool.mjs", args: ["throughput"] },
    ],
  },
];

const wanted = process.argv[2];
for (const section of sections)
  if (!wanted || section.title.toLowerCase().includes(wanted)) print(section, measure(section));

function measure({ cases, rounds }: Section): number[] {
  const figures: number[][] = cases.map(() => []);
  for (let round = 0; round < rounds; round++)
    for (const [index, each] of cases.entries()) figures[index]!.push(run(each));
  return figures.map((values) => values.toSorted((left, right) => left - right)[values.length >> 1]!);
}

function run({ program, args = [], execArgv = [], pinned, name }: Case): number {
  const words = [
    process.execPath,
    ...execArgv,
    fileURLToPath(new URL(`programs/${program}`, import.meta.url)),
    ...args,
  ];
  if (pinned) words.unshift("taskset", "-c", "0");
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
  const { stdout, stderr, status, error } = spawnSync(words[0]!, words.slice(1), {
    encoding: "utf8",
    timeout: 120_000,
    env,
  });
  const figure = Number(stdout.trim().split("\n").at(-1));
  if (status !== 0 || !(figure > 0)) throw new Error(`Cannot measure "${name}": ${error?.message ?? stderr}`);
  return figure;
}

function print({ title, cases, against }: Section, figures: readonly number[]): void {
  console.log(`\n${title}`);
  const base = figures[against]!;
  for (const [index, { name, unit }] of cases.entries()) {
    const figure = figures[index]!;
    const shown = unit === "calls/s" ? Math.round(figure).toLocaleString("en") : figure.toFixed(1);
    console.log(
      `  ${name.padEnd(42)} ${shown.padStart(10)} ${unit.padEnd(8)} ${(figure / base).toFixed(2).padStart(6)}x`,
    );
  }
}
