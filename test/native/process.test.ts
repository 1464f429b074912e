import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { CommandError } from "../../src/errors.ts";
import { newMark } from "../../src/mark.ts";
import { Family } from "../../src/native/family.ts";
import { whenTestEnds } from "../harness/hooks.ts";
import { testRun } from "../harness/run.ts";
import { repository } from "../harness/script-folder.ts";
import { runScript } from "../harness/script.ts";
import { until } from "../harness/until.ts";
import { ended, lab, stateOf, withTag, withoutGroups } from "./lab.ts";

const missing = withoutGroups();
if (missing) console.warn(`Control groups are not tested: ${missing}`);

const ways: [string, boolean][] = [
  ["with control groups", true],
  ["by /proc alone", false],
];

describe.each(ways)("%s", (_name, groups) => {
  beforeEach(({ skip }) => {
    if (groups && missing) skip(missing);
  });

  /** Vices that last until somebody ends them. */
  const lasting = [
    "ignores-term",
    "forks-a-grandchild-with-setsid",
    "floods-stdout",
    "never-reads-stdin",
    "closes-stdout-and-lives",
    "writes-half-a-line",
    "writes-invalid-utf8",
    "stops-itself",
    "hops-from-process-to-process",
    "ends-by-the-end-of-stdin",
    "takes-its-time-to-stop",
  ];

  test.each(lasting)("a program that %s is gone when stop() resolves", async (name) => {
    const { up, tag, strays, programs } = lab(groups);
    const program = await up(name);
    await program.stop();
    expect(withTag(tag)).toEqual([]);
    expect(existsSync(`/proc/${program.pid}`)).toBe(false);
    expect(strays).toEqual([]);
    expect(programs.watchdog).toBeGreaterThan(0);
  });

  test.each(lasting)("a program that %s is gone when it was killed", async (name) => {
    const { up, tag } = lab(groups);
    const program = await up(name);
    program.kill();
    const exit = await program.exited;
    await program.gone;
    expect(withTag(tag)).toEqual([]);
    expect(exit).toMatchObject({ status: 137, signal: "SIGKILL" });
  });

  const quitters: [name: string, status: number][] = [
    ["forks-and-exits", 0],
    ["holds-the-pipe-in-a-grandchild", 0],
    ["exits-at-once", 3],
    ["dumps-core", 139],
  ];
  test.each(quitters)("what a program that %s leaves behind is killed, and its pipes end", async (name, status) => {
    const { up, tag } = lab(groups);
    const program = await up(name);
    const closed = Promise.all(
      [program.stdout, program.stderr].map((stream) => until("the end of a pipe", () => stream.destroyed)),
    );
    expect(await program.exited).toMatchObject({ status });
    expect(withTag(tag)).toEqual([]);
    await program.gone;
    await closed;
  });

  test("a daemon that cleared its environment is found by its control group, and by nothing else", async () => {
    const { up, tag } = lab(groups);
    const program = await up("clears-its-environment-and-goes");
    await until("the daemon", () => withTag(tag).length === 3 || withTag(tag).length === 2);
    const daemons = () => withTag(tag).filter((pid) => pid !== program.pid);
    await until("the daemon", () => daemons().length === 1);
    await program.stop();
    const left = withTag(tag);
    for (const pid of left) process.kill(pid, "SIGKILL");
    // Without groups there is no trace of it left to follow: a limit that the documentation names.
    expect(left.length).toBe(groups ? 0 : 1);
  });

  test("a program that ends by the end of its stdin says its last words and gets no signal", async () => {
    const { up } = lab(groups);
    const program = await up("ends-by-the-end-of-stdin", { graceMs: 5_000 });
    await program.stop();
    expect(await program.exited).toMatchObject({ status: 0, exitCode: 0 });
    await until("its last words", () => program.out().includes("said goodbye"));
  });

  test("a program that stops well within its grace is not killed", async () => {
    const { up } = lab(groups);
    const program = await up("takes-its-time-to-stop", { graceMs: 10_000 });
    await program.stop();
    expect(await program.exited).toMatchObject({ exitCode: 0 });
    await until("its last words", () => program.out().includes("stopped well"));
  });

  test("a program that ignores its signal is alive within its grace, and killed after", async () => {
    const { up } = lab(groups);
    const program = await up("ignores-term");
    const began = performance.now();
    await program.stop(700);
    expect(performance.now() - began).toBeGreaterThanOrEqual(695);
    expect(await program.exited).toMatchObject({ signal: "SIGKILL", status: 137 });
  });

  test("the signal of a stop is the one that was asked for", async () => {
    const { start } = lab(groups);
    const code = "trap 'echo hup; exit 7' HUP; echo up; while :; do sleep 0.05; done";
    const program = await start("sh", ["-c", code], { stopSignal: "SIGHUP", graceMs: 10_000 });
    await until("up", () => program.out().includes("up"));
    await program.stop();
    await until("its last words", () => program.out().includes("hup"));
    expect(await program.exited).toMatchObject({ status: 7 });
  });

  test("descendants have the rest of the grace when the program itself has stopped at once", async () => {
    const { start, tag } = lab(groups);
    const child = `trap 'sleep 0.3; echo child done; exit' TERM; echo child up; while :; do sleep 0.05; done`;
    const program = await start("sh", ["-c", `sh -c "${child}" ${tag} & trap 'exit 0' TERM; wait`], {
      graceMs: 10_000,
    });
    await until("up", () => program.out().includes("child up"));
    await program.stop();
    await until("its last words", () => program.out().includes("child done"));
  });

  test("what a program that ends with its stdin leaves in its process group gets the signal, and its grace", async () => {
    const { start, tag } = lab(groups);
    const child = `trap 'echo child done; exit' TERM; echo child up; while :; do sleep 0.05; done`;
    const program = await start("sh", ["-c", `sh -c "${child}" ${tag} & cat; exit 0`], { graceMs: 10_000 });
    await until("up", () => program.out().includes("child up"));
    await program.stop();
    expect(await program.exited).toMatchObject({ exitCode: 0 });
    await until("its last words", () => program.out().includes("child done"));
  });

  test("a program that stands still hears its signal", async () => {
    const { start } = lab(groups);
    const code = "trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done";
    const program = await start("sh", ["-c", code], { graceMs: 10_000 });
    await until("up", () => program.out().includes("up"));
    process.kill(program.pid, "SIGSTOP");
    await until("that it stands still", () => stateOf(program.pid) === "T");
    await program.stop();
    expect(await program.exited).toMatchObject({ status: 7, signal: undefined });
  });

  test("a second stop with less grace shortens the first, with more it changes nothing, and kill() ends both", async () => {
    const { up } = lab(groups);
    const program = await up("ignores-term");
    const began = performance.now();
    const long = program.stop(60_000);
    await Promise.all([long, program.stop(300)]);
    expect(performance.now() - began).toBeLessThan(30_000);
    const third = await up("ignores-term");
    await Promise.all([third.stop(300), third.stop(60_000)]);
    const other = await up("ignores-term");
    const stopping = other.stop(60_000);
    other.kill();
    await stopping;
    expect(await other.exited).toMatchObject({ signal: "SIGKILL" });
  });

  test("a limit of file size ends the writer", async () => {
    const { start } = lab(groups);
    const folder = mkdtempSync(join(testRun.folder, "limit-"));
    const fine = await start("sh", ["-c", `head -c 9000 /dev/zero >${folder}/fine`], { limits: { fileSize: "10kb" } });
    expect(await fine.exited).toMatchObject({ status: 0 });
    const large = await start("sh", ["-c", `head -c 90000 /dev/zero >${folder}/large`], {
      limits: { fileSize: "10kb" },
    });
    expect((await large.exited).status).not.toBe(0);
  });

  test("a limit of memory ends who eats it, and nobody else", async () => {
    const { start, up } = lab(groups);
    const other = await up("never-reads-stdin");
    const eater = await up("eats-memory", { limits: { memory: "64mb" } });
    const exit = await eater.exited;
    expect(exit.status).not.toBe(0);
    expect(exit.oom).toBe(groups);
    const killed = await start("cat", [], { limits: { memory: "64mb" } });
    killed.kill();
    expect(await killed.exited).toMatchObject({ signal: "SIGKILL", oom: false });
    const modest = await start("sh", ["-c", "echo fine"], { limits: { memory: "64mb" } });
    expect(await modest.exited).toMatchObject({ status: 0, oom: false });
    expect(existsSync(`/proc/${other.pid}`)).toBe(true);
    await other.stop();
  });

  test("its memory is that of all its processes", async () => {
    const { start } = lab(groups);
    const code = "const b = Buffer.alloc(60e6, 1); console.log('up'); setInterval(() => b, 1e6)";
    const program = await start("sh", ["-c", `"$0" -e "$1" & wait`, process.execPath, code]);
    await until("up", () => program.out().includes("up"), { within: 20_000 });
    expect(program.memory()).toBeGreaterThan(60e6);
    program.kill();
    await program.gone;
    expect(program.memory()).toBeUndefined();
  });

  test("what is refused is said before anything is started", async () => {
    const { start, programs } = lab(groups);
    const refusal = async (command: string, options = {}): Promise<string> => {
      const error: unknown = await start(command, [], options).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(CommandError);
      return (error as CommandError).message;
    };
    const there = (await start("true")).gone;
    expect(await refusal("no-such-program")).toBe(
      'Cannot start "no-such-program": it is in no folder of PATH; install it, or give its path',
    );
    expect(await refusal("echo", { env: { PATH: "" } })).toContain("PATH is empty");
    expect(await refusal("./nothing")).toContain("/nothing does not exist");
    expect(await refusal("/etc/passwd")).toContain("is not executable; run chmod +x on it");
    expect(await refusal("/usr")).toContain("is a folder");
    expect(await refusal("echo", { cwd: "/no/such/folder" })).toContain(
      "its working folder /no/such/folder does not exist",
    );
    expect(await refusal("")).toContain("it is no name of a program");
    await there;
    expect(programs.watchdog).toBeGreaterThan(0);
  });

  test("the program has the environment and the folder that it was given", async () => {
    const { start } = lab(groups);
    const env = { PATH: process.env["PATH"], GIVEN: "a value", GONE: undefined };
    const program = await start("sh", ["-c", 'pwd; echo "$GIVEN ${GONE-none} ${HOME-none}"'], { env, cwd: "/usr" });
    await program.exited;
    await until("its output", () => program.out().split("\n").length > 2);
    expect(program.out()).toBe("/usr\na value none none\n");
  });

  test("200 programs at a time come and go, and so do their groups", async () => {
    const { start } = lab(groups);
    const all = await Promise.all(Array.from({ length: 200 }, () => start("cat")));
    await Promise.all(all.map((program) => program.stop()));
    const statuses = await Promise.all(all.map(({ exited }) => exited));
    expect(new Set(statuses.map(({ status }) => status))).toEqual(new Set([0]));
  }, 60_000);
});

