import { execFileSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { testRun } from "../harness/run.ts";
import { absence } from "../harness/terraform/terraform.ts";
import { noMachineLeft, runCommand, startParent, useBench } from "./bench.ts";

const missing = absence();
if (missing) console.warn(`\n*** A PARENT WITH TERRAFORM'S OUTPUTS WAS NOT TRIED: ${missing} ***\n`);

const bench = useBench({ packed: false });

test.skipIf(missing)("what terraform says is where and how machines are launched", { timeout: 120_000 }, async () => {
  const { site } = bench;
  const { subnets, instanceProfile, region, ...rest } = site.options as Record<string, string | string[]>;
  const outputs = {
    region: region ?? site.cloud.region,
    bucket: site.bucket,
    release_prefix: "apps/one/",
    subnets: subnets!.slice(0, 1),
    instance_profile: instanceProfile,
    architecture: process.arch,
    dial: "parent",
    ports: { from: 7300, to: 7300 },
  };
  const folder = mkdtempSync(join(testRun.folder, "terraform-"));
  const written = Object.entries(outputs).map(
    ([name, value]) => `output "${name}" {\n  value = ${JSON.stringify(value).replaceAll('":', '" =')}\n}\n`,
  );
  writeFileSync(join(folder, "main.tf"), written.join(""));
  const env = { ...process.env, TF_CLI_CONFIG_FILE: "/dev/null", CHECKPOINT_DISABLE: "1" };
  execFileSync("terraform", [`-chdir=${folder}`, "apply", "-auto-approve"], { stdio: "pipe", env });

  // What is undefined is not said at all.
  const unsaid = { subnets: undefined, instanceProfile: undefined, region: undefined, release: undefined };
  const code = `console.log(await flame(() => "from afar", { pool: far })); await far.close();`;
  const script = startParent(bench, code, {
    ec2: { ...rest, ...unsaid, terraform: folder } as Record<string, unknown>,
    env: { AWS_REGION: "", PATH: process.env["PATH"]! },
  });
  const { code: ended, stdout, stderr } = await script.finished;
  expect({ ended, stderr }).toEqual({ ended: 0, stderr: "" });
  expect(stdout).toContain("from afar");
  const [instance] = site.cloud.instances();
  expect(site.cloud.instances()).toHaveLength(1);
  expect(instance?.subnetId).toBe(outputs.subnets[0]);
  expect(instance?.userData.toString()).toMatch(/"listen":7300\b/);
  expect(instance?.userData.toString()).toMatch(/"prefix":"apps\/one\/"/);
  const folders = new Set(site.s3.buckets.keys(site.bucket).map((key) => key.split("/").slice(0, 2).join("/")));
  expect([...folders]).toEqual(["apps/one"]);
  // Its machines are found by the same outputs.
  expect(JSON.parse(await runCommand(bench, "reap", "--terraform", folder, "--dry-run", "--json"))).toEqual([]);
  await noMachineLeft(bench, 10_000);
});
