/**
 * `npm run bench`: Tinderbox against its peers, measured in the same run, in interleaved rounds, medians. Every figure is
 * taken in a process of its own, which prints one number; pinned ones run on one core, so that they show what the software
 * costs and not what waking another core does.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

interface Case {
  readonly name: string;
  readonly unit: "ms" | "us" | "calls/s" | "MB/s";
  /** What is run: a program of `programs/`, or arguments of Node. */
  readonly program: string;
  readonly args?: readonly string[];
  readonly execArgv?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly pinned?: boolean;
}

/** A figure, and what its program has said before it. */
interface Measured {
  readonly figure: number;
  readonly note: string;
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

function packets(inFlight: number, pinned: boolean): readonly Case[] {
  const shared = { unit: "calls/s", program: "packets.mjs", pinned } as const;
  return [
    { name: "a loop in Node, by hand", ...shared, args: ["hand", String(inFlight)] },
    {
      name: `binary, packet: 4${inFlight === 1 ? "" : `, pipeline: ${inFlight}`}`,
      ...shared,
      args: ["binary", String(inFlight)],
    },
  ];
}

const withoutGroups = { TINDERBOX_CGROUPS: "off" };

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
  {
    title: "Restart of a service: from its death to the first line of its successor (target: 1.3x)",
    against: 1,
    rounds: 5,
    cases: [
      { name: "spawn by hand, to the first line", unit: "ms", program: "restart.mjs", args: ["spawn"] },
      { name: "death heard and spawn, by hand", unit: "ms", program: "restart.mjs", args: ["restart"] },
      { name: "service, control groups", unit: "ms", program: "restart.mjs", args: ["service"] },
      { name: "service, /proc alone", unit: "ms", program: "restart.mjs", args: ["service"], env: withoutGroups },
    ],
  },
  {
    title: "Native worker: 32 B there and back, one at a time, one core (target: 0.8x)",
    against: 0,
    rounds: 5,
    cases: packets(1, true),
  },
  {
    title: "Native worker: 32 B there and back, 64 in flight (target: 0.8x)",
    against: 0,
    rounds: 5,
    cases: packets(64, false),
  },
  {
    title: "Native run: a gigabyte through stdin and stdout of cat (target: 0.8x)",
    against: 0,
    rounds: 5,
    cases: [
      { name: "head | cat | cat >/dev/null", unit: "MB/s", program: "gigabyte.mjs", args: ["shell"] },
      { name: "spawn, streams of Node", unit: "MB/s", program: "gigabyte.mjs", args: ["node"] },
      { name: "binary: input, stdout", unit: "MB/s", program: "gigabyte.mjs", args: ["binary"] },
    ],
  },
  {
    title: "Store: updates of one cell, writes take 100 ms (target: 50x)",
    against: 0,
    rounds: 3,
    cases: [
      { name: "one after the other", unit: "calls/s", program: "store.mjs", args: ["one"] },
      { name: "1,000 at the same time", unit: "calls/s", program: "store.mjs", args: ["together"] },
    ],
  },
  {
    title: "EC2: machines that come in over TLS, none of which boots, from 0 to all ready",
    against: 0,
    rounds: 1,
    cases: [100, 1_000].map((count) => ({
      name: `${count.toLocaleString("en")} machines`,
      unit: "ms",
      program: "ec2-scale.ts",
      args: [String(count)],
      execArgv: ["--conditions=tinderbox-source"],
    })),
  },
];

/** For the sections about native programs. Where there is no C compiler they are left out, which is said. */
const folder = mkdtempSync(join(tmpdir(), "bench-"));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
const native = buildNative();

const wanted = process.argv[2]?.toLowerCase();
for (const section of sections) {
  if (wanted !== undefined && !section.title.toLowerCase().includes(wanted)) continue;
  if (native === undefined && needsNative(section)) console.log(`\n${section.title}\n  left out: there is no cc`);
  else print(section, measure(section));
}

function needsNative({ cases }: Section): boolean {
  return cases.some(({ program }) => program === "restart.mjs" || program === "packets.mjs");
}

function buildNative(): string | undefined {
  const file = join(folder, "native");
  const source = fileURLToPath(new URL("programs/native.c", import.meta.url));
  const { error, status, stderr } = spawnSync("cc", ["-O2", source, "-o", file], { encoding: "utf8" });
  if (error) return undefined;
  if (status !== 0) throw new Error(`Cannot build ${source}: ${stderr}`);
  return file;
}

function measure({ cases, rounds }: Section): Measured[] {
  const figures: Measured[][] = cases.map(() => []);
  for (let round = 0; round < rounds; round++)
    for (const [index, each] of cases.entries()) figures[index]!.push(run(each));
  return figures.map((values) => values.toSorted((left, right) => left.figure - right.figure)[values.length >> 1]!);
}

function run({ program, args = [], execArgv = [], env: added, pinned, name }: Case): Measured {
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
    env: { ...env, ...added, BENCH_NATIVE: native },
  });
  const lines = stdout.trim().split("\n");
  const figure = Number(lines.pop());
  if (status !== 0 || !(figure > 0)) throw new Error(`Cannot measure "${name}": ${error?.message ?? stderr}`);
  return { figure, note: lines.join("; ") };
}

function print({ title, cases, against }: Section, figures: readonly Measured[]): void {
  console.log(`\n${title}`);
  const base = figures[against]!.figure;
  for (const [index, { name, unit }] of cases.entries()) {
    const { figure, note } = figures[index]!;
    const shown = unit === "calls/s" || unit === "MB/s" ? Math.round(figure).toLocaleString("en") : figure.toFixed(1);
    const ratio = (figure / base).toFixed(2);
    console.log(
      `  ${name.padEnd(42)} ${shown.padStart(10)} ${unit.padEnd(8)} ${ratio.padStart(6)}x${note && `  ${note}`}`,
    );
  }
}
