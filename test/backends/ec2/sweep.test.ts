import { expect, test } from "vitest";
import type { InstanceFacts } from "../../../src/backends/ec2/api.ts";
import { type SweepOptions, type SweptRequest, ownerTag, sweep } from "../../../src/backends/ec2/sweep.ts";
import { FakeClock } from "../../harness/fake-clock.ts";
import { startBench } from "./bench.ts";
import { type FakeApi, facts, fakeApi, refusal } from "./fake-api.ts";

const mine = (owner: string, id: string, state: InstanceFacts["state"] = "running", pool = "media"): InstanceFacts =>
  facts(id, state, { tags: { [ownerTag]: owner, "tinderbox:pool": pool } });

interface Lab {
  readonly api: FakeApi;
  readonly steps: string[];
  look(more?: Partial<SweepOptions>): ReturnType<typeof sweep>;
}

function lab(
  found: readonly InstanceFacts[],
  living: readonly string[],
  answers: Parameters<typeof fakeApi>[0] = {},
): Lab {
  const steps: string[] = [];
  const api = fakeApi({
    tagged: async () => found,
    terminate: async (ids) => {
      steps.push(`end ${ids.join()}`);
      return new Map(ids.map((id) => [id, "shutting-down"]));
    },
    removeTemplatesOf: async (template, tokens) => void steps.push(`remove ${template} ${tokens.join()}`),
    ...answers,
  });
  const clock = new FakeClock();
  return {
    api,
    steps,
    look: (more = {}) =>
      sweep({
        clock,
        api,
        scope: "here",
        own: "here/me",
        claim: async (name) => {
          if (living.includes(name)) return undefined;
          steps.push(`claim ${name}`);
          return { release: async () => void steps.push(`release ${name}`) };
        },
        requests: async () => [],
        forget: async (name) => void steps.push(`forget ${name}`),
        dryRun: false,
        ...more,
      }),
  };
}

test("ends what a parent that is gone has left, under its lease; what lives, is ours or is elsewhere's is not touched", async () => {
  const all = [
    mine("here/dead", "i-1"),
    mine("here/dead", "i-2", "stopped", "other"),
    mine("here/dead", "i-3", "shutting-down"),
    mine("here/living", "i-4"),
    mine("here/me", "i-5"),
    mine("there/dead", "i-6"),
    mine("hereafter/dead", "i-7"),
    facts("i-8", "running"),
    mine("", "i-9"),
  ];
  const { look, steps } = lab(all, ["living"]);
  expect(await look()).toEqual([
    { instance: "i-1", pool: "media", owner: "dead", state: "running", ageMs: expect.any(Number) as number },
    { instance: "i-2", pool: "other", owner: "dead", state: "stopped", ageMs: expect.any(Number) as number },
  ]);
  expect(steps).toEqual(["claim dead", "end i-1,i-2", "forget dead", "release dead"]);
});

test("by a parent that has launched nothing yet, nobody is its own", async () => {
  const { look, steps } = lab([mine("here/me", "i-1")], []);
  await look({ own: undefined });
  expect(steps).toContain("end i-1");
});

test("tells how old a machine is", async () => {
  const clock = new FakeClock();
  const launchedAt = clock.wall() - 90_000;
  const { look } = lab([{ ...mine("here/dead", "i-1"), launchedAt }], []);
  expect((await look({ clock }))[0]!.ageMs).toBe(90_000);
});

test("that only looks ends nothing, strikes out nothing, and gives the lease back", async () => {
  const { look, steps } = lab([mine("here/dead", "i-1")], []);
  const requests = async (): Promise<SweptRequest[]> => [{ token: "t", owner: "dead" }];
  expect(await look({ dryRun: true, requests })).toHaveLength(1);
  expect(steps).toEqual(["claim dead", "release dead"]);
});

test("removes templates of requests that a parent did not live to settle, also where it has left no machine", async () => {
  const requests = async (): Promise<SweptRequest[]> => [
    { token: "t1", owner: "dead", template: "lt-1" },
    { token: "t2", owner: "dead", template: "lt-1" },
    { token: "t3", owner: "dead" },
    { token: "t4", owner: "living", template: "lt-1" },
    { token: "t5", owner: "me", template: "lt-1" },
  ];
  const { look, steps } = lab([], ["living"]);
  expect(await look({ requests })).toEqual([]);
  expect(steps).toEqual(["claim dead", "remove lt-1 t1,t2", "remove undefined t3", "forget dead", "release dead"]);
});

