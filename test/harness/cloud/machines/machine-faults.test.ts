import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../../until.ts";
import type { HostedMachine } from "../machine-host.ts";
import { machinesAvailable } from "./available.ts";
import { launch, order, output, said } from "./lab.ts";
import { type Machines, startMachines } from "./machines.ts";

const stateOf = (pid: number) => /^State:\t(\S)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
const count = (text: string, word: string) => text.split(word).length - 1;
const sinceMs = (started: number) => performance.now() - started;

/** Sees that a machine says nothing while others live and end. Returns how often it has said "tick". */
async function quiet(machine: HostedMachine): Promise<number> {
  const others = async () => (await launch(machines, "sleep 0.2; poweroff")).ended;
  // What it said before may still be on its way.
  await others();
  const ticks = count(machine.console(), "tick");
  await others();
  expect(count(machine.console(), "tick")).toBe(ticks);
  return ticks;
}

let machines: Machines;

describe.skipIf(!(await machinesAvailable()))("a machine with a fault", () => {
  beforeAll(async () => {
    machines = await startMachines();
  });
  afterAll(() => machines.close());

  test("that boots late runs nothing before", async () => {
    const started = performance.now();
    const machine = await launch(machines, "echo here; poweroff", { faults: { bootDelayMs: 700 } });
    expect(sinceMs(started)).toBeLessThan(700);
    expect(machine.console()).toBe("");
    expect(await machine.ended).toBe("poweroff");
    expect(sinceMs(started)).toBeGreaterThan(700);
  });

  test("that never boots shows nothing and is there until it is killed", async () => {
    const machine = await launch(machines, "echo here; poweroff", { faults: { neverBoots: true } });
    const other = await launch(machines, "poweroff");
    await other.ended;
    expect(machine.console()).toBe("");
    expect(await machine.pids()).toHaveLength(1);
    await machine.kill();
    expect(await machine.ended).toBe("killed");
  });

  test("that boots without a network does not get its user data until it has one", async () => {
    const machine = await launch(machines, "echo here; poweroff", { faults: { noNetwork: true } });
    const other = await launch(machines, "sleep 1; poweroff");
    await other.ended;
    expect(machine.console()).not.toContain("here");
    expect(await machine.pids()).toHaveLength(1);
    await machine.partition(false);
    expect(await machine.ended).toBe("poweroff");
    expect(machine.console()).toContain("here");
  });

  test("that gets only a part of its user data runs that", async () => {
    const userData = "#!/bin/bash\necho one\necho two\n";
    const machine = await machines.launch(order(machines, { userData, faults: { truncateUserData: 21 } }));
    await until("its end", () => machine.console().includes("Cloud-init finished"));
    expect(machine.console()).toContain("one\n");
    expect(machine.console()).not.toContain("two");
    await machine.kill();
  });

  test("that dies ends without a word, however it is busy", async () => {
    const started = performance.now();
    const machine = await launch(machines, "trap '' TERM; while :; do sleep 0.1; done", {
      faults: { diesAfterMs: 400 },
    });
    expect(await machine.ended).toBe("failed");
    expect(sinceMs(started)).toBeGreaterThan(399);
    expect(machine.console()).not.toContain("Power down");
    expect(await machine.pids()).toEqual([]);
  });

  test("that hangs says nothing any more, and can be killed", async () => {
    const machine = await launch(machines, "while :; do echo tick; sleep 0.01; done", {
      faults: { hangsAfterMs: 300 },
    });
    await until("it to hang", async () => (await machine.pids()).every((pid) => stateOf(pid) === "T"));
    await quiet(machine);
    await machine.kill();
    expect(await machine.ended).toBe("killed");
  });

  test("of its clock is wrong about the time of day, and about nothing else", async () => {
    const tell = `date +%s; python3 -c 'import time; print(int(time.time()))'; echo $EPOCHSECONDS; perl -e 'print time, "\\n"' 2>/dev/null
      cut -d. -f1 /proc/uptime; a=$(date +%s%N); timeout 0.3 sleep 5; echo $(( ($(date +%s%N) - a) / 100000000 ))`;
    for (const clockSkewMs of [86_400_500, -3_600_000]) {
      const now = Date.now();
      const text = await output(machines, tell, { faults: { clockSkewMs } });
      const numbers = text.split("\n").map(Number);
      const [uptime, waited] = numbers.splice(-2);
      for (const seen of numbers) expect(Math.abs(seen * 1000 - now - clockSkewMs)).toBeLessThan(5_000);
      expect(uptime).toBeLessThan(10);
      expect(waited).toBeGreaterThanOrEqual(3);
      expect(waited).toBeLessThan(10);
    }
  });

  test("in its network neither hears nor is heard until that is healed", async () => {
    const wanted = order(machines, {
      userData: `#!/bin/bash
        python3 -m http.server 80 --bind 0.0.0.0 --directory /etc >/dev/null 2>&1 &
        echo "<<up"; echo ">>"
        while :; do
          timeout 0.3 bash -c "echo >/dev/tcp/169.254.169.254/80" 2>/dev/null && echo heard || echo silence
          ip -br link show eth0 | grep -q LOWER_UP || echo no carrier
          sleep 0.05
        done`,
    });
    const machine = await machines.launch(wanted);
    const get = () =>
      fetch(`http://${wanted.privateIp}/hostname`, { signal: AbortSignal.timeout(300) }).then(
        ({ status }) => status,
        () => "silence",
      );
    await said(machine, "up");
    await until("its server", async () => (await get()) === 200);
    await machine.partition(true);
    await machine.partition(true);
    expect(await get()).toBe("silence");
    await until("silence", () => machine.console().includes("silence"));
    const heard = count(machine.console(), "heard");
    const silence = count(machine.console(), "silence");
    await until("more silence", () => count(machine.console(), "silence") > silence + 2);
    expect(count(machine.console(), "heard")).toBe(heard);
    await machine.partition(false);
    await until("its server", async () => (await get()) === 200);
    await until("its word", () => count(machine.console(), "heard") > heard);
    expect(machine.console()).not.toContain("no carrier");
    await machine.kill();
    await machine.partition(true);
  });

  test("frozen stands still and goes on where it was, but for what had stopped by itself", async () => {
    const machine = await launch(
      machines,
      `sleep 1000 & echo $! >/run/sleeper; kill -STOP $!
      (while :; do (sleep 0.001; true) & wait $!; done) &
      unshare --pid --fork sleep 2000 &
      while :; do echo tick; sleep 0.01; done`,
    );
    await until("ticks", () => count(machine.console(), "tick") > 9);
    await machine.freeze(true);
    await machine.freeze(true);
    const pids = await machine.pids();
    expect(pids.length).toBeGreaterThanOrEqual(6);
    const commands = pids.map((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim());
    expect(commands).toContain("sleep 2000");
    expect(pids.map(stateOf).filter((state) => state !== "T")).toEqual([]);
    const ticks = await quiet(machine);
    expect(await machine.pids()).toEqual(pids);
    await machine.freeze(false);
    await until("more ticks", () => count(machine.console(), "tick") > ticks + 5);
    const states = (await machine.pids()).map((pid) => {
      try {
        return stateOf(pid);
      } catch {
        return "gone";
      }
    });
    expect(states.filter((state) => state === "T")).toHaveLength(1);
    await machine.kill();
  });

  test("frozen stands still also while it makes processes as fast as it can", async () => {
    const machine = await launch(
      machines,
      "for n in 1 2 3 4; do (while :; do (true); done) & done; echo '<<up'; echo '>>'; wait",
    );
    await said(machine, "up");
    for (let round = 0; round < 8; round++) {
      await machine.freeze(true);
      const pids = await machine.pids();
      expect(pids.length).toBeGreaterThanOrEqual(6);
      expect(pids.map(stateOf).filter((state) => state !== "T")).toEqual([]);
      expect(await machine.pids()).toEqual(pids);
      await machine.freeze(false);
    }
    await machine.kill();
  });
});
