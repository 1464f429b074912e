import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { base64, type Bench, type Check, described, own, refused, run } from "./check.ts";
import {
  CreateLaunchTemplateCommand,
  CreateLaunchTemplateVersionCommand,
  type CreateLaunchTemplateVersionCommandInput,
  DeleteLaunchTemplateCommand,
  DeleteLaunchTemplateVersionsCommand,
  DescribeInstanceAttributeCommand,
  DescribeLaunchTemplatesCommand,
  DescribeLaunchTemplateVersionsCommand,
  type RequestLaunchTemplateData,
  RunInstancesCommand,
} from "./sdk.ts";

export async function makeTemplate(bench: Bench, data: RequestLaunchTemplateData = {}) {
  const name = `check-${bench.mark}-${randomUUID().slice(0, 8)}`;
  const { LaunchTemplate } = await bench.client.send(
    new CreateLaunchTemplateCommand({
      LaunchTemplateName: name,
      LaunchTemplateData: { ImageId: bench.imageId, InstanceType: "c5.large", ...data },
    }),
  );
  return { name, id: LaunchTemplate?.LaunchTemplateId ?? "" };
}

async function newVersion(
  { client }: Bench,
  id: string,
  data: RequestLaunchTemplateData,
  input: Partial<CreateLaunchTemplateVersionCommandInput> = {},
) {
  const { LaunchTemplateVersion } = await client.send(
    new CreateLaunchTemplateVersionCommand({ LaunchTemplateId: id, LaunchTemplateData: data, ...input }),
  );
  return LaunchTemplateVersion;
}

async function numbers({ client }: Bench, id: string, ...Versions: string[]) {
  const input = { LaunchTemplateId: id, ...(Versions.length > 0 ? { Versions } : {}) };
  const { LaunchTemplateVersions = [] } = await client.send(new DescribeLaunchTemplateVersionsCommand(input));
  return LaunchTemplateVersions.map(({ VersionNumber }) => VersionNumber).toSorted();
}

