import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ec2Sdk } from "../../../src/backends/ec2/sdk.ts";
import { systemClock } from "../../../src/clock.ts";
import { repository } from "../../harness/script-folder.ts";
import { FakeClock } from "../../harness/fake-clock.ts";
import { until } from "../../harness/until.ts";
import { startBench } from "./bench.ts";

const subnet = "subnet-0000000000000000a";
const offers = [{ type: "c6i.large", subnet, zone: "us-east-1a" }];

test("what machines are made of is looked up, launched, seen, ended and tidied", async () => {
  const { cloud, api } = await startBench();
  expect(await api.region()).toBe("us-east-1");
  expect(await api.subnets([subnet])).toEqual([{ id: subnet, zone: "us-east-1a" }]);
  // What the region does not have is left out.
  expect(await api.types(["c6i.large", "zz9.huge"])).toEqual([{ type: "c6i.large", vcpus: 2, architectures: ["x64"] }]);
  const template = await api.makeTemplate({
    token: "t1",
    name: "tinderbox-t1",
    userData: "#!/bin/sh\ntrue\n",
    tags: { a: "b" },
  });
  const tags = { "tinderbox:owner": "scope/me", a: "b" };
  const { instances, refusals } = await api.launch({ token: "f1", template, count: 2, market: "spot", offers, tags });
  expect(refusals).toEqual([]);
  const ids = instances.map(({ id }) => id);
  await until("they run", async () => (await api.describe(ids)).every(({ state }) => state === "running"));
  const [facts] = await api.tagged("tinderbox:owner");
  expect(facts).toMatchObject({ state: "running", address: "10.0.0.4", tags });
  expect(cloud.instances().map(({ userData }) => userData.toString())).toEqual(Array(2).fill("#!/bin/sh\ntrue\n"));
  expect([...(await api.terminate(ids))]).toEqual(ids.map((id) => [id, "shutting-down"]));
  await until("they are gone", async () => (await api.tagged("tinderbox:owner")).length === 0);
  await api.removeTemplate(template);
  // Also when it is gone already.
  await api.removeTemplate(template);
});

test("a launch template of the user's gets a version of it for each launch, which goes again", async () => {
  const { cloud, api } = await startBench();
  const whole = await api.makeTemplate({ token: "t", name: "theirs", userData: "#!/bin/sh\n", tags: { a: "b" } });
  const budget = { take: async () => undefined };
  const own = ec2Sdk({
    clock: systemClock,
    region: cloud.region,
    endpoint: cloud.endpoint,
    base: { template: "theirs" },
    budget,
  });
  const version = await own.makeTemplate({
    token: "v",
    name: "one launch",
    userData: "#!/bin/sh\necho other\n",
    tags: { a: "b" },
  });
  expect(version).toEqual({ id: whole.id, version: "2", whole: false, account: "123456789012" });
  await own.launch({ token: "f", template: version, count: 1, market: "on-demand", offers, tags: { a: "b" } });
  const [instance] = cloud.instances();
  expect(instance).toMatchObject({ imageId: "ami-0123456789abcdef0", market: "on-demand" });
  expect(instance!.userData.toString()).toBe("#!/bin/sh\necho other\n");
  await own.removeTemplate(version);
  await own.removeTemplate(version);
  own.close();
});

test("an instance that is not listed yet is left out, not an error", async () => {
  const { api } = await startBench({ times: { unlistedMs: 60_000 } });
  const template = await api.makeTemplate({
    token: "t1",
    name: "tinderbox-t1",
    userData: "#!/bin/sh\n",
    tags: { a: "b" },
  });
  const { instances } = await api.launch({ token: "f1", template, count: 1, market: "spot", offers, tags: { a: "b" } });
  expect(await api.describe(instances.map(({ id }) => id))).toEqual([]);
});

test("the policy of terraform allows the requests of this file, and no other", async () => {
  const allowed = Object.values(
    (
      JSON.parse(readFileSync(join(repository, "terraform/modules/tinderbox/actions.json"), "utf8")) as {
        parent: Record<string, string[]>;
      }
    ).parent,
  ).flat();
  const source = readFileSync(join(repository, "src/backends/ec2/sdk.ts"), "utf8");
  const commands = new Set([...source.matchAll(/new sdk\.(\w+)Command\(/g)].map(([, name]) => `ec2:${name}`));
  // By `image` alone templates are made as a whole, which the module's policy leaves out: it brings a template.
  const unneeded = ["ec2:CreateLaunchTemplate", "ec2:DeleteLaunchTemplate", "ec2:DescribeImages"];
  // A fleet needs the right to run instances, to tag them, and to pass on their role.
  const implied = ["ec2:RunInstances", "ec2:CreateTags"];
  const wanted = [...[...commands].filter((name) => !unneeded.includes(name)), ...implied];
  expect(allowed.filter((name) => name.startsWith("ec2:")).toSorted()).toEqual(wanted.toSorted());
});

test("a request that gets no answer ends after a minute, and leaves no timer; what was asked and asked again is counted", async () => {
  const { cloud } = await startBench();
  const clock = new FakeClock();
  const budget = { take: async () => undefined };
  const api = ec2Sdk({ clock, region: cloud.region, endpoint: cloud.endpoint, base: { template: "lt" }, budget });
  cloud.faults.add({ kind: "throttle", action: "DescribeInstances", times: 2 });
  expect(await api.describe(["i-0123456789abcdef0"])).toEqual([]);
  expect(await api.describe([])).toEqual([]);
  expect(api.stats).toEqual({ requests: 1, again: 2 });
  const slow = cloud.faults.add({ kind: "slow", ms: 60_000, action: "DescribeInstances" });
  const asked = api.describe(["i-0123456789abcdef0"]);
  asked.catch(() => undefined);
  await until("the request", () => cloud.callsOf("DescribeInstances").length === 4);
  clock.advance(59_999);
  await until("its timer", () => clock.pending() === 1);
  clock.advance(1);
  await expect(asked).rejects.toMatchObject({ reason: "RequestTimeout", kind: "transient", permanent: false });
  expect(clock.pending()).toBe(0);
  slow.release();
  api.close();
});
