import {
  DescribeImages$,
  type DescribeImagesRequest,
  type DescribeImagesResult,
  DescribeInstanceTypes$,
  type DescribeInstanceTypesRequest,
  type DescribeInstanceTypesResult,
  DescribeSecurityGroups$,
  type DescribeSecurityGroupsRequest,
  type DescribeSecurityGroupsResult,
  DescribeSubnets$,
  type DescribeSubnetsRequest,
  type DescribeSubnetsResult,
  type _InstanceType,
  type ArchitectureType,
  type ArchitectureValues,
} from "@aws-sdk/client-ec2";
import { type Account, tagsOf } from "../state/account.ts";
import { type Image, type InstanceType, type Subnet, vpcId } from "../state/catalogue.ts";
import { tagList } from "../state/tags.ts";
import { Ec2Error } from "../wire/errors.ts";
import { action } from "./action.ts";
import { filtered } from "./filters.ts";
import { pageOf } from "./paging.ts";

/** The entries of the given ids, or all. `refusal` is thrown for the ids that there are not. */
function entries<T>(
  all: ReadonlyMap<string, T>,
  ids: readonly string[] | undefined,
  refusal: (missing: readonly string[]) => Ec2Error,
): [id: string, entry: T][] {
  if (!ids?.length) return [...all];
  const missing = ids.filter((id) => !all.has(id));
  if (missing.length > 0) throw refusal(missing);
  return [...all].filter(([id]) => ids.includes(id));
}

export const describeInstanceTypes = action<DescribeInstanceTypesRequest, DescribeInstanceTypesResult>(
  DescribeInstanceTypes$,
  (input, { account }) => {
    const all = entries(account.types, input.InstanceTypes, (missing) => {
      const names = missing.join(", ");
      return new Ec2Error("InvalidInstanceType", `The following supplied instance types do not exist: [${names}]`);
    });
    type One = [string, InstanceType];
    const found = filtered(all, input.Filters, {
      "instance-type": ([name]: One) => [name],
      "processor-info.supported-architecture": ([, { architecture }]: One) => [architecture],
      "vcpu-info.default-vcpus": ([, { vcpus }]: One) => [String(vcpus)],
      "memory-info.size-in-mib": ([, { memoryMb }]: One) => [String(memoryMb)],
      "current-generation": ([name]: One) => [String(!name.startsWith("m1."))],
    });
    const { items, ...next } = pageOf(found, input, { min: 5, max: 100 });
    return {
      ...next,
      InstanceTypes: items.map(([name, { vcpus, memoryMb, architecture }]) => ({
        InstanceType: name as _InstanceType,
        CurrentGeneration: !name.startsWith("m1."),
        FreeTierEligible: false,
        SupportedUsageClasses: ["on-demand", "spot"],
        SupportedRootDeviceTypes: ["ebs"],
        SupportedVirtualizationTypes: ["hvm"],
        BareMetal: false,
        Hypervisor: "nitro",
        ProcessorInfo: { SupportedArchitectures: [architecture as ArchitectureType], SustainedClockSpeedInGhz: 2.5 },
        VCpuInfo: {
          DefaultVCpus: vcpus,
          DefaultCores: Math.max(1, vcpus / 2),
          DefaultThreadsPerCore: vcpus > 1 ? 2 : 1,
          ValidCores: [Math.max(1, vcpus / 2)],
          ValidThreadsPerCore: vcpus > 1 ? [1, 2] : [1],
        },
        MemoryInfo: { SizeInMiB: memoryMb },
        InstanceStorageSupported: false,
        EbsInfo: { EbsOptimizedSupport: "default", EncryptionSupport: "supported", NvmeSupport: "required" },
        NetworkInfo: {
          NetworkPerformance: "Up to 10 Gigabit",
          MaximumNetworkInterfaces: 3,
          MaximumNetworkCards: 1,
          DefaultNetworkCardIndex: 0,
          NetworkCards: [{ NetworkCardIndex: 0, NetworkPerformance: "Up to 10 Gigabit", MaximumNetworkInterfaces: 3 }],
          Ipv4AddressesPerInterface: 10,
          Ipv6AddressesPerInterface: 10,
          Ipv6Supported: true,
          EnaSupport: "required",
          EfaSupported: false,
          EncryptionInTransitSupported: false,
        },
        PlacementGroupInfo: { SupportedStrategies: ["cluster", "partition", "spread"] },
        SupportedBootModes: architecture === "arm64" ? ["uefi"] : ["legacy-bios", "uefi"],
        HibernationSupported: false,
        BurstablePerformanceSupported: name.startsWith("t"),
        DedicatedHostsSupported: false,
        AutoRecoverySupported: true,
      })),
    };
  },
);

