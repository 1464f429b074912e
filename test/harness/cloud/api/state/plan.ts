import type { RequestLaunchTemplateData, RunInstancesRequest, TagSpecification } from "@aws-sdk/client-ec2";
import type { MetadataSettings } from "../../machine-host.ts";
import { Ec2Error } from "../wire/errors.ts";
import type { Account } from "./account.ts";
import type { Market } from "./capacity.ts";
import { checkMetadataTags, tagsByResource } from "./tags.ts";
import { userDataOf } from "./user-data.ts";

/** What instances are to be like: a request's parameters with those of its template below them. */
export type LaunchSpec = Omit<
  RunInstancesRequest,
  "MinCount" | "MaxCount" | "DryRun" | "ClientToken" | "LaunchTemplate"
>;

/** Which version of which template a launch came from. */
export interface TemplateUse {
  readonly id: string;
  readonly version: number;
}

/** A launch that was checked: it can fail for want of room, and for nothing else. */
export interface Plan {
  readonly spec: LaunchSpec;
  readonly template: TemplateUse | undefined;
  readonly imageId: string;
  readonly rootDevice: string;
  readonly type: string;
  readonly vcpus: number;
  readonly memoryMb: number;
  readonly architecture: string;
  readonly subnetId: string;
  readonly zone: string;
  readonly groupIds: readonly string[];
  readonly role: string | undefined;
  readonly userData: Buffer;
  readonly market: Market;
  readonly maxPrice: number | undefined;
  readonly onShutdown: "stop" | "terminate";
  readonly metadata: MetadataSettings;
  readonly privateIp: string | undefined;
  readonly tags: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

const invalid = (message: string) => new Ec2Error("InvalidParameterValue", message);
const combination = (message: string) => new Ec2Error("InvalidParameterCombination", message);

function mergeTags(
  below: readonly TagSpecification[] | undefined,
  above: readonly TagSpecification[] | undefined,
): TagSpecification[] | undefined {
  if (!below || !above) return (above ?? below)?.slice();
  const types = [...new Set([...above, ...below].map(({ ResourceType }) => ResourceType))];
  const tagsOf = (list: readonly TagSpecification[], type: unknown) =>
    list.filter(({ ResourceType }) => ResourceType === type).flatMap(({ Tags = [] }) => Tags);
  return types.map((ResourceType) => {
    const upper = tagsOf(above, ResourceType);
    const keys = new Set(upper.map(({ Key }) => Key));
    return { ResourceType, Tags: [...upper, ...tagsOf(below, ResourceType).filter(({ Key }) => !keys.has(Key))] };
  });
}

/** What is given above counts, parameter by parameter; only tags are united. */
export function mergeSpec(below: RequestLaunchTemplateData, above: LaunchSpec): LaunchSpec {
  const { TagSpecifications: lowerTags, ...lower } = below;
  const tags = mergeTags(lowerTags as readonly TagSpecification[] | undefined, above.TagSpecifications);
  return { ...(lower as LaunchSpec), ...above, ...(tags ? { TagSpecifications: tags } : {}) };
}

function imageOf({ images, rules }: Account, id: string | undefined) {
  if (id === undefined) throw new Ec2Error("MissingParameter", "The request must contain the parameter ImageId");
  if (rules.idSyntax && !/^ami-([\da-f]{8}|[\da-f]{17})$/.test(id)) {
    throw new Ec2Error("InvalidAMIID.Malformed", `Invalid id: "${id}" (expecting "ami-...")`);
  }
  const image = images.get(id);
  if (!image) throw new Ec2Error("InvalidAMIID.NotFound", `The image id '[${id}]' does not exist`);
  return { ...image, id };
}

function subnetOf(account: Account, spec: LaunchSpec) {
  const [first] = spec.NetworkInterfaces ?? [];
  if (first && spec.SubnetId !== undefined) {
    throw combination("Network interfaces and an instance-level subnet ID may not be specified on the same request");
  }
  if (first && (spec.SecurityGroupIds ?? spec.SecurityGroups)) {
    throw combination(
      "Network interfaces and an instance-level security groups may not be specified on the same request",
    );
  }
  const zone = spec.Placement?.AvailabilityZone;
  const asked = spec.SubnetId ?? first?.SubnetId;
  if (zone !== undefined && ![...account.subnets.values()].some((one) => one.zone === zone)) {
    throw invalid(`Invalid availability zone: [${zone}]`);
  }
  const id = asked ?? [...account.subnets].find(([, one]) => zone === undefined || one.zone === zone)?.[0] ?? "";
  const subnet = account.subnets.get(id);
  if (!subnet) throw new Ec2Error("InvalidSubnetID.NotFound", `The subnet ID '${id}' does not exist`);
  if (zone !== undefined && subnet.zone !== zone) {
    throw invalid(`The specified subnet ${id} is not in the availability zone ${zone}`);
  }
  return { id, zone: subnet.zone, privateIp: spec.PrivateIpAddress ?? first?.PrivateIpAddress };
}

function groupsOf({ groups, rules }: Account, spec: LaunchSpec): readonly string[] {
  const named = (spec.SecurityGroups ?? []).map((name) => {
    const id = [...groups].find(([, one]) => one === name)?.[0];
    if (id === undefined) throw new Ec2Error("InvalidGroup.NotFound", `The security group '${name}' does not exist`);
    return id;
  });
  const ids = [...(spec.SecurityGroupIds ?? spec.NetworkInterfaces?.[0]?.Groups ?? []), ...named];
  for (const id of ids) {
    if (rules.idSyntax && !/^sg-[\da-f]+$/.test(id)) {
      throw new Ec2Error("InvalidGroupId.Malformed", `Invalid id: "${id}" (expecting "sg-...")`);
    }
    if (!groups.has(id)) throw new Ec2Error("InvalidGroup.NotFound", `The security group '${id}' does not exist`);
  }
  return ids.length > 0 ? ids : [...groups.keys()].slice(0, 1);
}

function roleOf({ roles, accountId }: Account, profile: LaunchSpec["IamInstanceProfile"]): string | undefined {
  if (!profile) return undefined;
  const { Arn: arn, Name: name } = profile;
  if (arn !== undefined && name !== undefined) {
    throw combination(
      "The parameter 'iamInstanceProfile.name' may not be used in combination with 'iamInstanceProfile.arn'",
    );
  }
  const role = name ?? arn?.replace(`arn:aws:iam::${accountId}:instance-profile/`, "") ?? "";
  if (roles.has(role)) return role;
  const field = name === undefined ? "arn" : "name";
  throw invalid(
    `Value (${name ?? arn}) for parameter iamInstanceProfile.${field} is invalid. Invalid IAM Instance Profile ${field}`,
  );
}

function marketOf(spec: LaunchSpec): { readonly market: Market; readonly maxPrice: number | undefined } {
  const options = spec.InstanceMarketOptions;
  if (options?.MarketType === undefined) return { market: "on-demand", maxPrice: undefined };
  if (options.MarketType !== "spot") throw invalid(`The market type ${options.MarketType} is not served here`);
  const max = options.SpotOptions?.MaxPrice;
  if (max !== undefined && !(Number(max) > 0)) throw invalid(`Value (${max}) for parameter maxPrice is invalid.`);
  return { market: "spot", maxPrice: max === undefined ? undefined : Number(max) };
}

function metadataOf(options: LaunchSpec["MetadataOptions"]): MetadataSettings {
  const { HttpEndpoint, HttpTokens, InstanceMetadataTags, HttpPutResponseHopLimit: hopLimit = 1 } = options ?? {};
  const choice = <T extends string>(
    value: string | undefined,
    name: string,
    values: readonly [T, T],
    otherwise: T,
  ): T => {
    const found = value === undefined ? otherwise : values.find((one) => one === value);
    if (found === undefined) throw invalid(`Value (${value}) for parameter ${name} is invalid.`);
    return found;
  };
  if (!Number.isInteger(hopLimit) || hopLimit < 1 || hopLimit > 64) {
    throw invalid(`Value (${hopLimit}) for parameter HttpPutResponseHopLimit is invalid. It must be from 1 to 64.`);
  }
  return {
    endpoint: choice(HttpEndpoint, "HttpEndpoint", ["enabled", "disabled"], "enabled"),
    tokens: choice(HttpTokens, "HttpTokens", ["required", "optional"], "optional"),
    tags: choice(InstanceMetadataTags, "InstanceMetadataTags", ["enabled", "disabled"], "disabled") === "enabled",
    hopLimit,
  };
}

/** Checks a launch against everything but room. Throws what EC2 answers to a wrong one. */
export function makePlan(account: Account, spec: LaunchSpec, template?: TemplateUse): Plan {
  const image = imageOf(account, spec.ImageId);
  const type = spec.InstanceType ?? "m1.small";
  const facts = account.types.get(type);
  if (!facts) throw invalid(`Invalid value '${type}' for InstanceType.`);
  if (facts.architecture !== image.architecture) {
    throw invalid(
      `The architecture '${facts.architecture}' of the specified instance type does not match the architecture '${image.architecture}' of the specified AMI. Specify an instance type and an AMI that have matching architectures, and try again.`,
    );
  }
  if (spec.KeyName !== undefined && !account.keyPairs.has(spec.KeyName)) {
    throw new Ec2Error("InvalidKeyPair.NotFound", `The key pair '${spec.KeyName}' does not exist`);
  }
  const onShutdown = spec.InstanceInitiatedShutdownBehavior ?? "stop";
  if (onShutdown !== "stop" && onShutdown !== "terminate") {
    throw invalid(`Value (${String(onShutdown)}) for parameter instanceInitiatedShutdownBehavior is invalid.`);
  }
  const subnet = subnetOf(account, spec);
  const tags = tagsByResource(spec.TagSpecifications, [
    "instance",
    "volume",
    "network-interface",
    "spot-instances-request",
  ]);
  const metadata = metadataOf(spec.MetadataOptions);
  if (metadata.tags) checkMetadataTags(tags.get("instance") ?? new Map());
  return {
    spec,
    template,
    imageId: image.id,
    rootDevice: image.rootDevice,
    type,
    vcpus: facts.vcpus,
    memoryMb: facts.memoryMb,
    architecture: facts.architecture,
    subnetId: subnet.id,
    zone: subnet.zone,
    privateIp: subnet.privateIp,
    groupIds: groupsOf(account, spec),
    role: roleOf(account, spec.IamInstanceProfile),
    userData: userDataOf(spec.UserData, account.rules.userDataLimit),
    ...marketOf(spec),
    onShutdown,
    metadata,
    tags,
  };
}
