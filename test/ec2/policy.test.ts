/**
 * The options that terraform's outputs make, and the policy that it gives the parent: with these actions and no other a whole life goes well,
 * each of them is asked for in it, and without one that launching needs nothing is launched.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CreateLaunchTemplateCommand, EC2Client } from "@aws-sdk/client-ec2";
import { beforeAll, describe, expect, test } from "vitest";
import { repository } from "../harness/script-folder.ts";
import { testRun } from "../harness/run.ts";
import { absence } from "../harness/terraform/terraform.ts";
import { runCommand, useBench } from "./bench.ts";
import { useParents } from "./parents.ts";

const lists = JSON.parse(readFileSync(join(repository, "terraform/modules/tinderbox/actions.json"), "utf8")) as Record<
  "parent" | "runner",
  Record<string, readonly string[]>
>;
const allOf = (who: "parent" | "runner", service: string): readonly string[] =>
  [...new Set(Object.values(lists[who]).flat())].filter((action) => action.startsWith(`${service}:`)).toSorted();
const allowed = [...allOf("parent", "ec2"), ...allOf("parent", "iam")];

const missing = absence();
if (missing) console.warn(`\n*** THE POLICY AND TERRAFORM'S OUTPUTS WERE NOT TRIED ON THE BENCH: ${missing} ***\n`);

const bench = useBench({ parentActions: allowed });
const { run, gone } = useParents(bench);
let fromTerraform: Readonly<Record<string, unknown>>;

const terraform = (folder: string, ...words: string[]): void =>
  void execFileSync("terraform", words, {
    cwd: folder,
    stdio: "pipe",
    env: { ...process.env, CHECKPOINT_DISABLE: "1", TF_CLI_CONFIG_FILE: "/dev/null" },
  });

/** What the module would have made, made by an operator; a root with its outputs, applied. */
beforeAll(async () => {
  if (missing) return;
  const { cloud, bucket, options } = bench.site;
  const client = new EC2Client({
    endpoint: cloud.endpoint,
    region: cloud.region,
    credentials: cloud.credentials("operator"),
  });
  const { LaunchTemplate } = await client.send(
    new CreateLaunchTemplateCommand({
      LaunchTemplateName: "runners",
      LaunchTemplateData: {
        ImageId: options["image"] as string,
        IamInstanceProfile: { Name: "runner" },
        InstanceInitiatedShutdownBehavior: "terminate",
        MetadataOptions: { HttpTokens: "required", HttpEndpoint: "enabled", HttpPutResponseHopLimit: 1 },
      },
    }),
  );
  client.destroy();
  const outputs = {
    region: cloud.region,
    bucket,
    release_prefix: "tinderbox/",
    subnets: options["subnets"],
    launch_template: LaunchTemplate!.LaunchTemplateId!,
  };
  const folder = mkdtempSync(join(testRun.folder, "terraform-"));
  const text = Object.entries(outputs).map(
    ([name, value]) => `output "${name}" {\n  value = ${JSON.stringify(value)}\n}\n`,
  );
  writeFileSync(join(folder, "main.tf"), text.join("\n"));
  terraform(folder, "init", "-input=false");
  terraform(folder, "apply", "-auto-approve", "-input=false");
  const none = { image: undefined, instanceProfile: undefined, subnets: undefined };
  fromTerraform = { ...none, terraform: folder, release: { id: bench.release } };
}, 60_000);

/** What of S3 is asked for by an operation, as policies name it. */
const s3ActionOf: Readonly<Record<string, string>> = {
  HeadObject: "s3:GetObject",
  ListObjectsV2: "s3:ListBucket",
  CreateMultipartUpload: "s3:PutObject",
  UploadPart: "s3:PutObject",
  CompleteMultipartUpload: "s3:PutObject",
};

function s3Actions(ofKey: (key: string) => boolean): readonly string[] {
  const made = bench.site.s3.requests.log.filter(({ accessKeyId }) => ofKey(accessKeyId));
  return [...new Set(made.map(({ operation = "" }) => s3ActionOf[operation] ?? `s3:${operation}`))].toSorted();
}

describe.skipIf(missing)("with what terraform says", () => {
  test("a machine runs a call, another fails to boot, all end; each action of the policy is asked for, and no other", async () => {
    const text = await run(
      "planned",
      `
console.log("answer", await flame(() => 6 * 7, { pool: own }));
const failing = pool("failing", { backend: ec2({ ...backendOptions, release: { id: "0".repeat(64) } }), max: 1, bootTimeout: "25s" });
const error = await flame(() => 1, { pool: failing }).catch((error) => error);
console.log("failed", error.code, error.stderr.some((line) => line.includes("404")));
await Promise.all([own.close(), failing.close()]);
`,
      { ec2: fromTerraform },
    );
    expect(text).toMatch(/^answer 42$/m);
    expect(text).toMatch(/^failed ERR_TINDERBOX_BOOT true$/m);
    expect(text).not.toContain("backend.trouble");
    await runCommand(bench, "reap", "--bucket", bench.site.bucket);
    await gone("planned", 10_000);
    const { cloud, env } = bench.site;
    const calls = cloud.calls.filter(({ principal }) => principal === "parent");
    expect(calls.filter(({ error }) => error === "UnauthorizedOperation")).toEqual([]);
    // These are never requests of their own: EC2 looks for them when a fleet is asked for.
    const within = ["ec2:CreateTags", "ec2:RunInstances"];
    // And this only for what a parent has left that was killed in the middle of a launch.
    within.push("ec2:DescribeLaunchTemplateVersions");
    const asked = [...new Set(calls.map(({ action }) => `ec2:${action}`))].toSorted();
    expect(asked).toEqual(allOf("parent", "ec2").filter((action) => !within.includes(action)));
    // Uploads are given up only where they have failed; lists are for what others have left, and make S3 say what is not there.
    const seldom = ["s3:AbortMultipartUpload", "s3:ListBucket"];
    const parent = s3Actions((key) => key === env["AWS_ACCESS_KEY_ID"]);
    expect(parent.filter((action) => !seldom.includes(action))).toEqual(
      allOf("parent", "s3").filter((action) => !seldom.includes(action)),
    );
    // The rest of what a runner may is for stores of its user.
    expect(s3Actions((key) => key.startsWith("ASIA-runner"))).toEqual(lists.runner["releases"]);
  }, 150_000);

  test.each([
    "ec2:CreateFleet",
    "ec2:RunInstances",
    "ec2:CreateTags",
    "ec2:CreateLaunchTemplateVersion",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeSubnets",
    "iam:PassRole",
  ])(
    "without %s nothing is launched, and the call is told at once what is not allowed",
    async (action) => {
      const { cloud, s3 } = bench.site;
      const less = cloud.credentials("less", { actions: allowed.filter((one) => one !== action) });
      s3.accept(less);
      const before = cloud.instances().length;
      const text = await run(
        "less",
        `
const error = await flame(() => 1, { pool: own }).catch((error) => error);
console.log("told", JSON.stringify([error.code, error.permanent, error.message]));
await own.close();
`,
        {
          ec2: fromTerraform,
          env: { AWS_ACCESS_KEY_ID: less.accessKeyId, AWS_SECRET_ACCESS_KEY: less.secretAccessKey },
        },
      );
      const [code, permanent, message] = JSON.parse(/^told (.*)$/m.exec(text)![1]!) as [string, boolean, string];
      expect([code, permanent]).toEqual(["ERR_TINDERBOX_BOOT", true]);
      expect(message).toContain(action);
      expect(cloud.instances().length).toBe(before);
    },
    60_000,
  );
});
