import { Ec2Error } from "../wire/errors.ts";
import { type Account, isListed } from "../state/account.ts";
import type { Instance } from "../state/instance.ts";

/** Throws InvalidInstanceID.Malformed for what cannot be an id. */
export function checkInstanceId({ rules }: Account, id: string): void {
  if (!rules.idSyntax || /^i-([\da-f]{8}|[\da-f]{17})$/.test(id)) return;
  throw new Ec2Error("InvalidInstanceID.Malformed", `Invalid id: "${id}"`);
}

function notFound(ids: readonly string[]): Ec2Error {
  const several = ids.length > 1;
  return new Ec2Error(
    "InvalidInstanceID.NotFound",
    `The instance ID${several ? "s" : ""} '${ids.join(", ")}' do${several ? "" : "es"} not exist`,
  );
}

/** The instances of these ids, all or none. `unlisted` also gives those that are too new to be listed. */
export function findInstances(account: Account, ids: readonly string[], unlisted = false): Instance[] {
  for (const id of ids) checkInstanceId(account, id);
  const found: Instance[] = [];
  const missing: string[] = [];
  for (const id of new Set(ids)) {
    const instance = account.instances.get(id);
    if (instance && (isListed(account, instance) || (unlisted && !instance.isTerminated(account.now())))) {
      found.push(instance);
    } else missing.push(id);
  }
  if (missing.length > 0) throw notFound(missing);
  return found;
}
