import type * as EC2 from "@aws-sdk/client-ec2";
import { type Account, shownPhase, tagsOf } from "../state/account.ts";
import { vpcId } from "../state/catalogue.ts";
import { type Instance, type Phase, stateCodes } from "../state/instance.ts";
import { tagList } from "../state/tags.ts";

/** Instances as EC2 describes them. */

export function stateOf({ state }: Phase): EC2.InstanceState {
  return { Code: stateCodes[state], Name: state };
}

const ids = (groups: ReadonlyMap<string, string>, groupIds: readonly string[]): EC2.GroupIdentifier[] =>
  groupIds.map((GroupId) => ({ GroupId, GroupName: groups.get(GroupId) ?? "" }));

const dnsName = (address: string, region: string) =>
  `ip-${address.replaceAll(".", "-")}.${region === "us-east-1" ? "ec2" : `${region}.compute`}.internal`;

function mac(address: string): string {
  const parts = address.split(".").map((part) => Number(part).toString(16).padStart(2, "0"));
  return `0a:ff:${parts.join(":")}`;
}

function interfaceOf(account: Account, { facts }: Instance): EC2.InstanceNetworkInterface {
  const { plan, privateIp, interfaceId, launchedMs } = facts;
  const PrivateDnsName = dnsName(privateIp, account.region);
  return {
    NetworkInterfaceId: interfaceId,
    OwnerId: account.accountId,
    Groups: ids(account.groups, plan.groupIds),
    MacAddress: mac(privateIp),
    PrivateDnsName,
    PrivateIpAddress: privateIp,
    Ipv6Addresses: [],
    PrivateIpAddresses: [{ Primary: true, PrivateDnsName, PrivateIpAddress: privateIp }],
    SourceDestCheck: true,
    Status: "in-use",
    SubnetId: plan.subnetId,
    VpcId: vpcId,
    InterfaceType: "interface",
    Description: plan.spec.NetworkInterfaces?.[0]?.Description ?? "",
    Attachment: {
      AttachTime: new Date(launchedMs),
      AttachmentId: interfaceId.replace("eni-", "eni-attach-"),
      DeleteOnTermination: plan.spec.NetworkInterfaces?.[0]?.DeleteOnTermination ?? true,
      DeviceIndex: 0,
      NetworkCardIndex: 0,
      Status: "attached",
    },
  };
}

function devicesOf({ facts }: Instance, state: string): EC2.InstanceBlockDeviceMapping[] {
  // As in EC2, volumes are attached a little later than the first answer.
  if (state === "pending" || state === "terminated") return [];
  const { plan, volumeId, launchedMs } = facts;
  const asked = plan.spec.BlockDeviceMappings ?? [];
  const root = asked.find(({ DeviceName }) => DeviceName === plan.rootDevice) ?? { DeviceName: plan.rootDevice };
  const others = asked.filter((one) => one !== root && one.NoDevice === undefined && one.Ebs);
  return [root, ...others].map(({ DeviceName, Ebs }, index) => ({
    DeviceName,
    Ebs: {
      AttachTime: new Date(launchedMs),
      DeleteOnTermination: Ebs?.DeleteOnTermination ?? index === 0,
      Status: "attached",
      VolumeId: index === 0 ? volumeId : `${volumeId.slice(0, -1)}${index}`,
    },
  }));
}

function metadataOf({ facts }: Instance, state: string): EC2.InstanceMetadataOptionsResponse {
  const { endpoint, tokens, tags, hopLimit } = facts.plan.metadata;
  return {
    State: state === "pending" ? "pending" : "applied",
    HttpTokens: tokens,
    HttpPutResponseHopLimit: hopLimit,
    HttpEndpoint: endpoint,
    HttpProtocolIpv6: "disabled",
    InstanceMetadataTags: tags ? "enabled" : "disabled",
  };
}

/** An instance as it is shown in a state. One that is gone has no network and no volumes any more. */
export function instanceOf(account: Account, instance: Instance, phase: Phase): EC2.Instance {
  const { facts } = instance;
  const { plan, privateIp, reservation } = facts;
  const { spec } = plan;
  const isGone = phase.state === "terminated";
  const profile = `arn:aws:iam::${account.accountId}:instance-profile/${plan.role}`;
  return {
    InstanceId: facts.id,
    AmiLaunchIndex: facts.index,
    ImageId: plan.imageId,
    InstanceType: plan.type as EC2._InstanceType,
    ClientToken: reservation.clientToken,
    LaunchTime: new Date(Math.floor(facts.launchedMs / 1000) * 1000),
    State: stateOf(phase),
    StateTransitionReason: phase.reason?.transition ?? "",
    ...(phase.reason ? { StateReason: { Code: phase.reason.code, Message: phase.reason.message } } : {}),
    Placement: { AvailabilityZone: plan.zone, GroupName: spec.Placement?.GroupName ?? "", Tenancy: "default" },
    Monitoring: { State: spec.Monitoring?.Enabled === true ? "enabled" : "disabled" },
    Architecture: plan.architecture as EC2.ArchitectureValues,
    RootDeviceName: plan.rootDevice,
    RootDeviceType: "ebs",
    VirtualizationType: "hvm",
    Hypervisor: "xen",
    EnaSupport: true,
    EbsOptimized: spec.EbsOptimized ?? false,
    PlatformDetails: "Linux/UNIX",
    UsageOperation: "RunInstances",
    CpuOptions: { CoreCount: Math.max(1, plan.vcpus / 2), ThreadsPerCore: plan.vcpus > 1 ? 2 : 1 },
    MetadataOptions: metadataOf(instance, phase.state),
    EnclaveOptions: { Enabled: false },
    HibernationOptions: { Configured: false },
    MaintenanceOptions: { AutoRecovery: "default" },
    PublicDnsName: "",
    PrivateDnsName: isGone ? "" : dnsName(privateIp, account.region),
    ProductCodes: [],
    BlockDeviceMappings: devicesOf(instance, phase.state),
    SecurityGroups: isGone ? [] : ids(account.groups, plan.groupIds),
    NetworkInterfaces: isGone ? [] : [interfaceOf(account, instance)],
    Tags: tagList(tagsOf(account, facts.id, "instance")),
    ...(isGone ? {} : { PrivateIpAddress: privateIp, SubnetId: plan.subnetId, VpcId: vpcId, SourceDestCheck: true }),
    ...(spec.KeyName === undefined ? {} : { KeyName: spec.KeyName }),
    ...(plan.role === undefined ? {} : { IamInstanceProfile: { Arn: profile, Id: "AIPA0000000000000TEST" } }),
    ...(plan.market === "spot" ? { InstanceLifecycle: "spot", SpotInstanceRequestId: facts.spotRequestId } : {}),
  };
}

/** Instances by the requests that made them, as both RunInstances and DescribeInstances answer. */
export function reservationsOf(
  account: Account,
  instances: readonly Instance[],
  phaseOf: (instance: Instance) => Phase = (one) => shownPhase(account, one),
): EC2.Reservation[] {
  const groups = Map.groupBy(instances, ({ facts }) => facts.reservation);
  return [...groups].map(([{ id, fleetId }, members]) => ({
    ReservationId: id,
    OwnerId: account.accountId,
    ...(fleetId === undefined ? {} : { RequesterId: "008292855361" }),
    Groups: [],
    Instances: members.map((one) => instanceOf(account, one, phaseOf(one))),
  }));
}
