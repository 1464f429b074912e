import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { repository } from "../harness/script-folder.ts";
import { absence, type BootMachine, machineFolder, startMachine } from "./harness/machine.ts";
import { appLayer, boot, dependencies, listening, nodeLayer, root } from "./harness/site.ts";
import { archive, paxEntry, type TarEntry, tarEntry } from "./harness/tar.ts";

const missing = absence();
if (missing) console.warn(`\n*** HOSTILE ARCHIVES WERE NOT TRIED: ${missing} ***\n`);

const app = appLayer(listening);
const file = (name: string, data = "x"): TarEntry => ({ name, data });
const link = (name: string, target: string): TarEntry => ({ name, kind: "2", link: target });
const folder = (name: string): TarEntry => ({ name, kind: "5" });
const hard = (name: string, target: string): TarEntry => ({ name, kind: "1", link: target });
const zeros = (count: number) => Buffer.alloc(count);

/** Entries that come after those of the application, and why they are refused. */
const hostile: [name: string, entries: (TarEntry | Buffer)[], message: RegExp, figures?: Record<string, unknown>][] = [
  ["an absolute name", [file("/etc/evil")], /leads outside/],
  ["a name that climbs", [file("a/../../evil")], /leads outside/],
  ["a folder that climbs", [folder("../evil")], /leads outside/],
  ["a name that is the folder itself", [file(".")], /is there twice/],
  ["a long name that climbs", [paxEntry({ path: "../../../../etc/evil" }), file("good")], /leads outside/],
  [
    "GNU's long name that climbs",
    [tarEntry({ name: "././@LongLink", kind: "L", data: "../../../etc/evil\0" }), file("good")],
    /leads outside/,
  ],
  ["a link to an absolute path", [link("evil", "/etc/passwd")], /link 'evil' leads to '\/etc\/passwd'/],
  ["a link that climbs", [link("evil", "../../../etc")], /link 'evil' leads to/],
  ["a link that climbs from within", [link("a/b/evil", "../../../etc")], /link 'a\/b\/evil' leads to/],
  ["a link to nothing", [link("evil", "")], /leads to ''/],
  [
    "a link that leads outside through another",
    [folder("a/b/c"), link("a/b/c/up", "../../.."), link("a/b/c/evil", "up/../../evil")],
    /link .*\/a\/b\/c\/evil leads to \/srv\/evil/,
  ],
  [
    "a link that leads beside its folder, to a name that begins like it",
    [folder("a/b/c"), link("a/b/c/up", "../../.."), link("a/b/c/evil", "up/../app-evil")],
    /link .*\/a\/b\/c\/evil leads to \/srv\/\d+\/app-evil/,
  ],
  ["a file behind a link", [link("door", "packages"), file("door/evil")], /entry 'door' is no folder/],
  ["a file behind a link of another layer", [file("node_modules/shop-core/evil")], /is no folder/],
  ["a folder over a link", [link("door", "packages"), folder("door")], /is no folder/],
  ["a file twice", [file("twice"), file("twice")], /'twice' is there twice/],
  ["a file over a link", [link("evil", "main.js"), file("evil")], /is there twice/],
  ["a file over a link to nothing", [link("evil", "nothing"), file("evil")], /is there twice/],
  ["a file over a folder", [file("packages")], /is there twice/],
  ["a folder over a file", [folder("main.js")], /is no folder/],
  ["a hard link outside", [hard("evil", "../../../etc/passwd")], /leads outside/],
  ["a hard link to an absolute path", [hard("evil", "/etc/shadow")], /leads outside/],
  ["a hard link to what is not there", [hard("evil", "nothing")], /is neither file nor folder nor link/],
  [
    "a hard link through a link",
    [link("door", "main.js"), hard("evil", "door")],
    /is neither file nor folder nor link/,
  ],
  ["a character device", [{ name: "evil", kind: "3" }], /is neither/],
  ["a block device", [{ name: "evil", kind: "4" }], /is neither/],
  ["a pipe", [{ name: "evil", kind: "6" }], /is neither/],
  ["a sparse file", [{ name: "evil", kind: "S" }], /is neither|ReadError/],
  [
    "a sparse file as of POSIX",
    [
      paxEntry({
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "evil",
        "GNU.sparse.realsize": "5",
      }),
      file("evil", `1\n0\n5\n${" ".repeat(506)}12345`),
    ],
    /is neither/,
  ],
  ["a kind that nobody knows", [{ name: "evil", kind: "Z" }], /is neither/],
  ["more entries than it says", [file("a"), file("b")], /holds more than its manifest says/, { entries: 4 }],
  [
    "more bytes than it says",
    [file("a", "x".repeat(5_000))],
    /holds more than its manifest says/,
    { unpackedBytes: 4_999 },
  ],
  ["a bomb of zeros", [zeros(8 << 20)], /larger than its manifest says/, { unpackedBytes: 100_000 }],
  [
    "a header that is a bomb",
    [tarEntry({ name: "pax", kind: "x", data: `9000000 a=${"b".repeat(8_999_988)}\n` }), file("good")],
    /larger than its manifest says/,
    { unpackedBytes: 100_000 },
  ],
  [
    "a file that is cut",
    [tarEntry({ ...file("evil"), size: 5_000 }).subarray(0, 512)],
    /ReadError|EOFError/,
    { unpackedBytes: 100_000 },
  ],
];

