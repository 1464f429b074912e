/** Options of `ec2()`, their defaults, and what is refused. */
import type { KeyObject } from "node:crypto";
import { refuseUnknown, resolveBoolean, resolveCount, show } from "../../options.ts";
import { type Patience, patience, releaseId, text } from "../remote/options.ts";
import type { Market, Tags } from "./api.ts";
import { readKeys } from "./identity.ts";
import { coresOf, usualTypes } from "./sizes.ts";

export interface Ec2Options extends Patience {
  /** Folder of the terraform configuration whose outputs give all that is not said here and that they know: where, what, and who dials whom at which port. */
  readonly terraform?: string;
  /** @default as the AWS SDK finds it: AWS_REGION, profile */
  readonly region?: string;
  /** Types of instances to choose from; ten of several families are seldom without capacity. @default some with two cores */
  readonly instanceTypes?: readonly string[];
  /** Spare capacity at a lower price, which may be taken back: first, only, or never. @default "prefer" */
  readonly spot?: "prefer" | "only" | "never";
  /** One for each zone that machines may be in. */
  readonly subnets?: readonly string[];
  /** By id; with `image` only: a launch template has its own. @default those of the network */
  readonly securityGroups?: readonly string[];
  /** Id of the machine image: any Linux with a libc, cloud-init, python3 and iproute2. */
  readonly image?: string;
  /** Id or name of a launch template to use instead of `image`. Versions are added to it for as long as a launch takes. */
  readonly launchTemplate?: string;
  /** Name or ARN, whose role may read the bucket; with `image` only. */
  readonly instanceProfile?: string;
  /** What machines run, and the bucket that it is kept in; in which it is also known which parents live. */
  readonly release?: ReleaseOptions;
  /** Of the machines, as Node names it. @default that of this process */
  readonly architecture?: "x64" | "arm64";
  /** Of the root volume in GB; with `image` only. @default that of the image */
  readonly diskSize?: number;
  /** Who connects to whom: machines to this process, or this process to machines, for a parent that cannot be reached. @default "runner" */
  readonly dial?: "runner" | "parent";
  /** Where machines find this process, and where it listens. @default the first address of this machine that is not local, any port */
  readonly parent?: { readonly host?: string; readonly port?: number };
  /** The port that machines listen at, with `dial: "parent"`. @default 7117 */
  readonly runnerPort?: number;
  /** Added to those of each instance. */
  readonly tags?: Tags;
  /** Machines whose boot has failed are left running, until their lifetime is over. @default false */
  readonly keepForDebug?: boolean;
  /** Closures may use the role of their machine. @default false */
  readonly allowMetadata?: boolean;
  /** Machines that may be asked for within a minute; others wait. @default 200 */
  readonly launchesPerMinute?: number;
  /**
   * By which EC2 signs what instances are: RSA certificates of the region as AWS publishes them, each a path or PEM. A machine that cannot
   * show that it is the instance that was launched is not let in then. @default its ticket is enough
   */
  readonly identityCertificates?: readonly string[];
  /** Of a server that speaks EC2, for tests. @default AWS */
  readonly endpoint?: string;
}

export interface ReleaseOptions {
  readonly bucket?: string;
  /** Keeps applications apart that share a bucket: what is below it is theirs alone. @default "tinderbox" */
  readonly prefix?: string;
  /** Of a server that speaks S3. @default `AWS_ENDPOINT_URL_S3`, else AWS */
  readonly endpoint?: string;
  /** The folder of the application. @default the nearest above the application's file that has a package.json */
  readonly root?: string;
  /** One that `tinderbox pack` has made, by its id. @default it is packed before the first machine is asked for */
  readonly id?: string;
  /** The Node binary that machines run, for Linux and their architecture. @default the one that runs this process */
  readonly node?: string;
}

export interface ReapOptions extends Pick<Ec2Options, "terraform" | "region" | "endpoint"> {
  /** The bucket and the prefix of the parents whose machines are looked for. */
  readonly release?: Pick<ReleaseOptions, "bucket" | "prefix" | "endpoint">;
  /** Only looks. @default false */
  readonly dryRun?: boolean;
}

/** What may come from terraform's outputs is not there before they are read: see `withOutputs`. */
export interface ResolvedEc2Options extends Required<
  Pick<Ec2Options, "dial" | "runnerPort" | "keepForDebug" | "allowMetadata" | "launchesPerMinute" | "instanceTypes">
