/** `terraform/` is formatted, valid, documented, and plans what it promises; by terraform itself, without AWS and without a network. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { repository } from "../harness/script-folder.ts";
import type { Schemas } from "../harness/terraform/schema.ts";
import { absence, modulePath, Workspace } from "../harness/terraform/terraform.ts";

const missing = absence();
if (missing) console.warn(`\n*** TERRAFORM'S MODULE WAS NOT TRIED: ${missing} ***\n`);

const read = (path: string) => readFileSync(join(repository, "terraform", path), "utf8");
const tests = readdirSync(join(repository, "terraform", modulePath, "tests")).filter((name) =>
  name.endsWith(".tftest.hcl"),
);

/** It takes some ten seconds where there is nothing else to do. */
const patient = { timeout: 180_000 };

let workspace: Workspace;

beforeAll(async () => {
  if (!missing) workspace = await Workspace.open();
}, 60_000);

afterAll(() => workspace?.close());

test.skipIf(missing)("it is formatted", async () => {
  const { code, output } = await workspace.run("", "fmt", "-check", "-recursive", "-diff");
  expect(code, output).toBe(0);
});

test.skipIf(missing).each(["", modulePath])("it is valid: terraform/%s", async (where) => {
  const { code, output } = await workspace.run(where, "validate");
  expect([code, output]).toEqual([0, "Success! The configuration is valid. "]);
});

test.skipIf(missing).each(tests)("it plans what %s says", patient, async (name) => {
  const { code, output } = await workspace.run(modulePath, "test", `-filter=tests/${name}`);
  expect(code, output).toBe(0);
  expect(output).toMatch(/Success! [1-9]\d* passed, 0 failed\. $/);
});

test.skipIf(missing)("the root that people apply gives what the backend reads", async () => {
  const { code, output } = await workspace.run("", "test");
  expect(code, output).toBe(0);
  expect(output).toContain("Success! 2 passed, 0 failed.");
});

interface Declared {
  readonly name: string;
  readonly body: string;
  readonly description: string;
}

function declared(kind: "variable" | "output", path: string): Declared[] {
  return [...read(path).matchAll(new RegExp(`^${kind} "(\\w+)" \\{\\n([^]*?)^\\}$`, "gm"))].map(
    ([, name = "", body = ""]) => {
      const [, quoted = '""'] = /^ {2}description = (".*")$/m.exec(body) ?? [];
      return { name, body, description: JSON.parse(quoted) as string };
    },
  );
}

const part = (body: string, key: string) => new RegExp(`^  ${key} += (.+)$`, "m").exec(body)?.[1];

test("the stand-in for the provider knows each kind of resource that is used, and no other", () => {
  const schemas = JSON.parse(readFileSync(join(repository, "test/harness/terraform/schema.json"), "utf8")) as Schemas;
  const sources = readdirSync(join(repository, "terraform", modulePath)).filter((name) => name.endsWith(".tf"));
  const used = (kind: string) => {
    const named = sources.flatMap((name) => [
      ...read(`${modulePath}/${name}`).matchAll(new RegExp(`^${kind} "(\\w+)"`, "gm")),
    ]);
    return [...new Set(named.map(([, type = ""]) => type))].toSorted();
  };
  expect(Object.keys(schemas.resources)).toEqual(used("resource"));
  expect(Object.keys(schemas.dataSources)).toEqual(used("data"));
  expect(schemas.origin).toMatch(/^Derived by derive\.ts from @cdktf\/provider-aws [\d.]+ \(MPL-2\.0\)/);
});

test("each variable of the module can be set at the root and reaches the module", () => {
  const module = declared("variable", `${modulePath}/variables.tf`);
  expect(module.length).toBeGreaterThan(20);
  const root = declared("variable", "variables.tf").filter(({ name }) => name !== "region");
  const facts = ({ name, body, description }: Declared) => [name, part(body, "type"), description];
  expect(root.map(facts)).toEqual(module.map(facts));
  expect(root.map(({ body }) => part(body, "default"))).toEqual(root.map(() => "null"));
  const [, call = ""] = /^module "tinderbox" \{([^]*?)^\}/m.exec(read("main.tf")) ?? [];
  const handed = [...call.matchAll(/^ {2}(\w+) += var\.(\w+)$/gm)].map(([, to, from]) => [to, from]);
  expect(handed.toSorted()).toEqual(module.map(({ name }) => [name, name]).toSorted());
});

