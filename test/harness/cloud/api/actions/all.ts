import type { Action } from "./action.ts";
import { describeImages, describeInstanceTypes, describeSecurityGroups, describeSubnets } from "./catalogue.ts";
import { createFleet } from "./fleet.ts";
import { describeInstanceAttribute, getConsoleOutput } from "./inspect.ts";
import { describeInstances, describeInstanceStatus, terminateInstances } from "./instances.ts";
import {
  createLaunchTemplateVersion,
  deleteLaunchTemplateVersions,
  describeLaunchTemplateVersions,
} from "./launch-template-versions.ts";
import { createLaunchTemplate, deleteLaunchTemplate, describeLaunchTemplates } from "./launch-templates.ts";
import { runInstances } from "./run-instances.ts";
import { describeSpotPriceHistory } from "./spot-prices.ts";
import { createTags, deleteTags, describeTags } from "./tags.ts";

/** Everything that the endpoint does, by name. */
export const actions: ReadonlyMap<string, Action> = new Map(
  [
    runInstances,
    createFleet,
    describeInstances,
    describeInstanceStatus,
    terminateInstances,
    createTags,
    deleteTags,
    describeTags,
    describeInstanceTypes,
    describeImages,
    describeSubnets,
    describeSecurityGroups,
    describeSpotPriceHistory,
    getConsoleOutput,
    describeInstanceAttribute,
    createLaunchTemplate,
    deleteLaunchTemplate,
    describeLaunchTemplates,
    createLaunchTemplateVersion,
    deleteLaunchTemplateVersions,
    describeLaunchTemplateVersions,
  ].map((one) => [one.operation.name, one]),
);
