/** What the operator's page tells people to run, as far as it runs without an account. */
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { type Ec2Options, resolveEc2Options } from "../../src/backends/ec2/options.ts";
import { emptyFolder, memory, pack, project } from "../deploy/release/project.ts";
import { repository } from "../harness/script-folder.ts";

const page = readFileSync(join(repository, "docs/operate-ec2.md"), "utf8");
const missing = spawnSync("jq", ["--version"]).error?.message;
if (missing) console.warn(`\n*** THE COMMANDS OF docs/operate-ec2.md WERE NOT TRIED: ${missing} ***\n`);

/** The jq program in the shell line that begins with a text. */
function filtered(begin: string, input: unknown): unknown {
  const [, program = ""] = page.slice(page.indexOf(begin)).match(/jq '([^']+)'/) ?? [];
  return JSON.parse(execFileSync("jq", [program], { input: JSON.stringify(input), encoding: "utf8" }));
}

test.skipIf(missing)("what is carried to the parent are options of ec2()", () => {
  const values = {
    region: "eu-central-1",
    architecture: "arm64",
    dial: "runner",
    launch_template: "lt-1",
    subnets: ["subnet-0a"],
    bucket: "b",
    release_prefix: "app/one/",
  };
  const outputs = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { value }]));
  const options = filtered("terraform output -json | jq '{ region", outputs) as Ec2Options;
  expect(options).toEqual({
    region: "eu-central-1",
    architecture: "arm64",
    dial: "runner",
    launchTemplate: "lt-1",
    subnets: ["subnet-0a"],
    release: { bucket: "b", prefix: "app/one" },
  });
  expect(resolveEc2Options(options).launchTemplate).toBe("lt-1");
});

test.skipIf(missing)("what is baked are layers of the release, by their names in the bucket", async () => {
  const driver = memory();
  const release = await pack(project({ "more.js": "1" }), { driver });
  const found = filtered('npx tinderbox pack --to "s3', release) as { bake_image: boolean; bake_layers: string[] };
  expect(found.bake_image).toBe(true);
  expect(found.bake_layers).toEqual(
    release.manifest.layers.filter(({ name }) => name !== "app").map(({ sha256 }) => sha256),
  );
  for (const layer of found.bake_layers) expect(await driver.head(`layers/${layer}.tar.gz`)).toBeDefined();
});

test("releases that were removed from the bucket are uploaded by the next parent", async () => {
  const driver = memory();
  const root = project({ "more.js": "1" });
  const options = { driver, clock: systemClock, cache: emptyFolder("cache") };
  const before = await pack(root, options);
  for (const { sha256 } of before.manifest.layers) await driver.remove(`layers/${sha256}.tar.gz`);
  await driver.remove(`releases/${before.id}.json`);
  const after = await pack(root, options);
  expect(after.id).toBe(before.id);
  expect(after.layers.map(({ outcome }) => outcome)).toEqual(before.layers.map(() => "uploaded"));
  expect(await driver.head(`releases/${before.id}.json`)).toBeDefined();
});

test("every output that the page asks for is one of the module", () => {
  const outputs = readFileSync(join(repository, "terraform/outputs.tf"), "utf8");
  const known = [...outputs.matchAll(/^output "(\w+)"/gm)].map(([, name]) => name);
  const asked = [...page.matchAll(/output -(?:raw|json) (\w+)/g)].map(([, name]) => name);
  expect(asked.length).toBeGreaterThan(4);
  expect(asked.filter((name) => !known.includes(name))).toEqual([]);
});

test("every variable that the page sets is one of the module", () => {
  const variables = readFileSync(join(repository, "terraform/variables.tf"), "utf8");
  const known = [...variables.matchAll(/^variable "(\w+)"/gm)].map(([, name]) => name);
  const set = [...page.matchAll(/-var=(\w+)=/g), ...page.matchAll(/`(\w+_\w+) = /g)].map(([, name]) => name);
  expect(set.length).toBeGreaterThan(3);
  expect(set.filter((name) => !known.includes(name))).toEqual([]);
});