test("each output of the module is one of the root", () => {
  const module = declared("output", `${modulePath}/outputs.tf`);
  const root = declared("output", "outputs.tf");
  expect(root.map(({ name, description }) => [name, description])).toEqual(
    module.map(({ name, description }) => [name, description]),
  );
  expect(root.map(({ body }) => part(body, "value"))).toEqual(module.map(({ name }) => `module.tinderbox.${name}`));
});

test("a variable that takes anything but true, false, text or tags has a check, and each check is tried", () => {
  const tried = read(`${modulePath}/tests/variables.tftest.hcl`);
  const unchecked: string[] = [];
  for (const { name, body } of declared("variable", `${modulePath}/variables.tf`)) {
    const checks = body.split("  validation {").length - 1;
    const trials = tried.split(`expect_failures = [var.${name}]`).length - 1;
    expect(trials, name).toBeGreaterThanOrEqual(checks);
    if (checks === 0) unchecked.push(`${name}: ${part(body, "type")}`);
  }
  expect(unchecked.filter((line) => !line.endsWith(": bool"))).toEqual([]);
});

test("the page of the module lists each variable and output as it is", () => {
  const rows = (kind: "variable" | "output", path: string) =>
    declared(kind, path).map(({ name, body, description }) => {
      const cells =
        kind === "variable"
          ? [`\`${name}\``, `\`${part(body, "default")}\``, description]
          : [`\`${name}\``, description];
      return cells.join(" | ");
    });
  const listed = [...read("README.md").matchAll(/^\| +(`\w+`.*?) *\|$/gm)].map(([, row = ""]) =>
    row.replace(/ +\| +/g, " | "),
  );
  expect(listed).toEqual([
    ...rows("variable", `${modulePath}/variables.tf`),
    ...rows("output", `${modulePath}/outputs.tf`),
  ]);
});

test("nobody is allowed more than what was decided", () => {
  const actions = JSON.parse(read(`${modulePath}/actions.json`)) as Record<
    "parent" | "runner",
    Record<string, string[]>
  >;
  const all = (who: "parent" | "runner") => [...new Set(Object.values(actions[who]).flat())].toSorted();
  expect(all("parent")).toEqual([
    "ec2:CreateFleet",
    "ec2:CreateLaunchTemplateVersion",
    "ec2:CreateTags",
    "ec2:DeleteLaunchTemplateVersions",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeInstances",
    "ec2:DescribeLaunchTemplateVersions",
    "ec2:DescribeSubnets",
    "ec2:GetConsoleOutput",
    "ec2:RunInstances",
    "ec2:TerminateInstances",
    "iam:PassRole",
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:GetObject",
    "s3:ListBucket",
    "s3:PutObject",
  ]);
  expect(all("runner")).toEqual([
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:GetObject",
    "s3:ListBucket",
    "s3:PutObject",
  ]);
  expect(actions.runner["releases"]).toEqual(["s3:GetObject"]);
});

test("each list of actions is used in the policies, and no action is written anywhere else", () => {
  const policies = read(`${modulePath}/policies.tf`);
  const actions = JSON.parse(read(`${modulePath}/actions.json`)) as Record<string, Record<string, string[]>>;
  for (const [who, lists] of Object.entries(actions))
    for (const name of Object.keys(lists))
      expect(policies).toMatch(new RegExp(`= local\\.actions\\.${who}\\.${name}\\b`));
  const sources = readdirSync(join(repository, "terraform", modulePath)).filter((name) => name.endsWith(".tf"));
  const written = sources.flatMap((name) => [
    ...read(`${modulePath}/${name}`).matchAll(/"((?:ec2|s3|iam|sts|ssm):\w+\*?|s3:\*)"/g),
  ]);
  // Names of conditions look like actions; besides them there are who may take a role, and what is denied without TLS.
  expect(new Set(written.map(([, action]) => action))).toEqual(
    new Set([
      "ec2:CreateAction",
      "ec2:InstanceProfile",
      "ec2:Region",
      "iam:PassedToService",
      "s3:prefix",
      "sts:AssumeRole",
      "s3:*",
    ]),
  );
});

test("an image has its layers where the boot program looks for them", () => {
  const boot = readFileSync(join(repository, "runners/boot/boot.py"), "utf8");
  const [, folder] = /^BAKED = "(.+)"$/m.exec(boot) ?? [];
  expect(read(`${modulePath}/image.tf`)).toContain(`layers_folder = "${folder}"\n`);
  expect(boot).toContain('"%s/%s.tar.gz" % (BAKED, layer["sha256"])');
  expect(read(`${modulePath}/image.tf`)).toContain('destination = "${local.layers_folder}/${layer}.tar.gz"');
});
