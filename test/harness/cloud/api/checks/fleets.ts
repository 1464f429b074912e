import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { base64, type Bench, type Check, listed, own, type OwnCheck, refused } from "./check.ts";
import { untilState } from "./life.ts";
import { makeTemplate } from "./templates.ts";
import {
  CreateFleetCommand,
  type CreateFleetCommandInput,
  type CreateFleetCommandOutput,
  CreateLaunchTemplateVersionCommand,
  DescribeInstanceAttributeCommand,
  type FleetLaunchTemplateOverridesRequest,
} from "./sdk.ts";

interface FleetWish extends Partial<CreateFleetCommandInput> {
  readonly count?: number;
  readonly market?: "spot" | "on-demand";
  readonly version?: string;
}

/** Asks for an instant fleet, as a pool of runners does. */
async function fleet(
  bench: Bench,
  template: string,
  overrides: FleetLaunchTemplateOverridesRequest[],
  { count = 1, market = "on-demand", version = "$Latest", ...input }: FleetWish = {},
): Promise<CreateFleetCommandOutput> {
  return bench.client.send(
    new CreateFleetCommand({
      Type: "instant",
      TargetCapacitySpecification: { TotalTargetCapacity: count, DefaultTargetCapacityType: market },
      LaunchTemplateConfigs: [
        { LaunchTemplateSpecification: { LaunchTemplateId: template, Version: version }, Overrides: overrides },
      ],
      TagSpecifications: [{ ResourceType: "instance", Tags: own(bench) }],
      ...input,
    }),
  );
}

const idsOf = ({ Instances = [] }: CreateFleetCommandOutput) =>
  Instances.flatMap(({ InstanceIds = [] }) => InstanceIds);

