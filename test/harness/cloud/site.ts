/** A whole cloud on this machine: an account with an EC2 endpoint, machines that boot, and a bucket. */
import { type S3Server, startS3 } from "../s3/server.ts";
import { type Cloud, type CloudOptions, startCloud } from "./cloud.ts";
import type { LaunchOrder, MachineHost } from "./machine-host.ts";
import { type Machines, startMachines } from "./machines/machines.ts";

export interface Site extends AsyncDisposable {
  readonly cloud: Cloud;
  readonly machines: Machines;
  readonly s3: S3Server;
  readonly bucket: string;
  /** What a parent in another process has in its environment: credentials, addresses, region. */
  readonly env: Readonly<Record<string, string>>;
  /** Options of `ec2()` that make it launch here. */
  readonly options: Readonly<Record<string, unknown>>;
}

export interface SiteOptions extends CloudOptions {
  /** What the parent may ask of EC2, as policies name it. @default everything */
  readonly parentActions?: readonly string[];
  /** As `MachinesOptions.cloudInit`; machines then need no token for their metadata, whatever their launch says. @default false */
  readonly cloudInit?: boolean;
}

export async function startSite({
  parentActions = ["*"],
  cloudInit = false,
  ...options
}: SiteOptions = {}): Promise<Site> {
  const bucket = "releases";
  const s3 = await startS3({ buckets: [bucket] });
  let sessions = 0;
  const machines = await startMachines({
    cloudInit,
    credentials: (role) => {
      // Each machine has its own: those of one do not end with the next one's.
      const expiration = new Date(Date.now() + 3_600_000);
      const {
        accessKeyId,
        secretAccessKey,
        sessionToken = "",
      } = s3.credentialsFor(`${role}-${++sessions}`, {
        session: true,
      });
      return { accessKeyId, secretAccessKey, sessionToken, expiration };
    },
  });
  const zones = ["a", "b"].map((zone, index) => [
    `subnet-0000000000000000${zone}`,
    { zone: `us-east-1${zone}`, cidr: machines.subnet.replace(/\.0\.0\/16$/, `.${index + 1}.0/24`) },
  ]);
  const host: MachineHost = cloudInit
    ? { ...machines, launch: (order) => machines.launch(withoutToken(order)) }
    : machines;
  const cloud = await startCloud({ machines: host, subnets: Object.fromEntries(zones), ...options });
  const s3Port = Number(new URL(s3.endpoint).port);
  await machines.publish(s3Port);
  const endpoint = `http://${machines.parentAddress}:${s3Port}`;
  const ec2 = cloud.credentials("parent", { actions: parentActions });
  s3.accept(ec2);
  return {
    cloud,
    machines,
    s3,
    bucket,
    env: {
      AWS_ACCESS_KEY_ID: ec2.accessKeyId,
      AWS_SECRET_ACCESS_KEY: ec2.secretAccessKey,
      AWS_REGION: cloud.region,
      AWS_ENDPOINT_URL_S3: endpoint,
      AWS_ENDPOINT_URL_EC2: cloud.endpoint,
    },
    options: {
      image: "ami-0123456789abcdef0",
      instanceProfile: "runner",
      instanceTypes: ["c6i.large", "m6i.large"],
      subnets: zones.map(([id]) => id),
      release: { bucket },
      parent: { host: machines.parentAddress },
    },
    async [Symbol.asyncDispose]() {
      await cloud.close();
      await machines.close();
      await s3.dispose();
    },
  };
}

/** Nothing in a container tells cloud-init that this is EC2, and so it asks for none. */
function withoutToken(order: LaunchOrder): LaunchOrder {
  return { ...order, metadata: { ...order.metadata, tokens: "optional" } };
}
