/** Options from terraform's outputs, by terraform itself where it is there. Long because each output has wrong values of its own. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test, vi } from "vitest";
import type { Ec2Options } from "../../../src/backends/ec2/options.ts";
import { resolveEc2Options, resolveReapOptions } from "../../../src/backends/ec2/options.ts";
import { readOutputs, withLocation, withOutputs } from "../../../src/backends/ec2/outputs.ts";
import { settingsOf } from "../../../src/backends/ec2/settings.ts";
import { whenTestEnds } from "../../harness/hooks.ts";
import { testRun } from "../../harness/run.ts";
import { repository } from "../../harness/script-folder.ts";
import { absence } from "../../harness/terraform/terraform.ts";
import { until } from "../../harness/until.ts";

const missing = absence();
if (missing) console.warn(`\n*** OUTPUTS OF TERRAFORM WERE NOT READ: ${missing} ***\n`);

/** What the module gives, as `terraform/tests/root.tftest.hcl` says. */
const applied = {
  region: '"eu-central-1"',
  bucket: '"tinderbox-111122223333-eu-central-1"',
  release_prefix: '"tinderbox/"',
  store: '"s3://tinderbox-111122223333-eu-central-1/store"',
  vpc: '"vpc-0a"',
  subnets: '["subnet-0a", "subnet-0b"]',
  security_groups: '["sg-runner"]',
  launch_template: '"lt-0123456789abcdef0"',
  instance_profile: '"runner"',
  image: '"ami-0a"',
  architecture: '"arm64"',
  dial: '"runner"',
  ports: "{ from = 1024, to = 65535 }",
  parent_policy_arn: '"arn:aws:iam::111122223333:policy/a-policy"',
  parent_security_group: '"sg-parent"',
  parent_instance_profile: "null",
};

const environment = { ...process.env, TF_CLI_CONFIG_FILE: "/dev/null", CHECKPOINT_DISABLE: "1" };
const terraform = (folder: string, ...args: string[]) =>
  execFileSync("terraform", [`-chdir=${folder}`, ...args], { stdio: "pipe", env: environment, encoding: "utf8" });

/** A folder with these outputs in a configuration, each as terraform's language has it. */
function folderOf(outputs: Record<string, string | undefined>, more = ""): string {
  const folder = mkdtempSync(join(testRun.folder, "outputs-"));
  const blocks = Object.entries(outputs).map(([name, value]) => `output "${name}" {\n  value = ${value}\n${more}}\n`);
  writeFileSync(join(folder, "main.tf"), blocks.join(""));
  return folder;
}

function apply(over: Partial<Record<keyof typeof applied, string | undefined>> = {}, more = ""): string {
  const outputs = Object.fromEntries(
    Object.entries({ ...applied, ...over }).filter(([, value]) => value !== undefined),
  );
  const folder = folderOf(outputs, more);
  terraform(folder, "apply", "-auto-approve", "-input=false");
  return folder;
}

/** What a rejection says. */
const refusalOf = (rejecting: Promise<unknown>) =>
  rejecting.then(
    () => expect.unreachable("it was not refused"),
    (error: Error & { permanent?: boolean }) => {
      expect(error.permanent, String(error)).toBe(true);
      return error.message;
    },
  );

/** A terraform that is a shell script, first on PATH. */
function instead(script: string): void {
  const folder = mkdtempSync(join(testRun.folder, "terraform-"));
  writeFileSync(join(folder, "terraform"), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, "terraform"), 0o755);
  vi.stubEnv("PATH", `${folder}:${process.env["PATH"]}`);
  whenTestEnds(() => void vi.unstubAllEnvs());
}

const told = (outputs: Record<string, unknown>) =>
  instead(
    `cat <<'END'\n${JSON.stringify(Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name, { sensitive: false, type: "dynamic", value }])))}\nEND`,
  );
const here = testRun.folder;
const complete = { bucket: "b", subnets: ["s"], launch_template: "lt-1" };