const broken: [name: string, bytes: Buffer, message: RegExp][] = [
  ["is no gzip", Buffer.from("hello"), /BadGzipFile/],
  ["is no tar", gzipSync(Buffer.from("hello".repeat(500))), /ReadError/],
  ["is a gzip that is cut", archive(file("a", "x".repeat(100_000))).subarray(0, 100), /EOFError|ReadError/],
  [
    "is a gzip with a wrong sum",
    Buffer.from(archive(file("a")).map((byte, at, all) => (at === all.length - 6 ? byte ^ 1 : byte))),
    /CRC check failed/,
  ],
  ["is empty", Buffer.alloc(0), /ReadError|EOFError/],
];

/** Unpacks archives into one folder, as the boot does, in a machine; gives what it says of each case. */
const driver = `
import json, os, sys
sys.path.insert(0, "/host")
import boot
for number, case in enumerate(json.load(open("/host/cases"))):
    base = "/srv/%d/app" % number
    os.makedirs(base)
    try:
        unpacker = boot.Unpacker(base)
        for layer in case["layers"]:
            path = "/tmp/archive"
            with open(path, "wb") as file:
                file.write(bytes.fromhex(layer["archive"]))
            unpacker.archive(path, layer)
        unpacker.close()
        print("case", number, "unpacked")
    except Exception as error:
        print("case", number, boot.describe(error))
`;

interface Figures {
  readonly unpackedBytes?: number;
  readonly entries?: number;
}

async function unpacked(
  cases: readonly { layers: readonly (Figures & { archive: Buffer })[] }[],
): Promise<{ said: string[]; machine: BootMachine }> {
  const text = JSON.stringify(cases, (_key, value: unknown) =>
    isBytes(value) ? Buffer.from(value.data).toString("hex") : value,
  );
  const program = readFileSync(join(repository, "runners/boot/boot.py"), "utf8");
  const machine = startMachine(machineFolder(), {
    userData: "#!/bin/bash\nexec python3 -B /host/driver.py\n",
    files: { "boot.py": program, "driver.py": driver, cases: text },
  });
  await machine.see(/user data: code 0/, 30_000);
  const said = cases.map(
    (_, number) => new RegExp(`^case ${number} (.*)$`, "m").exec(machine.console())?.[1] ?? "nothing",
  );
  return { said, machine };
}

