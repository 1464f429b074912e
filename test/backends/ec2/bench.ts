/** The real SDK over the test bench's endpoint. */
import { onTestFinished, vi } from "vitest";
import type { Ec2Api } from "../../../src/backends/ec2/api.ts";
import { accountBudget } from "../../../src/backends/ec2/budget.ts";
import { type TemplateBase, ec2Sdk } from "../../../src/backends/ec2/sdk.ts";
import { systemClock } from "../../../src/clock.ts";
import { type Cloud, type CloudOptions, startCloud } from "../../harness/cloud/cloud.ts";

/** What the parent's policy allows. */
export const parentActions = ["*"];

export interface Bench {
  readonly cloud: Cloud;
  readonly api: Ec2Api;
}

const image: TemplateBase = {
  image: "ami-0123456789abcdef0",
  securityGroups: [],
  instanceProfile: "runner",
  diskSizeGb: undefined,
};

/** Ends with the test. */
export async function startBench(options: CloudOptions = {}, base: TemplateBase = image): Promise<Bench> {
  const cloud = await startCloud(options);
  const { accessKeyId, secretAccessKey } = cloud.credentials("parent", { actions: parentActions });
  vi.stubEnv("AWS_ACCESS_KEY_ID", accessKeyId);
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", secretAccessKey);
  const budget = accountBudget(systemClock);
  const api = ec2Sdk({ clock: systemClock, region: cloud.region, endpoint: cloud.endpoint, base, budget });
  onTestFinished(async () => {
    vi.unstubAllEnvs();
    api.close();
    await cloud.close();
  });
  return { cloud, api };
}
