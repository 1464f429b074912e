import { expect, test } from "vitest";
import { until } from "../harness/until.ts";
import { besideEachOther } from "./harness/beside.ts";
import { absence } from "./harness/machine.ts";
import { boot, listening, running } from "./harness/site.ts";

const missing = absence();
if (missing) console.warn(`\n*** HIDING OF THE METADATA SERVICE WAS NOT TRIED: ${missing} ***\n`);

besideEachOther();

const hosts = ["169.254.169.254", "fd00:ec2::254"];
/** Bash that says for each address whether a connection can be made. */
const knock = hosts
  .map((host) => `timeout 5 bash -c '</dev/tcp/${host}/80' 2>/dev/null && echo "${host} open" || echo "${host} shut"`)
  .join("; ");
const shim = (name: string, text: string) =>
  `printf '%s\\n' '#!/bin/bash' '${text}' >usr/local/bin/${name}; chmod +x usr/local/bin/${name};`;
const agent = `${knock}; ${listening}`;
const noRules = shim("ip", `[[ $* = *rule* ]] && { echo no rules here; exit 2; }; exec /usr/sbin/ip "$@"`);
/** Whether they are there is the host's matter. */
const noFilters = ["nft", "iptables", "ip6tables"].map((name) => shim(name, "echo no filters here; exit 2")).join(" ");

test.skipIf(missing).concurrent(
  "a notice of the spot market is written down for the machine process",
  async () => {
    const asked = { action: undefined as string | number | undefined };
    const answer = (path: string) => (path === "meta-data/spot/instance-action" ? asked.action : undefined);
    const wait = `until [ -e /run/tinderbox/notices ]; do sleep 0.1; done; echo "$(cat /run/tinderbox/notices)."
    rm /run/tinderbox/notices 2>/dev/null && echo removed; ${listening}`;
    const { site, machine } = await boot({ release: running(`echo up; ${wait}`), site: { answer } });
    await machine.see(/^up$/m);
    await until("it be asked about", () => site.metadata.asked.includes("GET meta-data/spot/instance-action"));
    // The service has its bad moments, longer than one look has patience for.
    asked.action = 500;
    const before = site.metadata.asked.length;
    await until("it be asked on and on", () => site.metadata.asked.length > before + 7, { within: 30_000 });
    asked.action = '{"action":"terminate","time":"2026-01-01T00:02:00Z"}';
    await machine.see(/^spot 1767225720\.$/m, 20_000);
    await machine.see(/the machine process runs/);
    expect(machine.console()).not.toMatch(/removed/);
  },
  90_000,
);

test.skipIf(missing).concurrent("the metadata service is out of user code's reach, and in root's", async () => {
  const { machine } = await boot({ release: running(agent) });
  await machine.see(/the machine process runs/);
  for (const host of hosts) expect(machine.console()).toContain(`${host} shut\n`);
  expect(machine.inside(knock)).toBe(hosts.map((host) => `${host} open\n`).join(""));
});

test
  .skipIf(missing)
  .concurrent("a program that user code starts as another user does not reach it either", async () => {
    const { machine } = await boot({
      release: running(
        `cp /usr/bin/bash /tmp/bash; chmod 4755 /tmp/bash; /tmp/bash -p -c '${knock.replaceAll("'", "")}'; ${agent}`,
      ),
    });
    await machine.see(/the machine process runs/);
    expect(machine.console()).not.toContain("open");
  });

test.skipIf(missing).concurrent("user code reaches it where it is allowed", async () => {
  const { machine } = await boot({ release: running(agent), userData: { allowMetadata: true } });
  await machine.see(/the machine process runs/);
  for (const host of hosts) expect(machine.console()).toContain(`${host} open\n`);
});

test.skipIf(missing).concurrent("a machine that cannot hide it goes off, before it has fetched anything", async () => {
  const { site, machine } = await boot({ machine: { prepare: noRules + noFilters } });
  await machine.off();
  expect(machine.console()).toMatch(
    /Cannot keep user code from the metadata service: ip: no rules here, nft: no filters here, iptables: no filters here; install iproute2/,
  );
  expect(site.s3.requests.count("GetObject")).toBe(0);
});

test.skipIf(missing).concurrent("a rule that is there and does not bite does not count", async () => {
  const { machine } = await boot({
    machine: { prepare: shim("ip", `[[ $* = *rule* ]] && exit 0; exec /usr/sbin/ip "$@"`) + noFilters },
  });
  await machine.off();
  expect(machine.console()).toMatch(/Cannot keep user code from the metadata service: ip: has no effect/);
});

test.skipIf(missing).concurrent("a rule for one of its two addresses does not count", async () => {
  const { machine } = await boot({
    machine: { prepare: shim("ip", `[[ $* = *-6*rule* ]] && exit 0; exec /usr/sbin/ip "$@"`) + noFilters },
  });
  await machine.off();
  expect(machine.console()).toMatch(/Cannot keep user code from the metadata service: ip: has no effect/);
});

// What they are told is written down, and a route does their work.
const filters: [name: string, prepare: string, told: RegExp][] = [
  [
    "nft",
    `${noRules} ${shim("nft", `echo "$*" >>/host/told; [[ $* = *daddr* ]] && for a in 4 6; do /usr/sbin/ip -$a rule add pref 5 uidrange $8-$8 prohibit; done; exit 0`)}`,
    /^add table inet tinderbox\nadd chain inet tinderbox out \{type\tfilter\thook\toutput\tpriority\t0;\}\nadd rule inet tinderbox out meta skuid (\d+) ip daddr 169\.254\.169\.254 reject\nadd rule inet tinderbox out meta skuid \1 ip6 daddr fd00:ec2::254 reject\n$/,
  ],
  [
    "iptables",
    `${noRules} ${noFilters} ${["iptables", "ip6tables"].map((name) => shim(name, `echo "\${0##*/} $*" >>/host/told; for a in 4 6; do /usr/sbin/ip -$a rule add pref 5 uidrange $7-$7 prohibit; done; exit 0`)).join(" ")}`,
    /^iptables -w -I OUTPUT -m owner --uid-owner (\d+) -d 169\.254\.169\.254 -j REJECT\nip6tables -w -I OUTPUT -m owner --uid-owner \1 -d fd00:ec2::254 -j REJECT\n$/,
  ],
];

test.skipIf(missing).concurrent.each(filters)(
  "where routes have no rules, %s hides it",
  async (_name, prepare, told) => {
    const { machine } = await boot({ release: running(agent), machine: { prepare } });
    await machine.see(/the machine process runs/);
    expect(machine.file("told")).toMatch(told);
    expect(machine.console()).not.toContain("open");
  },
);

test.skipIf(missing).concurrent("nobody waits for notices where there are none to come", async () => {
  const answer = (path: string) => (path === "meta-data/instance-life-cycle" ? "on-demand" : undefined);
  const { site, machine } = await boot({ site: { answer } });
  await machine.see(/the machine process runs/);
  await machine.see(/user data: code 0/);
  expect(machine.inside("pgrep -fc '[b]oot.py'")).toBe("1\n");
  expect(site.metadata.asked).not.toContain("GET meta-data/spot/instance-action");
});
