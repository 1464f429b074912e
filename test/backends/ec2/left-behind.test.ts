/** Two parents that share a bucket and an account, with real S3 and EC2 requests: what one leaves, the other removes. */
import { expect, onTestFinished, test } from "vitest";
import { ec2Sdk } from "../../../src/backends/ec2/sdk.ts";
import { ownerTag, sweep } from "../../../src/backends/ec2/sweep.ts";
import { systemClock } from "../../../src/clock.ts";
import { Ownership } from "../../../src/deploy/ownership.ts";
import { openOwnStore } from "../../../src/store.ts";
import { startS3 } from "../../harness/s3/server.ts";
import { startBench } from "./bench.ts";

const offers = [{ type: "c6i.large", subnet: "subnet-0000000000000000a", zone: "us-east-1a" }];

test("a launch that nobody came to settle leaves neither a machine nor a version of the user's template nor a note", async () => {
  const { cloud, api: image } = await startBench();
  const s3 = await startS3({ buckets: ["shared"] });
  onTestFinished(() => s3.dispose());
  await image.makeTemplate({ token: "base", name: "theirs", userData: "#!/bin/sh\n", tags: { a: "b" } });
  const parent = () => {
    const { endpoint, region, credentials } = s3;
    const store = openOwnStore("s3://shared/app", { endpoint, region, credentials });
    const ownership = new Ownership(store);
    const budget = { take: async () => undefined };
    const base = { template: "theirs" };
    const api = ec2Sdk({ clock: systemClock, region: cloud.region, endpoint: cloud.endpoint, base, budget });
    onTestFinished(async () => {
      await ownership.close();
      await store.close();
      api.close();
    });
    /** Does all that a launcher does before EC2 has answered. */
    const begin = async (token: string): Promise<string> => {
      await ownership.intend(token, { count: 1, pool: "media", template: api.template });
      const tags = { [ownerTag]: `here/${await ownership.name()}`, "tinderbox:pool": "media" };
      const template = await api.makeTemplate({ token, name: `tinderbox-${token}`, userData: "#!/bin/sh\n", tags });
      await api.launch({ token, template, count: 1, market: "spot", offers, tags });
      return template.version;
    };
    const look = (dryRun = false) =>
      sweep({
        clock: systemClock,
        api,
        scope: "here",
        own: undefined,
        claim: (name) => ownership.claim(name, false),
        requests: () => ownership.open(),
        forget: (name) => ownership.forget(name),
        dryRun,
      });
    return { ownership, begin, look };
  };
  const [gone, living, looking] = [parent(), parent(), parent()];
  expect(await gone.begin("t1")).toBe("2");
  expect(await living.begin("t2")).toBe("3");
  const name = gone.ownership.held!;
  expect(await looking.look()).toEqual([]);
  await gone.ownership.close();
  expect(await looking.look(true)).toMatchObject([{ owner: name, pool: "media" }]);
  expect((await looking.ownership.open()).map(({ token }) => token).toSorted()).toEqual(["t1", "t2"]);
  expect(await looking.look()).toMatchObject([{ owner: name, pool: "media" }]);
  expect(cloud.callsOf("DeleteLaunchTemplateVersions").map(({ parameters }) => parameters)).toMatchObject([
    { LaunchTemplateName: "theirs", Versions: ["2"] },
  ]);
  expect((await looking.ownership.open()).map(({ token }) => token)).toEqual(["t2"]);
  const states = cloud.instances().map(({ state }) => state === "shutting-down" || state === "terminated");
  expect(states).toEqual([true, false]);
  expect(await looking.look()).toEqual([]);
});
