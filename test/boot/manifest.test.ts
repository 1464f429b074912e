import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repository } from "../harness/script-folder.ts";
import { absence, machineFolder, startMachine } from "./harness/machine.ts";

const missing = absence();
if (missing) console.warn(`\n*** MANIFESTS OF RELEASES WERE NOT TRIED: ${missing} ***\n`);

const layer = { name: "app", sha256: "a".repeat(64), bytes: 1, unpackedBytes: 1, entries: 1, path: "/srv/app" };
const good = {
  format: 1,
  node: "v24.0.0",
  platform: "linux",
  arch: process.arch,
  root: "/srv/app",
  layers: [layer],
  agent: "a/b.js",
};
const rooted = (root: string) => ({ ...good, root, layers: [{ ...layer, path: root }] });
const layered = (values: object) => ({ ...good, layers: [{ ...layer, ...values }] });

const system = /belongs to the system; keep the application elsewhere/;
const cases: [name: string, manifest: unknown, said: RegExp | "fine"][] = [
  ["a good one", good, "fine"],
  ["Node's layer", layered({ path: "/opt/tinderbox/node" }), "fine"],
  ["a home", rooted("/home/me/app"), "fine"],
  ["the superuser's home", rooted(["", "root", "app"].join("/")), "fine"],
  ["a folder that begins like one of the system", rooted("/library"), system],
  ["below /var", rooted("/var/www/app"), "fine"],
  ["below /opt", rooted("/opt/app"), "fine"],
  ["text", "text", /TypeError/],
  ["nothing", null, /TypeError/],
  ["a list", [], /TypeError/],
  ["no layers", { ...good, layers: undefined }, /KeyError 'layers'/],
  ["a newer format", { ...good, format: 2 }, /it has format 2/],
  ["another platform", { ...good, platform: "darwin" }, /it is for darwin-/],
  ["another architecture", { ...good, arch: "riscv" }, /it is for linux-riscv, this machine is linux-(x64|arm64)/],
  ["an agent outside", { ...good, agent: "../agent.js" }, /leads outside/],
  ["an agent elsewhere", { ...good, agent: "/usr/bin/env" }, /leads outside/],
  ["an agent that is no text", { ...good, agent: 1 }, /AttributeError/],
  ["a root that is no text", { ...good, root: 1 }, /TypeError/],
  ["a root with a zero byte", rooted("/srv/\0"), /ValueError|belongs/],
  ["bytes as text", layered({ bytes: "1" }), /figures of a layer/],
  ["bytes below zero", layered({ bytes: -1 }), /figures of a layer/],
  ["a broken number of entries", layered({ entries: 1.5 }), /figures of a layer/],
  ["a truth as a number", layered({ unpackedBytes: true }), /figures of a layer/],
  ["no figures", layered({ unpackedBytes: undefined }), /KeyError 'unpackedBytes'/],
  ["a hash that climbs", layered({ sha256: `../${"a".repeat(61)}` }), /hash of a layer/],
  ["a hash with a line's end", layered({ sha256: `${"a".repeat(64)}\n` }), /hash of a layer/],
  ["a short hash", layered({ sha256: "a".repeat(63) }), /hash of a layer/],
  ["a layer below the root", layered({ path: "/srv/app/more" }), /may not be unpacked to/],
  ["a layer for the system", layered({ path: "/etc" }), /may not be unpacked to/],
  ["a layer that climbs", layered({ path: "/opt/tinderbox/.." }), /may not be unpacked to/],
  ["a layer deeper in", layered({ path: "/opt/tinderbox/a/b" }), /may not be unpacked to/],
  ["a layer with a line's end", layered({ path: "/opt/tinderbox/a\n" }), /may not be unpacked to/],
  ...[
    "/",
    "/usr",
    "/usr/app",
    "/etc",
    "/bin/app",
    "/sbin",
    "/lib",
    "/lib64/x",
    "/proc/app",
    "/sys",
    "/dev/app",
    "/run/app",
  ].map((root): [string, unknown, RegExp] => [`the root ${root}`, rooted(root), system]),
  ...[
    "/boot",
    "/opt/tinderbox",
    "/home/tinderbox/app",
    "/var/lib/cloud/x",
    "/var/lib/tinderbox",
    "app",
    "",
    "/srv/../etc",
    "/srv/",
    "//srv",
    "/srv//app",
    "/./srv",
  ].map((root): [string, unknown, RegExp] => [`the root ${JSON.stringify(root)}`, rooted(root), system]),
  ["a root behind a link", rooted("/srv/link/app"), /its folder \/srv\/link\/app leads to \/etc\/app on this machine/],
];

const driver = `
import json, sys
sys.path.insert(0, "/host")
import boot
for number, case in enumerate(json.load(open("/host/cases"))):
    try:
        boot.read_manifest(json.dumps(case), "r")
        print("case", number, "fine")
    except boot.Refusal as error:
        print("case", number, ascii(str(error)))
`;

test.skipIf(missing)("a manifest is believed only where it stays with the application", async () => {
  const machine = startMachine(machineFolder(), {
    userData: "#!/bin/bash\nexec python3 -B /host/driver.py\n",
    prepare: "ln -s /etc srv/link",
    files: {
      "boot.py": readFileSync(join(repository, "runners/boot/boot.py"), "utf8"),
      "driver.py": driver,
      cases: JSON.stringify(cases.map(([, manifest]) => manifest)),
    },
  });
  await machine.see(/user data: code 0/);
  for (const [number, [name, , said]] of cases.entries()) {
    const line = new RegExp(`^case ${number} (.*)$`, "m").exec(machine.console())?.[1];
    expect
      .soft(line, name)
      .toMatch(said === "fine" ? /^fine$/ : new RegExp(`Cannot use release r: .*(${said.source})`));
  }
});
