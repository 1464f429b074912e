import { randomUUID } from "node:crypto";
import {
  CreateFleet$,
  type CreateFleetError,
  type CreateFleetInstance,
  type CreateFleetRequest,
  type CreateFleetResult,
  type FleetLaunchTemplateOverrides,
  type LaunchTemplateAndOverridesResponse,
} from "@aws-sdk/client-ec2";
import { newId, tagsOf } from "../state/account.ts";
import type { Market } from "../state/capacity.ts";
import type { Instance, Reservation } from "../state/instance.ts";
import { launch, roomFor } from "../state/launch.ts";
import { tagsByResource } from "../state/tags.ts";
import { Ec2Error, unauthorized } from "../wire/errors.ts";
import { action, type Call } from "./action.ts";
import { type FleetPool, poolsOf } from "./fleet-pools.ts";

interface Targets {
  readonly "on-demand": number;
  readonly spot: number;
}

interface Granted {
  readonly pool: FleetPool;
  readonly instances: readonly Instance[];
}

const invalid = (message: string) => new Ec2Error("InvalidParameterValue", message);

function targetsOf({ TargetCapacitySpecification: target }: CreateFleetRequest): Targets {
  const { TotalTargetCapacity: total = 0, OnDemandTargetCapacity, SpotTargetCapacity } = target ?? {};
  const rest = target?.DefaultTargetCapacityType ?? "on-demand";
  if (!Number.isInteger(total) || total < 1)
    throw invalid(`Value (${total}) for parameter TotalTargetCapacity is invalid.`);
  if (total > 10_000) throw invalid("The target capacity of a fleet is limited to 10000");
  const given = (OnDemandTargetCapacity ?? 0) + (SpotTargetCapacity ?? 0);
  if (given > total) throw invalid("The sum of the target capacities exceeds TotalTargetCapacity");
  return {
    "on-demand": (OnDemandTargetCapacity ?? 0) + (rest === "on-demand" ? total - given : 0),
    spot: (SpotTargetCapacity ?? 0) + (rest === "spot" ? total - given : 0),
  };
}

function responseOf({ use, override, plan }: FleetPool): LaunchTemplateAndOverridesResponse {
  const { KeyName: _key, IamInstanceProfile: _role, MetadataOptions: _metadata, ...shown } = override;
  return {
    LaunchTemplateSpecification: { LaunchTemplateId: use.id, Version: String(use.version) },
    Overrides: { ...(plan ? { InstanceType: plan.type } : {}), ...(shown as object) } as FleetLaunchTemplateOverrides,
  };
}

function errorOf(pool: FleetPool, { code, message }: Ec2Error): CreateFleetError {
  return {
    LaunchTemplateAndOverrides: responseOf(pool),
    Lifecycle: pool.market,
    ErrorCode: code,
    ErrorMessage: message,
  };
}

/** The pools that may be used when a fleet is to be of one type or in one zone: those of the first that has room. */
function narrowed(call: Call, input: CreateFleetRequest, market: Market, pools: readonly FleetPool[]): FleetPool[] {
  const options = market === "spot" ? input.SpotOptions : input.OnDemandOptions;
  const first = pools.find(({ plan }) => plan && roomFor(call.account, plan).count > 0)?.plan;
  if (!first) return pools.slice();
  return pools.filter(
    ({ plan }) =>
      (options?.SingleInstanceType !== true || plan?.type === first.type) &&
      (options?.SingleAvailabilityZone !== true || plan?.zone === first.zone),
  );
}

class FleetRun {
  readonly id = `fleet-${randomUUID()}`;
  readonly granted: Granted[] = [];
  readonly errors: CreateFleetError[] = [];
  readonly #call: Call;
  readonly #input: CreateFleetRequest;

  constructor(call: Call, input: CreateFleetRequest) {
    this.#call = call;
    this.#input = input;
  }

