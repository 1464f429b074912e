import { type ChildProcessByStdio, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { describe, expect, test } from "vitest";
import { markVariable, ownMark } from "../../src/mark.ts";
import { Owner } from "../../src/native/owner.ts";
import { reapDead } from "../../src/native/reap.ts";
import { Watchdog } from "../../src/native/watchdog.ts";
import { FakeClock } from "../harness/fake-clock.ts";
import { whenTestEnds } from "../harness/hooks.ts";
import { expectNoProcessLeft } from "../harness/leaks.ts";
import { testRun } from "../harness/run.ts";
import { repository } from "../harness/script-folder.ts";
import { startScript } from "../harness/script.ts";
import { until } from "../harness/until.ts";
import { ended, groupsOf, lab, newTag, stateOf, vice, withTag, withoutGroups } from "./lab.ts";

const missing = withoutGroups();
if (missing) console.warn(`Control groups are not tested: ${missing}`);

/** A process of ours with a program of each kind, that says when all are up, and waits for its end. */
const owner = (vices: readonly string[], tag: string, graceMs: number): string => `
import { programs } from "${repository}/src/services.ts";
const files = ${JSON.stringify(vices.map(vice))};
for (const command of files) {
  const program = await programs.start({ name: "test", command, args: [${JSON.stringify(tag)}], graceMs: ${graceMs} });
  program.hold(true);
  await new Promise((resolve) => program.stdout.once("data", resolve));
  program.stdout.resume();
}
console.log("watchdog", programs.watchdog);
setInterval(() => {}, 1e6);
`;

const vices = [
  "ignores-term",
  "forks-a-grandchild-with-setsid",
  "floods-stdout",
  "never-reads-stdin",
  "closes-stdout-and-lives",
  "stops-itself",
  "hops-from-process-to-process",
  "holds-the-pipe-in-a-grandchild",
];

describe.each([
  ["with control groups", "on"],
  ["by /proc alone", "off"],
])("%s", (_name, groups) => {
  const env = { TINDERBOX_CGROUPS: groups };
  const skipped = groups === "on" && missing !== undefined;

  test.skipIf(skipped)("kill -9 of the owner leaves nothing alive, whatever its programs do", async () => {
    const tag = newTag();
    const script = startScript(owner(vices, tag, 300), { env, timeout: 60_000 });
    const [, watchdog] = await script.see(/watchdog (\d+)/);
    expect(groupsOf(script.pid).length > 0).toBe(groups === "on");
    expect(withTag(tag).length).toBeGreaterThanOrEqual(vices.length - 1);
    script.kill("SIGKILL");
    await until("that nothing is left", () => withTag(tag).length === 0);
    await expectNoProcessLeft();
    await until("the end of the watchdog", () => ended(Number(watchdog)));
    expect(groupsOf(script.pid)).toEqual([]);
  });

  test.skipIf(skipped)("a daemon that cleared its environment goes too, where there are groups", async () => {
    const tag = newTag();
    const script = startScript(owner(["clears-its-environment-and-goes"], tag, 300), { env });
    await script.see(/watchdog (\d+)/);
    script.kill("SIGKILL");
    const wanted = groups === "on" ? 0 : 1;
    await until("the end", () => withTag(tag).length === wanted);
    await expectNoProcessLeft();
    for (const pid of withTag(tag)) process.kill(pid, "SIGKILL");
  });

  test.skipIf(skipped)("programs have their grace also when their owner was killed", async () => {
    const tag = newTag();
    const script = startScript(owner(["takes-its-time-to-stop"], tag, 5_000), { env });
    await script.see(/watchdog/);
    script.kill("SIGKILL");
    await script.finished;
    // Its output goes nowhere any more; that it was not killed shows in the time that it took.
    // It may just be starting something: that is two for a moment.
    expect(withTag(tag)).not.toEqual([]);
    await until("that nothing is left", () => withTag(tag).length === 0);
  });

  test.skipIf(skipped)("process.exit leaves nothing either", async () => {
    const tag = newTag();
    const code = owner(vices, tag, 300).replace("setInterval(() => {}, 1e6)", "process.exit(5)");
    const script = startScript(code, { env, timeout: 60_000 });
    expect(await script.finished).toMatchObject({ code: 5 });
    await until("that nothing is left", () => withTag(tag).length === 0);
    await expectNoProcessLeft();
  });
});

test("a watchdog that was killed is started again, and knows what it has to watch", async () => {
  const { up, programs, tag } = lab(false);
  const program = await up("clears-its-environment-and-goes");
  const first = programs.watchdog!;
  process.kill(first, "SIGKILL");
  await until("another watchdog", () => programs.watchdog !== undefined && programs.watchdog !== first);
  expect(existsSync(`/proc/${programs.watchdog}`)).toBe(true);
  await program.stop();
  for (const pid of withTag(tag)) process.kill(pid, "SIGKILL");
});

test("the watchdog cannot be ended by the signals of a terminal or a service manager", async () => {
  const { up, programs } = lab(false);
  const program = await up("never-reads-stdin");
  const pid = programs.watchdog!;
  const ignored = () => BigInt(`0x${/SigIgn:\s*(\w+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]!}`);
  await until("that signals are ignored", () => ignored() !== 0n);
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"] as const) process.kill(pid, signal);
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  expect(Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[3])).toBe(pid);
  await program.stop();
  expect(programs.watchdog).toBe(pid);
  await until("that it ends when nothing is left to watch", () => programs.watchdog === undefined);
});