describe.skipIf(missing)("by terraform", () => {
  let folder: string;
  beforeAll(() => {
    folder = apply();
  });

  test("everything that is not given is what it says", async () => {
    const options = await withOutputs({ terraform: folder });
    expect(options).toEqual({
      region: "eu-central-1",
      architecture: "arm64",
      dial: "runner",
      subnets: ["subnet-0a", "subnet-0b"],
      launchTemplate: "lt-0123456789abcdef0",
      release: { bucket: "tinderbox-111122223333-eu-central-1", prefix: "tinderbox" },
    });
    const resolved = resolveEc2Options(options);
    expect(resolved).toMatchObject({ architecture: "arm64", parent: { port: 0 }, terraform: undefined });
    expect(resolved.instanceTypes).toContain("c7g.large");
  });

  test("what is given comes first", async () => {
    const given: Ec2Options = {
      region: "eu-west-1",
      architecture: "x64",
      dial: "parent",
      runnerPort: 7200,
      subnets: ["subnet-0c"],
      launchTemplate: "mine",
      release: { bucket: "mine", prefix: "app", root: "/srv/app" },
      spot: "never",
    };
    expect(await withOutputs({ terraform: folder, ...given })).toEqual(given);
    const undefinedOnes = { region: undefined, dial: undefined } as object;
    expect(await withOutputs({ terraform: folder, ...undefinedOnes })).toMatchObject({
      region: "eu-central-1",
      dial: "runner",
    });
    expect(await withOutputs({ terraform: folder, release: { root: "/srv/app" } })).toMatchObject({
      release: { bucket: "tinderbox-111122223333-eu-central-1", prefix: "tinderbox", root: "/srv/app" },
    });
  });

  test("an image of one's own gets the groups and the profile", async () => {
    const options = await withOutputs({ terraform: folder, image: "ami-1" });
    expect(options).toMatchObject({ image: "ami-1", securityGroups: ["sg-runner"], instanceProfile: "runner" });
    expect(options).not.toHaveProperty("launchTemplate");
    expect(await withOutputs({ terraform: folder, image: "ami-1", securityGroups: ["sg-2"] })).toMatchObject({
      securityGroups: ["sg-2"],
      instanceProfile: "runner",
    });
    expect(await withOutputs({ terraform: folder, image: "ami-1", instanceProfile: "mine" })).toMatchObject({
      securityGroups: ["sg-runner"],
      instanceProfile: "mine",
    });
  });

  test("who only looks for machines gets their place", async () => {
    const place = { bucket: "tinderbox-111122223333-eu-central-1", prefix: "tinderbox" };
    const found = await withLocation({ terraform: folder, dryRun: true });
    expect(found).toEqual({ region: "eu-central-1", release: place, dryRun: true });
    expect(resolveReapOptions(found)).toMatchObject({ dryRun: true, location: { bucket: place.bucket } });
    const given = { region: "r", release: { bucket: "b", prefix: "p" } };
    expect(await withLocation({ terraform: folder, ...given })).toEqual(given);
    expect(settingsOf(resolveEc2Options(await withOutputs({ terraform: folder })))).toEqual({
      region: "eu-central-1",
      bucket: place.bucket,
      subnets: ["subnet-0a", "subnet-0b"],
      base: { template: "lt-0123456789abcdef0" },
    });
  });

  test("its outputs are read while an apply holds the state", async () => {
    writeFileSync(join(folder, "more.tf"), 'output "more" {\n  value = "more"\n}\n');
    const applying = spawn("terraform", [`-chdir=${folder}`, "apply", "-no-color"], { env: environment });
    whenTestEnds(() => void applying.kill("SIGKILL"));
    let said = "";
    applying.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
    await until("it ask whether to apply", () => said.includes("Enter a value:"), { within: 15_000 });
    expect(() => terraform(folder, "apply", "-auto-approve")).toThrow(/Error acquiring the state lock/);
    expect(await readOutputs(folder)).toMatchObject({ bucket: "tinderbox-111122223333-eu-central-1" });
    applying.stdin.end("no\n");
    await once(applying, "close");
  });

  test("outputs that it keeps to itself are read, and shown in no message", async () => {
    const secret = apply({ bucket: '"s3cret"', region: '["s3cret"]' }, "  sensitive = true\n");
    const refusal = await refusalOf(readOutputs(secret));
    expect(refusal).toMatch(/output "region" of terraform in .*: a text is wanted/);
    expect(refusal).not.toContain("s3cret");
    expect(await readOutputs(apply({ bucket: '"s3cret"' }, "  sensitive = true\n"))).toMatchObject({
      bucket: "s3cret",
    });
  });

  test("one output that hands on the module is enough", async () => {
    const fields = Object.entries(applied).map(([name, value]) => `${name} = ${value}`);
    const whole = folderOf({ tinderbox: `{ ${fields.join(", ")} }`, region: '"of something else"', other: "7" });
    terraform(whole, "apply", "-auto-approve", "-input=false");
    expect(await withOutputs({ terraform: whole })).toEqual(await withOutputs({ terraform: folder }));
  });

  test("what was never applied has no outputs", async () => {
    const says = /Cannot use terraform in .*: it has no outputs there; run "terraform apply" there first/;
    expect(await refusalOf(withOutputs({ terraform: folderOf(applied) }))).toMatch(says);
    expect(await refusalOf(withLocation({ terraform: mkdtempSync(join(testRun.folder, "outputs-")) }))).toMatch(says);
  });

  test("a state elsewhere has to be initialised", async () => {
    const remote = mkdtempSync(join(testRun.folder, "outputs-"));
    writeFileSync(join(remote, "main.tf"), 'terraform {\n  backend "s3" {}\n}\n');
    expect(await refusalOf(readOutputs(remote))).toMatch(
      /Cannot read the outputs of terraform in .*: Backend initialization required.*; run "terraform init" in /,
    );
  });

  test("a state that this terraform cannot read, and a configuration that is none, are told of in its words", async () => {
    const later = apply();
    const state = join(later, "terraform.tfstate");
    writeFileSync(state, readFileSync(state, "utf8").replace('"version": 4', '"version": 5'));
    expect(await refusalOf(readOutputs(later))).toMatch(
      /: Unsupported state file format The state file uses format version 5, .*; run "terraform output" in /,
    );
    const broken = apply();
    writeFileSync(join(broken, "main.tf"), "garbage {");
    const refusal = await refusalOf(readOutputs(broken));
    expect(refusal).toMatch(/: Unsupported block type on main\.tf line 1/);
    expect(refusal).toMatch(/^[^\n│╷╵]{1,600}$/);
  });
});

