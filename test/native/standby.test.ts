import { readFileSync, readdirSync } from "node:fs";
import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import type { Program } from "../../src/native/program.ts";
import { Standby } from "../../src/native/standby.ts";
import { FakeClock } from "../harness/fake-clock.ts";
import { expectNoProcessLeft } from "../harness/leaks.ts";
import { processesOf } from "../harness/processes.ts";
import { until } from "../harness/until.ts";
import { type Lab, ended, lab, withoutGroups } from "./lab.ts";

const missing = withoutGroups();
if (missing) console.warn(`Control groups are not tested: ${missing}`);

const successors = (): number[] =>
  processesOf()
    .filter(({ command }) => command.includes("tinderbox-successor"))
    .map(({ pid }) => pid);

const standby = {};
const shell = (code: string, more: readonly string[] = []): [string, string[]] => ["sh", ["-c", code, "sh", ...more]];

async function waiting(): Promise<number> {
  const [pid] = await until("a successor", () => (successors().length === 1 ? successors() : undefined));
  return pid!;
}

async function printed(
  { start }: Lab,
  code: string,
  more: readonly string[] = [],
  options = {},
): Promise<[number, string]> {
  const program = await start(...shell(code, more), { standby, graceMs: 300, ...options });
  await until("its line", () => program.out().includes("\n"));
  return [program.pid, program.out()];
}

const ways: [string, boolean][] = [["by /proc alone", false]];
if (!missing) ways.push(["with control groups", true]);

test.each(ways)("a successor waits, and becomes the program when that is started again (%s)", async (_name, groups) => {
  const here = lab(groups);
  const code = 'printf "%s\\n" "$1$2$3"; exec sleep 1000';
  const odd = ["it's", ' "quoted" $HOME `x` \\ ', ";&|"];
  const [first, text] = await printed(here, code, odd, { limits: { fileSize: "1mb" } });
  expect(text).toBe(`${odd.join("")}\n`);
  const next = await waiting();
  const open = readdirSync(`/proc/${first}/fd`);
  process.kill(first, "SIGKILL");
  const [second, again] = await printed(here, code, odd, { limits: { fileSize: "1mb" } });
  expect([second, again]).toEqual([next, text]);
  expect(readdirSync(`/proc/${second}/fd`)).toEqual(open);
  expect(readFileSync(`/proc/${second}/limits`, "utf8")).toMatch(/Max file size\s+1048576/);
  expect(await waiting()).not.toBe(next);
});

/** Successors without processes, for a clock that a test moves; `end` ends the first program, `made` lets its successor be there. */
function pretend(env = {}) {
  const clock = new FakeClock();
  const waits = new Standby(clock);
  const end = Promise.withResolvers<never>();
  const made = Promise.withResolvers<void>();
  const killed: string[] = [];
  const fake = (name: string, exited: Promise<never>): Program =>
    ({ pid: process.pid, exited, kill: () => killed.push(name) }) as unknown as Program;
  const next = fake("next", new Promise(() => {}));
  const door = new PassThrough();
  waits.provide(standby, fake("first", end.promise), () => made.promise.then(() => ({ program: next, door, env })));
  const settled = async (): Promise<void> => {
    clock.advance(100);
    await new Promise(setImmediate);
  };
  return { clock, waits, killed, door, next, end: () => end.resolve(undefined as never), made: made.resolve, settled };
}

test("it goes when nobody wants it within ten seconds of the end of its program", async () => {
  const { clock, killed, end, made, settled } = pretend();
  made();
  await settled();
  end();
  await new Promise(setImmediate);
  clock.advance(9_999);
  expect(killed).toEqual([]);
  clock.advance(1);
  expect(killed).toEqual(["next"]);
  expect(clock.pending()).toBe(0);
});

test("it goes when its program has ended, or was told to, before it was there", async () => {
  const over = pretend();
  await over.settled();
  over.end();
  await new Promise(setImmediate);
  over.made();
  await new Promise(setImmediate);
  expect(over.killed).toEqual(["next"]);
  const told = pretend();
  await told.settled();
  told.waits.discard(standby);
  told.made();
  await new Promise(setImmediate);
  expect(told.killed).toEqual(["next"]);
  expect(told.clock.pending()).toBe(0);
});

test("it becomes what is asked for only with the same environment, and words that one line can tell", async () => {
  const env = { ONE: "1", NONE: undefined };
  const ask = async (args: readonly string[], wanted: Record<string, string | undefined>) => {
    const { waits, killed, door, next, end, made, settled, clock } = pretend(env);
    made();
    await settled();
    end();
    await new Promise(setImmediate);
    const taken = waits.take(standby, "/bin/it", args, wanted);
    expect(waits.take(standby, "/bin/it", args, wanted)).toBeUndefined();
    expect(clock.pending()).toBe(0);
    expect(killed).toEqual(taken ? [] : ["next"]);
    expect(taken).toBe(taken && next);
    return taken && String(door.read());
  };
  expect(await ask(["a b", "it's"], { ...env })).toBe("'/bin/it' 'a b' 'it'\\''s'\n");
  expect(await ask(["a"], { ...env, ONE: "2" })).toBeUndefined();
  expect(await ask(["a"], { ...env, MORE: "" })).toBeUndefined();
  expect(await ask(["a"], { ONE: "1" })).toBeUndefined();
  expect(await ask(["a\nb"], { ...env })).toBeUndefined();
});

test("it goes when the program is told to end", async () => {
  const { start } = lab(false);
  const program = await start(...shell("exec cat"), { standby });
  await waiting();
  await program.stop();
  // Those that nobody has told of it would wait for twice as long.
  await until("the end of the successor", () => successors().length === 0, { within: 5_000 });
});

test("another environment, and words with a line end, are started in the ordinary way", async () => {
  const here = lab(false);
  const env = { PATH: process.env["PATH"], WORD: "one" };
  const [first] = await printed(here, 'echo "$WORD"; exec sleep 1000', [], { env });
  const next = await waiting();
  process.kill(first, "SIGKILL");
  const [second, text] = await printed(here, 'echo "$WORD"; exec sleep 1000', [], { env: { ...env, WORD: "two" } });
  expect(text).toBe("two\n");
  expect(second).not.toBe(next);
  await until("the end of the first successor", () => ended(next));
  process.kill(second, "SIGKILL");
  const [, lines] = await printed(here, 'echo "$1"; exec sleep 1000', ["a\nb"], { env });
  expect(lines).toBe("a\nb\n");
});

test("a successor that has died is missed by nobody", async () => {
  const here = lab(false);
  const [first] = await printed(here, "echo up; exec sleep 1000");
  const next = await waiting();
  process.kill(next, "SIGKILL");
  await until("its end", () => ended(next));
  process.kill(first, "SIGKILL");
  expect((await printed(here, "echo up; exec sleep 1000"))[1]).toBe("up\n");
});

test("nothing of it is left", async () => {
  const { start, programs } = lab(true);
  await start(...shell("exec cat"), { standby });
  await waiting();
  await programs.stop();
  await expectNoProcessLeft();
});