export const describeImages = action<DescribeImagesRequest, DescribeImagesResult>(
  DescribeImages$,
  (input, { account }) => {
    const all = entries(account.images, input.ImageIds, (missing) => {
      const bad = missing.find((id) => !/^ami-([\da-f]{8}|[\da-f]{17})$/.test(id));
      if (bad !== undefined)
        return new Ec2Error("InvalidAMIID.Malformed", `Invalid id: "${bad}" (expecting "ami-...")`);
      return new Ec2Error("InvalidAMIID.NotFound", `The image id '[${missing.join(", ")}]' does not exist`);
    });
    type One = [string, Image];
    const owners = input.Owners ?? [];
    const owned = all.filter(
      () =>
        owners.length === 0 || owners.some((one) => one === "self" || one === "amazon" || one === account.accountId),
    );
    const fields = {
      "image-id": ([id]: One) => [id],
      name: ([, { name }]: One) => [name],
      architecture: ([, { architecture }]: One) => [architecture],
      state: () => ["available"],
      "root-device-type": () => ["ebs"],
      "virtualization-type": () => ["hvm"],
      "is-public": () => ["true"],
      "owner-id": () => [account.accountId],
      "owner-alias": () => ["amazon"],
    };
    const found = filtered(owned, input.Filters, fields, ([id]) => tagsOf(account, id, "image"));
    const { items, ...next } = pageOf(found, input, { min: 1, max: 1000 });
    return {
      ...next,
      Images: items.map(([id, { name, architecture, rootDevice, created }]) => ({
        ImageId: id,
        ImageLocation: `amazon/${name}`,
        Name: name,
        Description: name,
        BootMode: architecture === "arm64" ? "uefi" : "uefi-preferred",
        State: "available",
        OwnerId: account.accountId,
        ImageOwnerAlias: "amazon",
        CreationDate: created,
        Public: true,
        Architecture: architecture as ArchitectureValues,
        ImageType: "machine",
        RootDeviceName: rootDevice,
        RootDeviceType: "ebs",
        VirtualizationType: "hvm",
        Hypervisor: "xen",
        EnaSupport: true,
        PlatformDetails: "Linux/UNIX",
        UsageOperation: "RunInstances",
        BlockDeviceMappings: [
          {
            DeviceName: rootDevice,
            Ebs: {
              SnapshotId: id.replace("ami-", "snap-"),
              VolumeSize: 8,
              VolumeType: "gp3",
              DeleteOnTermination: true,
              Encrypted: false,
            },
          },
        ],
        Tags: tagList(tagsOf(account, id, "image")),
      })),
    };
  },
);

const zoneId = (account: Account, zone: string) =>
  `use1-az${[...new Set([...account.subnets.values()].map((one) => one.zone))].indexOf(zone) + 1}`;

export const describeSubnets = action<DescribeSubnetsRequest, DescribeSubnetsResult>(
  DescribeSubnets$,
  (input, { account }) => {
    const all = entries(account.subnets, input.SubnetIds, (missing) => {
      const names = missing.map((id) => `'${id}'`).join(", ");
      return new Ec2Error("InvalidSubnetID.NotFound", `The subnet ID ${names} does not exist`);
    });
    type One = [string, Subnet];
    const fields = {
      "subnet-id": ([id]: One) => [id],
      "vpc-id": () => [vpcId],
      "availability-zone": ([, { zone }]: One) => [zone],
      "cidr-block": ([, { cidr }]: One) => [cidr],
      state: () => ["available"],
      "default-for-az": () => ["true"],
    };
    const found = filtered(all, input.Filters, fields, ([id]) => tagsOf(account, id, "subnet"));
    const { items, ...next } = pageOf(found, input, { min: 5, max: 1000 });
    return {
      ...next,
      Subnets: items.map(([id, { zone, cidr }]) => ({
        SubnetId: id,
        SubnetArn: `arn:aws:ec2:${account.region}:${account.accountId}:subnet/${id}`,
        State: "available",
        VpcId: vpcId,
        CidrBlock: cidr,
        AvailableIpAddressCount: account.addresses.get(id)?.free ?? 0,
        AvailabilityZone: zone,
        AvailabilityZoneId: zoneId(account, zone),
        DefaultForAz: true,
        MapPublicIpOnLaunch: false,
        AssignIpv6AddressOnCreation: false,
        Ipv6CidrBlockAssociationSet: [],
        Ipv6Native: false,
        PrivateDnsNameOptionsOnLaunch: {
          HostnameType: "ip-name",
          EnableResourceNameDnsARecord: false,
          EnableResourceNameDnsAAAARecord: false,
        },
        OwnerId: account.accountId,
        Tags: tagList(tagsOf(account, id, "subnet")),
      })),
    };
  },
);

export const describeSecurityGroups = action<DescribeSecurityGroupsRequest, DescribeSecurityGroupsResult>(
  DescribeSecurityGroups$,
  (input, { account }) => {
    const names = input.GroupNames ?? [];
    const refusal = (missing: readonly string[]) =>
      new Ec2Error("InvalidGroup.NotFound", `The security group '${missing[0]}' does not exist`);
    const unknown = names.filter((name) => ![...account.groups.values()].includes(name));
    if (unknown.length > 0) throw refusal(unknown);
    const all = entries(account.groups, input.GroupIds, refusal).filter(
      ([, name]) => names.length === 0 || names.includes(name),
    );
    type One = [string, string];
    const fields = {
      "group-id": ([id]: One) => [id],
      "group-name": ([, name]: One) => [name],
      "vpc-id": () => [vpcId],
    };
    const found = filtered(all, input.Filters, fields, ([id]) => tagsOf(account, id, "security-group"));
    const { items, ...next } = pageOf(found, input, { min: 5, max: 1000 });
    return {
      ...next,
      SecurityGroups: items.map(([GroupId, GroupName]) => ({
        GroupId,
        GroupName,
        Description: GroupName,
        VpcId: vpcId,
        OwnerId: account.accountId,
        IpPermissions: [],
        IpPermissionsEgress: [
          {
            IpProtocol: "-1",
            IpRanges: [{ CidrIp: "0.0.0.0/0" }],
            Ipv6Ranges: [],
            PrefixListIds: [],
            UserIdGroupPairs: [],
          },
        ],
        Tags: tagList(tagsOf(account, GroupId, "security-group")),
      })),
    };
  },
);