test.each([
  ["subnets", {}],
  ["launch_template", {}],
  ["bucket", {}],
  ["launch_template", { subnets: ["s"], release: { bucket: "b" } }],
  ["subnets", { launchTemplate: "t", release: { bucket: "b" } }],
  ["bucket", { image: "ami-1", subnets: ["s"] }],
] as const)("without output %s it has to be given, besides %o", async (name, given) => {
  told({ ...complete, [name]: null, unknown: 1 });
  expect(await refusalOf(withOutputs({ terraform: here, ...given }))).toBe(
    `Cannot use ec2: terraform in ${here} has no output "${name}"; run "terraform apply" there, or give it as an option`,
  );
});

test("no output is missed where the option is given, nor an optional one", async () => {
  told({ something: "else" });
  const given = { subnets: ["s"], launchTemplate: "t", release: { bucket: "b" } };
  expect(await withOutputs({ terraform: here, ...given })).toEqual(given);
  expect(await withLocation({ terraform: here, release: { bucket: "b" } })).toEqual({ release: { bucket: "b" } });
  expect(await refusalOf(withLocation({ terraform: here }))).toMatch(/has no output "bucket"/);
  told(complete);
  expect(await withOutputs({ terraform: here })).toEqual({
    subnets: ["s"],
    launchTemplate: "lt-1",
    release: { bucket: "b" },
  });
});

test.each([
  ["region", [7, "", ["eu-west-1"]], "a text is wanted"],
  ["bucket", [true, {}], "a text is wanted"],
  ["release_prefix", ["", "/", "a//", "a b/", 7.5, ["a/"]], 'a text such as "tinderbox/" is wanted'],
  ["subnets", ["subnet-0a", [], [7], [""], { a: "b" }], "a list of texts is wanted"],
  ["security_groups", ["sg-1", [null]], "a list of texts is wanted"],
  ["launch_template", [["lt-1"], 1], "a text is wanted"],
  ["instance_profile", [{}], "a text is wanted"],
  ["architecture", ["x86_64", "", ["x64"]], '"x64" or "arm64" is wanted'],
  ["dial", ["runners", true], '"runner" or "parent" is wanted'],
  [
    "ports",
    [
      7117,
      [1, 2],
      {},
      { from: 1 },
      { from: 2, to: 1 },
      { from: 0, to: 1 },
      { from: 1, to: 65_536 },
      { from: "1", to: 2 },
    ],
    "{ from = 32768, to = 60999 } or the like is wanted",
  ],
] as const)("output %s has to be of its type", async (name, values, wanted) => {
  for (const value of values) {
    told({ ...complete, [name]: value });
    expect(await refusalOf(readOutputs(here)), JSON.stringify(value)).toBe(
      `Cannot use output "${name}" of terraform in ${here}: ${wanted}; hand on what the module gives`,
    );
  }
});