/** What JSON makes of a Buffer before a replacer sees it. */
const isBytes = (value: unknown): value is { data: number[] } =>
  typeof value === "object" && value !== null && "type" in value && value.type === "Buffer";

/** An archive and its true figures. */
function packed(entries: readonly (TarEntry | Buffer)[], figures: Figures = {}): Figures & { archive: Buffer } {
  const bytes = entries.reduce((sum, one) => sum + (Buffer.isBuffer(one) ? 0 : Buffer.from(one.data ?? "").length), 0);
  return { archive: archive(...entries), unpackedBytes: bytes, entries: entries.length, ...figures };
}

test.skipIf(missing)("what an archive must not hold is refused, and nothing gets out of its folder", async () => {
  const { said, machine } = await unpacked(
    hostile.map(([, entries, , figures]) => ({
      layers: [packed(dependencies.entries), packed([...app.entries, ...entries], figures)],
    })),
  );
  for (const [number, [name, , message]] of hostile.entries()) expect.soft(said[number], name).toMatch(message);
  // Below its own folder the beginning of a refused archive may be left: the machine goes off.
  expect(
    machine.inside("find / -xdev -name 'evil*' -not -path '/srv/*/app/*' -not -path '/proc/*'; tail -1 /etc/passwd"),
  ).toMatch(/^messagebus:.*\n$/);
});

test.skipIf(missing)("what is no whole archive is refused", async () => {
  const { said } = await unpacked(
    broken.map(([, bytes]) => ({ layers: [{ archive: bytes, unpackedBytes: 1_000_000, entries: 9 }] })),
  );
  for (const [number, [name, , message]] of broken.entries()) expect.soft(said[number], name).toMatch(message);
});

test.skipIf(missing)("an archive may be as large as its manifest says, and no byte or entry more", async () => {
  const entries = [file("a", "x".repeat(5_000)), file("b", "x".repeat(5_000))];
  const { said } = await unpacked([
    { layers: [packed(entries)] },
    { layers: [packed(entries, { entries: 1 })] },
    { layers: [packed(entries, { unpackedBytes: 9_999 })] },
  ]);
  expect(said).toEqual(["unpacked", "it holds more than its manifest says", "it holds more than its manifest says"]);
});

test.skipIf(missing)("an archive with all that is allowed is unpacked as it is", async () => {
  const long = `deep/${"d".repeat(120)}/${"f".repeat(200)}`;
  const entries: (TarEntry | Buffer)[] = [
    folder("./"),
    file("./dot"),
    paxEntry({ path: long }),
    file("short"),
    tarEntry({ name: "././@LongLink", kind: "L", data: `${long}2\0` }),
    file("short"),
    paxEntry({ path: "süß/名前" }),
    file("short"),
    hard("same", "dot"),
    link("dangling", "nowhere/yet"),
    link("self", "."),
    link("deep/up", "../dot"),
    { name: "run", mode: 0o6755, data: "#!/bin/sh\necho ran" },
    { name: "loose", mode: 0o666, data: "x" },
    { name: "open/", kind: "5", mode: 0o777 },
    file("deep/empty", ""),
    file("big", "0123456789".repeat(300_000)),
  ];
  const { machine } = await boot({
    release: { layers: [nodeLayer, dependencies, { ...app, entries: [...app.entries, ...entries] }] },
  });
  await machine.see(/the machine process runs/);
  const inside = (script: string) => machine.inside(`cd ${root}; ${script}`).trim();
  expect(inside(`cat dot ${long} ${long}2 süß/名前 same self/dot deep/up`)).toBe("xxxxxxx");
  expect(inside("stat -c %a run loose open deep")).toBe("755\n644\n755\n755");
  expect(inside("stat -c %h dot; stat -c %s deep/empty; ./run; readlink dangling")).toBe("2\n0\nran\nnowhere/yet");
  expect(inside("sha256sum <big")).toBe(inside("yes 0123456789 | head -300000 | tr -d '\\n' | sha256sum"));
});
