import type {
  CreateFleetRequest,
  FleetLaunchTemplateConfigRequest,
  FleetLaunchTemplateOverridesRequest,
} from "@aws-sdk/client-ec2";
import type { Account } from "../state/account.ts";
import type { Market } from "../state/capacity.ts";
import { type LaunchSpec, makePlan, mergeSpec, type Plan, type TemplateUse } from "../state/plan.ts";
import { templateOf, type Version, versionOf } from "../state/template.ts";
import { Ec2Error } from "../wire/errors.ts";

/** One way to launch an instance of a fleet: a template with one override, in one market. */
export interface FleetPool {
  readonly use: TemplateUse;
  readonly override: FleetLaunchTemplateOverridesRequest;
  readonly market: Market;
  /** What an instance of it counts for. */
  readonly weight: number;
  /** Undefined when it cannot be launched, for the reason beside it. */
  readonly plan: Plan | undefined;
  readonly refusal: Ec2Error | undefined;
}

const missing = (name: string) => new Ec2Error("MissingParameter", `The request must contain the parameter ${name}`);

/** The template's data with an override on it. Unlike RunInstances a fleet puts its subnet into the first interface. */
function specOf(
  version: Version,
  override: FleetLaunchTemplateOverridesRequest,
  market: Market,
  input: CreateFleetRequest,
) {
  const { WeightedCapacity: _weight, Priority: _priority, MaxPrice, SubnetId, AvailabilityZone, ...rest } = override;
  const { InstanceRequirements, AvailabilityZoneId, ...above } = rest;
  if (InstanceRequirements ?? AvailabilityZoneId) {
    throw new Ec2Error("UnsupportedOperation", "InstanceRequirements and AvailabilityZoneId are not served here");
  }
  const below = mergeSpec(version.data, {});
  const [first, ...others] = below.NetworkInterfaces ?? [];
  const zone = AvailabilityZone ?? above.Placement?.AvailabilityZone;
  const placement = {
    ...below.Placement,
    ...above.Placement,
    ...(zone === undefined ? {} : { AvailabilityZone: zone }),
  };
  const spec: LaunchSpec = {
    ...mergeSpec(version.data, above as LaunchSpec),
    ...(SubnetId === undefined
      ? {}
      : first
        ? { NetworkInterfaces: [{ ...first, SubnetId }, ...others] }
        : { SubnetId }),
    ...(Object.keys(placement).length > 0 ? { Placement: placement } : {}),
  };
  delete spec.InstanceMarketOptions;
  if (market === "on-demand") return spec;
  const behavior = input.SpotOptions?.InstanceInterruptionBehavior;
  if (behavior !== undefined && behavior !== "terminate") {
    throw new Ec2Error("InvalidParameterValue", `The interruption behavior ${behavior} is not served here`);
  }
  const SpotOptions = { SpotInstanceType: "one-time" as const, ...(MaxPrice === undefined ? {} : { MaxPrice }) };
  return { ...spec, InstanceMarketOptions: { MarketType: "spot" as const, SpotOptions } };
}

function poolOf(
  account: Account,
  input: CreateFleetRequest,
  { use, version }: { readonly use: TemplateUse; readonly version: Version },
  override: FleetLaunchTemplateOverridesRequest,
  market: Market,
): FleetPool {
  const weight = override.WeightedCapacity ?? 1;
  try {
    const plan = makePlan(account, specOf(version, override, market, input), use);
    return { use, override, market, weight, plan, refusal: undefined };
  } catch (error) {
    if (!(error instanceof Ec2Error)) throw error;
    return { use, override, market, weight, plan: undefined, refusal: error };
  }
}

function templateUse(account: Account, { LaunchTemplateSpecification: reference }: FleetLaunchTemplateConfigRequest) {
  if (!reference) throw missing("LaunchTemplateConfigs.1.LaunchTemplateSpecification");
  if (reference.Version === undefined) throw missing("LaunchTemplateConfigs.1.LaunchTemplateSpecification.Version");
  const template = templateOf(account, reference);
  const version = versionOf(template, reference.Version);
  return { version, use: { id: template.id, version: version.number } };
}

function order(account: Account, pools: readonly FleetPool[], market: Market, strategy: string): FleetPool[] {
  const price = ({ plan }: FleetPool) => {
    const onDemand = account.types.get(plan?.type ?? "")?.price ?? Infinity;
    return market === "spot" && plan ? account.prices.spot(plan.type, plan.zone, onDemand) : onDemand;
  };
  // The lowest number is the highest priority; what has none comes last.
  const priority = ({ override }: FleetPool) => override.Priority ?? Infinity;
  const key = strategy.includes("prioritized") ? priority : price;
  return pools.toSorted((left, right) => (key(left) === key(right) ? 0 : key(left) - key(right)));
}

/** All pools of a fleet in one market, in the order in which they are tried. */
export function poolsOf(account: Account, input: CreateFleetRequest, market: Market): FleetPool[] {
  const options = market === "spot" ? input.SpotOptions : input.OnDemandOptions;
  const pools = (input.LaunchTemplateConfigs ?? []).flatMap((config) => {
    const use = templateUse(account, config);
    const overrides = config.Overrides?.length ? config.Overrides : [{}];
    return overrides.map((override) => poolOf(account, input, use, override, market));
  });
  const strategy = options?.AllocationStrategy ?? "lowest-price";
  return order(account, pools, market, strategy);
}
