/** One round: a program with a vice is started, ended in one of the ways that there are, and must be gone from the system. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../src/clock.ts";
import { Events } from "../../src/events/index.ts";
import type { Programs } from "../../src/native/process.ts";
import type { Program, ProgramOptions } from "../../src/native/program.ts";
import { serviceSpec } from "../../src/native/service/service.ts";
import { testRun } from "../harness/run.ts";
import { until } from "../harness/until.ts";
import { newTag } from "../native/lab.ts";
import type { Random } from "./random.ts";
import { type Vice, described, tagVariable, tagged } from "./vices.ts";

export const ways = ["stop()", "kill()", "kill -9", "abort"] as const;
export type Way = (typeof ways)[number];

export interface Round {
  readonly vice: Vice;
  readonly way: Way;
  readonly groups: boolean;
  readonly random: Random;
}

export interface Outcome {
  readonly wrong: readonly string[];
  /** From its end being asked for until nothing was left. */
  readonly endMs: number;
  /** Left behind by a vice that nobody can trace without control groups. */
  readonly untraced: number;
}

const graceMs = 200;
const patienceMs = 30_000;

export async function play({ vice, way, groups, random }: Round, programs: Programs): Promise<Outcome> {
  const tag = newTag();
  const wrong: string[] = [];
  const options: ProgramOptions = {
    name: vice.name,
    command: vice.command,
    args: [vice.wantsFile ? join(testRun.folder, tag) : tag],
    env: { ...process.env, [tagVariable]: tag },
    cwd: testRun.folder,
    graceMs,
    ...(vice.limits && { limits: vice.limits }),
  };
  let began = performance.now();
  const end = (way === "abort" ? abortStart : endProgram)(options, way, programs, random, () => {
    began = performance.now();
  });
  await Promise.race([
    end.catch((error: unknown) => wrong.push(error instanceof Error ? (error.stack ?? error.message) : String(error))),
    // Never the reason for this process to stay.
    sleep(patienceMs, undefined, { ref: false }).then(() =>
      wrong.push(`its end is still not there after ${patienceMs} ms`),
    ),
  ]);
  const endMs = performance.now() - began;
  const left = tagged(tag);
  const untraced = vice.untraceable && !groups ? left.length : 0;
  if (left.length > untraced) wrong.push(`${left.length} processes are left: ${left.map(described).join(", ")}`);
  for (const pid of left) kill(pid);
  if (left.length > 0) await until(`the end of what ${vice.name} has left`, () => tagged(tag).length === 0);
  return { wrong, endMs, untraced };
}

/** At any moment after its start: before it has said anything, in between, or when it is up. */
async function endProgram(
  options: ProgramOptions,
  way: Way,
  programs: Programs,
  random: Random,
  ending: () => void,
): Promise<void> {
  const program = await programs.start(options);
  const up = follow(program);
  if (random.chance(0.7)) await up;
  await sleep(random.gap(10));
  ending();
  if (way === "stop()") await program.stop();
  else if (way === "kill()") program.kill();
  else kill(program.pid);
  await program.exited;
  await program.gone;
}

/** As a supervisor that is told to end while it starts its children. */
async function abortStart(
  options: ProgramOptions,
  _way: Way,
  programs: Programs,
  random: Random,
  ending: () => void,
): Promise<void> {
  const abort = new AbortController();
  const { name, command, args, limits, cwd } = options;
  const spec = serviceSpec(
    name,
    {
      command,
      args: args!,
      cwd: cwd!,
      ready: /never/,
      log: false,
      stop: { grace: graceMs },
      ...(limits && { limits }),
    },
    {
      clock: systemClock,
      events: new Events(),
      connects: async () => false,
      start: programs.start,
      printer: () => ({ print: () => true, resume: async () => {} }),
      environment: () => options.env!,
    },
  );
  const start = Promise.resolve(spec.start({ signal: abort.signal }));
  const failed = start.then(
    () => {
      throw new Error("it has become ready, which it never is");
    },
    () => {},
  );
  await Promise.race([sleep(random.gap(15)), failed.catch(() => {})]);
  ending();
  abort.abort(new Error("called off"));
  await failed;
}

/** Reads all that it writes. Resolves with its first words, or its end. */
function follow({ stdout, stderr, exited }: Program): Promise<unknown> {
  stderr.resume();
  return Promise.race([new Promise((resolve) => stdout.on("data", resolve)), exited]);
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}
