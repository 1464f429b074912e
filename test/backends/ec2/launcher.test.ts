import { describe, expect, test } from "vitest";
import type { Market, Offer } from "../../../src/backends/ec2/api.ts";
import { Launcher, type Party } from "../../../src/backends/ec2/launcher.ts";
import { systemClock } from "../../../src/clock.ts";
import type { Ec2Error } from "../../../src/errors.ts";
import type { CloudOptions } from "../../harness/cloud/cloud.ts";
import { until } from "../../harness/until.ts";
import { type Bench, startBench } from "./bench.ts";

const types = ["c6i.large", "m6i.large"];
const zones = ["us-east-1a", "us-east-1b"];
const offers: readonly Offer[] = types.flatMap((type) =>
  zones.map((zone) => ({ type, zone, subnet: `subnet-0000000000000000${zone.at(-1)}` })),
);

interface Lab extends Bench {
  readonly parties: Party[];
  readonly intents: { readonly token: string; open: boolean }[];
  readonly troubles: unknown[];
  /** Asks for so many at once. What came of each. */
  launch(count: number, pool?: string): Promise<(string | Ec2Error)[]>;
  /** Types and zones that the n-th request for a fleet named, from 0, and its market. */
  asked(nth: number): { readonly market: string; readonly offers: readonly string[] };
}

async function lab(options: CloudOptions = {}, markets: readonly Market[] = ["spot", "on-demand"]): Promise<Lab> {
  const bench = await startBench(options);
  const parties: Party[] = [];
  const intents: { token: string; open: boolean }[] = [];
  const troubles: unknown[] = [];
  const launcher = new Launcher({
    clock: systemClock,
    api: bench.api,
    markets,
    mostAtOnce: 100,
    end: () => undefined,
    offers: async () => offers,
    owner: async () => "scope/parent",
    tags: ({ pool }, token, owner) => ({
      "tinderbox:owner": owner,
      "tinderbox:pool": pool,
      "tinderbox:request": token,
    }),
    userData: async (ticket) => `#!/bin/sh\n# ${ticket.toString("hex")}\n`,
    expect: (party) => void parties.push(party),
    intend: async (token) => {
      const intent = { token, open: true };
      intents.push(intent);
      return async () => void (intent.open = false);
    },
    trouble: (error) => void troubles.push(error),
  });
  return {
    ...bench,
    parties,
    intents,
    troubles,
    launch: (count, pool = "media") =>
      Promise.all(
        Array.from(
          { length: count },
          () =>
            new Promise<string | Ec2Error>((resolve) =>
              launcher.add({
                pool,
                lifetimeMs: 60_000,
                bootTimeoutMs: 60_000,
                launched: resolve,
                failed: (error) => resolve(error as Ec2Error),
              }),
            ),
        ),
      ),
    asked(nth) {
      const { parameters } = bench.cloud.callsOf("CreateFleet")[nth]!;
      const { LaunchTemplateConfigs, TargetCapacitySpecification } = parameters as {
        LaunchTemplateConfigs: { Overrides: { InstanceType: string; SubnetId: string }[] }[];
        TargetCapacitySpecification: { DefaultTargetCapacityType: string };
      };
      const named = LaunchTemplateConfigs[0]!.Overrides.map(
        ({ InstanceType, SubnetId }) => `${InstanceType} ${SubnetId.at(-1)}`,
      );
      return { market: TargetCapacitySpecification.DefaultTargetCapacityType, offers: named.toSorted() };
    },
  };
}

const everywhere = ["c6i.large a", "c6i.large b", "m6i.large a", "m6i.large b"];

