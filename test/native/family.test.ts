import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { expect, test, vi } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { Family } from "../../src/native/family.ts";
import { readProcess } from "../../src/proc.ts";
import { whenTestEnds } from "../harness/hooks.ts";

const looks = vi.hoisted(() => vi.fn<() => number[]>());
vi.mock("../../src/mark.ts", async (load) => ({ ...(await load<object>()), killMarked: looks }));

test("/proc, which is read while processes come and go, is believed the second time in a row", async () => {
  for (const found of [[], [7], [], []]) looks.mockReturnValueOnce(found);
  const family = new Family({ pid: 7, mark: "none", cgroup: undefined, clock: systemClock });
  expect(await family.sweep(0)).toEqual([]);
  expect(looks).toHaveBeenCalledTimes(4);
});

test("a process is what it is, whatever it calls itself", async () => {
  const child = spawn("sh", ["-c", `printf 'a) Z 1 (b' >/proc/$$/comm; echo up; read -r line`], { detached: true });
  whenTestEnds(() => void child.kill("SIGKILL"));
  await once(child.stdout, "data");
  expect(readProcess(child.pid!)).toMatchObject({ parent: process.pid, group: child.pid, session: child.pid });
  const fields = readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ").at(-1)!.split(" ");
  expect(readProcess(child.pid!)!.started).toBe(Number(fields.at(19)));
  child.stdin.end();
  await once(child, "exit");
  expect(readProcess(child.pid!)).toBeUndefined();
});
