import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { BinaryExitError } from "../../src/errors.ts";
import { type EventMap, Events } from "../../src/events/index.ts";
import type { Program, ProgramExit, ProgramOptions } from "../../src/native/program.ts";
import type { ServiceOptions } from "../../src/native/service/options.ts";
import { serviceSpec } from "../../src/native/service/service.ts";
import type { Child } from "../../src/ports/child.ts";
import { FakeClock } from "../harness/fake-clock.ts";

/** A service whose program ends, and is gone, and falls silent, when a test says so. */
function pretend(options: Partial<ServiceOptions> = {}) {
  const clock = new FakeClock();
  const [exited, gone] = [Promise.withResolvers<ProgramExit>(), Promise.withResolvers<void>()];
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const told: string[] = [];
  const program = {
    ...{ pid: 1, stdin: new PassThrough(), stdout, stderr, exited: exited.promise, gone: gone.promise },
    memory: () => undefined,
    stop: () => (told.push("stop"), gone.promise),
    kill: () => told.push("kill"),
    hold() {},
  } as unknown as Program;
  const events = new Events();
  const exits: EventMap["program.exited"][] = [];
  events.on("program.exited", (exit) => exits.push(exit));
  const started: ProgramOptions[] = [];
  const spec = serviceSpec(
    "svc",
    { command: "it", log: false, ...options },
    {
      ...{ clock, events, environment: () => ({}), connects: () => Promise.resolve(false) },
      start: (given) => (started.push(given), Promise.resolve(program)),
      printer: () => ({ print: () => true, resume: () => Promise.resolve() }),
    },
  );
  return {
    ...{ clock, exits, told, started, stdout, stderr, spec, gone: gone.resolve },
    start: (signal = new AbortController().signal) => Promise.resolve(spec.start({ signal })) as Promise<Child>,
    exit: (status: number) => exited.resolve({ status, exitCode: status, signal: undefined, oom: false }),
    silence: () => [stdout, stderr].map((stream) => stream.end()),
  };
}

/** Undefined while it is pending. */
async function outcome<T>(promise: Promise<T>): Promise<T | undefined> {
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
  return Promise.race([promise, Promise.resolve(undefined)]);
}

test("its end is told when all that it has said is read", async () => {
  const { start, exit, stderr, silence, exits } = pretend();
  const child = await start();
  exit(7);
  expect(await outcome(child.exited)).toBeUndefined();
  expect(exits).toEqual([]);
  stderr.write("last words\n");
  silence();
  expect(await outcome(child.exited)).toMatchObject({ status: 7, stderr: "last words" });
  expect(exits).toMatchObject([{ status: 7, wanted: false }]);
});

test("of what it has said the last twenty lines are in its error", async () => {
  const { start, exit, stderr, silence } = pretend();
  const child = await start();
  for (let line = 1; line <= 30; line++) stderr.write(`${line}\n`);
  exit(7);
  silence();
  const lines = Array.from({ length: 20 }, (_, index) => index + 11);
  expect(await outcome(child.exited)).toMatchObject({ stderr: lines.join("\n") });
});

test("one that was told to end has ended when nothing is left of it", async () => {
  const { start, exit, silence, gone, told } = pretend();
  const child = await start();
  child.stop("shutdown");
  exit(0);
  silence();
  expect(await outcome(child.exited)).toBeUndefined();
  gone();
  expect(await outcome(child.exited)).toBe("shutdown");
  expect(told).toEqual(["stop"]);
});

test("the first reason to end it counts, and one that was not well was not wanted to end", async () => {
  const { start, exit, silence, gone, clock, exits } = pretend({ health: { check: () => false, failures: 1 } });
  const child = await start();
  clock.advance(10_000);
  await outcome(child.exited);
  child.stop("shutdown");
  exit(0);
  silence();
  gone();
  expect(await outcome(child.exited)).toBeInstanceOf(BinaryExitError);
  expect(exits).toMatchObject([{ wanted: false }]);
});

test.each(["has ended", "was told to end"])("nobody asks for the health of one that %s", async (how) => {
  let asked = 0;
  const { start, exit, clock } = pretend({ health: { check: () => void asked++ } });
  const child = await start();
  if (how === "has ended") exit(0);
  else child.stop("shutdown");
  expect(await outcome(child.exited)).toBeUndefined();
  clock.advance(60_000);
  expect(asked).toBe(0);
  expect(clock.pending()).toBe(0);
});

test("a start that fails has ended the program, and nothing is left of it", async () => {
  const { start, clock, gone, told } = pretend({ ready: /up/, readyTimeout: "1s" });
  const failed = start().catch((error: unknown) => error);
  await outcome(failed);
  clock.advance(1_000);
  expect(await outcome(failed)).toBeUndefined();
  expect(told).toEqual(["stop"]);
  gone();
  expect(await outcome(failed)).toMatchObject({ message: "Cannot start svc: it was not ready within 1000 ms" });
});

test("an answer that comes when it was told to end is nobody's, and one in time leaves no clock behind", async () => {
  const answers: ((answer: boolean) => void)[] = [];
  const check = (): Promise<boolean> => new Promise((resolve) => void answers.push(resolve));
  const { start, clock } = pretend({ health: { check, every: "10s" } });
  const child = await start();
  clock.advance(10_000);
  answers[0]!(true);
  await outcome(child.exited);
  expect([clock.pending(), clock.nextAt - clock.now()]).toEqual([1, 10_000]);
  clock.advance(10_000);
  child.stop("shutdown");
  answers[1]!(true);
  await outcome(child.exited);
  expect(clock.pending()).toBe(0);
});

test("whoever starts programs is told how it stops, its limits, and whether it comes back", async () => {
  const limits = { pids: 5 };
  const first = pretend({ limits, stop: { signal: "SIGINT", grace: "7s" } });
  await first.start();
  await first.start();
  expect(first.started[0]).toMatchObject({ stopSignal: "SIGINT", graceMs: 7_000, limits });
  expect(first.started[0]!.standby).toBeDefined();
  expect(first.started[1]!.standby).toBe(first.started[0]!.standby);
  // Whoever supervises it leaves it the time to end itself.
  expect(first.spec.shutdown).toBeGreaterThan(7_000 + 10_000);
  const once = pretend({ restart: "temporary" });
  await once.start();
  expect(once.started[0]!.standby).toBeUndefined();
});

test("a start that was called off before starts nothing", async () => {
  const { start, started } = pretend();
  await expect(start(AbortSignal.abort(new Error("called off")))).rejects.toThrow("called off");
  expect(started).toEqual([]);
});

test("a regular expression that remembers where it was sees the line of a second start too", async () => {
  const { start, stdout } = pretend({ ready: /up/g });
  for (let round = 0; round < 2; round++) {
    const child = start();
    await outcome(child);
    stdout.write("up\n");
    expect(await outcome(child)).toBeDefined();
  }
});
