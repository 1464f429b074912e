import assert from "node:assert/strict";
import { type Bench, type Check, refused } from "./check.ts";
import {
  DescribeImagesCommand,
  DescribeInstanceTypesCommand,
  DescribeSecurityGroupsCommand,
  DescribeSpotPriceHistoryCommand,
  DescribeSubnetsCommand,
} from "./sdk.ts";

const types = async ({ client }: Bench, ...names: string[]) => {
  const InstanceTypes = names as "c5.large"[];
  return (await client.send(new DescribeInstanceTypesCommand({ InstanceTypes }))).InstanceTypes ?? [];
};

export const catalogueChecks: readonly Check[] = [
  {
    name: "types have their processors, memory and architecture",
    async run(bench) {
      const found = await types(bench, "c5.large", "c7g.xlarge");
      const facts = found.map((one) => [
        one.InstanceType,
        one.VCpuInfo?.DefaultVCpus,
        one.MemoryInfo?.SizeInMiB,
        one.ProcessorInfo?.SupportedArchitectures?.includes("arm64"),
      ]);
      assert.deepEqual(facts.toSorted(), [
        ["c5.large", 2, 4096, false],
        ["c7g.xlarge", 4, 8192, true],
      ]);
      await refused(types(bench, "c5.huge"), "InvalidInstanceType", 400);
    },
  },
  {
    name: "images are found by id, and unknown or malformed ids are refused",
    async run({ client, imageId }) {
      const find = async (id: string) =>
        (await client.send(new DescribeImagesCommand({ ImageIds: [id] }))).Images ?? [];
      const [image] = await find(imageId);
      assert.deepEqual([image?.ImageId, image?.State, image?.Architecture], [imageId, "available", "x86_64"]);
      assert.match(image?.RootDeviceName ?? "", /^\/dev\//);
      await refused(find("ami-00000000000000000"), "InvalidAMIID.NotFound", 400);
      await refused(find("image"), "InvalidAMIID.Malformed", 400);
    },
  },
  {
    name: "subnets have their zones and free addresses",
    async run({ client, region }) {
      const { Subnets = [] } = await client.send(new DescribeSubnetsCommand({}));
      for (const one of Subnets) {
        assert.match(one.SubnetId ?? "", /^subnet-/);
        assert.ok(one.AvailabilityZone?.startsWith(region));
        assert.ok((one.AvailableIpAddressCount ?? 0) > 0);
        assert.match(one.CidrBlock ?? "", /^\d+\.\d+\.\d+\.\d+\/\d+$/);
      }
      const zone = [{ Name: "availability-zone", Values: [`${region}b`] }];
      const filtered = await client.send(new DescribeSubnetsCommand({ Filters: zone }));
      assert.deepEqual([...new Set(filtered.Subnets?.map((one) => one.AvailabilityZone))], [`${region}b`]);
      const unknown = new DescribeSubnetsCommand({ SubnetIds: ["subnet-0aaaaaaaaaaaaaaaa"] });
      await refused(client.send(unknown), "InvalidSubnetID.NotFound", 400);
    },
  },
  {
    name: "security groups are found by name",
    async run({ client }) {
      const Filters = [{ Name: "group-name", Values: ["default"] }];
      const { SecurityGroups = [] } = await client.send(new DescribeSecurityGroupsCommand({ Filters }));
      assert.ok(SecurityGroups.length > 0);
      for (const { GroupId, GroupName } of SecurityGroups) {
        assert.match(GroupId ?? "", /^sg-/);
        assert.equal(GroupName, "default");
      }
      const unknown = new DescribeSecurityGroupsCommand({ GroupIds: ["sg-0aaaaaaaaaaaaaaaa"] });
      await refused(client.send(unknown), "InvalidGroup.NotFound", 400);
    },
  },
  {
    name: "spot prices are told for types and zones",
    deviations: { moto: "gives constant prices for every product" },
    async run({ client, region }) {
      const input = {
        InstanceTypes: ["c5.large" as const],
        ProductDescriptions: ["Linux/UNIX"],
        StartTime: new Date(),
      };
      const { SpotPriceHistory = [] } = await client.send(new DescribeSpotPriceHistoryCommand(input));
      assert.ok(SpotPriceHistory.length > 1);
      for (const { SpotPrice, InstanceType, AvailabilityZone, Timestamp } of SpotPriceHistory) {
        assert.ok(Number(SpotPrice) > 0 && Number(SpotPrice) < 0.085, SpotPrice);
        assert.deepEqual([InstanceType, AvailabilityZone?.startsWith(region)], ["c5.large", true]);
        assert.ok(Timestamp instanceof Date);
      }
      const windows = new DescribeSpotPriceHistoryCommand({ ...input, ProductDescriptions: ["Windows"] });
      assert.deepEqual((await client.send(windows)).SpotPriceHistory, []);
    },
  },
];
