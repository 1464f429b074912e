import { describe, expect, test } from "vitest";
import { readFileSync } from "node:fs";
import { besideEachOther } from "./harness/beside.ts";
import { absence, systemdAbsence } from "./harness/machine.ts";
import { appLayer, boot, dependencies, listening, root, running, ticket } from "./harness/site.ts";

const flavours = [
  ["without systemd", false, absence()],
  ["under systemd", true, systemdAbsence()],
] as const;

besideEachOther();

describe.concurrent.each(flavours)("a machine %s", (_name, systemd, missing) => {
  test.skipIf(missing).concurrent("goes from its user data to a machine process that knows all it needs", async () => {
    const { site, machine } = await boot({ machine: { systemd }, userData: { listen: 4001 } });
    await machine.see(/the machine process runs/);
    await machine.see(/user data: code 0/);
    const seen = JSON.parse(machine.inside("cat /run/tinderbox/machine/seen")) as Record<string, unknown>;
    const phases = seen["phases"] as Record<string, number>;
    expect(seen).toEqual({
      addresses: ["10.9.0.1:4000"],
      fingerprint: "ab".repeat(32),
      ticket,
      listen: 4001,
      release: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      instance: "i-0123456789abcdef0",
      identity: { document: '{"instanceId":"i-0123456789abcdef0"}', signature: "c2lnbmVk\nc2ln" },
      phases,
      root,
      parentFile: "/run/tinderbox/parent",
      noticeFile: "/run/tinderbox/notices",
    });
    expect(Object.keys(phases)).toEqual(["booted", "fetched", "verified", "started"]);
    const times = Object.values(phases);
    expect(times).toEqual(times.toSorted((left, right) => left - right));
    for (const [phase, time] of Object.entries(phases)) {
      expect(machine.console()).toMatch(new RegExp(`tinderbox boot: ${phase} ${time.toFixed(2).replace(/0?$/, "")}`));
    }
    expect(site.metadata.asked).toContain("PUT api/token");
  });

  test.skipIf(missing).concurrent("runs it as a user without rights", async () => {
    const agent = `grep -E '^(Uid|Gid|Groups|NoNewPrivs|CapEff|CapPrm)' /proc/self/status >/run/tinderbox/machine/status
      stat -c '%a %U %s' "$1" >/run/tinderbox/machine/stat; ulimit -c >/run/tinderbox/machine/core
      env | sort >/run/tinderbox/machine/env; pwd >/run/tinderbox/machine/pwd; ulimit -u >/run/tinderbox/machine/room
      cat /proc/self/oom_score_adj >/run/tinderbox/machine/oom; sudo -n true 2>/dev/null; ${listening}`;
    const prepare = systemd ? "" : "echo 10000 >host/pids; mount --bind host/pids proc/sys/kernel/pid_max";
    const { machine } = await boot({ release: running(agent), machine: { systemd, prepare } });
    await machine.see(/the machine process runs/);
    const read = (name: string) => machine.inside(`cat /run/tinderbox/machine/${name}`).trim();
    const uid = machine.inside("id -u tinderbox").trim();
    expect(Number(uid)).toBeGreaterThan(0);
    expect(read("status").replace(/\s+/g, " ")).toBe(
      `Uid: ${uid} ${uid} ${uid} ${uid} Gid: ${uid} ${uid} ${uid} ${uid} Groups: ${uid} CapPrm: 0000000000000000 CapEff: 0000000000000000 NoNewPrivs: 1`,
    );
    expect(read("stat")).toMatch(/^600 tinderbox \d+$/);
    expect(read("core")).toBe("0");
    expect(read("oom")).toBe("0");
    // What looks after it is the last to be killed for want of memory, where the kernel lets itself be told.
    const most = machine.inside(
      "sh -c 'echo -1000 >/proc/self/oom_score_adj; cat /proc/self/oom_score_adj' 2>/dev/null",
    );
    const keepers = systemd ? "" : "$(cat /run/tinderbox/keeper) $(pgrep -fo '^sh watch')";
    expect(machine.inside(`for pid in ${keepers}; do cat /proc/$pid/oom_score_adj; done`)).toBe(
      systemd ? "" : most + most,
    );
    expect(read("pwd")).toBe(root);
    const env = read("env");
    expect(env).toMatch(/^HOME=\/home\/tinderbox$/m);
    expect(env).toMatch(/^PATH=\/opt\/tinderbox\/node\/bin:/m);
    expect(env).not.toContain(ticket);
    // Four fifths of what the machine can have; under systemd it is the unit that is limited.
    const room = systemd ? machine.inside("systemctl show tinderbox -pTasksMax --value") : read("room");
    expect(Number(room)).toBeLessThanOrEqual(Number(machine.inside("cat /proc/sys/kernel/pid_max")) * 0.8);
    expect(systemd || room === "8000").toBe(true);
  });

  test.skipIf(missing).concurrent("keeps the release root's, whole, and unchangeable for user code", async () => {
    const agent = `for file in ${root} ${root}/main.js ${root}/node_modules/tool /opt/tinderbox/node/bin/node /run/tinderbox /run/tinderbox/watch; do
      [ -w $file ] && echo "may write $file"; done; cat /run/tinderbox/boot.json /var/lib/cloud/instance/scripts/part-001; ${listening}`;
    const { machine } = await boot({ release: running(agent), machine: { systemd } });
    await machine.see(/the machine process runs/);
    expect(machine.console()).not.toMatch(/may write|BwcHBw/);
    expect(machine.inside(`find ${root} /opt/tinderbox -not -user root -or -perm /6022 -not -type l`)).toBe("");
    expect(machine.inside(`cat ${root}/node_modules/.bin/tool ${root}/node_modules/shop-core/index.js`)).toBe(
      "toolcore",
    );
    expect(machine.inside(`stat -c %a ${root} ${root}/node_modules/tool/cli.js ${root}/main.js`)).toBe(
      "755\n755\n644\n",
    );
    expect(machine.inside("ls /var/lib/tinderbox /run/tinderbox")).not.toMatch(/fetch|boot\.json/);
    expect(
      machine.inside("grep -rl BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc /run /etc /opt /srv /home /tmp 2>/dev/null"),
    ).toBe("/run/tinderbox/machine/seen\n");
  });

  test.skipIf(missing).concurrent("goes off when the machine process ends, and says how it ended", async () => {
    const reloaded = "/run/tinderbox/machine/reloaded";
    const reload = systemd ? `until [ -e ${reloaded} ]; do sleep 0.05; done` : "true";
    const endings = [
      ["exit 0", /has ended, exited 0/],
      ["exit 3", /has ended, exited 3/],
      ["kill -KILL $$", /has ended, killed (9|KILL)/],
    ] as const;
    const machines = endings.map(async ([agent, message]) => {
      const { machine } = await boot({ release: running(`${reload}; ${agent}`), machine: { systemd } });
      if (systemd) await machine.see(/boot: started/);
      if (systemd) machine.inside(`systemctl daemon-reload; touch ${reloaded}`);
      const asked = await machine.off();
      expect(machine.console()).toMatch(message);
      expect(machine.console()).not.toMatch(/Permission denied|nobody looks after/);
      // More than one may see that it is over.
      expect(asked.length > 0).toBe(!systemd);
    });
    await Promise.all(machines);
  });

  test
    .skipIf(missing)
    .concurrent("stays on while its parent is heard, and goes off when it is not heard any more", async () => {
      const agent = `for beat in {1..8}; do sleep 0.8; touch -d "@$((4000000000 - beat * 10000))" /run/tinderbox/parent; done
      echo "the parent is gone"; sleep 1000`;
      const { machine } = await boot({
        release: running(agent),
        userData: { noParentMs: 20_000, parentLostMs: 4_000 },
        machine: { systemd },
      });
      await machine.see(/the parent is gone/);
      await machine.off();
      expect(machine.console()).toMatch(
        /power-off, the parent was not heard again within 4 s; last step: running the machine/,
      );
    });

  test.skipIf(missing).concurrent("goes off when its parent is never heard", async () => {
    const { machine } = await boot({
      release: running("sleep 1000"),
      userData: { noParentMs: 1_500, parentLostMs: 60_000 },
      machine: { systemd },
    });
    await machine.off();
    expect(machine.console()).toMatch(/power-off, the parent was never heard within 2 s/);
  });

  test
    .skipIf(missing)
    .concurrent("goes off when its lifetime is over, also when nothing else of the boot is left", async () => {
      const { machine } = await boot({ userData: { lifetimeMs: 12_000 }, machine: { systemd } });
      await machine.see(/the machine process runs/);
      machine.inside(
        "systemctl daemon-reload; systemctl mask --runtime --now tinderbox-watch.service; pkill -STOP -f 'sh [w]atch|[b]oot.py'; rm -rf /run/tinderbox/[m-z]*",
      );
      await machine.off();
      expect(machine.console()).toMatch(/power-off, the lifetime of 12 s is over/);
    });

  test.skipIf(missing).concurrent("that comes up a second time goes off", async () => {
    // What a restart does to it: /run is empty, and what starts with the system does.
    const after = `until [ -e /host/restart ]; do sleep 0.1; done
      rm -r /run/tinderbox; /var/lib/cloud/scripts/per-boot/tinderbox`;
    const { machine } = await boot({ machine: { systemd, ...(systemd ? {} : { after }) } });
    await machine.see(/the machine process runs/);
    const wants = "systemctl daemon-reload; systemctl show multi-user.target -pWants";
    expect(systemd ? machine.inside(wants) : "tinderbox-again").toContain("tinderbox-again");
    if (systemd) machine.inside("rm /run/tinderbox/armed; systemctl start tinderbox-again");
    else machine.inside("touch /host/restart");
    await machine.see(/tinderbox boot: this machine was restarted/);
    expect(await machine.off()).toHaveLength(systemd ? 0 : 1);
  });

  test.skipIf(missing).concurrent("that is kept for debugging stays on until its lifetime is over", async () => {
    const kept = { keepForDebug: true, lifetimeMs: 12_000, noParentMs: 1_000 };
    const [failed, ended] = await Promise.all([
      boot({ release: { manifest: { format: 2 } }, userData: kept, machine: { systemd } }),
      boot({ release: running("exit 3"), userData: kept, machine: { systemd } }),
    ]);
    await failed.machine.see(/kept for debugging/);
    expect(failed.machine.asked()).toEqual([]);
    await ended.machine.see(/has ended, exited 3[^]*kept for debugging/);
    expect(ended.machine.asked()).toEqual([]);
    for (const { machine } of [failed, ended]) {
      await machine.off();
      expect(machine.console()).toMatch(/the lifetime of 12 s is over/);
      expect(machine.console()).not.toMatch(/was never heard/);
    }
  });
});

