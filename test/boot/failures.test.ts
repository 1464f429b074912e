import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { besideEachOther } from "./harness/beside.ts";
import { absence } from "./harness/machine.ts";
import { appLayer, boot, type BootOptions, type Layer, listening, nodeLayer, root, running } from "./harness/site.ts";

const missing = absence();
if (missing) console.warn(`\n*** FAILURES OF THE BOOT WERE NOT TRIED: ${missing} ***\n`);

besideEachOther();

const app = appLayer(listening);
const big: Layer = { ...app, entries: [...app.entries, { name: "data", data: randomBytes(300_000) }] };
const flip = (bytes: Buffer) => Buffer.from(bytes.map((byte, at) => (at === 20 ? byte ^ 1 : byte)));
const node = (data: string | Uint8Array, mode = 0o755): Layer => ({
  ...nodeLayer,
  entries: [{ name: "bin/node", mode, data }],
});
const manifest = (values: Record<string, unknown>): BootOptions => ({ release: { manifest: values } });
const layers = (...all: Layer[]): BootOptions => ({ release: { layers: all } });

/** What goes wrong, what the boot was doing, and what it says. */
const failures: [name: string, options: BootOptions, step: string, message: RegExp][] = [
  [
    "no role",
    { site: { answer: (path) => (path.includes("credentials") ? 404 : undefined) } },
    "fetching the manifest",
    /the instance has no role; launch it with an instance profile/,
  ],
  [
    "a role without credentials",
    { site: { answer: (path) => (path.endsWith("/runner") ? '{"Code":"AssumeRoleUnauthorizedAccess"}' : undefined) } },
    "fetching the manifest",
    /role runner has none, code AssumeRoleUnauthorizedAccess/,
  ],
  [
    "a metadata service that knows nothing",
    { site: { answer: () => 500 } },
    "asking the metadata service",
    /Cannot read meta-data\/instance-id from the metadata service: status 500/,
  ],
  ["no manifest", { release: { stored: () => undefined } }, "fetching the manifest", /status 404 NoSuchKey/],
  [
    "no bucket",
    { userData: { bucket: "other" } },
    "fetching the manifest",
    /from bucket other: status 404 NoSuchBucket/,
  ],
  [
    "another region",
    { userData: { region: "eu-west-7" } },
    "fetching the manifest",
    /status 40\d AuthorizationHeaderMalformed/,
  ],
  [
    "a manifest of another release",
    { release: { stored: (text) => `${text} ` } },
    "fetching the manifest",
    /Cannot use release [0-9a-f]{64}: the SHA-256 of its manifest is [0-9a-f]{64}/,
  ],
  [
    "a newer format",
    manifest({ format: 2 }),
    "fetching the manifest",
    /it has format 2, this version of tinderbox reads 1/,
  ],
  [
    "an agent that is not there",
    manifest({ agent: "nothing.js" }),
    "starting the machine process",
    /the release has no .*nothing\.js/,
  ],
  [
    "an application among the system's files",
    manifest({ root: "/etc/app" }),
    "fetching the manifest",
    /belongs to the system; keep the application elsewhere/,
  ],
  [
    "an application in a folder that leads to the system",
    { ...manifest({ root: "/srv/link/app" }), machine: { prepare: "ln -s /etc srv/link" } },
    "fetching the manifest",
    /leads to \/etc\/app on this machine/,
  ],
  [
    "an application in a folder that is in use",
    { machine: { prepare: `mkdir -p .${root}; touch .${root}/mine` } },
    "fetching and unpacking 3 layers",
    /Cannot unpack to \/srv\/shop\/app: it is not empty/,
  ],
  [
    "an application in a file",
    { machine: { prepare: "touch ./srv/shop" } },
    "fetching and unpacking 3 layers",
    /NotADirectoryError/,
  ],
  [
    "no layer",
    layers(nodeLayer, { ...app, stored: () => undefined }),
    "fetching and unpacking 2 layers",
    /layers\/[0-9a-f]{64}\.tar\.gz from bucket test: status 404 NoSuchKey/,
  ],
  [
    "a layer that is cut",
    layers(nodeLayer, { ...app, stored: (bytes) => bytes.subarray(0, -9) }),
    "fetching and unpacking 2 layers",
    /it has \d+ bytes, \d+ are wanted/,
  ],
  [
    "a layer that is longer",
    layers(nodeLayer, { ...app, stored: (bytes) => Buffer.concat([bytes, bytes]) }),
    "fetching and unpacking 2 layers",
    /it has \d+ bytes, \d+ are wanted/,
  ],
  [
    "a layer that is another",
    layers(nodeLayer, { ...app, stored: flip }),
    "fetching and unpacking 2 layers",
    /Cannot use layer app: its SHA-256 is [0-9a-f]{64}/,
  ],
  [
    "a hostile layer",
    layers(nodeLayer, { ...app, entries: [...app.entries, { name: "../evil" }] }),
    "fetching and unpacking 2 layers",
    /Cannot unpack layer app: its entry '\.\.\/evil' leads outside/,
  ],
  [
    "no room for downloads",
    { ...layers(nodeLayer, big), machine: { fetchBytes: 64 << 10 } },
    "fetching and unpacking 2 layers",
    /No space left on device; give the machine a larger disk/,
  ],
  [
    "no room for the application",
    { ...layers(nodeLayer, big), machine: { prepare: "mount -t tmpfs -o size=64k tmpfs srv" } },
    "fetching and unpacking 2 layers",
    /Cannot unpack layer app: .*No space left on device.*; give the machine a larger disk/,
  ],
  [
    "a Node that is garbage",
    layers(node("\x7fELFgarbage"), app),
    "starting the machine process",
    /Cannot (run|boot).*Exec format error/,
  ],
  [
    "a Node that is cut",
    layers(node(readFileSync(process.execPath).subarray(0, 100_000)), app),
    "starting the machine process",
    /Cannot run .*code|Cannot boot.*error/,
  ],
  [
    "a Node that may not be run",
    layers(node("#!/bin/sh", 0o644), app),
    "starting the machine process",
    /Permission denied/,
  ],
  ["no Node", layers(app), "starting the machine process", /No such file/],
  [
    "a user that is root",
    { userData: { user: "root" } },
    "reading the user data",
    /Cannot run as root: it is the superuser/,
  ],
];

