import { createHash, randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { besideEachOther } from "./harness/beside.ts";
import { absence } from "./harness/machine.ts";
import { appLayer, boot, dependencies, type Layer, listening, nodeLayer, root, type Site } from "./harness/site.ts";
import { archive } from "./harness/tar.ts";

const missing = absence();
if (missing) console.warn(`\n*** LAYERS IN IMAGES WERE NOT TRIED: ${missing} ***\n`);

besideEachOther();

/** Packages of more than a megabyte that do not shrink: whether they went over the wire is seen by the bytes alone. */
const size = 2 << 20;
const packages: Layer = {
  ...dependencies,
  entries: [...dependencies.entries, { name: "data", data: randomBytes(size) }],
};
const app = appLayer(listening);
const release = { layers: [nodeLayer, packages, app] };

const bytesOf = (layer: Layer) => archive(...layer.entries);
const hashOf = (layer: Layer) => createHash("sha256").update(bytesOf(layer)).digest("hex");
const folder = "var/cache/tinderbox/layers";

/** An image with these layers in it, and what `spoil` has done to the file of each. */
function image(layers: readonly Layer[], spoil: (file: string) => string = () => "true") {
  const put = layers.map((layer) => {
    const file = `${folder}/${hashOf(layer)}.tar.gz`;
    return `base64 -d "$PWD/host/${layer.name}" >${file}; chmod 644 ${file}; ${spoil(file)}`;
  });
  return {
    files: Object.fromEntries(layers.map((layer) => [layer.name, bytesOf(layer).toString("base64")])),
    prepare: [`mkdir -p ${folder}`, ...put].join("\n"),
  };
}

const fetched = (site: Site, layer: Layer) =>
  site.s3.requests.log.filter(({ operation, key }) => operation === "GetObject" && key?.includes(hashOf(layer))).length;

async function boots(machine: { readonly files: Record<string, string>; readonly prepare: string }) {
  const made = await boot({ release, machine });
  await made.machine.see(/the machine process runs/);
  await made.machine.see(/user data: code 0/);
  expect(made.machine.inside(`stat -c %s ${root}/data`)).toBe(`${size}\n`);
  return made;
}

test.skipIf(missing).concurrent("a layer that is in the machine's image is not fetched", async () => {
  const { site, machine } = await boots(image([nodeLayer, packages]));
  expect([nodeLayer, packages, app].map((layer) => fetched(site, layer))).toEqual([0, 0, 1]);
  expect(site.traffic.received).toBeLessThan(size / 20);
  expect(machine.console()).toMatch(/tinderbox boot: layer node is in the image\n/);
  expect(machine.console()).toMatch(/tinderbox boot: layer dependencies is in the image\n/);
  expect(machine.console()).toMatch(/boot: fetched [^]*boot: verified /);
  // For machines that are made from this one's disk.
  expect(machine.inside(`ls /${folder} | wc -l`)).toBe("2\n");
});

test.skipIf(missing).concurrent("of a release that is whole in the image only the manifest is fetched", async () => {
  const { site } = await boots(image([nodeLayer, packages, app]));
  expect([nodeLayer, packages, app].map((layer) => fetched(site, layer))).toEqual([0, 0, 0]);
  expect(site.s3.requests.count("GetObject")).toBe(1);
});

const wrong: [name: string, spoil: (file: string) => string, says: RegExp][] = [
  [
    "a bit is wrong",
    (file) => `printf xxxxxxxx | dd of=${file} bs=1 seek=1000 conv=notrunc 2>/dev/null`,
    /its SHA-256 is [0-9a-f]{64}/,
  ],
  ["the end is missing", (file) => `truncate -s -1 ${file}`, /its SHA-256 is [0-9a-f]{64}/],
  ["there is more of it", (file) => `echo >>${file}`, /its SHA-256 is [0-9a-f]{64}/],
  ["nothing is in it", (file) => `: >${file}`, /its SHA-256 is e3b0c442/],
  ["it belongs to another", (file) => `chown 100 ${file}`, /others than root may write it/],
  ["its group may write it", (file) => `chmod 664 ${file}`, /others than root may write it/],
  ["all may write it", (file) => `chmod 646 ${file}`, /others than root may write it/],
  ["it is a link", (file) => `mv ${file} tmp/file; ln -s /tmp/file ${file}`, /Too many levels of symbolic links/],
  ["it is a folder", (file) => `rm ${file}; mkdir ${file}`, /Is a directory/],
  ["it is a pipe", (file) => `rm ${file}; mkfifo ${file}`, /its SHA-256 is e3b0c442|Illegal seek/],
];

test.skipIf(missing).concurrent("a layer of the image that is not as it should be is fetched as ever", async () => {
  const layers = wrong.map(([name], number): Layer => {
    const entries = [{ name: `spoilt/${number}`, data: randomBytes(2_000) }];
    return { name: name.replaceAll(" ", "-"), path: root, entries };
  });
  const spoilt = new Map(layers.map((layer, number) => [`${folder}/${hashOf(layer)}.tar.gz`, wrong[number]![1]]));
  const { site, machine } = await boot({
    release: { layers: [nodeLayer, app, ...layers] },
    machine: image([nodeLayer, ...layers], (file) => spoilt.get(file)?.(file) ?? "true"),
  });
  await machine.see(/the machine process runs/);
  for (const [number, [name, , says]] of wrong.entries()) {
    const layer = layers[number]!;
    expect(fetched(site, layer), name).toBe(1);
    const [, said] =
      new RegExp(`boot: layer ${layer.name} of the image is not used: (.*)`).exec(machine.console()) ?? [];
    expect(said, name).toMatch(says);
  }
  expect(machine.console().match(/is in the image/g)).toHaveLength(1);
  expect(machine.inside(`ls ${root}/spoilt | wc -l`)).toBe(`${wrong.length}\n`);
});

test.skipIf(missing).concurrent("a layer that the bucket has lost boots from the image", async () => {
  const lost: Layer = { ...packages, stored: () => undefined };
  const { machine } = await boot({ release: { layers: [nodeLayer, lost, app] }, machine: image([packages]) });
  await machine.see(/the machine process runs/);
  expect(machine.inside(`stat -c %s ${root}/data`)).toBe(`${size}\n`);
});