test("machines end before templates are tidied, and a failure leaves the notes for the next look", async () => {
  const requests = async (): Promise<SweptRequest[]> => [{ token: "t1", owner: "dead" }];
  const { look, steps } = lab([mine("here/dead", "i-1")], [], {
    removeTemplatesOf: async () => {
      throw refusal("UnauthorizedOperation");
    },
  });
  await expect(look({ requests })).rejects.toMatchObject({ kind: "denied" });
  expect(steps).toEqual(["claim dead", "end i-1", "release dead"]);
});

test("one parent of whom something cannot be ended keeps nobody else's machines; it is told in the end", async () => {
  const { look, steps } = lab([mine("here/stubborn", "i-1"), mine("here/dead", "i-2")], [], {
    terminate: async (ids) => {
      if (ids.includes("i-1")) throw refusal("InternalError");
      // Later than the other's failure.
      await new Promise((resolve) => setImmediate(resolve));
      steps.push(`end ${ids.join()}`);
      return new Map();
    },
  });
  await expect(look()).rejects.toMatchObject({ reason: "InternalError" });
  expect(steps).toContain("end i-2");
  expect(steps).toContain("forget dead");
  expect(steps).toContain("release dead");
  expect(steps).toContain("release stubborn");
  expect(steps).not.toContain("forget stubborn");
});

test("one machine that may not be ended keeps not the others of its parent, nor does one that EC2 has forgotten", async () => {
  const ended: string[] = [];
  const terminate = async (ids: readonly string[]) => {
    if (ids.includes("i-3")) throw refusal("OperationNotPermitted", "The instance 'i-3' may not be terminated");
    if (ids.includes("i-5")) throw refusal("InvalidInstanceID.NotFound", "The instance ID 'i-5' does not exist");
    ended.push(...ids);
    return new Map();
  };
  const all = Array.from({ length: 9 }, (_, index) => mine("here/dead", `i-${index}`));
  const { look } = lab(all, [], { terminate });
  await expect(look()).rejects.toMatchObject({ reason: "OperationNotPermitted" });
  expect(ended.toSorted()).toEqual(["i-0", "i-1", "i-2", "i-4", "i-6", "i-7", "i-8"]);
  const { look: again, steps } = lab([mine("here/dead", "i-4"), mine("here/dead", "i-5")], [], { terminate });
  expect(await again()).toHaveLength(2);
  expect(steps).toContain("forget dead");
});

test("what is throttled or lost is not asked for piece by piece", async () => {
  const { look, api } = lab(
    Array.from({ length: 100 }, (_, index) => mine("here/dead", `i-${index}`)),
    [],
    {
      terminate: async () => {
        throw refusal("RequestLimitExceeded");
      },
    },
  );
  await expect(look()).rejects.toMatchObject({ kind: "throttled" });
  expect(api.of("terminate")).toHaveLength(1);
});

test("more than one request may name are several", async () => {
  const { look, api } = lab(
    Array.from({ length: 1_100 }, (_, index) => mine("here/dead", `i-${index}`)),
    [],
  );
  expect(await look()).toHaveLength(1_100);
  expect(api.of("terminate").map((ids) => (ids as string[]).length)).toEqual([500, 500, 100]);
});

test("over EC2 itself: pages of machines, and refusals that are asked again", async () => {
  const { cloud, api } = await startBench({ limits: { instances: { burst: 2_000, perSecond: 1_000 } } });
  const offers = [{ type: "c6i.large", subnet: "subnet-0000000000000000a", zone: "us-east-1a" }];
  const launch = async (owner: string, count: number): Promise<void> => {
    const tags = { [ownerTag]: owner, "tinderbox:pool": "media" };
    const template = await api.makeTemplate({
      token: owner,
      name: `tinderbox-${owner.slice(5)}`,
      userData: "#!/bin/sh\n",
      tags,
    });
    await api.launch({ token: owner, template, count, market: "spot", offers, tags });
  };
  await Promise.all([launch("here/dead", 1_050), launch("here/living", 3)]);
  cloud.faults.add({ kind: "throttle", action: "TerminateInstances", times: 2 });
  const found = await sweep({
    clock: new FakeClock(),
    api,
    scope: "here",
    own: undefined,
    claim: async (name) => (name === "dead" ? { release: async () => undefined } : undefined),
    requests: async () => [{ token: "dead", owner: "dead" }],
    forget: async () => undefined,
    dryRun: false,
  });
  expect(found).toHaveLength(1_050);
  const left = cloud.instances().filter(({ state }) => state === "pending" || state === "running");
  expect(left.map(({ tags }) => tags[ownerTag])).toEqual(["here/living", "here/living", "here/living"]);
  expect(cloud.callsOf("DeleteLaunchTemplate")).toHaveLength(1);
});
