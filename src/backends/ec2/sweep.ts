/** Finds machines that no living parent owns, and ends them; with what their parents have left besides. */
import type { Ec2Error } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Ec2Api, InstanceFacts } from "./api.ts";

export const ownerTag = "tinderbox:owner";

/** What a parent had written down before it asked for machines. */
export interface SweptRequest {
  readonly token: string;
  readonly owner: string;
  /** As `Ec2Api.template` was. */
  readonly template?: string | undefined;
}

export interface SweepOptions {
  readonly clock: Clock;
  readonly api: Ec2Api;
  /** Whose machines are looked at: owners are `<scope>/<name>`. */
  readonly scope: string;
  /** Never touched. */
  readonly own: string | undefined;
  /** Takes the place of a parent that is gone; undefined when it lives. */
  claim(name: string): Promise<{ release(): Promise<void> } | undefined>;
  /** Requests that were begun, by whomever, and are not known to have been settled. */
  requests(): Promise<readonly SweptRequest[]>;
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

/** Ids of one request, as EC2 advises. */
const mostAtOnce = 500;

interface Left {
  readonly instances: InstanceFacts[];
  readonly requests: SweptRequest[];
}

/** Looks after every parent; throws what went wrong with one of them when it is done with all. */
export async function sweep(options: SweepOptions): Promise<readonly Orphan[]> {
  const { api, scope, own } = options;
  const owners = new Map<string, Left>();
  const leftOf = (name: string): Left => {
    const known = owners.get(name) ?? { instances: [], requests: [] };
    owners.set(name, known);
    return known;
  };
  // What EC2 lists may be seconds old; what is missing is found by the next sweep.
  for (const facts of await api.tagged(ownerTag)) {
    const owner = facts.tags[ownerTag] ?? "";
    if (!owner.startsWith(`${scope}/`) || owner === own || facts.state === "shutting-down") continue;
    leftOf(owner.slice(scope.length + 1)).instances.push(facts);
  }
  for (const request of await options.requests())
    if (`${scope}/${request.owner}` !== own) leftOf(request.owner).requests.push(request);
  const results = await Promise.allSettled([...owners].map(([owner, left]) => end(owner, left, options)));
  for (const result of results) if (result.status === "rejected") throw result.reason;
  return results.flatMap((result) => (result.status === "fulfilled" ? result.value : []));
}

/** What is left of one parent; nothing where it lives. */
async function end(owner: string, { instances, requests }: Left, options: SweepOptions): Promise<readonly Orphan[]> {
  const { api, clock, claim, forget, dryRun } = options;
  const claimed = await claim(owner);
  if (!claimed) return [];
  try {
    if (!dryRun) {
      const ids = instances.map(({ id }) => id);
      for (let at = 0; at < ids.length; at += mostAtOnce) await terminate(api, ids.slice(at, at + mostAtOnce));
      for (const template of new Set(requests.map((request) => request.template))) {
        const tokens = requests.filter((request) => request.template === template).map(({ token }) => token);
        await api.removeTemplatesOf(template, tokens);
      }
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

/** One that is refused fails the request for all: the others are ended without it before that is thrown. */
async function terminate(api: Ec2Api, ids: readonly string[]): Promise<void> {
  try {
    await api.terminate(ids);
  } catch (error) {
    const { kind, reason } = error as Ec2Error;
    // It has been gone for so long that EC2 does not know it any more.
    if (ids.length === 1 && reason === "InvalidInstanceID.NotFound") return;
    if (ids.length === 1 || (kind !== "denied" && kind !== "invalid")) throw error;
    const half = Math.ceil(ids.length / 2);
    const halves = await Promise.allSettled([terminate(api, ids.slice(0, half)), terminate(api, ids.slice(half))]);
    for (const result of halves) if (result.status === "rejected") throw result.reason;
  }
}
