import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { processesOf } from "../../processes.ts";
import { startScript } from "../../script.ts";
import { repository } from "../../script-folder.ts";
import { testRun } from "../../run.ts";
import { until } from "../../until.ts";
import { machinesAvailable } from "./available.ts";
import { launch, order, output, said } from "./lab.ts";
import { startMachines } from "./machines.ts";
import { overlap, zonesOf } from "./subnet.ts";

const here = join(repository, "test/harness/cloud/machines");

/** Our cgroups, interfaces and mounts on this machine, made by the process `pid` or, without one, by any. */
function left(pid: number): string[] {
  const groups = ["memory", "pids", "unified", ""].flatMap((name) => {
    const folder = join("/sys/fs/cgroup", name);
    if (!existsSync(folder)) return [];
    return readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) =>
      path.includes(`tinderbox-machines-${pid}.`),
    );
  });
  const mounts = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .filter((line) => /\/dev\/shm\/(skeleton|usr|machines)/.test(line));
  return [...groups, ...mounts];
}

const interfaces = () => readdirSync("/sys/class/net").filter((name) => name.startsWith("tbvpc"));
const marked = () => processesOf(testRun.marker).map(({ command }) => command);

/** A process that has two machines, one of them frozen and one with processes that detached themselves. */
const host = `
  import { startMachines } from "${here}/machines.ts";
  import { launch, said } from "${here}/lab.ts";
  const machines = await startMachines();
  const one = await launch(machines, "setsid sh -c 'trap \\"\\" TERM HUP; sleep 1000' & echo '<<up'; echo '>>'; wait");
  const other = await launch(machines, "echo '<<up'; echo '>>'; sleep 1000");
  await said(one, "up");
  await said(other, "up");
  await other.freeze(true);
  console.log("ready", machines.subnet, [...(await one.pids()), ...(await other.pids())].join());
  setInterval(() => undefined, 1000);
`;

describe.skipIf(!(await machinesAvailable()))("a host of machines", () => {
  test("leaves no process, interface, cgroup or mount when it closes, and may close twice", async () => {
    const machines = await startMachines();
    const running = await launch(machines, "setsid sleep 1000 & echo '<<up'; echo '>>'; wait");
    const frozen = await launch(machines, "sleep 1000");
    await said(running, "up");
    await frozen.freeze(true);
    const pids = [...(await running.pids()), ...(await frozen.pids())];
    const name = interfaces().find((one) => existsSync(`/sys/class/net/${one}`));
    await Promise.all([machines.close(), machines.close()]);
    expect(await running.ended).toBe("killed");
    expect(await frozen.ended).toBe("killed");
    expect(pids.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([]);
    expect(name).toBeDefined();
    expect(marked()).toEqual([]);
    expect(left(process.pid)).toEqual([]);
    await expect(launch(machines, "true")).rejects.toThrow(/is closed/);
    await expect(running.kill()).resolves.toBeUndefined();
    expect(await running.pids()).toEqual([]);
  });

  test.each(["SIGKILL", "SIGTERM"] as const)("leaves nothing when its process ends by %s", async (signal) => {
    const script = startScript(host, { execArgv: [] });
    const [, subnet = "", ids = ""] = await script.see(/ready (\S+) (\S+)/);
    const pids = ids.split(",").map(Number);
    expect(pids.length).toBeGreaterThanOrEqual(4);
    expect(pids.every((pid) => existsSync(`/proc/${pid}`))).toBe(true);
    script.kill(signal);
    await script.finished;
    const name = `tbvpc${Number(subnet.split(".")[1]) - 128}`;
    await until("all go", () => {
      const alive = pids.filter((pid) => existsSync(`/proc/${pid}`));
      return alive.length === 0 && !existsSync(`/sys/class/net/${name}`) && left(script.pid).length === 0;
    });
    await until("no process with our mark", () => marked().length === 0);
  });

  test("ends its machines when its keeper is killed, and says that they failed", async () => {
    const machines = await startMachines();
    const machine = await launch(machines, "echo '<<up'; echo '>>'; sleep 1000");
    await said(machine, "up");
    const keeper = processesOf(testRun.marker).find(({ command }) => command.includes("keeper.sh"));
    const pids = await machine.pids();
    process.kill(keeper?.pid ?? -1, "SIGKILL");
    expect(await machine.ended).toBe("failed");
    await until("its processes go", () => pids.every((pid) => !existsSync(`/proc/${pid}`)));
    await expect(launch(machines, "true")).rejects.toThrow(/Cannot launch/);
    await machines.close();
    expect(left(process.pid)).toEqual([]);
  });

  test("removes what a killed one left", async () => {
    const script = startScript(host);
    await script.see(/ready/);
    const keeper = processesOf(testRun.marker).find(
      ({ command, parent }) => command.includes("keeper.sh") && parent === script.pid,
    );
    process.kill(keeper?.pid ?? -1, "SIGKILL");
    script.kill("SIGKILL");
    await script.finished;
    await until("no process with our mark", () => marked().length === 0);
    expect(left(script.pid).length).toBeGreaterThan(0);
    await using machines = await startMachines();
    expect(machines.subnet).toMatch(/^10\./);
    expect(left(script.pid)).toEqual([]);
  });

  test("shares this machine with others, each with a network of its own", async () => {
    const [one, other] = await Promise.all([startMachines(), startMachines()]);
    expect(overlap(one.subnet, other.subnet)).toBe(false);
    const wanted = order(other, { userData: "#!/bin/sh\npython3 -m http.server 80 --bind 0.0.0.0\n" });
    const machine = await other.launch(wanted);
    const get = () => fetch(`http://${wanted.privateIp}/`).then(({ status }) => status);
    expect(await until("its server", () => get().catch(() => undefined))).toBe(200);
    const script = `timeout 1 bash -c "echo >/dev/tcp/${wanted.privateIp}/80" 2>/dev/null && echo reached; hostname -I 2>/dev/null || true; echo done`;
    expect(await output(one, script)).not.toContain("reached");
    await one.close();
    expect(await get()).toBe(200);
    await machine.kill();
    await other.close();
  });
});

test.each([
  ["10.128.0.0/16", "10.128.5.0/24", true],
  ["10.128.0.0/16", "10.129.0.0/16", false],
  ["10.128.0.0/16", "10.0.0.0/8", true],
  ["10.128.0.0/16", "10.128.0.2", true],
  ["192.168.0.0/16", "192.169.0.1", false],
  ["10.128.0.0/16", "0.0.0.0/0", true],
])("the ranges %s and %s overlap: %s", (one, other, expected) => {
  expect(overlap(one, other)).toBe(expected);
  expect(overlap(other, one)).toBe(expected);
});

test("the zones of a range have nothing in common with each other, and leave out its first addresses", () => {
  const subnet = { cidr: "10.131.0.0/16", bits: 16, gateway: "10.131.0.1", parent: "10.131.0.2" };
  const zones = Object.values(zonesOf(subnet, "eu-west-1"));
  expect(zones.map(({ zone }) => zone)).toEqual(["eu-west-1a", "eu-west-1b", "eu-west-1c"]);
  const ranges = zones.map(({ cidr }) => cidr);
  for (const one of ranges) {
    expect(overlap(one, subnet.cidr)).toBe(true);
    expect(overlap(one, "10.131.0.0/24")).toBe(false);
    expect(ranges.filter((other) => overlap(one, other))).toEqual([one]);
  }
});
