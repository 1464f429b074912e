import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { whenTestEnds } from "../hooks.ts";
import { testRun } from "../run.ts";
import { until } from "../until.ts";
import { type S3Server, startS3 } from "./server.ts";

const missing = absence();
if (missing) console.warn(`\n*** TERRAFORM'S S3 BACKEND WAS NOT TRIED: ${missing} ***\n`);

function absence(): string | undefined {
  try {
    execFileSync("terraform", ["-version"], { stdio: "pipe" });
    return undefined;
  } catch (error) {
    return `terraform does not run: ${error instanceof Error ? error.message.split("\n")[0] : String(error)}`;
  }
}

/** A resource whose making waits in a pipe, so that a test holds the state's lock for as long as it likes. */
const resources = `
variable "version_of_it" { type = string }
variable "hold" { type = string }
resource "terraform_data" "it" {
  triggers_replace = [var.version_of_it]
  provisioner "local-exec" {
    command = var.hold == "" ? "true" : "touch \${var.hold}.started && read line < \${var.hold}"
  }
}
`;

let server: S3Server;
let folder: string;

const backend = () => `
terraform {
  backend "s3" {
    bucket = "test"
    key = "state/terraform.tfstate"
    region = "${server.region}"
    access_key = "${server.credentials.accessKeyId}"
    secret_key = "${server.credentials.secretAccessKey}"
    endpoints = { s3 = "${server.endpoint}" }
    use_path_style = true
    use_lockfile = true
    skip_credentials_validation = true
    skip_metadata_api_check = true
    skip_region_validation = true
    skip_requesting_account_id = true
  }
}
`;

function start(...args: string[]) {
  const { TF_CLI_CONFIG_FILE: _, ...env } = process.env;
  const child = spawn("terraform", args, {
    cwd: folder,
    env: { ...env, TF_IN_AUTOMATION: "1", CHECKPOINT_DISABLE: "1", AWS_EC2_METADATA_DISABLED: "true" },
    stdio: ["ignore", "pipe", "pipe"],
    // A group of its own, to be killed with its provisioner.
    detached: true,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (output += text));
  whenTestEnds(() => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-(child.pid ?? 0), "SIGKILL");
  });
  const ended = new Promise<{ code: number | null; output: string }>((resolve) =>
    child.once("close", (code) => resolve({ code, output })),
  );
  return { ended, kill: () => process.kill(-(child.pid ?? 0), "SIGKILL") };
}

const apply = (version: string, hold = "") =>
  start("apply", "-auto-approve", "-input=false", "-no-color", `-var=version_of_it=${version}`, `-var=hold=${hold}`);

/** An apply that has the lock and waits until something is written to its pipe. */
async function held(version: string) {
  const pipe = join(folder, `hold-${version}`);
  execFileSync("mkfifo", [pipe]);
  const run = apply(version, pipe);
  await until(`apply ${version} hold the lock`, () => existsSync(`${pipe}.started`), { within: 15_000 });
  return { ...run, release: () => writeFileSync(pipe, "go\n") };
}

beforeAll(async () => {
  if (missing) return;
  server = await startS3();
  folder = mkdtempSync(join(testRun.folder, "terraform-"));
  writeFileSync(join(folder, "main.tf"), backend() + resources);
  const { code, output } = await start("init", "-input=false", "-no-color").ended;
  if (code !== 0) throw new Error(`Cannot set terraform up:\n${output}`);
}, 30_000);

afterAll(async () => {
  await server?.dispose();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

const lock = "state/terraform.tfstate.tflock";

test.skipIf(missing)("an apply keeps its state in the bucket and gives its lock back", async () => {
  const { code, output } = await apply("1").ended;
  expect(code, output).toBe(0);
  expect(server.buckets.keys("test")).toEqual(["state/terraform.tfstate"]);
});

test.skipIf(missing)(
  "of two applies at once the second is told of the lock, and the first ends well",
  { timeout: 40_000 },
  async () => {
    const first = await held("2");
    const second = await apply("3").ended;
    expect(second.code).toBe(1);
    expect(second.output).toMatch(/Error acquiring the state lock[^]*PreconditionFailed/);
    first.release();
    const { code, output } = await first.ended;
    expect(code, output).toBe(0);
    expect(server.buckets.keys("test")).not.toContain(lock);
  },
);

test.skipIf(missing)(
  "a lock that a killed apply has left is removed by force-unlock",
  { timeout: 40_000 },
  async () => {
    const killed = await held("4");
    killed.kill();
    await killed.ended;
    const refused = await apply("5").ended;
    expect([refused.code, server.buckets.keys("test")]).toEqual([1, ["state/terraform.tfstate", lock]]);
    const { ID } = JSON.parse((await server.buckets.read("test", lock))?.toString() ?? "") as { ID: string };
    const unlocked = await start("force-unlock", "-force", "-no-color", ID).ended;
    expect(unlocked.code, unlocked.output).toBe(0);
    expect(server.buckets.keys("test")).not.toContain(lock);
    const { code, output } = await apply("6").ended;
    expect(code, output).toBe(0);
  },
);
