/** What launches leave in an account for the time of a request, and how it goes again, over EC2's own protocol. */
import { expect, test } from "vitest";
import { accountBudget } from "../../../src/backends/ec2/budget.ts";
import { ec2Sdk, type TemplateBase } from "../../../src/backends/ec2/sdk.ts";
import { systemClock } from "../../../src/clock.ts";
import type { Cloud } from "../../harness/cloud/cloud.ts";
import { startBench } from "./bench.ts";

const offers = [{ type: "c6i.large", subnet: "subnet-0000000000000000a", zone: "us-east-1a" }];
const tags = { "tinderbox:owner": "scope/me" };

/** Another parent of the account, with a base of its own. */
function other({ region, endpoint }: Cloud, base: TemplateBase) {
  return ec2Sdk({ clock: systemClock, region, endpoint, base, budget: { take: async () => undefined } });
}

const make = (api: ReturnType<typeof other>, token: string) =>
  api.makeTemplate({ token, name: `tinderbox-${token}`, userData: `#!/bin/sh\n# ${token}\n`, tags });

test("whole templates of requests that nobody settled are removed by their names, also when they are gone already", async () => {
  const { cloud, api } = await startBench();
  expect(api.template).toBeUndefined();
  const [left, kept] = [await make(api, "t1"), await make(api, "t2")];
  await api.removeTemplatesOf(undefined, ["t1", "t-never"]);
  await expect(
    api.launch({ token: "f1", template: left, count: 1, market: "spot", offers, tags }),
  ).rejects.toMatchObject({ kind: "invalid" });
  await api.launch({ token: "f2", template: kept, count: 1, market: "spot", offers, tags });
  expect(cloud.callsOf("DeleteLaunchTemplate")).toHaveLength(2);
});

test("versions of a user's template are found by what they were made for, among many and by pages; others stay", async () => {
  const { cloud, api } = await startBench({ limits: { others: { burst: 1_000, perSecond: 100 } } });
  const theirs = await make(api, "base");
  const own = other(cloud, { template: "tinderbox-base" });
  expect(own.template).toBe("tinderbox-base");
  const made = new Map<string, string>();
  await Promise.all(
    Array.from({ length: 215 }, async (_, index) => made.set(`v${index}`, (await make(own, `v${index}`)).version)),
  );
  await own.removeTemplatesOf("tinderbox-base", ["v0", "v3", "v214", "v-never"]);
  const named = cloud
    .callsOf("DeleteLaunchTemplateVersions")
    .flatMap(({ parameters }) => (parameters as { Versions: string[] }).Versions);
  expect(named.toSorted()).toEqual([made.get("v0"), made.get("v3"), made.get("v214")].toSorted());
  expect(cloud.callsOf("DescribeLaunchTemplateVersions")).toHaveLength(2);
  const before = cloud.calls.length;
  await own.removeTemplatesOf("tinderbox-base", ["v0"]);
  await own.removeTemplatesOf("tinderbox-gone", ["v0"]);
  await own.removeTemplatesOf("lt-0123456789abcdef0", ["v0"]);
  expect(cloud.calls.slice(before).map(({ action }) => action)).toEqual(
    Array(4).fill("DescribeLaunchTemplateVersions"),
  );
  const launched = await own.launch({
    token: "f",
    template: { id: theirs.id, version: made.get("v1")!, whole: false, account: undefined },
    count: 1,
    market: "spot",
    offers,
    tags,
  });
  expect(launched.instances).toHaveLength(1);
  own.close();
});

test("a version that EC2 does not remove is told, one that is gone is not", async () => {
  const { cloud, api } = await startBench();
  const theirs = await make(api, "base");
  const own = other(cloud, { template: theirs.id });
  const version = await make(own, "v1");
  await own.removeTemplate(version);
  await own.removeTemplate(version);
  await expect(own.removeTemplate({ ...version, version: "1" })).rejects.toThrow(/default launch template version/);
  own.close();
});

test("machines of a user's template that does not say so are terminated, not stopped, when they power off", async () => {
  const { cloud, api } = await startBench();
  const theirs = await make(api, "base");
  const own = other(cloud, { template: theirs.id });
  const { version } = await make(own, "v1");
  const [{ parameters }] = cloud.callsOf("CreateLaunchTemplateVersion") as [(typeof cloud.calls)[number]];
  expect(parameters).toMatchObject({
    SourceVersion: "$Default",
    VersionDescription: "tinderbox-v1",
    LaunchTemplateData: { InstanceInitiatedShutdownBehavior: "terminate" },
  });
  expect(version).toBe("2");
  own.close();
});

test("whose account it is comes with what was made in it", async () => {
  const { cloud, api } = await startBench({ accountId: "210987654321" });
  expect((await make(api, "t1")).account).toBe("210987654321");
  const own = other(cloud, { template: "tinderbox-t1" });
  expect((await make(own, "v1")).account).toBe("210987654321");
  own.close();
});

test("a disk of another size is the root device of that very image, which is looked up once", async () => {
  const { cloud } = await startBench({
    images: {
      "ami-0fedcba9876543210": {
        name: "debian",
        architecture: "x86_64",
        rootDevice: "/dev/sda1",
        created: "2026-01-01T00:00:00.000Z",
      } as never,
    },
  });
  const base = { image: "ami-0fedcba9876543210", securityGroups: [], instanceProfile: "runner", diskSizeGb: 40 };
  const own = other(cloud, base);
  cloud.faults.add({ kind: "error", action: "DescribeImages", code: "UnauthorizedOperation", status: 403 });
  await expect(make(own, "t0")).rejects.toMatchObject({ kind: "denied" });
  await make(own, "t1");
  await make(own, "t2");
  for (const { parameters } of cloud.callsOf("CreateLaunchTemplate"))
    expect(
      (parameters as { LaunchTemplateData: { BlockDeviceMappings: unknown } }).LaunchTemplateData.BlockDeviceMappings,
    ).toEqual([{ DeviceName: "/dev/sda1", Ebs: { VolumeSize: 40, VolumeType: "gp3", DeleteOnTermination: true } }]);
  // One was refused, one was made.
  expect(cloud.callsOf("DescribeImages")).toHaveLength(2);
  own.close();
  const missing = other(cloud, { ...base, image: "ami-00000000000000000" });
  await expect(make(missing, "t3")).rejects.toMatchObject({ kind: "invalid", permanent: true });
  missing.close();
});

test("one that is closed refuses what waits for its turn, and what comes later", async () => {
  const { cloud } = await startBench();
  const clock = systemClock;
  const over = { region: cloud.region, endpoint: cloud.endpoint, base: { template: "lt" } };
  const api = ec2Sdk({ clock, ...over, budget: accountBudget(clock, 1) });
  const order = {
    token: "f",
    template: { id: "lt-0123456789abcdef0", version: "1", whole: false, account: undefined },
    count: 1,
    market: "spot",
    offers,
    tags,
  } as const;
  await expect(api.launch(order)).rejects.toMatchObject({ kind: "invalid" });
  const waiting = api.launch(order);
  api.close();
  await expect(waiting).rejects.toMatchObject({ code: "ERR_TINDERBOX_EC2", kind: "transient" });
  await expect(api.describe(["i-1"])).rejects.toMatchObject({ kind: "transient" });
  expect(cloud.callsOf("CreateFleet")).toHaveLength(1);
});