export const fleetChecks: readonly Check[] = [
  {
    name: "an instant fleet gives as many instances as asked for, with the template's data and the fleet's tags",
    deviations: { moto: "fails at $Latest" },
    async run(bench) {
      const { id } = await makeTemplate(bench);
      const UserData = base64("#!/bin/bash\n");
      const version = { LaunchTemplateId: id, SourceVersion: "1", LaunchTemplateData: { UserData } };
      await bench.client.send(new CreateLaunchTemplateVersionCommand(version));
      const answer = await fleet(bench, id, [{ InstanceType: "m5.large" }], { count: 3 });
      assert.match(answer.FleetId ?? "", /^fleet-[\da-f]{8}-([\da-f]{4}-){3}[\da-f]{12}$/);
      assert.deepEqual(answer.Errors, []);
      const [group] = answer.Instances ?? [];
      assert.deepEqual([group?.InstanceType, group?.Lifecycle], ["m5.large", "on-demand"]);
      assert.equal(group?.LaunchTemplateAndOverrides?.LaunchTemplateSpecification?.Version, "2");
      const ids = idsOf(answer);
      assert.equal(new Set(ids).size, 3);
      const found = await listed(bench);
      assert.deepEqual(found.map(({ InstanceId = "" }) => InstanceId).toSorted(), ids.toSorted());
      const tags = Object.fromEntries((found[0]?.Tags ?? []).map(({ Key = "", Value }) => [Key, Value]));
      assert.equal(tags["aws:ec2:fleet-id"], answer.FleetId);
      const Attribute = "userData" as const;
      const read = new DescribeInstanceAttributeCommand({ InstanceId: ids[0], Attribute });
      assert.equal((await bench.client.send(read)).UserData?.Value, UserData);
    },
  },
  {
    name: "an instant fleet of spot instances is one of spot instances",
    async run(bench) {
      const { id } = await makeTemplate(bench);
      const answer = await fleet(bench, id, [{ InstanceType: "c5.large" }], { count: 2, market: "spot" });
      assert.equal(idsOf(answer).length, 2);
      const shown = await untilState(bench, idsOf(answer)[0] ?? "", "running");
      assert.equal(shown.InstanceLifecycle, "spot");
    },
  },
  {
    name: "a fleet that is asked for again with its token is the same one",
    deviations: { moto: "makes a second one" },
    async run(bench) {
      const { id } = await makeTemplate(bench);
      const ClientToken = randomUUID();
      const first = await fleet(bench, id, [], { ClientToken, count: 2 });
      const again = await fleet(bench, id, [], { ClientToken, count: 2 });
      assert.deepEqual([again.FleetId, idsOf(again)], [first.FleetId, idsOf(first)]);
      assert.equal((await listed(bench)).length, 2);
      await refused(fleet(bench, id, [], { ClientToken, count: 3 }), "IdempotentParameterMismatch", 400);
    },
  },
  {
    name: "a pool that cannot be is an error of the fleet, and the others are used",
    deviations: { moto: "refuses the whole fleet" },
    async run(bench) {
      const { id } = await makeTemplate(bench);
      const overrides: FleetLaunchTemplateOverridesRequest[] = [
        { SubnetId: "subnet-0aaaaaaaaaaaaaaaa", Priority: 1 },
        { InstanceType: "c5.xlarge", Priority: 2 },
      ];
      const answer = await fleet(bench, id, overrides, { OnDemandOptions: { AllocationStrategy: "prioritized" } });
      assert.equal(idsOf(answer).length, 1);
      assert.deepEqual(
        answer.Errors?.map(({ ErrorCode, Lifecycle }) => [ErrorCode, Lifecycle]),
        [["InvalidSubnetID.NotFound", "on-demand"]],
      );
      const [error] = answer.Errors ?? [];
      assert.equal(error?.LaunchTemplateAndOverrides?.Overrides?.SubnetId, "subnet-0aaaaaaaaaaaaaaaa");
    },
  },
  {
    name: "the template of a fleet has to be there, with its version",
    deviations: { moto: "needs no version" },
    async run(bench) {
      const { id } = await makeTemplate(bench);
      await refused(fleet(bench, "lt-0aaaaaaaaaaaaaaaa", []), "InvalidLaunchTemplateId.NotFound", 400);
      await refused(fleet(bench, id, [], { version: "9" }), "InvalidLaunchTemplateId.VersionNotFound", 400);
      const LaunchTemplateConfigs = [{ LaunchTemplateSpecification: { LaunchTemplateId: id } }];
      await refused(fleet(bench, id, [], { LaunchTemplateConfigs }), "MissingParameter", 400);
    },
  },
  {
    name: "a capacity of a fleet that is none is refused",
    deviations: { moto: "accepts it" },
    async run(bench) {
      const { id } = await makeTemplate(bench);
      await refused(fleet(bench, id, [], { count: 0 }), "InvalidParameterValue", 400);
      const TargetCapacitySpecification = { TotalTargetCapacity: 1, OnDemandTargetCapacity: 1, SpotTargetCapacity: 1 };
      await refused(fleet(bench, id, [], { TargetCapacitySpecification }), "InvalidParameterValue", 400);
      const OnDemandOptions = { MinTargetCapacity: 1 };
      await refused(fleet(bench, id, [], { OnDemandOptions }), "InvalidParameterCombination", 400);
    },
  },
];

const pools: FleetLaunchTemplateOverridesRequest[] = [
  { InstanceType: "m5.large", SubnetId: "subnet-0000000000000000a", Priority: 2 },
  { InstanceType: "c5.large", SubnetId: "subnet-0000000000000000a", Priority: 3 },
  { InstanceType: "c5.large", SubnetId: "subnet-0000000000000000b", Priority: 1 },
];

const where = ({ Instances = [] }: CreateFleetCommandOutput) =>
  Instances.map(({ InstanceType, InstanceIds, LaunchTemplateAndOverrides: { Overrides } = {} }) => [
    InstanceType,
    Overrides?.SubnetId?.at(-1),
    InstanceIds?.length,
  ]);
const why = ({ Errors = [] }: CreateFleetCommandOutput) =>
  Errors.map(({ ErrorCode, LaunchTemplateAndOverrides: { Overrides } = {} }) => [
    ErrorCode,
    Overrides?.InstanceType,
    Overrides?.SubnetId?.at(-1),
  ]);