test("an owner that belongs to a program of another is cleared away with it", async () => {
  const tag = newTag();
  const inner = owner(["ignores-term"], tag, 300);
  const { start } = lab(false);
  const flags = ["--conditions=tinderbox-source", "--input-type=module-typescript", "-e", inner];
  const program = await start(process.execPath, flags, { graceMs: 300 });
  await until("the inner owner", () => program.out().includes("watchdog"), { within: 15_000 });
  program.kill();
  await program.gone;
  await until("that nothing is left", () => withTag(tag).length === 0);
});

test.each([
  ["with control groups", "on"],
  ["by /proc alone", "off"],
])("what was killed together with its watchdog is cleared away by the next owner (%s)", async (_name, groups) => {
  const env = { TINDERBOX_CGROUPS: groups };
  const tag = newTag();
  const first = startScript(owner(["forks-a-grandchild-with-setsid", "ignores-term"], tag, 300), { env });
  const [, watchdog] = await first.see(/watchdog (\d+)/);
  process.kill(Number(watchdog), "SIGKILL");
  first.kill("SIGKILL");
  await first.finished;
  expect(withTag(tag).length).toBeGreaterThan(0);
  const second = startScript(owner(["never-reads-stdin"], newTag(), 300), { env });
  await second.see(/watchdog/);
  await until("that nothing is left of the first", () => withTag(tag).length === 0);
  second.kill("SIGKILL");
  await second.finished;
  await expectNoProcessLeft();
});

type Bystander = ChildProcessByStdio<Writable, Readable, null> & { readonly pid: number };

/** A process with a session of its own that no owner has started. It has said a line when this resolves. */
async function bystander(code: string, words: readonly string[] = [], mark?: string): Promise<Bystander> {
  const env = { ...process.env, ...(mark === undefined ? {} : { [markVariable]: mark }) };
  const stdio: ["pipe", "pipe", "ignore"] = ["pipe", "pipe", "ignore"];
  const child = spawn("sh", ["-c", code, ...words], { detached: true, stdio, env });
  whenTestEnds(() => void child.kill("SIGKILL"));
  child.stdin.on("error", () => {});
  await once(child.stdout, "data");
  return child as Bystander;
}

/** It answers: whatever it was sent before would have ended it first. */
async function isAlive(child: Bystander): Promise<void> {
  const said = Promise.race([once(child.stdout, "data"), once(child, "exit")]) as Promise<[unknown]>;
  child.stdin.write("alive\n");
  expect(String((await said)[0])).toBe("alive\n");
}

test.each([
  ["the watchdog", false],
  ["a watchdog that was started again", true],
])(
  "%s ends what it was told of by its own signal, and leaves alone what it was told to forget",
  async (_name, again) => {
    const forgotten = await bystander("echo up; exec cat");
    const watched = await bystander("trap 'exit 7' USR1; echo up; while :; do sleep 0.05; done");
    const still = await bystander("trap 'exit 8' TERM; echo up; while :; do sleep 0.05; done");
    process.kill(still.pid, "SIGSTOP");
    await until("that it stands still", () => stateOf(still.pid) === "T");
    const script = startScript(`
    import { Watchdog } from "${repository}/src/native/watchdog.ts";
    const watchdog = new Watchdog([]);
    watchdog.start();
    const add = (pid, stopSignal) => watchdog.add({ pid, stopSignal, graceMs: 10_000 });
    add(${forgotten.pid}, "SIGTERM");
    add(${watched.pid}, "SIGUSR1");
    add(${still.pid}, "SIGTERM");
    watchdog.remove(${forgotten.pid});
    const first = watchdog.pid;
    if (${again}) process.kill(first, "SIGKILL");
    const timer = setInterval(() => {
      if (${again} && watchdog.pid === first) return;
      console.log("watchdog", watchdog.pid);
      clearInterval(timer);
    }, 5);
    setInterval(() => {}, 1e6);
  `);
    const [, watchdog] = await script.see(/watchdog (\d+)/);
    const exits = [watched, still].map((child) => once(child, "exit"));
    script.kill("SIGKILL");
    expect(await Promise.all(exits)).toEqual([
      [7, null],
      [8, null],
    ]);
    await until("the end of the watchdog", () => ended(Number(watchdog)));
    await isAlive(forgotten);
  },
);