describe("a launch", () => {
  test("of several in one turn is one request over all types and places; each gets an instance of its own", async () => {
    const { launch, cloud, asked, parties, intents, troubles } = await lab();
    const ids = await launch(7);
    expect(new Set(ids).size).toBe(7);
    expect(
      cloud
        .instances()
        .map(({ id }) => id)
        .toSorted(),
    ).toEqual(ids.toSorted());
    expect(cloud.callsOf("CreateFleet")).toHaveLength(1);
    expect(asked(0)).toEqual({ market: "spot", offers: everywhere });
    const [party] = parties;
    expect(await party!.instances).toEqual(ids);
    for (const { id, tags, userData } of cloud.instances()) {
      expect(tags).toMatchObject({ "tinderbox:owner": "scope/parent", "tinderbox:pool": "media" });
      expect(userData.toString()).toContain(party!.ticket.toString("hex"));
      expect(await party!.of(id)).toBeDefined();
    }
    expect(await party!.of("i-00000000000000000")).toBeUndefined();
    await until(
      "the template and the note of it are gone",
      () => intents.every(({ open }) => !open) && cloud.callsOf("DeleteLaunchTemplate").length === 1,
    );
    expect(troubles).toEqual([]);
  });

  test("of two pools is two requests, as user data and tags differ; more than a hundred are several", async () => {
    const { launch, cloud } = await lab({ limits: { instances: { burst: 1000, perSecond: 1000 } } });
    await Promise.all([launch(1, "one"), launch(1, "two")]);
    expect(cloud.callsOf("CreateFleet")).toHaveLength(2);
    const ids = await launch(230);
    expect(new Set(ids).size).toBe(230);
    const sizes = cloud
      .callsOf("CreateFleet")
      .slice(2)
      .map(
        ({ parameters }) =>
          (parameters as { TargetCapacitySpecification: { TotalTargetCapacity: number } }).TargetCapacitySpecification
            .TotalTargetCapacity,
      );
    expect(sizes.toSorted((left, right) => left - right)).toEqual([30, 100, 100]);
  });

  test("goes to other types and zones where there is no capacity, and does not ask for those again soon", async () => {
    const { launch, cloud, asked } = await lab({}, ["on-demand"]);
    cloud.capacity.set({ type: "c6i.large" }, 0);
    cloud.capacity.set({ type: "m6i.large", zone: "us-east-1a" }, 0);
    const first = await launch(2);
    expect(first.every((id) => typeof id === "string")).toBe(true);
    expect(new Set(cloud.instances().map(({ type, zone }) => `${type} ${zone}`))).toEqual(
      new Set(["m6i.large us-east-1b"]),
    );
    const before = cloud.callsOf("CreateFleet").length;
    await launch(1);
    expect(cloud.callsOf("CreateFleet")).toHaveLength(before + 1);
    expect(asked(before).offers).toEqual(["m6i.large b"]);
  });

  test("takes what there is of one market and the rest of the other", async () => {
    const { launch, cloud } = await lab();
    cloud.capacity.set({ market: "spot" }, 0);
    cloud.capacity.set({ market: "spot", type: "c6i.large", zone: "us-east-1a" }, 2);
    expect((await launch(5)).every((id) => typeof id === "string")).toBe(true);
    const markets = cloud.instances().map(({ market }) => market);
    expect(markets.filter((market) => market === "spot")).toHaveLength(2);
    expect(markets.filter((market) => market === "on-demand")).toHaveLength(3);
  });

  test("without capacity anywhere fails with what was tried, and may succeed later", async () => {
    const { launch, cloud } = await lab({}, ["spot"]);
    cloud.capacity.set({ market: "spot" }, 0);
    const [error] = await launch(1);
    expect(error).toMatchObject({ code: "ERR_TINDERBOX_EC2", kind: "capacity", permanent: false });
    expect((error as Error).message).toMatch(/c6i\.large in us-east-1a \(spot\): InsufficientInstanceCapacity/);
    expect((error as Error).message).toContain("name more instanceTypes");
    expect(cloud.instances()).toEqual([]);
  });

  test("whose answer is lost is asked for again with its token, and nothing is launched twice", async () => {
    const { launch, cloud } = await lab();
    cloud.faults.add({ kind: "lostReply", action: "CreateFleet", times: 2 });
    const ids = await launch(3);
    expect(cloud.callsOf("CreateFleet").length).toBeGreaterThan(1);
    expect(
      cloud
        .instances()
        .map(({ id }) => id)
        .toSorted(),
    ).toEqual(ids.toSorted());
  });

  test("that is throttled is asked for again, later each time, and never in a tight loop", async () => {
    const { launch, cloud } = await lab();
    cloud.faults.add({ kind: "throttle", action: "CreateFleet", times: 3 });
    expect((await launch(1)).every((id) => typeof id === "string")).toBe(true);
    const times = cloud.callsOf("CreateFleet").map(({ atMs }) => atMs);
    expect(times).toHaveLength(4);
    expect(times.at(-1)! - times[0]!).toBeGreaterThan(100);
  });

  test.each([
    ["UnauthorizedOperation", "denied"],
    ["InvalidAMIID.NotFound", "invalid"],
    ["VcpuLimitExceeded", "quota"],
  ] as const)("that EC2 refuses with %s fails at once and for good", async (code, kind) => {
    const { launch, cloud, intents } = await lab();
    cloud.faults.add({ kind: "error", action: "CreateFleet", code, message: "not for you", status: 403 });
    const [error] = await launch(1);
    expect(error).toMatchObject({ kind, permanent: true, reason: code });
    expect(cloud.callsOf("CreateFleet")).toHaveLength(1);
    await until("the note is gone", () => intents.every(({ open }) => !open));
  });

  test("beyond the account's quota says which", async () => {
    const { launch } = await lab({ quota: { onDemandVcpus: 2 } }, ["on-demand"]);
    const all = await launch(3);
    expect(all.filter((each) => typeof each === "string")).toHaveLength(1);
    expect(all.find((each) => typeof each !== "string")).toMatchObject({
      kind: "quota",
      reason: "VcpuLimitExceeded",
      permanent: true,
    });
  });

  test("is noted before anything is asked for", async () => {
    const { launch, cloud, intents } = await lab();
    cloud.faults.add({ kind: "error", action: "CreateLaunchTemplate", code: "UnauthorizedOperation", status: 403 });
    await launch(1);
    expect(intents).toHaveLength(1);
    expect(cloud.callsOf("CreateFleet")).toEqual([]);
  });
});
