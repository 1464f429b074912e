/** The requests of `api.ts`, by the AWS SDK. It is loaded when the first of them is made. */
import type {
  CreateFleetCommandInput,
  CreateFleetCommandOutput,
  EC2Client,
  Instance,
  Tag,
  TagSpecification,
} from "@aws-sdk/client-ec2";
import type { Clock } from "../../ports/clock.ts";
import {
  type Ec2Api,
  type FleetOrder,
  type FleetOutcome,
  type InstanceFacts,
  type InstanceState,
  type Tags,
  templateName,
} from "./api.ts";
import type { Budget, RequestKind } from "./budget.ts";
import { ec2Error } from "./failures.ts";

export interface SdkOptions {
  readonly clock: Clock;
  readonly region: string | undefined;
  readonly endpoint: string | undefined;
  readonly base: TemplateBase;
  /** Waits until a request of that kind is within what the account may make. */
  readonly budget: Budget;
}

/** What instances are made of: a template of the user's, or the parts of one. */
export type TemplateBase = { readonly template: string } | WholeBase;

interface WholeBase {
  readonly image: string;
  readonly securityGroups: readonly string[];
  readonly instanceProfile: string | undefined;
  readonly diskSizeGb: number | undefined;
}

/** For one request with all that the SDK does to repeat it. */
const requestMs = 60_000;
/** The SDK pauses between them, longer each time and by chance; throttled ones most. */
const maxAttempts = 6;
/** Versions of a template that one request lists or removes. */
const mostVersions = 200;

type Sdk = typeof import("@aws-sdk/client-ec2");

