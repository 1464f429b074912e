import { RunInstances$, type Reservation, type RunInstancesRequest } from "@aws-sdk/client-ec2";
import { newId } from "../state/account.ts";
import type { Instance } from "../state/instance.ts";
import { launch } from "../state/launch.ts";
import { type LaunchSpec, makePlan, mergeSpec, type TemplateUse } from "../state/plan.ts";
import { templateOf, versionOf } from "../state/template.ts";
import { Ec2Error } from "../wire/errors.ts";
import { action, type Call } from "./action.ts";
import { reservationsOf } from "./present.ts";

function mergedSpec(
  { account }: Call,
  reference: RunInstancesRequest["LaunchTemplate"],
  above: LaunchSpec,
): { readonly spec: LaunchSpec; readonly template: TemplateUse | undefined } {
  if (!reference) return { spec: above, template: undefined };
  const template = templateOf(account, reference);
  const version = versionOf(template, reference.Version ?? "$Default");
  const spec = account.rules.templateOverrides
    ? mergeSpec(version.data, above)
    : { ...above, ...mergeSpec(version.data, {}) };
  return { spec, template: { id: template.id, version: version.number } };
}

function checkCounts(min: number, max: number): void {
  const wrong = (message: string) => new Ec2Error("InvalidParameterValue", message);
  for (const [name, count] of [
    ["minCount", min],
    ["maxCount", max],
  ] as const) {
    if (!Number.isInteger(count) || count < 1)
      throw wrong(`Value (${count}) for parameter ${name} is invalid. Must be greater than or equal to 1.`);
  }
  if (min > max) {
    throw wrong(`Value (${min}) for parameter minCount is invalid. Minimum must be less than or equal to maximum.`);
  }
}

function runOnce(input: RunInstancesRequest, call: Call): Instance[] {
  const { MinCount: min = 0, MaxCount: max = 0, LaunchTemplate, ClientToken, ...rest } = input;
  checkCounts(min, max);
  const { account, lifecycle } = call;
  const { spec, template } = mergedSpec(call, LaunchTemplate, rest);
  if (spec.TagSpecifications?.length) call.require("ec2:CreateTags");
  if (spec.IamInstanceProfile) call.require("iam:PassRole");
  const plan = makePlan(account, spec, template);
  const reservation = { id: newId("r"), clientToken: ClientToken ?? "", fleetId: undefined };
  const launched = launch(account, plan, reservation, min, max);
  for (const one of launched) lifecycle.start(one);
  return launched;
}

export const runInstances = action<RunInstancesRequest, Reservation>(RunInstances$, (input, call) => {
  const { ClientToken: token, DryRun: _dry, ...parameters } = input;
  const { account } = call;
  let isNew = false;
  const launched = account.tokens.once("RunInstances", token, parameters, () => {
    isNew = true;
    return runOnce(input, call);
  });
  // The first answer always says that they are pending, however long it took to write.
  const [reservation = {}] = isNew
    ? reservationsOf(account, launched, (one) => one.at(one.facts.launchedMs))
    : reservationsOf(account, launched);
  return reservation;
});