export const templateChecks: readonly Check[] = [
  {
    name: "a template is made, found by id, name and tag, and removed",
    async run(bench) {
      const { client, mark } = bench;
      const LaunchTemplateName = `made-${mark}`;
      const { LaunchTemplate } = await client.send(
        new CreateLaunchTemplateCommand({
          LaunchTemplateName,
          LaunchTemplateData: { ImageId: bench.imageId },
          TagSpecifications: [{ ResourceType: "launch-template", Tags: own(bench) }],
        }),
      );
      const { LaunchTemplateId = "" } = LaunchTemplate ?? {};
      assert.match(LaunchTemplateId, /^lt-[\da-f]{17}$/);
      assert.deepEqual([LaunchTemplate?.DefaultVersionNumber, LaunchTemplate?.LatestVersionNumber], [1, 1]);
      const Filters = [{ Name: "tag:check", Values: [mark] }];
      for (const input of [
        { LaunchTemplateIds: [LaunchTemplateId] },
        { LaunchTemplateNames: [LaunchTemplateName] },
        { Filters },
      ]) {
        const { LaunchTemplates = [] } = await client.send(new DescribeLaunchTemplatesCommand(input));
        assert.deepEqual(
          LaunchTemplates.map((one) => one.LaunchTemplateId),
          [LaunchTemplateId],
        );
      }
      await client.send(new DeleteLaunchTemplateCommand({ LaunchTemplateId }));
      const after = await client.send(new DescribeLaunchTemplatesCommand({ Filters }));
      assert.deepEqual(after.LaunchTemplates, []);
    },
  },
  {
    name: "the name of a template is used once",
    async run(bench) {
      const { name } = await makeTemplate(bench);
      const again = new CreateLaunchTemplateCommand({
        LaunchTemplateName: name,
        LaunchTemplateData: { ImageId: bench.imageId },
      });
      await refused(bench.client.send(again), "InvalidLaunchTemplateName.AlreadyExistsException", 400);
    },
  },
  {
    name: "an unknown template, by id or name, is refused, and so is a malformed id",
    deviations: { moto: "accepts a malformed name" },
    async run({ client, imageId }) {
      const create = (LaunchTemplateName: string) =>
        client.send(new CreateLaunchTemplateCommand({ LaunchTemplateName, LaunchTemplateData: { ImageId: imageId } }));
      await refused(create("a b"), "InvalidLaunchTemplateName.MalformedException", 400);
      const find = (input: { LaunchTemplateId?: string; LaunchTemplateName?: string }) =>
        client.send(new DeleteLaunchTemplateVersionsCommand({ Versions: ["2"], ...input }));
      await refused(find({ LaunchTemplateId: "lt-0aaaaaaaaaaaaaaaa" }), "InvalidLaunchTemplateId.NotFound", 400);
      await refused(find({ LaunchTemplateId: "template" }), "InvalidLaunchTemplateId.Malformed", 400);
      await refused(find({ LaunchTemplateName: "no-such" }), "InvalidLaunchTemplateName.NotFoundException", 400);
      await refused(find({}), "MissingParameter", 400);
      const both = { LaunchTemplateId: "lt-0aaaaaaaaaaaaaaaa", LaunchTemplateName: "no-such" };
      await refused(find(both), "InvalidParameterCombination", 400);
    },
  },
  {
    name: "versions are numbered, and the first stays the default one",
    async run(bench) {
      const { id } = await makeTemplate(bench);
      const second = await newVersion(bench, id, { InstanceType: "m5.large" });
      assert.deepEqual([second?.VersionNumber, second?.DefaultVersion], [2, false]);
      await newVersion(bench, id, { InstanceType: "m5.xlarge" });
      assert.deepEqual(await numbers(bench, id), [1, 2, 3]);
      assert.deepEqual(await numbers(bench, id, "$Latest"), [3]);
      assert.deepEqual(await numbers(bench, id, "$Default"), [1]);
      assert.deepEqual(await numbers(bench, id, "1", "2"), [1, 2]);
    },
  },
  {
    name: "a version from a source has what it does not say itself from there, and one without has not",
    deviations: { moto: "ignores the source" },
    async run(bench) {
      const { id } = await makeTemplate(bench, {
        InstanceInitiatedShutdownBehavior: "terminate",
        MetadataOptions: { HttpTokens: "required" },
      });
      const UserData = base64("#!/bin/sh\n");
      const plain = await newVersion(bench, id, { UserData });
      assert.deepEqual(plain?.LaunchTemplateData, { UserData });
      const based = await newVersion(bench, id, { UserData, InstanceType: "m5.large" }, { SourceVersion: "1" });
      const { ImageId, InstanceType, InstanceInitiatedShutdownBehavior: behavior } = based?.LaunchTemplateData ?? {};
      assert.deepEqual([ImageId, InstanceType, behavior], [bench.imageId, "m5.large", "terminate"]);
      assert.deepEqual([based?.LaunchTemplateData?.UserData, based?.VersionNumber], [UserData, 3]);
      assert.equal(based?.LaunchTemplateData?.MetadataOptions?.HttpTokens, "required");
      const missing = newVersion(bench, id, { UserData }, { SourceVersion: "9" });
      await refused(missing, "InvalidLaunchTemplateId.VersionNotFound", 400);
    },
  },
  {
    name: "a version that is made again with its token is the same one",
    deviations: { moto: "makes a second one" },
    async run(bench) {
      const { id } = await makeTemplate(bench);
      const ClientToken = randomUUID();
      const first = await newVersion(bench, id, { InstanceType: "m5.large" }, { ClientToken });
      const again = await newVersion(bench, id, { InstanceType: "m5.large" }, { ClientToken });
      assert.equal(again?.VersionNumber, first?.VersionNumber);
      assert.deepEqual(await numbers(bench, id), [1, 2]);
      const other = newVersion(bench, id, { InstanceType: "m5.xlarge" }, { ClientToken });
      await refused(other, "IdempotentParameterMismatch", 400);
    },
  },
  {
    name: "versions are deleted, but neither the default one nor one that is not there",
    deviations: { moto: "does not have this action" },
    async run(bench) {
      const { id } = await makeTemplate(bench);
      await newVersion(bench, id, { InstanceType: "m5.large" });
      const command = new DeleteLaunchTemplateVersionsCommand({ LaunchTemplateId: id, Versions: ["1", "2", "7"] });
      const answer = await bench.client.send(command);
      assert.deepEqual(
        answer.SuccessfullyDeletedLaunchTemplateVersions?.map(({ VersionNumber }) => VersionNumber),
        [2],
      );
      assert.deepEqual(
        answer.UnsuccessfullyDeletedLaunchTemplateVersions?.map((one) => [one.VersionNumber, one.ResponseError?.Code]),
        [
          [1, "unexpectedError"],
          [7, "launchTemplateVersionDoesNotExist"],
        ],
      );
      assert.deepEqual(await numbers(bench, id), [1]);
      assert.equal((await newVersion(bench, id, { InstanceType: "m5.large" }))?.VersionNumber, 3);
    },
  },
  {
    name: "user data in a template has the same limit",
    deviations: { moto: "accepts any" },
    async run(bench) {
      const { id } = await makeTemplate(bench, { UserData: base64("x".repeat(16_384)) });
      await refused(newVersion(bench, id, { UserData: base64("x".repeat(16_385)) }), "InvalidParameterValue", 400);
      await refused(newVersion(bench, id, { UserData: "a b c %" }), "InvalidUserData.Malformed", 400);
    },
  },
  {
    name: "a launch takes from a template what it does not say itself",
    deviations: { moto: "does not take the metadata options" },
    async run(bench) {
      const { client } = bench;
      const { id, name } = await makeTemplate(bench, {
        UserData: base64("from the template"),
        InstanceInitiatedShutdownBehavior: "terminate",
        MetadataOptions: { HttpTokens: "required" },
        TagSpecifications: [{ ResourceType: "instance", Tags: [...own(bench), { Key: "who", Value: "template" }] }],
      });
      // A later version, which is not the default one.
      await newVersion(bench, id, { ImageId: bench.imageId, InstanceType: "m5.xlarge" });
      const counts = { MinCount: 1, MaxCount: 1 };
      const { Instances: [plain] = [] } = await client.send(
        new RunInstancesCommand({ ...counts, LaunchTemplate: { LaunchTemplateName: name } }),
      );
      const shown = await described(bench, plain?.InstanceId ?? "");
      const tag = (key: string) => shown.Tags?.find(({ Key }) => Key === key)?.Value;
      assert.deepEqual([shown.ImageId, shown.InstanceType], [bench.imageId, "c5.large"]);
      assert.equal(shown.MetadataOptions?.HttpTokens, "required");
      assert.deepEqual([tag("who"), tag("check")], ["template", bench.mark]);
      assert.deepEqual([tag("aws:ec2launchtemplate:id"), tag("aws:ec2launchtemplate:version")], [id, "1"]);

      const { Instances: [changed] = [] } = await client.send(
        new RunInstancesCommand({
          ...counts,
          LaunchTemplate: { LaunchTemplateId: id, Version: "1" },
          InstanceType: "m5.large",
          UserData: base64("its own"),
          TagSpecifications: [{ ResourceType: "instance", Tags: [{ Key: "who", Value: "launch" }] }],
        }),
      );
      const tags = Object.fromEntries((changed?.Tags ?? []).map(({ Key = "", Value }) => [Key, Value]));
      assert.deepEqual([changed?.InstanceType, tags["who"], tags["check"]], ["m5.large", "launch", bench.mark]);
      const Attribute = "userData" as const;
      const read = new DescribeInstanceAttributeCommand({ InstanceId: changed?.InstanceId, Attribute });
      assert.equal((await client.send(read)).UserData?.Value, base64("its own"));
    },
  },
  {
    name: "a launch from a version that is not there is refused",
    async run(bench) {
      const { id } = await makeTemplate(bench);
      const launch = (Version: string) => run(bench, { LaunchTemplate: { LaunchTemplateId: id, Version } });
      await refused(launch("2"), "InvalidLaunchTemplateId.VersionNotFound", 400);
      assert.equal((await launch("$Latest")).length, 1);
    },
  },
];