test.skipIf(missing)("a limit of processes and one of cores hold", async () => {
  const { start, unenforced } = lab(true);
  const many = "for i in 1 2 3 4 5 6 7 8 9; do sleep 0.2 & done; wait";
  const program = await start("sh", ["-c", many], { limits: { pids: 4 } });
  await program.exited;
  expect(program.err()).toContain("fork");
  const count =
    "const end = performance.now() + 1000; let n = 0; while (performance.now() < end) n++; console.log(process.cpuUsage().user)";
  const slow = await start(process.execPath, ["-e", count], { limits: { cpu: 0.2 } });
  await slow.exited;
  await until("its output", () => slow.out() !== "");
  // A second of one core is a million; the start of Node is in it.
  expect(Number(slow.out())).toBeLessThan(600_000);
  expect(unenforced).toEqual([]);
});

test("without control groups limits are said once to be missing, or refused with strict", async () => {
  const { start, unenforced } = lab(false);
  await (
    await start("true", [], { limits: { pids: 10, cpu: 1 } })
  ).gone;
  await (
    await start("true", [], { limits: { pids: 10 } })
  ).gone;
  expect(unenforced.toSorted()).toEqual(["cpu", "pids"]);
  await expect(start("true", [], { limits: { pids: 10, strict: true } })).rejects.toThrow(
    'Cannot start test: this system cannot enforce its limits of pids; run it where control groups can be made, or without "strict"',
  );
  await (
    await start("true", [], { limits: { memory: "64mb", fileSize: "1mb", strict: true } })
  ).gone;
});

