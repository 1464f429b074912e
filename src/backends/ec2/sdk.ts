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
import type { Ec2Api, FleetOrder, FleetOutcome, InstanceFacts, InstanceState, Tags } from "./api.ts";
import type { Budget } from "./budget.ts";
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
export type TemplateBase =
  | { readonly template: string }
  | {
      readonly image: string;
      readonly securityGroups: readonly string[];
      readonly instanceProfile: string | undefined;
      readonly diskSizeGb: number | undefined;
    };

/** For one request with all that the SDK does to repeat it. */
const requestMs = 60_000;
/** The SDK pauses between them, longer each time and by chance; throttled ones most. */
const maxAttempts = 6;

type Sdk = typeof import("@aws-sdk/client-ec2");

export function ec2Sdk(options: SdkOptions): Ec2Api {
  const { clock, base, budget } = options;
  const stats = { requests: 0, again: 0 };
  const over = new AbortController();
  let loaded: Promise<{ readonly sdk: Sdk; readonly client: EC2Client }> | undefined;

  /** Makes one request; throws `Ec2Error`, which says what was being done. */
  async function request<T>(
    doing: string,
    make: (client: EC2Client, sdk: Sdk, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
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
      await budget.take("describe");
      const answer = await request(doing, (client, sdk, abortSignal) =>
        client.send(new sdk.DescribeInstancesCommand({ ...query, ...(NextToken !== undefined && { NextToken }) }), {
          abortSignal,
        }),
      );
      const items = (answer.Reservations ?? []).flatMap(({ Instances }) => Instances ?? []).map(factsOf);
      return { items, next: answer.NextToken };
    });

  return {
    stats,
    async makeTemplate({ token, name, userData, tags }) {
      const UserData = Buffer.from(userData).toString("base64");
      await budget.take("change");
      if ("template" in base) {
        const answer = await request(`make a version of launch template ${base.template}`, (client, sdk, abortSignal) =>
          client.send(
            new sdk.CreateLaunchTemplateVersionCommand({
              ...named(base.template),
              SourceVersion: "$Default",
              ClientToken: token,
              VersionDescription: name,
              LaunchTemplateData: { UserData },
            }),
            { abortSignal },
          ),
        );
        const { LaunchTemplateId: id = "", VersionNumber: version = 0 } = answer.LaunchTemplateVersion ?? {};
        return { id, version: String(version), whole: false };
      }
      const answer = await request(`make launch template ${name}`, (client, sdk, abortSignal) =>
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
              ...(base.diskSizeGb !== undefined && { BlockDeviceMappings: [disk(base.diskSizeGb)] }),
            },
          }),
          { abortSignal },
        ),
      );
      return { id: answer.LaunchTemplate?.LaunchTemplateId ?? "", version: "1", whole: true };
    },

    async removeTemplate({ id, version, whole }) {
      await budget.take("change");
      await request(`remove launch template ${id}`, async (client, sdk, abortSignal) => {
        try {
          if (whole)
            return await client.send(new sdk.DeleteLaunchTemplateCommand({ LaunchTemplateId: id }), { abortSignal });
          const command = new sdk.DeleteLaunchTemplateVersionsCommand({ LaunchTemplateId: id, Versions: [version] });
          return await client.send(command, { abortSignal });
        } catch (error) {
          if (/^InvalidLaunchTemplate\w*\.(NotFound|VersionNotFound)/.test((error as Error).name)) return undefined;
          throw error;
        }
      });
    },

    async launch(order) {
      await budget.take("launch", order.count);
      const answer = await request(`launch ${order.count} ${order.market} instances`, (client, sdk, abortSignal) =>
        client.send(new sdk.CreateFleetCommand(fleetOf(order)), { abortSignal }),
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
      await budget.take("terminate");
      const answer = await request(`terminate ${ids.length} instances`, (client, sdk, abortSignal) =>
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
      await budget.take("describe");
      const answer = await request(`read the console of ${id}`, (client, sdk, abortSignal) =>
        client.send(new sdk.GetConsoleOutputCommand({ InstanceId: id, Latest: true }), { abortSignal }),
      );
      return Buffer.from(answer.Output ?? "", "base64").toString();
    },

    async subnets(ids) {
      await budget.take("describe");
      const answer = await request("look at the subnets", (client, sdk, abortSignal) =>
        client.send(new sdk.DescribeSubnetsCommand({ SubnetIds: [...ids] }), { abortSignal }),
      );
      return (answer.Subnets ?? []).map(({ SubnetId: id = "", AvailabilityZone: zone = "" }) => ({ id, zone }));
    },

    async types(names) {
      await budget.take("describe");
      const answer = await request(`look at ${names.join(", ")}`, (client, sdk, abortSignal) =>
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
      void loaded?.then(({ client }) => client.destroy());
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

const disk = (sizeGb: number) => ({
  DeviceName: "/dev/xvda",
  Ebs: { VolumeSize: sizeGb, VolumeType: "gp3" as const, DeleteOnTermination: true },
});
