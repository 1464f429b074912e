import {
  DescribeInstances$,
  type DescribeInstancesRequest,
  type DescribeInstancesResult,
  DescribeInstanceStatus$,
  type DescribeInstanceStatusRequest,
  type DescribeInstanceStatusResult,
  TerminateInstances$,
  type TerminateInstancesRequest,
  type TerminateInstancesResult,
} from "@aws-sdk/client-ec2";
import { type Account, isListed, shownPhase, tagsOf } from "../state/account.ts";
import { vpcId } from "../state/catalogue.ts";
import { type Instance, stateCodes } from "../state/instance.ts";
import { reasons } from "../state/lifecycle.ts";
import { Ec2Error } from "../wire/errors.ts";
import { action } from "./action.ts";
import { type Fields, filtered } from "./filters.ts";
import { checkInstanceId, findInstances } from "./find-instances.ts";
import { pageOf } from "./paging.ts";
import { reservationsOf, stateOf } from "./present.ts";

export function instanceFields(account: Account): Fields<Instance> {
  const shown = (one: Instance) => shownPhase(account, one);
  const here = (one: Instance, value: string) => [shown(one).state === "terminated" ? undefined : value];
  return {
    "instance-id": ({ id }) => [id],
    "instance-state-name": (one) => [shown(one).state],
    "instance-state-code": (one) => [String(stateCodes[shown(one).state])],
    "instance-type": ({ facts }) => [facts.plan.type],
    "instance-lifecycle": ({ market }) => [market === "spot" ? "spot" : undefined],
    "availability-zone": ({ facts }) => [facts.plan.zone],
    "client-token": ({ facts }) => [facts.reservation.clientToken],
    "reservation-id": ({ facts }) => [facts.reservation.id],
    "image-id": ({ facts }) => [facts.plan.imageId],
    "key-name": ({ facts }) => [facts.plan.spec.KeyName],
    architecture: ({ facts }) => [facts.plan.architecture],
    "subnet-id": (one) => here(one, one.facts.plan.subnetId),
    "vpc-id": (one) => here(one, vpcId),
    "private-ip-address": (one) => here(one, one.facts.privateIp),
    "instance.group-id": ({ facts }) => facts.plan.groupIds,
    "spot-instance-request-id": ({ facts }) => [facts.spotRequestId],
    "state-reason-code": (one) => [shown(one).reason?.code],
    "owner-id": () => [account.accountId],
  };
}

/** What a listing of instances is about: those of the given ids, or all that are listed. */
function chosen(account: Account, ids: readonly string[] | undefined, size: number | undefined): Instance[] {
  if (!ids?.length) return [...account.instances.values()].filter((one) => isListed(account, one));
  if (size !== undefined) {
    throw new Ec2Error(
      "InvalidParameterCombination",
      "The parameter instancesSet cannot be used with the parameter maxResults",
    );
  }
  return findInstances(account, ids);
}

function places(account: Account): (instance: Instance) => number {
  const order = new Map([...account.instances.keys()].map((id, index) => [id, index]));
  return ({ id }) => order.get(id) ?? 0;
}

export const describeInstances = action<DescribeInstancesRequest, DescribeInstancesResult>(
  DescribeInstances$,
  (input, { account }) => {
    const all = chosen(account, input.InstanceIds, input.MaxResults);
    const filters = account.rules.filters ? input.Filters : undefined;
    const found = filtered(all, filters, instanceFields(account), ({ id }) => tagsOf(account, id, "instance"));
    const limits = { min: 5, max: 1000, paged: account.rules.paging };
    const { items, ...next } = pageOf(found, input, limits, places(account));
    return { Reservations: reservationsOf(account, items), ...next };
  },
);

export const describeInstanceStatus = action<DescribeInstanceStatusRequest, DescribeInstanceStatusResult>(
  DescribeInstanceStatus$,
  (input, { account }) => {
    const all = chosen(account, input.InstanceIds, input.MaxResults).filter(
      (one) => input.IncludeAllInstances === true || shownPhase(account, one).state === "running",
    );
    const found = filtered(all, input.Filters, instanceFields(account));
    const { items, ...next } = pageOf(found, input, { min: 5, max: 1000 }, places(account));
    return {
      ...next,
      InstanceStatuses: items.map((one) => {
        const phase = shownPhase(account, one);
        const status = phase.state === "running" ? "ok" : "not-applicable";
        const summary = { Status: status, Details: [{ Name: "reachability", Status: "passed" }] } as const;
        const none = { Status: status } as const;
        return {
          InstanceId: one.id,
          AvailabilityZone: one.facts.plan.zone,
          InstanceState: stateOf(phase),
          InstanceStatus: status === "ok" ? summary : none,
          SystemStatus: status === "ok" ? summary : none,
        };
      }),
    };
  },
);

/** The instances to terminate. One unknown id spoils the request, unless that rule was taken away. */
function toTerminate(account: Account, ids: readonly string[]): Instance[] {
  const unlisted = account.unlistedTerminate === "works";
  if (account.rules.terminatesAllOrNone) return findInstances(account, ids, unlisted);
  return ids.flatMap((id) => account.instances.get(id) ?? []);
}

export const terminateInstances = action<TerminateInstancesRequest, TerminateInstancesResult>(
  TerminateInstances$,
  ({ InstanceIds: ids = [] }, { account, lifecycle }) => {
    if (ids.length === 0) throw new Ec2Error("MissingParameter", "The request must contain the parameter InstanceId");
    if (ids.length > 1000) throw new Ec2Error("InvalidParameterValue", "Up to 1000 instances may be named at a time");
    for (const id of ids) checkInstanceId(account, id);
    const found = toTerminate(account, ids);
    const kept = found.filter(({ facts }) => facts.plan.spec.DisableApiTermination === true);
    if (kept[0]) {
      throw new Ec2Error(
        "OperationNotPermitted",
        `The instance '${kept[0].id}' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.`,
      );
    }
    return {
      TerminatingInstances: found.map((one) => {
        const PreviousState = stateOf(one.at(account.now()));
        lifecycle.terminate(one, reasons.byUser(account.now()));
        return { InstanceId: one.id, PreviousState, CurrentState: stateOf(one.at(account.now())) };
      }),
    };
  },
);