test.skipIf(missing).concurrent(
  "a metadata service that does not answer: says why and goes off",
  async () => {
    const machines = [
      await boot({ site: { tokenStatus: 403 } }),
      await boot({
        machine: { prepare: "ip route add unreachable 169.254.169.254; ip -6 route add unreachable fd00:ec2::254" },
      }),
    ];
    for (const { machine } of machines) {
      await machine.off(40_000);
      expect(machine.console()).toMatch(
        /while asking the metadata service: Cannot ask the metadata service: (status 403|OSError|ConnectionRefused).*; the launch template must allow it/,
      );
    }
  },
  60_000,
);

test.skipIf(missing).concurrent.each(failures)("%s: says why and goes off", async (_name, options, step, message) => {
  const { machine } = await boot(options);
  const asked = await machine.off();
  expect(asked).toHaveLength(1);
  const failed = /tinderbox boot: failed ([\d.]+) while (.*?): (Cannot .*)/.exec(machine.console());
  expect(failed?.[3]).toMatch(message);
  expect(failed?.[2]).toContain(step);
  // Seconds from the failure to the request.
  expect(Number(asked[0]?.split(" ")[0]) - Number(failed?.[1])).toBeLessThan(10);
  expect(machine.console()).not.toContain("the machine process runs");
});

test.skipIf(missing).concurrent("no Python: says why and goes off", async () => {
  const prepare = "for name in usr/bin/python3*; do mount --bind /dev/null $name; done";
  const { machine } = await boot({ machine: { poweroff: "record", prepare } });
  await machine.see(/python3: .*[Pp]ermission denied[^]*the user data has ended with code 126/);
  await machine.see(/user data: code 1/);
  expect(machine.asked()).toHaveLength(1);
});

test.skipIf(missing).concurrent("a machine process that ends at once: says how and goes off", async () => {
  const { machine } = await boot({ release: running("echo dying words; exit 7") });
  await machine.off();
  expect(machine.console()).toMatch(/dying words\n[^]*the machine process has ended, exited 7/);
});

test.skipIf(missing).concurrent("user data that is run twice changes nothing", async () => {
  const { machine } = await boot({ machine: { runs: 2 } });
  await machine.see(/this user data runs already\nuser data: code 0/);
  expect(machine.asked()).toEqual([]);
  expect(machine.inside("pgrep -fc '[s]h watch'")).toBe("1\n");
});

test
  .skipIf(missing)
  .concurrent("user data that runs again after a restart finds that it was here, and goes off", async () => {
    const after = `until [ -e /run/tinderbox/machine/seen ]; do sleep 0.1; done
    pkill -STOP -f '[s]h watch'; rm -r /run/tinderbox; /var/lib/cloud/instance/scripts/part-001`;
    const { machine } = await boot({ machine: { after } });
    await machine.off();
    expect(machine.console()).toMatch(/this machine was booted before/);
  });