export const ownFleetChecks: readonly OwnCheck[] = [
  {
    name: "a fleet takes the cheapest pool, and goes on to the next where there is no room",
    options: {},
    async run(bench) {
      const { id } = await makeTemplate(bench);
      bench.cloud.capacity.set({ type: "c5.large", zone: "us-east-1a" }, 1);
      bench.cloud.capacity.set({ type: "c5.large", zone: "us-east-1b" }, 0);
      const answer = await fleet(bench, id, pools, { count: 3 });
      assert.deepEqual(where(answer), [
        ["c5.large", "a", 1],
        ["m5.large", "a", 2],
      ]);
      assert.deepEqual(why(answer), [
        ["InsufficientInstanceCapacity", "c5.large", "a"],
        ["InsufficientInstanceCapacity", "c5.large", "b"],
      ]);
    },
  },
  {
    name: "a fleet takes pools by priority if it is told to",
    options: {},
    async run(bench) {
      const { id } = await makeTemplate(bench);
      const OnDemandOptions = { AllocationStrategy: "prioritized" as const };
      bench.cloud.capacity.set({ type: "c5.large", zone: "us-east-1b" }, 1);
      const answer = await fleet(bench, id, pools, { count: 2, OnDemandOptions });
      assert.deepEqual(where(answer), [
        ["c5.large", "b", 1],
        ["m5.large", "a", 1],
      ]);
    },
  },
  {
    name: "a fleet that finds no room anywhere is no refusal, but has no instances, and its token stays used",
    options: {},
    async run(bench) {
      const { id } = await makeTemplate(bench);
      bench.cloud.capacity.set({}, 0);
      const ClientToken = randomUUID();
      const answer = await fleet(bench, id, pools, { ClientToken });
      assert.deepEqual([idsOf(answer), answer.Errors?.length], [[], 3]);
      bench.cloud.capacity.clear();
      assert.deepEqual(idsOf(await fleet(bench, id, pools, { ClientToken })), []);
      assert.equal(idsOf(await fleet(bench, id, pools)).length, 1);
    },
  },
  {
    name: "a fleet gives all of its least number or nothing",
    options: {},
    async run(bench) {
      const { id } = await makeTemplate(bench);
      bench.cloud.capacity.set({}, 2);
      const OnDemandOptions = { MinTargetCapacity: 3, SingleInstanceType: true, SingleAvailabilityZone: true };
      const none = await fleet(bench, id, pools, { count: 3, OnDemandOptions });
      assert.deepEqual(idsOf(none), []);
      assert.ok((none.Errors?.length ?? 0) > 0);
      const some = await fleet(bench, id, pools, {
        count: 3,
        OnDemandOptions: { ...OnDemandOptions, MinTargetCapacity: 2 },
      });
      assert.equal(idsOf(some).length, 2);
    },
  },
  {
    name: "a fleet counts by weight",
    options: {},
    async run(bench) {
      const { id } = await makeTemplate(bench);
      const answer = await fleet(bench, id, [{ InstanceType: "c5.xlarge", WeightedCapacity: 4 }], { count: 6 });
      assert.equal(idsOf(answer).length, 2);
    },
  },
  {
    name: "spot pools are taken by their price of now, and not above what is offered",
    options: {},
    async run(bench) {
      const { id } = await makeTemplate(bench);
      bench.cloud.prices.set({ type: "c5.large" }, 0.09);
      bench.cloud.prices.set({ type: "m5.large" }, 0.01);
      assert.deepEqual(where(await fleet(bench, id, pools, { market: "spot" })), [["m5.large", "a", 1]]);
      const low = await fleet(bench, id, [{ InstanceType: "c5.large", MaxPrice: "0.08" }], { market: "spot" });
      assert.deepEqual([idsOf(low), low.Errors?.[0]?.ErrorCode], [[], "SpotMaxPriceTooLow"]);
    },
  },
  {
    name: "a fleet may be of both markets",
    options: {},
    async run(bench) {
      const { id } = await makeTemplate(bench);
      const TargetCapacitySpecification = {
        TotalTargetCapacity: 5,
        OnDemandTargetCapacity: 2,
        DefaultTargetCapacityType: "spot" as const,
      };
      await fleet(bench, id, pools, { TargetCapacitySpecification });
      const markets = bench.cloud.instances().map(({ market }) => market);
      assert.deepEqual(markets.toSorted(), ["on-demand", "on-demand", "spot", "spot", "spot"]);
    },
  },
  {
    name: "somebody who may make fleets but no instances gets a fleet with errors only",
    options: {},
    async run(bench) {
      const { id } = await makeTemplate(bench);
      const credentials = bench.cloud.credentials("half", { actions: ["ec2:CreateFleet", "ec2:CreateTags"] });
      const answer = await fleet({ ...bench, client: bench.connect({ credentials }) }, id, []);
      assert.deepEqual([idsOf(answer), answer.Errors?.[0]?.ErrorCode], [[], "UnauthorizedOperation"]);
    },
  },
];
