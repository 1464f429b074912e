import assert from "node:assert/strict";
import { type Bench, type Check, described, own, refused, runOne } from "./check.ts";
import { makeTemplate } from "./templates.ts";
import { CreateTagsCommand, DeleteTagsCommand, DescribeTagsCommand, type Filter } from "./sdk.ts";

async function tags({ client }: Bench, ...Filters: Filter[]) {
  const { Tags = [] } = await client.send(new DescribeTagsCommand({ Filters }));
  return Tags.map(({ Key, Value }) => `${Key}=${Value}`).toSorted();
}
const of = (id: string): Filter => ({ Name: "resource-id", Values: [id] });

export const tagChecks: readonly Check[] = [
  {
    name: "tags are set, replaced and removed",
    async run(bench) {
      const { client, mark } = bench;
      const { InstanceId } = await runOne(bench);
      const Resources = [InstanceId];
      await client.send(
        new CreateTagsCommand({
          Resources,
          Tags: [
            { Key: "a", Value: "1" },
            { Key: "b", Value: "" },
          ],
        }),
      );
      await client.send(new CreateTagsCommand({ Resources, Tags: [{ Key: "a", Value: "2" }] }));
      assert.deepEqual(await tags(bench, of(InstanceId)), ["a=2", "b=", `check=${mark}`]);
      await client.send(new DeleteTagsCommand({ Resources, Tags: [{ Key: "a", Value: "1" }, { Key: "b" }] }));
      assert.deepEqual(await tags(bench, of(InstanceId)), ["a=2", `check=${mark}`]);
      const shown = await described(bench, InstanceId);
      assert.ok(shown.Tags?.some(({ Key, Value }) => Key === "a" && Value === "2"));
    },
  },
  {
    name: "templates have tags as well, and tags are found by key, value and kind",
    async run(bench) {
      const { client, mark } = bench;
      const { id } = await makeTemplate(bench);
      const { InstanceId } = await runOne(bench);
      await client.send(new CreateTagsCommand({ Resources: [id, InstanceId], Tags: own(bench, { both: mark }) }));
      const byValue = { Name: "value", Values: [mark] };
      assert.equal((await tags(bench, byValue, { Name: "key", Values: ["both"] })).length, 2);
      const kind = { Name: "resource-type", Values: ["launch-template"] };
      assert.deepEqual(await tags(bench, byValue, kind), [`both=${mark}`, `check=${mark}`]);
    },
  },
  {
    name: "tags of what is not there are refused, and none is set",
    deviations: { moto: "accepts them" },
    async run(bench) {
      const { InstanceId } = await runOne(bench);
      const create = (id: string) =>
        bench.client.send(new CreateTagsCommand({ Resources: [InstanceId, id], Tags: [{ Key: "new", Value: "x" }] }));
      await refused(create("i-0aaaaaaaaaaaaaaaa"), "InvalidInstanceID.NotFound", 400);
      await refused(create("lt-0aaaaaaaaaaaaaaaa"), "InvalidLaunchTemplateId.NotFound", 400);
      await refused(create("nonsense"), "InvalidID", 400);
      assert.deepEqual(await tags(bench, of(InstanceId)), [`check=${bench.mark}`]);
    },
  },
  {
    name: "no more than 50 tags stay on one thing, and reserved ones are left alone",
    deviations: { moto: "sets reserved ones" },
    async run(bench) {
      const { InstanceId } = await runOne(bench);
      const create = (from: number, to: number) => {
        const Tags = Array.from({ length: to - from }, (_, index) => ({ Key: `k${from + index}`, Value: "" }));
        return bench.client.send(new CreateTagsCommand({ Resources: [InstanceId], Tags }));
      };
      await create(0, 30);
      await create(30, 49);
      await refused(create(49, 50), "TagLimitExceeded", 400);
      const Tags = [{ Key: "aws:x", Value: "x" }];
      await refused(
        bench.client.send(new CreateTagsCommand({ Resources: [InstanceId], Tags })),
        "InvalidParameterValue",
      );
    },
  },
];
