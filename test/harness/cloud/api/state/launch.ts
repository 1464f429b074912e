import { Ec2Error } from "../wire/errors.ts";
import { type Account, newId, tagsOf } from "./account.ts";
import { Instance, type Reservation } from "./instance.ts";
import type { Plan } from "./plan.ts";
import { exceeded } from "./throttle.ts";

interface Room {
  readonly count: number;
  /** What is said when more is wanted. */
  refusal(): Ec2Error;
}

function live(account: Account, fits: (instance: Instance) => boolean): Instance[] {
  const now = account.now();
  return [...account.instances.values()].filter((one) => one.isLive(now) && fits(one));
}

function poolRoom(account: Account, { type, zone, market }: Plan): Room {
  const limit = account.rules.capacity ? account.capacity.of({ type, zone, market }) : Infinity;
  if (limit === "unsupported") {
    const message = `Your requested instance type (${type}) is not supported in your requested Availability Zone (${zone}).`;
    return { count: 0, refusal: () => new Ec2Error("Unsupported", message) };
  }
  const used = (one: Instance) => one.facts.plan.type === type && one.facts.plan.zone === zone && one.market === market;
  return {
    count: limit === Infinity ? Infinity : limit - live(account, used).length,
    refusal: () =>
      new Ec2Error(
        "InsufficientInstanceCapacity",
        `We currently do not have sufficient ${type} capacity in the Availability Zone you requested (${zone}). Our system will be working on provisioning additional capacity.`,
      ),
  };
}

function quotaRoom(account: Account, { vcpus, market }: Plan): Room {
  const limit = market === "spot" ? account.quota.spotVcpus : account.quota.onDemandVcpus;
  if (limit === Infinity || !account.rules.quota) return { count: Infinity, refusal: exceeded };
  const used = live(account, (one) => one.market === market).reduce((sum, one) => sum + one.facts.plan.vcpus, 0);
  return {
    count: Math.floor((limit - used) / vcpus),
    refusal: () =>
      market === "spot"
        ? new Ec2Error("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded")
        : new Ec2Error(
            "VcpuLimitExceeded",
            `You have requested more vCPU capacity than your current vCPU limit of ${limit} allows for the instance bucket that the specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit.`,
          ),
  };
}

function addressRoom(account: Account, { subnetId }: Plan): Room {
  const addresses = account.addresses.get(subnetId);
  if (!addresses) throw new Error(`Cannot launch into ${subnetId}: it has no addresses`);
  return { count: addresses.free, refusal: () => addresses.exhausted() };
}

function priceRoom(account: Account, { type, zone, market, maxPrice }: Plan): Room {
  const onDemand = account.types.get(type)?.price ?? 0;
  const price = account.prices.spot(type, zone, onDemand);
  const low = account.rules.spotPrices && market === "spot" && maxPrice !== undefined && maxPrice < price;
  return {
    count: low ? 0 : Infinity,
    refusal: () =>
      new Ec2Error(
        "SpotMaxPriceTooLow",
        `Your Spot request price of ${maxPrice} is lower than the minimum required Spot request fulfillment price of ${price}.`,
      ),
  };
}

/** How many instances of a plan can be launched now, and what stands against one more. */
export function roomFor(account: Account, plan: Plan): Room {
  const rooms = [
    priceRoom(account, plan),
    quotaRoom(account, plan),
    poolRoom(account, plan),
    addressRoom(account, plan),
    { count: account.rules.throttling ? account.throttle.launchable() : Infinity, refusal: exceeded },
  ];
  return rooms.reduce((least, one) => (one.count < least.count ? one : least));
}

function launchOne(account: Account, plan: Plan, reservation: Reservation, index: number): Instance {
  const now = account.now();
  const addresses = account.addresses.get(plan.subnetId);
  const id = newId("i");
  const isTaken = () =>
    !account.rules.releasesAddresses || account.instances.get(id)?.isTerminated(account.now()) !== true;
  const facts = {
    id,
    index,
    reservation,
    plan,
    privateIp: addresses?.take(isTaken, plan.privateIp) ?? "",
    volumeId: newId("vol"),
    interfaceId: newId("eni"),
    spotRequestId: plan.market === "spot" ? `sir-${newId("x").slice(3, 11)}` : undefined,
    launchedMs: now,
  };
  const instance = new Instance(facts);
  account.instances.set(id, instance);
  const kinds = { instance: facts.id, volume: facts.volumeId, "network-interface": facts.interfaceId };
  const request = facts.spotRequestId === undefined ? {} : { "spot-instances-request": facts.spotRequestId };
  for (const [kind, owner] of Object.entries({ ...kinds, ...request })) {
    const tags = tagsOf(account, owner, kind);
    if (account.rules.tagsAtLaunch) for (const [key, value] of plan.tags.get(kind) ?? []) tags.set(key, value);
  }
  const own = tagsOf(account, facts.id, "instance");
  if (plan.template) {
    own.set("aws:ec2launchtemplate:id", plan.template.id);
    own.set("aws:ec2launchtemplate:version", String(plan.template.version));
  }
  if (reservation.fleetId !== undefined) own.set("aws:ec2:fleet-id", reservation.fleetId);
  return instance;
}

/** Launches as many as there is room for, up to `max`. Throws when that is less than `min`; then there is none. */
export function launch(account: Account, plan: Plan, reservation: Reservation, min: number, max: number): Instance[] {
  const room = roomFor(account, plan);
  const count = Math.min(max, room.count);
  if (count < min || count < 1) throw room.refusal();
  account.throttle.launched(count);
  return Array.from({ length: count }, (_, index) => launchOne(account, plan, reservation, index));
}
