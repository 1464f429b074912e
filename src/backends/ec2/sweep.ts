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

export async function sweep(options: SweepOptions): Promise<readonly Orphan[]> {
  const { api, scope, own } = options;
  const owners = new Map<string, InstanceFacts[]>();
  // What EC2 lists may be seconds old; what is missing is found by the next sweep.
  for (const facts of await api.tagged(ownerTag)) {
    const owner = facts.tags[ownerTag] ?? "";
    if (!owner.startsWith(`${scope}/`) || owner === own || facts.state === "shutting-down") continue;
    const known = owners.get(owner);
    if (known) known.push(facts);
    else owners.set(owner, [facts]);
  }
  const found = await Promise.all(
    [...owners].map(([owner, instances]) => end(owner.slice(scope.length + 1), instances, options)),
  );
  return found.flat();
}

/** What is left of one parent; nothing where it lives. */
async function end(
  owner: string,
  instances: readonly InstanceFacts[],
  options: SweepOptions,
): Promise<readonly Orphan[]> {
  const { api, clock, claim, forget, dryRun } = options;
  const claimed = await claim(owner);
  if (!claimed) return [];
  try {
    if (!dryRun) {
      await api.terminate(instances.map(({ id }) => id));
      await forget(owner);
    }
  } finally {
    await claimed.release();
  }
  return instances.map(({ id, tags, state, launchedAt }) => ({
    instance: id,
    pool: tags["tinderbox:pool"] ?? "",
    owner,
    state,
    ageMs: clock.wall() - launchedAt,
  }));
}