> {
  readonly terraform: string | undefined;
  readonly region: string | undefined;
  readonly endpoint: string | undefined;
  readonly markets: readonly Market[];
  readonly subnets: readonly string[] | undefined;
  readonly securityGroups: readonly string[];
  readonly image: string | undefined;
  readonly launchTemplate: string | undefined;
  readonly instanceProfile: string | undefined;
  readonly release: {
    readonly bucket: string | undefined;
    readonly prefix: string;
    readonly endpoint: string | undefined;
    readonly root: string | undefined;
    readonly id: string | undefined;
    readonly node: string | undefined;
  };
  readonly architecture: "x64" | "arm64";
  readonly diskSizeGb: number | undefined;
  readonly parent: { readonly host: string | undefined; readonly port: number };
  readonly tags: Tags;
  readonly windowMs: number;
  readonly parentLostMs: number;
  readonly identityKeys: readonly KeyObject[] | undefined;
  /** Cores of the smallest of the types. */
  readonly cores: number;
}

const names: readonly (keyof Ec2Options)[] = [
  "terraform",
  "region",
  "instanceTypes",
  "spot",
  "subnets",
  "securityGroups",
  "image",
  "launchTemplate",
  "instanceProfile",
  "release",
  "architecture",
  "diskSize",
  "dial",
  "parent",
  "runnerPort",
  "tags",
  "keepForDebug",
  "allowMetadata",
  "launchesPerMinute",
  "reconnectWindow",
  "parentLostAfter",
  "identityCertificates",
  "endpoint",
];

const markets: Record<string, readonly Market[]> = {
  prefer: ["spot", "on-demand"],
  only: ["spot"],
  never: ["on-demand"],
};

/** Throws `TypeError` for what makes no sense, naming the option. */
export function resolveEc2Options(given: Ec2Options): ResolvedEc2Options {
  refuseUnknown(given, names, "ec2");
  const { release = {}, parent = {}, terraform, launchTemplate, image } = given;
  refuseUnknown(release, ["bucket", "prefix", "endpoint", "root", "id", "node"], "release of ec2");
  refuseUnknown(parent, ["host", "port"], "parent of ec2");
  if (terraform === undefined) needParts(given);
  if (image !== undefined && launchTemplate !== undefined)
    throw new TypeError(
      "Cannot use image and launchTemplate of ec2 together: the template names its image; leave out one",
    );
  if (image === undefined) {
    for (const option of ["securityGroups", "instanceProfile", "diskSize"] as const)
      if (given[option] !== undefined)
        throw new TypeError(`Cannot use option "${option}" of ec2 with a launch template: it says so itself`);
  }
  const architecture = oneOf(given.architecture ?? process.arch, ["x64", "arm64"], "architecture");
  const instanceTypes = list(given.instanceTypes ?? usualTypes[architecture]!, "instanceTypes");
  const own = (option: keyof Ec2Options): string | undefined => text(given[option], of(option));
  return {
    terraform: own("terraform"),
    region: own("region"),
    endpoint: own("endpoint"),
    markets: markets[oneOf(given.spot ?? "prefer", ["prefer", "only", "never"], "spot")]!,
    instanceTypes,
    cores: Math.min(...instanceTypes.map((type) => coresOf(type) ?? 1)),
    subnets: given.subnets === undefined ? undefined : list(given.subnets, "subnets"),
    securityGroups: given.securityGroups === undefined ? [] : list(given.securityGroups, "securityGroups"),
    image: own("image"),
    launchTemplate: own("launchTemplate"),
    instanceProfile: own("instanceProfile"),
    release: {
      bucket: text(release.bucket, of("release.bucket")),
      prefix: prefix(text(release.prefix, of("release.prefix")) ?? "tinderbox"),
      endpoint: text(release.endpoint, of("release.endpoint")),
      root: text(release.root, of("release.root")),
      id: releaseId(release.id, of),
      node: text(release.node, of("release.node")),
    },
    architecture,
    diskSizeGb: given.diskSize === undefined ? undefined : resolveCount(given.diskSize, of("diskSize"), 1),
    dial: oneOf(given.dial ?? "runner", ["runner", "parent"], "dial"),
    parent: {
      host: text(parent.host, of("parent.host")),
      port: port(parent.port ?? 0, "parent.port", 0),
    },
    runnerPort: port(given.runnerPort ?? 7117, "runnerPort", 1),
    tags: tags(given.tags ?? {}),
    keepForDebug: resolveBoolean(given.keepForDebug ?? false, of("keepForDebug")),
    allowMetadata: resolveBoolean(given.allowMetadata ?? false, of("allowMetadata")),
    launchesPerMinute: resolveCount(given.launchesPerMinute ?? 200, of("launchesPerMinute"), 1, true),
    ...patience(given, of),
    identityKeys:
      given.identityCertificates === undefined
        ? undefined
        : readKeys(list(given.identityCertificates, "identityCertificates")),
  };
}

