import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { expectNoProcessLeft } from "../harness/leaks.ts";
import { repository } from "../harness/script-folder.ts";
import { startScript } from "../harness/script.ts";
import { until } from "../harness/until.ts";
import { ended, lab, newTag, vice, withTag, withoutGroups } from "./lab.ts";

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
    expect(withTag(tag).length).toBeGreaterThanOrEqual(vices.length - 1);
    script.kill("SIGKILL");
    await until("that nothing is left", () => withTag(tag).length === 0);
    await expectNoProcessLeft();
    await until("the end of the watchdog", () => ended(Number(watchdog)));
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
