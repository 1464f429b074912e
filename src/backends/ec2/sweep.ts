/** Finds machines that no living parent owns, and ends them. */
import type { Clock } from "../../ports/clock.ts";
import type { Ec2Api, InstanceFacts } from "./api.ts";

export const ownerTag = "tinderbox:owner";

export interface SweepOptions {
  readonly clock: Clock;
  readonly api: Ec2Api;
  /** Whose machines are looked at: owners are `<scope>/<name>`. */
  readonly scope: string;
  /** Never touched. */
  readonly own: string | undefined;
  /** Takes the place of a parent that is gone; undefined when it lives. */
  claim(name: string): Promise<{ release(): Promise<void> } | undefined>;
  /** Nothing of that parent is left. */
  forget(name: string): Promise<void>;
  /** Only looks. */
  readonly dryRun: boolean;
}

export interface Orphan {
  readonly instance: string;
  readonly pool: string;
  readonly owner: string;
  readonly state: string;
  readonly ageMs: number;
}

export async function sweep({
  api,
  clock,
  scope,
  own,
  claim,
  forget,
  dryRun,
}: SweepOptions): Promise<readonly Orphan[]> {
  const owners = new Map<string, InstanceFacts[]>();
  // What EC2 lists may be seconds old; what is missing is found by the next sweep.
  for (const facts of await api.tagged(ownerTag)) {
    const owner = facts.tags[ownerTag] ?? "";
    if (!owner.startsWith(`${scope}/`) || owner === own || facts.state === "shutting-down") continue;
    const known = owners.get(owner);
    if (known) known.push(facts);
    else owners.set(owner, [facts]);
  }
  const orphans: Orphan[] = [];
  for (const [owner, instances] of owners) {
    const name = owner.slice(scope.length + 1);
    const claimed = await claim(name);
    if (!claimed) continue;
    try {
      for (const { id, tags, state, launchedAt } of instances)
        orphans.push({
          instance: id,
          pool: tags["tinderbox:pool"] ?? "",
          owner: name,
          state,
          ageMs: clock.wall() - launchedAt,
        });
      if (dryRun) continue;
      await api.terminate(instances.map(({ id }) => id));
      await forget(name);
    } finally {
      await claimed.release();
    }
  }
  return orphans;
}
