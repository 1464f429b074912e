import { startWithRules } from "../cloud.ts";
import { catalogueChecks } from "./checks/catalogue.ts";
import { type Check, makeBench, type OwnCheck, type Place } from "./checks/check.ts";
import { fleetChecks, ownFleetChecks } from "./checks/fleets.ts";
import { launchChecks } from "./checks/launch.ts";
import { lifeChecks, ownLifeChecks } from "./checks/life.ts";
import { limitChecks } from "./checks/limits.ts";
import { listingChecks } from "./checks/listing.ts";
import { ownRefusalChecks, refusalChecks } from "./checks/refusals.ts";
import { tagChecks } from "./checks/tags.ts";
import { templateChecks } from "./checks/templates.ts";
import { tokenChecks } from "./checks/tokens.ts";
import type { Notes } from "./checks/validate.ts";
import { type Rules, strict } from "./state/rules.ts";

/** What a server has to do to be taken for EC2. One list for all servers; where one deviates, the check says why. */
export const conformance: readonly Check[] = [
  ...launchChecks,
  ...tokenChecks,
  ...listingChecks,
  ...lifeChecks,
  ...templateChecks,
  ...fleetChecks,
  ...tagChecks,
  ...catalogueChecks,
  ...refusalChecks,
];

/** What can be seen only where a server is told to be short of something, slow or late. */
export const ownConformance: readonly OwnCheck[] = [
  ...ownLifeChecks,
  ...ownFleetChecks,
  ...limitChecks,
  ...ownRefusalChecks,
];

/** The image that every cloud of ours has. */
export const ownImage = "ami-0123456789abcdef0";

/** Limits that no check meets by accident. */
const roomy = { burst: 1e6, perSecond: 1e6 };
export const roomyLimits = { runInstances: roomy, instances: roomy, others: roomy };

/** Runs one check at a server. Throws what the check throws. */
export async function runCheck(check: Check, place: Place, notes?: Notes): Promise<void> {
  const { bench, close } = makeBench(place, notes);
  try {
    await check.run(bench);
  } finally {
    close();
  }
}

/** Runs one check at a server of its own, which may be a mutant. */
export async function runOwnCheck(check: OwnCheck, rules: Rules = strict, notes?: Notes): Promise<void> {
  await using cloud = await startWithRules(check.options, rules);
  const { bench, close } = makeBench({ ...cloud, credentials: cloud.credentials("owner"), imageId: ownImage }, notes);
  try {
    await check.run({ ...bench, cloud });
  } finally {
    close();
  }
}