test("a watchdog whose time is over ends nobody: this process may have programs that another one watches", async () => {
  const other = await bystander("echo up; exec cat", [], `${ownMark}:1;`);
  const watchdog = new Watchdog([]);
  watchdog.start();
  const { pid } = watchdog;
  watchdog.stop();
  await until("its end", () => ended(pid!));
  await isAlive(other);
});

test("what has left the session of its program has its signal and its grace too when the owner was killed", async () => {
  const file = join(mkdtempSync(join(testRun.folder, "words-")), "words");
  // Whoever reads its output is gone by then.
  const away = `trap : PIPE; trap 'echo well >>${file}; exit' TERM; echo up; while :; do sleep 0.05; done`;
  const script = startScript(
    `
    import { programs } from "${repository}/src/services.ts";
    const args = ["-c", ${JSON.stringify(`setsid sh -c "${away}" & exec sleep 1000`)}];
    const program = await programs.start({ name: "test", command: "sh", args, graceMs: 10_000 });
    program.hold(true);
    program.stdout.once("data", () => console.log("watchdog", programs.watchdog));
  `,
    { env: { TINDERBOX_CGROUPS: "off" } },
  );
  const [, watchdog] = await script.see(/watchdog (\d+)/);
  script.kill("SIGKILL");
  await until("the end of the watchdog", () => ended(Number(watchdog)));
  expect(readFileSync(file, "utf8")).toBe("well\n");
});

test("the watchdog is there as long as any program is, and a moment longer", async () => {
  const clock = new FakeClock();
  const shared = new Owner({ clock, groups: false, unenforced() {}, stray() {} });
  const leave = shared.enter("one");
  const { pid } = shared.watchdog;
  leave();
  clock.advance(999);
  const leaveAgain = shared.enter("two");
  leave();
  clock.advance(10_000);
  expect(shared.watchdog.pid).toBe(pid);
  leaveAgain();
  clock.advance(999);
  expect(shared.watchdog.pid).toBe(pid);
  clock.advance(1);
  await until("its end", () => ended(pid!));
  expect(shared.watchdog.pid).toBeUndefined();
});

test("the reaper ends what belongs to nobody any more, and nothing that a living owner or a watchdog stands for", async () => {
  const nobody = spawnSync("true").pid;
  const [lost, watched] = [`${nobody}.aa`, `${nobody}.bb`];
  const ours = `${process.pid}.cc`;
  const cat = "echo up; exec cat";
  const [dead, member] = [await bystander(cat, [], `${lost}:1;`), await bystander(cat)];
  const spared = [await bystander(cat, [], `${ours}:1;`), await bystander(cat, [], `${watched}:1;`)];
  await bystander("echo up; cat; exit", ["tinderbox-watchdog", watched]);
  const groups = mkdtempSync(join(testRun.folder, "groups-"));
  for (const each of [lost, watched, ours]) mkdirSync(join(groups, `tinderbox-${each}.1/1`), { recursive: true });
  mkdirSync(join(groups, `tinderbox-${lost}.2`));
  writeFileSync(join(groups, `tinderbox-${lost}.2/cgroup.procs`), `${member.pid}\n`);
  const exits = [dead, member].map((child) => once(child, "exit"));
  reapDead([join(groups, "tinderbox-of-us")]);
  expect(await Promise.all(exits)).toEqual([
    [null, "SIGKILL"],
    [null, "SIGKILL"],
  ]);
  for (const child of spared) await isAlive(child);
  const left = [`tinderbox-${lost}.2`, `tinderbox-${watched}.1`, `tinderbox-${ours}.1`];
  // What is no group of the kernel has files, and stays.
  expect(readdirSync(groups).toSorted()).toEqual(left.toSorted());
});
