/** An account as parents share it: EC2, and the part of a bucket in which they know of each other. */
import { createHash } from "node:crypto";
import type { Ec2Api } from "./backends/ec2/api.ts";
import { accountBudget } from "./backends/ec2/budget.ts";
import { ec2Sdk, type TemplateBase } from "./backends/ec2/sdk.ts";
import { type Orphan, sweep } from "./backends/ec2/sweep.ts";
import { systemClock } from "./clock.ts";
import { Ownership } from "./deploy/ownership.ts";
import { openOwnStore } from "./store.ts";

export interface AccountOptions {
  readonly region: string | undefined;
  readonly bucket: string;
  readonly release: { readonly prefix: string; readonly endpoint: string | undefined };
  readonly endpoint: string | undefined;
  readonly launchesPerMinute?: number;
  /** For whoever launches. */
  readonly base?: TemplateBase;
}

export interface Ec2Account {
  readonly api: Ec2Api;
  readonly region: string;
  readonly bucket: string;
  readonly prefix: string;
  /** How the bucket is opened. */
  readonly s3: { readonly region: string; readonly endpoint?: string };
  readonly ownership: Ownership;
  /** What this parent's machines are tagged with. */
  owner(): Promise<string>;
  /** Finds what dead parents have left, and ends it unless `dryRun`. `patient`: also of those who have died just now. */
  sweep(how: { readonly dryRun: boolean; readonly patient: boolean }): Promise<readonly Orphan[]>;
  close(): Promise<void>;
}

export async function openAccount(options: AccountOptions): Promise<Ec2Account> {
  const clock = systemClock;
  const { bucket, base = { template: "" }, endpoint, launchesPerMinute } = options;
  const { prefix, endpoint: s3Endpoint = process.env["AWS_ENDPOINT_URL_S3"] } = options.release;
  const budget = accountBudget(clock, launchesPerMinute);
  const api = ec2Sdk({ clock, region: options.region, endpoint, base, budget });
  const region = await api.region();
  const s3 = { region, ...(s3Endpoint === undefined ? {} : { endpoint: s3Endpoint }) };
  // At rest a process would give its lease back, and machines that it still has would be everybody's.
  const store = openOwnStore(`s3://${bucket}/${prefix}`, s3);
  const ownership = new Ownership(store);
  // Others in this account keep theirs elsewhere: what lives there cannot be known here.
  const scope = createHash("sha256").update(`${bucket}/${prefix}`).digest("hex").slice(0, 12);
  return {
    api,
    region,
    bucket,
    prefix,
    s3,
    ownership,
    owner: async () => `${scope}/${await ownership.name()}`,
    sweep: ({ dryRun, patient }) =>
      sweep({
        clock,
        api,
        scope,
        own: ownership.held === undefined ? undefined : `${scope}/${ownership.held}`,
        claim: (name) => ownership.claim(name, patient),
        requests: () => ownership.open(),
        forget: (name) => ownership.forget(name),
        dryRun,
      }),
    async close() {
      await ownership.close();
      await store[Symbol.asyncDispose]();
      api.close();
    },
  };
}
