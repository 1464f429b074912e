import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Cgroup, type Controller } from "../../src/native/cgroup.ts";
import { resolveLimits } from "../../src/native/limits.ts";
import { expectNoProcessLeft } from "../harness/leaks.ts";
import { testRun } from "../harness/run.ts";
import { until } from "../harness/until.ts";
import { groupsOf, lab, withTag, withoutGroups } from "./lab.ts";

const missing = withoutGroups();
if (missing) console.warn(`Control groups are not tested: ${missing}`);

const foldersIn = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(folder, name));

/** The groups of this process's programs. */
const groupsOfPrograms = (): string[] => groupsOf(process.pid).flatMap(foldersIn);

const membersIn = (folder: string): number[] =>
  readFileSync(join(folder, "cgroup.procs"), "utf8").split("\n").filter(Boolean).map(Number);

describe.skipIf(missing)("groups", () => {
  test("of a process are removed when its programs are gone", async () => {
    const { start, programs } = lab(true);
    const program = await start("cat", [], { limits: { memory: "100mb", pids: 10 } });
    expect(groupsOf(process.pid).length).toBeGreaterThan(0);
    await program.stop();
    await until("that the groups are removed", () => groupsOf(process.pid).length === 0);
    await until("the end of the watchdog", () => programs.watchdog === undefined);
    await expectNoProcessLeft();
  });

  test("of a program are removed with it, though others run", async () => {
    const { start } = lab(true);
    const other = await start("cat");
    const program = await start("cat");
    const groupWith = (pid: number) =>
      until("its group", () => groupsOfPrograms().find((folder) => membersIn(folder).includes(pid)));
    await groupWith(other.pid);
    const group = await groupWith(program.pid);
    await program.stop();
    expect(existsSync(group)).toBe(false);
    expect(groupsOfPrograms().flatMap(membersIn)).toEqual([other.pid]);
  });

  test("that a program makes below its own go with it, and so do their members", async () => {
    const { up, tag, strays } = lab(true);
    const program = await up("clears-its-environment-and-goes");
    const daemon = await until(
      "the daemon",
      () => withTag(tag).length === 2 && withTag(tag).find((pid) => pid !== program.pid),
    );
    const group = groupsOfPrograms().find((folder) => membersIn(folder).includes(daemon))!;
    const below = join(group, "its-own");
    mkdirSync(below);
    writeFileSync(join(below, "cgroup.procs"), String(daemon));
    expect([membersIn(group), membersIn(below)]).toEqual([[program.pid], [daemon]]);
    await program.stop();
    const left = withTag(tag);
    for (const pid of left) process.kill(pid, "SIGKILL");
    expect(left).toEqual([]);
    expect(existsSync(group)).toBe(false);
    expect(strays).toEqual([]);
  });
});

/** A folder that looks like the group "1" in a hierarchy, with these files. */
function hierarchyWith(files: readonly string[]): string {
  const folder = mkdtempSync(join(testRun.folder, "hierarchy-"));
  mkdirSync(join(folder, "1"));
  for (const file of files) writeFileSync(join(folder, "1", file), "");
  return folder;
}

function contentOf(folder: string): Record<string, string> {
  const group = join(folder, "1");
  return Object.fromEntries(readdirSync(group).map((file) => [file, readFileSync(join(group, file), "utf8")]));
}

describe("what a group is told", () => {
  const all: readonly Controller[] = ["memory", "cpu", "pids"];
  const limits = resolveLimits({ memory: "64mb", cpu: 0.5, pids: 7 }, "test");
  const second = (files: readonly string[]) => ({
    unified: hierarchyWith(files),
    unifiedControllers: new Set(all),
    legacy: new Map<string, string>(),
  });

  test("of version 2 is in one folder, and a member too large takes all of them with it", () => {
    const hierarchies = second(["memory.max", "memory.swap.max", "memory.oom.group", "cpu.max", "pids.max"]);
    expect(new Cgroup(hierarchies, "1", limits).refused).toEqual([]);
    expect(contentOf(hierarchies.unified)).toEqual({
      "memory.max": "67108864",
      "memory.swap.max": "0",
      "memory.oom.group": "1",
      "cpu.max": "50000 100000",
      "pids.max": "7",
    });
  });

  test("of version 1 is in a folder for each", () => {
    const memory = hierarchyWith(["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"]);
    const cpu = hierarchyWith(["cpu.cfs_period_us", "cpu.cfs_quota_us"]);
    const pids = hierarchyWith(["pids.max"]);
    const legacy = new Map(Object.entries({ memory, cpu, pids }));
    const cgroup = new Cgroup({ unified: undefined, unifiedControllers: new Set(), legacy }, "1", limits);
    expect(cgroup.refused).toEqual([]);
    expect(cgroup.doors).toEqual([memory, cpu, pids].map((folder) => join(folder, "1/cgroup.procs")));
    expect(contentOf(memory)).toEqual({
      "memory.limit_in_bytes": "67108864",
      "memory.memsw.limit_in_bytes": "67108864",
    });
    expect(contentOf(cpu)).toEqual({ "cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "50000" });
    expect(contentOf(pids)).toEqual({ "pids.max": "7" });
  });

  test("may be what the system does not count, as far as that is swap; the rest is refused", () => {
    expect(new Cgroup(second(["memory.max", "cpu.max"]), "1", limits).refused).toEqual(["pids"]);
    expect(new Cgroup(second(["memory.swap.max", "pids.max"]), "1", limits).refused).toEqual(["memory", "cpu"]);
  });

  test("and what it tells of the end of its members is heard", () => {
    const hierarchies = second(["memory.max", "memory.events"]);
    const cgroup = new Cgroup(hierarchies, "1", limits);
    const events = join(hierarchies.unified, "1/memory.events");
    writeFileSync(events, "low 0\noom 3\noom_kill 0\noom_group_kill 0\n");
    expect(cgroup.oom).toBe(false);
    writeFileSync(events, "low 0\noom 3\noom_kill 12\noom_group_kill 0\n");
    expect(cgroup.oom).toBe(true);
  });
});