describe.skipIf(absence()).concurrent("the unit", () => {
  test
    .skipIf(systemdAbsence())
    .concurrent("outlives a program killed for want of memory, and keeps room for root", async () => {
      const { machine } = await boot({ machine: { systemd: true } });
      await machine.see(/the machine process runs/);
      const shown = machine.inside(
        "systemctl show tinderbox -p OOMPolicy,Restart,Delegate,TasksMax,TimeoutStopUSec,LogRateLimitBurst",
      );
      expect(shown).toMatch(/OOMPolicy=continue/);
      expect(shown).toMatch(/Restart=no/);
      expect(shown).toMatch(/Delegate=yes/);
      expect(shown).toMatch(/LogRateLimitBurst=200/);
    });

  test
    .skipIf(systemdAbsence())
    .concurrent("of the watcher is started again when it is killed, and is still watching", async () => {
      const { machine } = await boot({
        release: running("echo up; sleep 1000"),
        userData: { noParentMs: 10_000 },
        machine: { systemd: true },
      });
      await machine.see(/up$/m);
      machine.inside("systemctl kill --signal=KILL tinderbox-watch");
      await machine.off();
      expect(machine.console()).toMatch(/was never heard/);
    });

  test.skipIf(systemdAbsence()).concurrent("that systemd refuses is done without", async () => {
    const shim = `printf '#!/bin/sh\\ncase "$*" in *--unit=tinderbox\\ *) echo no such property; exit 1;; esac\\nexec /usr/bin/systemd-run "$@"\\n' >usr/local/bin/systemd-run
      chmod +x usr/local/bin/systemd-run`;
    const { machine } = await boot({ machine: { systemd: true, prepare: shim } });
    await machine.see(/systemd-run failed with code 1: no such property; going on without a unit/);
    await machine.see(/the machine process runs/);
    machine.inside("pkill -f [a]gent.sh");
    await machine.off();
    expect(machine.console()).toMatch(/has ended, killed 15/);
  });
});

test.skipIf(absence()).concurrent(
  "a machine runs the real Node",
  async () => {
    const agent = `const { readFileSync, rmSync } = require("node:fs");
    const parameters = JSON.parse(readFileSync(process.argv[2])); rmSync(process.argv[2]);
    console.log("node", process.version, process.getuid() > 0, parameters.instance);`;
    const node = { name: "bin/node", mode: 0o755, data: readFileSync(process.execPath) };
    const { machine } = await boot({
      release: {
        layers: [
          { name: "node", path: "/opt/tinderbox/node", entries: [node] },
          dependencies,
          { ...appLayer(""), entries: [{ name: "agent.cjs", data: agent }] },
        ],
        manifest: { agent: "agent.cjs" },
      },
    });
    await machine.off(60_000);
    expect(machine.console()).toContain(`node ${process.version} true i-0123456789abcdef0`);
    expect(machine.console()).toMatch(/has ended, exited 0/);
  },
  90_000,
);
