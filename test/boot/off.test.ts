import { expect, test } from "vitest";
import { until } from "../harness/until.ts";
import { besideEachOther } from "./harness/beside.ts";
import { absence, systemdAbsence } from "./harness/machine.ts";
import { boot, type BootOptions, listening, running } from "./harness/site.ts";

const missing = absence();
if (missing) console.warn(`\n*** POWERING OFF WAS NOT TRIED: ${missing} ***\n`);

besideEachOther();

const failing: BootOptions["release"] = { manifest: { format: 2 } };
/** Seconds between two lines of what `poweroff` noted. */
const between = (asked: readonly string[]) => Number(asked[1]?.split(" ")[0]) - Number(asked[0]?.split(" ")[0]);

test.skipIf(missing).concurrent(
  "a power-off that does not come is forced, then done without the program, then by the kernel's switch",
  async () => {
    const shim = (path: string, text: string) =>
      `printf '%s\\n' '#!/bin/bash' '${text}' >usr/local/bin/${path}; chmod +x usr/local/bin/${path};`;
    // Nothing but the switch is left: reboot(2) by Python does nothing.
    const deaf = shim("python3", `[[ $* = *reboot* ]] || exec /usr/bin/python3 "$@"`);
    const kernel = shim(
      "readlink",
      `[ $1 = /proc/self/ns/pid ] && echo "pid:[4026531836]" || exec /usr/bin/readlink "$@"`,
    );
    // Not the switch itself: a file in its place.
    const change = (text: string) =>
      text.replaceAll("/proc/sysrq-trigger", "/host/switch").replaceAll("/proc/sys/kernel/sysrq", "/host/allowed");
    const start = async (machine: BootOptions["machine"]) =>
      (await boot({ release: failing, change, ...(machine && { machine }) })).machine;
    const forced = await start({ poweroff: "force" });
    const stuck = await start({ poweroff: "hang" });
    const contained = await start({ poweroff: "record", prepare: deaf });
    const real = await start({ poweroff: "record", prepare: deaf + kernel });

    const asked = await forced.off(40_000);
    expect(asked.map((line) => line.split(" ").slice(1).join(" "))).toEqual(["", "-f"]);
    expect(between(asked)).toBeGreaterThan(9);
    expect(between(asked)).toBeLessThan(13);
    // By reboot(2): there is nothing else in this machine that could.
    expect(await stuck.off(40_000)).toHaveLength(2);
    await until("the switch be pressed", () => real.file("switch") !== undefined, { within: 40_000 });
    expect([real.file("allowed"), real.file("switch")]).toEqual(["1\n", "o\n"]);
    // In a container it would be the host's switch.
    const through = () => contained.inside(`pgrep -f '^sh -c trap "" PIPE HUP; sync'`) === "";
    await until("the other be through", through, { within: 40_000 });
    expect([contained.file("allowed"), contained.file("switch")]).toEqual([undefined, undefined]);
  },
  90_000,
);

/** An init that runs the user data with that on the other side of its console. */
const readBy = (reader: string, before = ":", errors = "&1") => ({
  init: `(${before}; /host/user-data) </dev/null 2>${errors} | ${reader} & while :; do sleep 1; done`,
});
const shared = "chmod +x host/user-data; mkdir -m 777 host/shared";

test.skipIf(missing).concurrent(
  "a machine boots and runs though nobody reads its console any more",
  async () => {
    const agent = `yes machine process | head -c 3000000
    for beat in {1..8}; do touch /run/tinderbox/parent; sleep 0.4; done; touch /host/shared/lived; exit 1`;
    const readers = ["true", "sleep 1000"].map(async (reader) => {
      const { machine } = await boot({ release: running(agent), machine: { files: readBy(reader), prepare: shared } });
      await machine.off();
      expect(machine.file("shared/lived"), reader).toBe("");
    });
    await Promise.all(readers);
  },
  60_000,
);

test.skipIf(missing).concurrent(
  "a machine whose boot fails goes off though nobody reads its console any more",
  async () => {
    const fill = "head -c 65536 /dev/zero";
    const blind = "for name in usr/bin/python3*; do mount --bind /dev/null $name; done";
    const cases: [files: Record<string, string>, prepare: string, noParentMs: number][] = [
      [readBy("true"), shared, 60_000],
      [readBy("(head -c 1 >/dev/null; true)"), shared, 60_000],
      // Full from the start: nothing that is said is ever through, so what waits for that is left to the watcher.
      [readBy("sleep 1000", fill), shared, 5_000],
      [readBy("sleep 1000", fill, "/host/errors"), `${shared}; ${blind}`, 300_000],
    ];
    const machines = [];
    for (const [files, prepare, noParentMs] of cases) {
      const { machine } = await boot({
        release: failing,
        userData: { noParentMs },
        machine: { files, prepare, poweroff: "record" },
      });
      machines.push(machine);
    }
    for (const [number, machine] of machines.entries()) {
      await until(`machine ${number} ask to go off`, () => machine.asked().length > 0, { within: 40_000 });
    }
    expect(machines).toHaveLength(4);
  },
  90_000,
);

test
  .skipIf(missing)
  .concurrent("a machine process that prints without end neither waits nor fills the console", async () => {
    // So fast that no console could keep up, and so that any could.
    const agent = `line=$(printf 'x%.0s' {1..99}); yes "$line" | head -c 20000000
    for turn in {1..40}; do yes "$line" | head -c 50000; sleep 0.05; done
    echo through >/run/tinderbox/machine/through; ${listening}`;
    const { machine } = await boot({ release: running(agent) });
    await machine.see(/boot: started/);
    await until("it be through", () => machine.inside("cat /run/tinderbox/machine/through") === "through\n");
    expect(machine.console().length).toBeGreaterThan(50_000);
    expect(machine.console().length).toBeLessThan(500_000);
  });

test.skipIf(missing).concurrent("the end of the machine process is seen by the watcher, too", async () => {
  const { machine } = await boot({ release: running("exit 0"), machine: { poweroff: "force" } });
  expect((await machine.off()).at(-1)).toMatch(/ -f$/);
  expect(machine.console()).toMatch(/power-off, the machine process has ended/);
});

test.skipIf(missing).concurrent("the end of who looks after the machine process is noticed", async () => {
  const { machine } = await boot({});
  await machine.see(/the machine process runs/);
  machine.inside("kill -KILL $(cat /run/tinderbox/keeper)");
  await machine.off();
  expect(machine.console()).toMatch(/power-off, nobody looks after the machine process/);
});

test.skipIf(missing).concurrent("user code can end neither the timer nor the watcher", async () => {
  const agent = `for pid in /proc/[0-9]*; do
      [ $pid != /proc/$$ ] && kill -KILL \${pid#/proc/} 2>/dev/null && echo "killed $pid"
    done
    rm -rf /run/tinderbox/* 2>/dev/null; echo tried; while sleep 0.3; do :; done`;
  const { machine } = await boot({ release: running(agent), userData: { noParentMs: 8_000 } });
  await machine.see(/tried/);
  expect(machine.console()).not.toMatch(/killed/);
  await machine.off();
  expect(machine.console()).toMatch(/the parent was never heard within 8 s/);
});

test.skipIf(systemdAbsence())(
  "under systemd a machine goes off within seconds of a failure, with its unit or without",
  async () => {
    const { machine } = await boot({ release: failing, machine: { systemd: true } });
    await machine.see(/the user data has ended with code 1/);
    const failed = performance.now();
    await machine.off();
    expect(performance.now() - failed).toBeLessThan(5_000);
  },
);