  /** Fills one market's target from its pools, as far as there is room; what stood against more becomes an error. */
  fill(market: Market, target: number): void {
    if (target < 1) return;
    const { account } = this.#call;
    const options = market === "spot" ? this.#input.SpotOptions : this.#input.OnDemandOptions;
    const pools = narrowed(this.#call, this.#input, market, poolsOf(account, this.#input, market));
    const usable = pools.filter(({ plan }) => plan !== undefined);
    const possible = usable.reduce(
      (sum, { plan, weight }) => sum + (plan ? roomFor(account, plan).count * weight : 0),
      0,
    );
    if (possible < (options?.MinTargetCapacity ?? 0)) {
      for (const pool of pools) {
        const code = "UnfulfillableCapacity";
        this.errors.push(
          errorOf(
            pool,
            pool.refusal ??
              new Ec2Error(
                code,
                "Unable to fulfill capacity due to your request configuration. Please adjust your request and try again.",
              ),
          ),
        );
      }
      return;
    }
    let left = target;
    for (const [at, pool] of pools.entries()) {
      if (left <= 0) break;
      left -= this.#take(pool, options?.AllocationStrategy === "diversified" ? left / (pools.length - at) : left);
    }
    // What the spread left over, because a pool was full, goes to those that are not.
    if (options?.AllocationStrategy === "diversified")
      for (const pool of usable) left -= left > 0 ? this.#take(pool, left) : 0;
  }

  /** One for each pool: behind a fleet there is one request to launch for each. */
  #reservation(): Reservation {
    return { id: newId("r"), clientToken: "", fleetId: this.id };
  }

  #take(pool: FleetPool, capacity: number): number {
    const { plan, weight } = pool;
    const { account } = this.#call;
    const wanted = Math.ceil(capacity / weight);
    let refusal = pool.refusal;
    let instances: Instance[] = [];
    const forbidden = ["ec2:RunInstances", ...(plan?.role === undefined ? [] : ["iam:PassRole"])].find(
      (name) => !this.#call.may(name),
    );
    if (forbidden !== undefined) refusal = unauthorized(this.#call.caller, forbidden);
    else if (plan) {
      const room = roomFor(account, plan);
      if (room.count < wanted) refusal = room.refusal();
      if (room.count > 0) instances = launch(account, plan, this.#reservation(), 1, wanted);
    }
    if (refusal) this.errors.push(errorOf(pool, refusal));
    if (instances.length > 0) this.granted.push({ pool, instances });
    return instances.length * weight;
  }
}

function check(input: CreateFleetRequest): void {
  const { Type: type = "maintain", LaunchTemplateConfigs: configs = [], OnDemandOptions, SpotOptions } = input;
  if (type !== "instant") throw new Ec2Error("UnsupportedOperation", `A fleet of type ${type} is not served here`);
  if (configs.length === 0) {
    throw new Ec2Error("MissingParameter", "The request must contain the parameter LaunchTemplateConfigs");
  }
  const overrides = configs.reduce((sum, one) => sum + (one.Overrides?.length ?? 0), 0);
  if (overrides > 300) throw invalid("A fleet may have up to 300 overrides");
  for (const options of [OnDemandOptions, SpotOptions]) {
    if (options?.MinTargetCapacity === undefined) continue;
    if (options.SingleInstanceType !== true && options.SingleAvailabilityZone !== true) {
      throw new Ec2Error(
        "InvalidParameterCombination",
        "MinTargetCapacity needs SingleInstanceType or SingleAvailabilityZone",
      );
    }
  }
}

function createOnce(input: CreateFleetRequest, call: Call): CreateFleetResult {
  const { account, lifecycle } = call;
  check(input);
  const tags = tagsByResource(input.TagSpecifications, ["fleet", "instance", "volume", "network-interface"]);
  if (tags.size > 0) call.require("ec2:CreateTags");
  const run = new FleetRun(call, input);
  const targets = targetsOf(input);
  run.fill("on-demand", targets["on-demand"]);
  run.fill("spot", targets.spot);
  for (const [key, value] of tags.get("fleet") ?? []) tagsOf(account, run.id, "fleet").set(key, value);
  for (const instance of run.granted.flatMap(({ instances }) => instances)) {
    const { id, volumeId, interfaceId } = instance.facts;
    const owners = { instance: id, volume: volumeId, "network-interface": interfaceId };
    for (const [kind, owner] of Object.entries(owners)) {
      if (!account.rules.tagsAtLaunch) break;
      for (const [key, value] of tags.get(kind) ?? []) tagsOf(account, owner, kind).set(key, value);
    }
    lifecycle.start(instance);
  }
  const Instances = run.granted.map(({ pool, instances }): CreateFleetInstance => ({
    LaunchTemplateAndOverrides: responseOf(pool),
    Lifecycle: pool.market,
    InstanceIds: instances.map(({ id }) => id),
    ...(pool.plan ? { InstanceType: pool.plan.type as NonNullable<CreateFleetInstance["InstanceType"]> } : {}),
  }));
  return { FleetId: run.id, Errors: run.errors, Instances };
}

export const createFleet = action<CreateFleetRequest, CreateFleetResult>(CreateFleet$, (input, call) => {
  const { ClientToken: token, DryRun: _dry, ...parameters } = input;
  return call.account.tokens.once("CreateFleet", token, parameters, () => createOnce(input, call));
});