test("descendants get the stop signal once, also when the program itself has gone before them", async () => {
  const { up } = lab(false);
  const flag = join(mkdtempSync(join(testRun.folder, "once-")), "flag");
  const program = await up("goes-before-its-child", { more: [flag], graceMs: 10_000 });
  const stopped = program.stop();
  await until("the signal", () => program.out().includes("got TERM"));
  await until("the end of the program", () => ended(program.pid));
  // As many looks as a second signal would have taken.
  for (let look = 0; look < 10; look++) await new Promise(setImmediate);
  writeFileSync(flag, "");
  await stopped;
  expect(program.out().match(/got TERM/g)).toHaveLength(1);
});

test("the number of a program that has ended is another's: that one is neither told nor counted nor ended", async () => {
  const other = spawn("cat", { detached: true, stdio: ["pipe", "pipe", "ignore"] });
  whenTestEnds(() => void other.kill("SIGKILL"));
  const { mark } = newMark({}, "program");
  const family = new Family({ pid: other.pid!, mark, cgroup: undefined, clock: systemClock });
  expect(family.memory()).toBeGreaterThan(0);
  family.ended();
  expect(family.memory()).toBe(0);
  family.signal("SIGTERM");
  await family.end();
  expect(await family.sweep(0)).toEqual([]);
  other.stdin.write("alive");
  expect(String(((await once(other.stdout, "data")) as [Buffer])[0])).toBe("alive");
});

