import assert from "node:assert/strict";
import { type Bench, type Check, own, refused, run, runOne } from "./check.ts";
import { untilState } from "./life.ts";
import {
  DescribeInstancesCommand,
  type DescribeInstancesCommandInput,
  type Filter,
  TerminateInstancesCommand,
} from "./sdk.ts";

/** Ids of all pages, in order, and how many pages there were. */
async function pages({ client }: Bench, input: DescribeInstancesCommandInput) {
  const ids: string[] = [];
  let count = 0;
  let NextToken: string | undefined;
  do {
    const page = await client.send(new DescribeInstancesCommand({ ...input, NextToken }));
    const found = (page.Reservations ?? []).flatMap(({ Instances = [] }) => Instances);
    assert.ok(found.length <= (input.MaxResults ?? 1000), `a page has ${found.length} instances`);
    ids.push(...found.map(({ InstanceId = "" }) => InstanceId));
    NextToken = page.NextToken;
    count++;
    assert.ok(count < 100, "the list does not end");
  } while (NextToken !== undefined);
  return { ids, count };
}

export const listingChecks: readonly Check[] = [
  {
    name: "a list in pages has every instance once",
    deviations: { moto: "its pages are of reservations, and may have more instances" },
    async run(bench) {
      const made = await run(bench, { MinCount: 12, MaxCount: 12 });
      const Filters = [{ Name: "tag:check", Values: [bench.mark] }];
      const { ids, count } = await pages(bench, { Filters, MaxResults: 5 });
      assert.equal(count, 3);
      assert.deepEqual(ids.toSorted(), made.map(({ InstanceId = "" }) => InstanceId).toSorted());
      assert.equal((await pages(bench, { Filters, MaxResults: 12 })).count, 1);
    },
  },
  {
    name: "the size of a page has limits, and cannot be given together with ids",
    deviations: { moto: "accepts every size" },
    async run(bench) {
      const { InstanceId } = await runOne(bench);
      const describe = (input: DescribeInstancesCommandInput) => bench.client.send(new DescribeInstancesCommand(input));
      await refused(describe({ MaxResults: 4 }), "InvalidParameterValue", 400);
      await refused(describe({ MaxResults: 1001 }), "InvalidParameterValue", 400);
      await refused(describe({ MaxResults: 5, InstanceIds: [InstanceId] }), "InvalidParameterCombination", 400);
      await refused(describe({ NextToken: "nonsense" }), "InvalidNextToken", 400);
    },
  },
  {
    name: "filters let through what has one of their values in each of them",
    deviations: { moto: "knows no wildcard in instance-type" },
    async run(bench) {
      const tagged = (role: string) => [{ ResourceType: "instance" as const, Tags: own(bench, { role }) }];
      const small = await runOne(bench, { TagSpecifications: tagged("a-1") });
      const large = await runOne(bench, { TagSpecifications: tagged("b.1"), InstanceType: "m5.large" });
      const gone = await runOne(bench, { TagSpecifications: tagged("a*1") });
      await bench.client.send(new TerminateInstancesCommand({ InstanceIds: [gone.InstanceId] }));
      await untilState(bench, gone.InstanceId, "terminated");
      for (const { InstanceId } of [small, large]) await untilState(bench, InstanceId, "running");
      const find = async (...Filters: Filter[]) => {
        const all = [{ Name: "tag:check", Values: [bench.mark] }, ...Filters];
        const { ids } = await pages(bench, { Filters: all });
        const names = new Map([
          [small.InstanceId, "small"],
          [large.InstanceId, "large"],
          [gone.InstanceId, "gone"],
        ]);
        return ids.map((id) => names.get(id)).toSorted();
      };
      assert.deepEqual(await find({ Name: "instance-type", Values: ["m5.large"] }), ["large"]);
      assert.deepEqual(await find({ Name: "instance-type", Values: ["m5.*"] }), ["large"]);
      assert.deepEqual(await find({ Name: "tag:role", Values: ["a-1", "b.1"] }), ["large", "small"]);
      assert.deepEqual(await find({ Name: "tag:role", Values: ["?.1"] }), ["large"]);
      assert.deepEqual(await find({ Name: "tag-key", Values: ["role"] }), ["gone", "large", "small"]);
      assert.deepEqual(await find({ Name: "instance-state-name", Values: ["running"] }), ["large", "small"]);
      assert.deepEqual(await find({ Name: "instance-state-name", Values: ["terminated", "shutting-down"] }), ["gone"]);
      const running = { Name: "instance-state-name", Values: ["running"] };
      assert.deepEqual(await find(running, { Name: "tag:role", Values: ["a*"] }), ["small"]);
      assert.deepEqual(await find({ Name: "tag:role", Values: ["A-1"] }), []);
    },
  },
  {
    name: "a wildcard that is escaped is a plain character",
    async run(bench) {
      for (const role of ["a*1", "ab1"]) {
        await runOne(bench, { TagSpecifications: [{ ResourceType: "instance", Tags: own(bench, { role }) }] });
      }
      const count = async (value: string) => {
        const Filters = [
          { Name: "tag:check", Values: [bench.mark] },
          { Name: "tag:role", Values: [value] },
        ];
        return (await pages(bench, { Filters })).ids.length;
      };
      assert.deepEqual([await count("a*1"), await count("a\\*1")], [2, 1]);
    },
  },
  {
    name: "an unknown filter is refused",
    deviations: { moto: "answers 500 with a page of HTML" },
    async run(bench) {
      const describe = (Filters: Filter[]) => bench.client.send(new DescribeInstancesCommand({ Filters }));
      await refused(describe([{ Name: "no-such-filter", Values: ["x"] }]), "InvalidParameterValue", 400);
      await refused(describe([{ Name: "constructor", Values: ["x"] }]), "InvalidParameterValue", 400);
    },
  },
];