test.each([
  ["all that Linux gives", { from: 1024, to: 65_535 }, {}, {}],
  ["one port", { from: 5000, to: 5000 }, {}, { parent: { port: 5000 } }],
  [
    "one port, for a parent with a name",
    { from: 5000, to: 5000 },
    { parent: { host: "h" } },
    { parent: { host: "h", port: 5000 } },
  ],
  ["a port that is given", { from: 5000, to: 5000 }, { parent: { port: 6000 } }, { parent: { port: 6000 } }],
  ["any port, which is given", { from: 5000, to: 5000 }, { parent: { port: 0 } }, { parent: { port: 0 } }],
  [
    "a parent that dials, by terraform",
    { from: 7117, to: 7120, dial: "parent" },
    {},
    { dial: "parent", runnerPort: 7117 },
  ],
  [
    "a parent that dials, by both",
    { from: 7117, to: 7117, dial: "parent" },
    { dial: "parent" },
    { dial: "parent", runnerPort: 7117 },
  ],
  [
    "a runner's port that is given",
    { from: 7117, to: 7117, dial: "parent" },
    { runnerPort: 7200 },
    { dial: "parent", runnerPort: 7200 },
  ],
  [
    "a parent that dials, by option only",
    { from: 5000, to: 5000, dial: "runner" },
    { dial: "parent" },
    { dial: "parent" },
  ],
  [
    "a parent that is dialled, by option only",
    { from: 7117, to: 7117, dial: "parent" },
    { dial: "runner" },
    { dial: "runner" },
  ],
  [
    "a direction that is the default",
    { from: 5000, to: 5000 },
    { dial: "runner" },
    { dial: "runner", parent: { port: 5000 } },
  ],
] as const)("of ports: %s", async (_name, { from, to, ...dial }, given, wanted) => {
  told({ ...complete, ...dial, ports: { from, to } });
  const { subnets, launchTemplate, release, ...rest } = await withOutputs({ terraform: here, ...given });
  expect([subnets, launchTemplate, release]).toEqual([["s"], "lt-1", { bucket: "b" }]);
  expect(rest).toEqual(wanted);
});

test("of some ports each process takes one of its own", async () => {
  told({ ...complete, ports: { from: 5000, to: 5009 } });
  const { parent } = await withOutputs({ terraform: here });
  expect(parent?.port).toBe(5000 + (process.pid % 10));
  told({ ...complete, ports: { from: 40_000, to: 65_535 } });
  expect((await withOutputs({ terraform: here })).parent?.port).toBeGreaterThanOrEqual(40_000);
});

test("a key's prefix loses its slash, once", async () => {
  for (const [prefix, wanted] of [
    ["tinderbox/", "tinderbox"],
    ["a/b/", "a/b"],
    ["a", "a"],
  ]) {
    told({ ...complete, release_prefix: prefix });
    const options = await withOutputs({ terraform: here });
    expect(options.release?.prefix).toBe(wanted);
    expect(resolveEc2Options(options).release.prefix).toBe(wanted);
  }
});

test("without terraform nothing is asked, and the options stay as they are", async () => {
  instead("exit 9");
  expect(await withOutputs({ region: "r" })).toEqual({ region: "r" });
  expect(await withLocation({ dryRun: true })).toEqual({ dryRun: true });
});

describe("a program that does not answer as terraform does", () => {
  test("is not there", async () => {
    vi.stubEnv("PATH", "/nowhere");
    whenTestEnds(() => void vi.unstubAllEnvs());
    expect(await refusalOf(readOutputs(here))).toBe(
      `Cannot read the outputs of terraform in ${here}: the program terraform is not on PATH; install it, or give ec2() what it would say`,
    );
  });

  test("has no such folder", async () => {
    expect(await refusalOf(readOutputs("/nowhere/at/all"))).toBe(
      "Cannot use terraform in /nowhere/at/all: there is no such folder; name that of the configuration",
    );
  });

  test.each([
    ["is too old to know -chdir", "echo 'Usage: terraform [--version] [--help] <command> [args]'; exit 127"],
    ["prints what is not JSON", "echo Outputs:"],
    ["prints what are no outputs", "echo '[]'"],
    ["prints nothing", "exit 0"],
  ])("%s", async (_name, script) => {
    instead(script);
    expect(await refusalOf(readOutputs(here))).toMatch(
      /^Cannot read the outputs of terraform in .*: what terraform prints is no JSON of outputs; 0\.14 or newer is wanted, see `terraform version`$/,
    );
  });

  test("fails without a word", async () => {
    instead("exit 3");
    expect(await refusalOf(readOutputs(here))).toMatch(/Command failed.*; run "terraform output" in /);
  });

  test("says much", async () => {
    instead(`printf 'Error: %s' "$(printf 'x%.0s' $(seq 5000))" >&2; exit 1`);
    expect((await refusalOf(readOutputs(here))).length).toBeLessThan(600);
  });

  test("would ask", async () => {
    instead(`[ "$TF_INPUT" = 0 ] && echo 'Error: nobody was asked' >&2; exit 1`);
    expect(await refusalOf(readOutputs(here))).toContain(": nobody was asked;");
  });
});

test("what is read is what the module gives", async () => {
  const module = readFileSync(join(repository, "terraform/outputs.tf"), "utf8");
  const given = [...module.matchAll(/^output "(\w+)"/gm)].map(([, name]) => name);
  expect(Object.keys(applied)).toEqual(given);
  told(complete);
  expect(given).toEqual(expect.arrayContaining(Object.keys(await readOutputs(here))));
});