test("a program that has ended is signalled by its number no more", async () => {
  const { start } = lab(false);
  const program = await start("true");
  await program.exited;
  const signals = vi.spyOn(process, "kill");
  whenTestEnds(() => signals.mockRestore());
  program.kill();
  expect(signals).not.toHaveBeenCalledWith(-program.pid, "SIGKILL");
  await program.gone;
});

test("kill() does not let a program see the end of its stdin first", async () => {
  const { up } = lab(false);
  const program = await up("ends-by-the-end-of-stdin");
  const send = process.kill.bind(process);
  const open: boolean[] = [];
  const signals = vi.spyOn(process, "kill").mockImplementation((pid, signal) => {
    if (pid === -program.pid) open.push(!program.stdin.destroyed);
    return send(pid, signal);
  });
  whenTestEnds(() => signals.mockRestore());
  program.kill();
  expect(open).toEqual([true]);
  expect(program.stdin.destroyed).toBe(true);
  await program.gone;
});

test("what the system refuses is told with what to do", async () => {
  const { start } = lab(true);
  const long = ["x".repeat(3_000_000)];
  await expect(start("echo", long)).rejects.toThrow(
    'Cannot start "echo": its arguments and environment are too long for the system; pass them by stdin or a file',
  );
});

test("a program keeps this process only where it is told to", async () => {
  const run = (then: string) =>
    runScript(`
      import { programs } from "${repository}/src/services.ts";
      const program = await programs.start({ name: "t", command: "/bin/cat" });
      process.once("beforeExit", () => console.log("empty"));
      ${then}
    `);
  expect(await run("")).toMatchObject({ code: 0, stdout: "empty\n" });
  const stopped = 'await program.stop(0); console.log("stopped");';
  expect(await run(stopped)).toMatchObject({ code: 0, stdout: "stopped\nempty\n" });
  const held = 'program.hold(true); setTimeout(() => { console.log("later"); void program.stop(); }, 100).unref();';
  expect(await run(held)).toMatchObject({ code: 0, stdout: "later\nempty\n" });
});

test("where no descriptor is left a start fails, harms nobody, and works again later", async () => {
  const script = await runScript(`
    import { closeSync, openSync } from "node:fs";
    import { programs } from "${repository}/src/services.ts";
    const opened = [];
    const fill = () => { try { for (;;) opened.push(openSync("/dev/null")); } catch {} };
    const refused = async () => programs.start({ name: "t", command: "/bin/sleep", args: ["1000"] }).then(() => "started", (error) => error.code + " " + (programs.watchdog !== undefined));
    fill();
    console.log(await refused());
    for (const fd of opened.splice(0)) closeSync(fd);
    const fine = await programs.start({ name: "t", command: "/bin/cat" });
    fill();
    console.log(await refused());
    for (const fd of opened.splice(0)) closeSync(fd);
    await fine.stop();
    console.log((await fine.exited).status);
  `);
  expect(script).toMatchObject({
    code: 0,
    stdout: "ERR_TINDERBOX_COMMAND false\nERR_TINDERBOX_COMMAND true\n0\n",
  });
});