export function ec2Sdk(options: SdkOptions): Ec2Api {
  const { clock, base, budget } = options;
  const stats = { requests: 0, again: 0 };
  const over = new AbortController();
  let loaded: Promise<{ readonly sdk: Sdk; readonly client: EC2Client }> | undefined;

  /** Makes one request when its turn comes; throws `Ec2Error`, which says what was being done. */
  async function request<T>(
    [kind, instances]: readonly [kind: RequestKind, instances?: number],
    doing: string,
    make: (client: EC2Client, sdk: Sdk, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    await budget.take(kind, instances, over.signal).catch((error: unknown) => {
      throw ec2Error(doing, "AbortError", "it was closed before that", error);
    });
    const { sdk, client } = await (loaded ??= load(options));
    const late = new AbortController();
    const timer = clock.timer(requestMs, () => late.abort());
    stats.requests++;
    try {
      const answer = await make(client, sdk, AbortSignal.any([late.signal, over.signal]));
      stats.again += attemptsOf(answer) - 1;
      return answer;
    } catch (error) {
      stats.again += attemptsOf(error);
      if (late.signal.aborted) throw ec2Error(doing, "RequestTimeout", `no answer within ${requestMs} ms`, error);
      const { name = "Error", message = String(error) } = error as Partial<Error>;
      throw ec2Error(doing, name, message, error);
    } finally {
      timer.cancel();
    }
  }

  /** All pages of an answer. */
  async function pages<T>(
    read: (token: string | undefined) => Promise<{ readonly items: readonly T[]; readonly next: string | undefined }>,
  ): Promise<T[]> {
    const all: T[] = [];
    let token: string | undefined;
    do {
      const { items, next } = await read(token);
      all.push(...items);
      token = next === "" ? undefined : next;
    } while (token !== undefined);
    return all;
  }

  /** Chunks: a list of ids in a request is bounded. */
  const describe = (doing: string, query: { InstanceIds?: string[]; Filters?: { Name: string; Values: string[] }[] }) =>
    pages(async (NextToken) => {
      const answer = await request(["describe"], doing, (client, sdk, abortSignal) =>
        client.send(new sdk.DescribeInstancesCommand({ ...query, ...(NextToken !== undefined && { NextToken }) }), {
          abortSignal,
        }),
      );
      const items = (answer.Reservations ?? []).flatMap(({ Instances }) => Instances ?? []).map(factsOf);
      return { items, next: answer.NextToken };
    });

  let rootDevice: Promise<string> | undefined;

  /** As large as was said, where that was said: an image has its own name for its root device. */
  async function disks({ image, diskSizeGb }: WholeBase): Promise<ReturnType<typeof disk>[] | undefined> {
    if (diskSizeGb === undefined) return undefined;
    rootDevice ??= request(["describe"], `look at image ${image}`, async (client, sdk, abortSignal) => {
      const answer = await client.send(new sdk.DescribeImagesCommand({ ImageIds: [image] }), { abortSignal });
      return answer.Images?.[0]?.RootDeviceName ?? "/dev/xvda";
    });
    rootDevice.catch(() => (rootDevice = undefined));
    return [disk(await rootDevice, diskSizeGb)];
  }

  const removeWhole = (names: { LaunchTemplateId: string } | { LaunchTemplateName: string }): Promise<void> =>
    request(["change"], `remove launch template ${Object.values(names).join()}`, async (client, sdk, abortSignal) => {
      await client.send(new sdk.DeleteLaunchTemplateCommand(names), { abortSignal }).catch(unlessGone);
    });

  const removeVersions = (template: string, versions: readonly string[]): Promise<void> =>
    request(["change"], `remove versions of launch template ${template}`, async (client, sdk, abortSignal) => {
      const command = new sdk.DeleteLaunchTemplateVersionsCommand({ ...named(template), Versions: [...versions] });
      const answer = await client.send(command, { abortSignal }).catch(unlessGone);
      // This answer is a success also where nothing was done.
      for (const { ResponseError } of answer?.UnsuccessfullyDeletedLaunchTemplateVersions ?? []) {
        const { Code: code = "Error", Message: message = "" } = ResponseError ?? {};
        if (!code.endsWith("DoesNotExist")) throw Object.assign(new Error(message), { name: code });
      }
    });

  return {
    stats,
    template: "template" in base ? base.template : undefined,
    async makeTemplate({ token, name, userData, tags }) {
      const UserData = Buffer.from(userData).toString("base64");
      if ("template" in base) {
        const answer = await request(
          ["change"],
          `make a version of launch template ${base.template}`,
          (client, sdk, abortSignal) =>
            client.send(
              new sdk.CreateLaunchTemplateVersionCommand({
                ...named(base.template),
                SourceVersion: "$Default",
                ClientToken: token,
                VersionDescription: name,
                // A template that says nothing has machines stop when they power off, and go on costing.
                LaunchTemplateData: { UserData, InstanceInitiatedShutdownBehavior: "terminate" },
              }),
              { abortSignal },
            ),
        );
        const { LaunchTemplateId: id = "", VersionNumber: version = 0, CreatedBy } = answer.LaunchTemplateVersion ?? {};
        return { id, version: String(version), whole: false, account: accountOf(CreatedBy) };
      }
      const blockDevices = await disks(base);
      const answer = await request(["change"], `make launch template ${name}`, (client, sdk, abortSignal) =>
        client.send(
          new sdk.CreateLaunchTemplateCommand({
            ClientToken: token,
            LaunchTemplateName: name,
            TagSpecifications: [tagged("launch-template", tags)],
            LaunchTemplateData: {
              UserData,
              ImageId: base.image,
              InstanceInitiatedShutdownBehavior: "terminate",
              MetadataOptions: { HttpTokens: "required", HttpEndpoint: "enabled", HttpPutResponseHopLimit: 1 },
              ...(base.securityGroups.length > 0 && { SecurityGroupIds: [...base.securityGroups] }),
              ...(base.instanceProfile !== undefined && { IamInstanceProfile: profile(base.instanceProfile) }),
              ...(blockDevices && { BlockDeviceMappings: blockDevices }),
            },
          }),
          { abortSignal },
        ),
      );
      const { LaunchTemplateId: id = "", CreatedBy } = answer.LaunchTemplate ?? {};
      return { id, version: "1", whole: true, account: accountOf(CreatedBy) };
    },

    removeTemplate: ({ id, version, whole }) =>
      whole ? removeWhole({ LaunchTemplateId: id }) : removeVersions(id, [version]),

    async removeTemplatesOf(template, tokens) {
      const wanted = new Set(tokens.map(templateName));
      if (template === undefined) {
        for (const LaunchTemplateName of wanted) await removeWhole({ LaunchTemplateName });
        return;
      }
      const versions = await pages(async (NextToken) => {
        const answer = await request(
          ["describe"],
          `look at launch template ${template}`,
          (client, sdk, abortSignal) => {
            const query = {
              ...named(template),
              MaxResults: mostVersions,
              ...(NextToken !== undefined && { NextToken }),
            };
            return client.send(new sdk.DescribeLaunchTemplateVersionsCommand(query), { abortSignal }).catch(unlessGone);
          },
        );
        return { items: answer?.LaunchTemplateVersions ?? [], next: answer?.NextToken };
      });
      const left = versions.filter(({ VersionDescription = "" }) => wanted.has(VersionDescription));
      for (let at = 0; at < left.length; at += mostVersions)
        await removeVersions(
          template,
          left.slice(at, at + mostVersions).map(({ VersionNumber }) => String(VersionNumber)),
        );
    },

    async launch(order) {
      const answer = await request(
        ["launch", order.count],
        `launch ${order.count} ${order.market} instances`,
        (client, sdk, abortSignal) => client.send(new sdk.CreateFleetCommand(fleetOf(order)), { abortSignal }),
      );
      return outcomeOf(order, answer);
    },

    async describe(ids) {
      if (ids.length === 0) return [];
      // As a filter, not as a list of ids: of that, one that is not known yet would fail them all.
      return describe(`look at ${ids.length} instances`, { Filters: [{ Name: "instance-id", Values: [...ids] }] });
    },

    tagged: (tag) =>
      describe(`look for instances with tag ${tag}`, {
        Filters: [
          { Name: "tag-key", Values: [tag] },
          { Name: "instance-state-name", Values: ["pending", "running", "stopping", "stopped", "shutting-down"] },
        ],
      }),

    async terminate(ids) {
      const answer = await request(["terminate"], `terminate ${ids.length} instances`, (client, sdk, abortSignal) =>
        client.send(new sdk.TerminateInstancesCommand({ InstanceIds: [...ids] }), { abortSignal }),
      );
      return new Map(
        (answer.TerminatingInstances ?? []).map(({ InstanceId = "", CurrentState }) => [
          InstanceId,
          stateOf(CurrentState?.Name),
        ]),
      );
    },

    async console(id) {
      const answer = await request(["describe"], `read the console of ${id}`, (client, sdk, abortSignal) =>
        client.send(new sdk.GetConsoleOutputCommand({ InstanceId: id, Latest: true }), { abortSignal }),
      );
      return Buffer.from(answer.Output ?? "", "base64").toString();
    },

    async subnets(ids) {
      const answer = await request(["describe"], "look at the subnets", (client, sdk, abortSignal) =>
        client.send(new sdk.DescribeSubnetsCommand({ SubnetIds: [...ids] }), { abortSignal }),
      );
      return (answer.Subnets ?? []).map(({ SubnetId: id = "", AvailabilityZone: zone = "" }) => ({ id, zone }));
    },

    async types(names) {
      const answer = await request(["describe"], `look at ${names.join(", ")}`, (client, sdk, abortSignal) =>
        client.send(
          new sdk.DescribeInstanceTypesCommand({ Filters: [{ Name: "instance-type", Values: [...names] }] }),
          { abortSignal },
        ),
      );
      return (answer.InstanceTypes ?? []).map(({ InstanceType: type = "", VCpuInfo, ProcessorInfo }) => ({
        type,
        vcpus: VCpuInfo?.DefaultVCpus ?? 0,
        architectures: (ProcessorInfo?.SupportedArchitectures ?? []).map((name) => (name === "x86_64" ? "x64" : name)),
      }));
    },

    async region() {
      const { client } = await (loaded ??= load(options));
      return client.config.region();
    },

    close() {
      over.abort();
      loaded?.then(
        ({ client }) => client.destroy(),
        () => undefined,
      );
    },
  };
}

async function load({ region, endpoint }: SdkOptions): Promise<{ readonly sdk: Sdk; readonly client: EC2Client }> {
  let sdk: Sdk;
  try {
    sdk = await import("@aws-sdk/client-ec2");
  } catch (cause) {
    const text = "Cannot ask EC2 for machines: @aws-sdk/client-ec2 is not there; npm install @aws-sdk/client-ec2";
    throw Object.assign(new Error(text, { cause }), { permanent: true });
  }
  const client = new sdk.EC2Client({
    maxAttempts,
    ...(region !== undefined && { region }),
    ...(endpoint !== undefined && { endpoint }),
  });
  return { sdk, client };
}

function fleetOf({ token, template, count, market, offers, tags }: FleetOrder): CreateFleetCommandInput {
  const Overrides = offers.map(({ type, subnet }) => ({ InstanceType: type as never, SubnetId: subnet }));
  return {
    Type: "instant",
    ClientToken: token,
    TargetCapacitySpecification: { TotalTargetCapacity: count, DefaultTargetCapacityType: market },
    LaunchTemplateConfigs: [
      { LaunchTemplateSpecification: { LaunchTemplateId: template.id, Version: template.version }, Overrides },
    ],
    ...(market === "spot"
      ? { SpotOptions: { AllocationStrategy: "price-capacity-optimized", InstanceInterruptionBehavior: "terminate" } }
      : { OnDemandOptions: { AllocationStrategy: "lowest-price" } }),
    TagSpecifications: [tagged("fleet", tags), tagged("instance", tags), tagged("volume", tags)],
  };
}

function outcomeOf({ offers }: FleetOrder, answer: CreateFleetCommandOutput): FleetOutcome {
  return {
    instances: (answer.Instances ?? []).flatMap(({ InstanceIds = [], InstanceType: type = "" }) =>
      InstanceIds.map((id) => ({ id, type })),
    ),
    refusals: (answer.Errors ?? []).map(({ ErrorCode: code = "", ErrorMessage: message = "", ...where }) => {
      const { InstanceType, SubnetId } = where.LaunchTemplateAndOverrides?.Overrides ?? {};
      const offer = offers.find(({ type, subnet }) => type === InstanceType && subnet === SubnetId);
      return { code, message, offer };
    }),
  };
}

function factsOf({
  InstanceId: id = "",
  State,
  LaunchTime,
  PrivateIpAddress: address,
  StateReason,
  Tags,
}: Instance): InstanceFacts {
  const tags = Object.fromEntries((Tags ?? []).map(({ Key = "", Value = "" }) => [Key, Value]));
  const reason = StateReason?.Message ?? StateReason?.Code;
  return { id, state: stateOf(State?.Name), launchedAt: LaunchTime?.getTime() ?? 0, address, reason, tags };
}

function stateOf(name: string | undefined): InstanceState {
  return (name ?? "pending") as InstanceState;
}

function attemptsOf(answer: unknown): number {
  return (answer as { readonly $metadata?: { readonly attempts?: number } } | undefined)?.$metadata?.attempts ?? 1;
}

function tagged(type: TagSpecification["ResourceType"], tags: Tags): TagSpecification {
  const list: Tag[] = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
  return { ResourceType: type, Tags: list };
}

const named = (template: string) =>
  template.startsWith("lt-") ? { LaunchTemplateId: template } : { LaunchTemplateName: template };

const profile = (name: string) => (name.startsWith("arn:") ? { Arn: name } : { Name: name });

/** Nothing to remove is as good as removed. */
function unlessGone(error: unknown): undefined {
  if (/^InvalidLaunchTemplate\w*\.(NotFound|VersionNotFound)/.test((error as Error).name)) return undefined;
  throw error;
}

/** Out of the ARN of somebody in it. */
const accountOf = (arn: string | undefined): string | undefined =>
  /^arn:[\w-]+:(?:iam|sts)::(\d{12}):/.exec(arn ?? "")?.[1];

const disk = (device: string, sizeGb: number) => ({
  DeviceName: device,
  Ebs: { VolumeSize: sizeGb, VolumeType: "gp3" as const, DeleteOnTermination: true },
});