export function resolveReapOptions(given: ReapOptions) {
  refuseUnknown(given, ["terraform", "region", "endpoint", "release", "dryRun"], "reap");
  const { release = {}, terraform } = given;
  refuseUnknown(release, ["bucket", "prefix", "endpoint"], "release of reap");
  const bucket = text(release.bucket, of("release.bucket"));
  if (bucket === undefined && terraform === undefined)
    throw new TypeError("Cannot reap: neither release.bucket nor terraform, the folder of its module, is named");
  return {
    location: { terraform: text(terraform, of("terraform")), region: text(given.region, of("region")), bucket },
    endpoint: text(given.endpoint, of("endpoint")),
    release: {
      prefix: prefix(text(release.prefix, of("release.prefix")) ?? "tinderbox"),
      endpoint: text(release.endpoint, of("release.endpoint")),
    },
    dryRun: resolveBoolean(given.dryRun ?? false, of("dryRun")),
  };
}

const of = (option: string): string => `option "${option}" of ec2`;

function needParts({ image, launchTemplate, subnets, release }: Ec2Options): void {
  const missing = [
    image === undefined && launchTemplate === undefined ? "launchTemplate (or image)" : "",
    subnets === undefined ? "subnets" : "",
    release?.bucket === undefined ? "release.bucket" : "",
  ].filter(Boolean);
  if (missing.length > 0)
    throw new TypeError(
      `Cannot use ec2: ${missing.join(", ")} is missing; name it, or terraform, the folder of its module`,
    );
}

function port(given: unknown, option: string, least: number): number {
  const found = resolveCount(given, of(option), least);
  if (found <= 65_535) return found;
  throw new TypeError(`Cannot use ${show(given)} as ${of(option)}: a port is up to 65535`);
}

/** Part of keys, and of a URL. */
function prefix(given: string): string {
  if (/^[\w.-]+(\/[\w.-]+)*$/.test(given)) return given;
  throw new TypeError(
    `Cannot use ${show(given)} as ${of("release.prefix")}: letters, digits and _.- are wanted, with / between`,
  );
}

function oneOf<T extends string>(given: unknown, known: readonly T[], option: string): T {
  if (known.includes(given as T)) return given as T;
  throw new TypeError(
    `Cannot use ${show(given)} as ${of(option)}: ${known.map((name) => `"${name}"`).join(" or ")} is wanted`,
  );
}

function list(given: unknown, option: string): readonly string[] {
  if (Array.isArray(given) && given.length > 0 && given.every((name) => typeof name === "string" && name !== ""))
    return given as readonly string[];
  throw new TypeError(`Cannot use ${show(given)} as ${of(option)}: a list of names is wanted, at least one`);
}

/** What EC2 takes as tags, and what is ours. */
function tags(given: unknown): Tags {
  const entries =
    typeof given === "object" && given !== null && !Array.isArray(given) ? Object.entries(given) : undefined;
  if (!entries || entries.length > 40)
    throw new TypeError(`Cannot use ${show(given)} as ${of("tags")}: a record of up to 40 texts is wanted`);
  for (const [name, value] of entries) {
    if (
      typeof value !== "string" ||
      value.length > 256 ||
      name.length > 128 ||
      name === "" ||
      /^(aws|tinderbox):/i.test(name)
    )
      throw new TypeError(
        `Cannot use tag ${show(name)} in ${of("tags")}: up to 128 characters with a text of up to 256 are wanted, not beginning with "aws:" or "tinderbox:"`,
      );
  }
  return given as Tags;
}
