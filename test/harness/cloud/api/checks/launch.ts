import assert from "node:assert/strict";
import { base64, type Check, described, own, refused, run, runOne } from "./check.ts";
import { untilState } from "./life.ts";
import {
  DescribeInstanceAttributeCommand,
  DescribeSubnetsCommand,
  DescribeTagsCommand,
  RunInstancesCommand,
} from "./sdk.ts";

/** How many distinct values there are. */
const distinct = (values: readonly unknown[]) => new Set(values).size;

export const launchChecks: readonly Check[] = [
  {
    name: "a launch gives pending instances of one reservation, each with an id and an address of its own",
    async run(bench) {
      const {
        Instances = [],
        ReservationId,
        OwnerId,
      } = await bench.client.send(
        new RunInstancesCommand({ ImageId: bench.imageId, InstanceType: "c5.large", MinCount: 3, MaxCount: 3 }),
      );
      assert.match(ReservationId ?? "", /^r-[\da-f]{17}$/);
      assert.match(OwnerId ?? "", /^\d{12}$/);
      assert.equal(distinct(Instances.map(({ InstanceId }) => InstanceId)), 3);
      assert.equal(distinct(Instances.map(({ PrivateIpAddress }) => PrivateIpAddress)), 3);
      assert.deepEqual(
        Instances.map(({ AmiLaunchIndex }) => AmiLaunchIndex),
        [0, 1, 2],
      );
      for (const { State, InstanceType, ImageId } of Instances) {
        assert.deepEqual([State, InstanceType, ImageId], [{ Code: 0, Name: "pending" }, "c5.large", bench.imageId]);
      }
    },
  },
  {
    name: "tags given at a launch are there with the first answer and on the volumes",
    deviations: { moto: "tags no network interface" },
    async run(bench) {
      const Tags = own(bench, { "a:b": "ö <&> c", empty: "" });
      const { InstanceId, Tags: shown } = await runOne(bench, {
        TagSpecifications: [
          { ResourceType: "instance", Tags },
          { ResourceType: "volume", Tags },
          { ResourceType: "network-interface", Tags },
        ],
      });
      const sorted = (tags: typeof shown = []) => tags.toSorted((a, b) => ((a.Key ?? "") < (b.Key ?? "") ? -1 : 1));
      assert.deepEqual(sorted(shown), sorted(Tags));
      const Filters = [{ Name: "value", Values: [bench.mark] }];
      const found = await bench.client.send(new DescribeTagsCommand({ Filters }));
      assert.deepEqual(found.Tags?.map(({ ResourceType }) => ResourceType).toSorted(), [
        "instance",
        "network-interface",
        "volume",
      ]);
      assert.ok(found.Tags?.some(({ ResourceId }) => ResourceId === InstanceId));
    },
  },
  {
    name: "user data is what was given, and no more than 16 KB of it",
    deviations: { moto: "takes user data of any size" },
    async run(bench) {
      const text = `#!/bin/bash\n# ${"x".repeat(16_000)} ü\n`;
      const { InstanceId } = await runOne(bench, { UserData: base64(text) });
      const Attribute = "userData";
      const { UserData } = await bench.client.send(new DescribeInstanceAttributeCommand({ InstanceId, Attribute }));
      assert.equal(Buffer.from(UserData?.Value ?? "", "base64").toString(), text);
      await runOne(bench, { UserData: base64("x".repeat(16_384)) });
      await refused(run(bench, { UserData: base64("x".repeat(16_385)) }), "InvalidParameterValue", 400);
    },
  },
  {
    name: "user data that is no base64 is refused",
    async run(bench) {
      await refused(run(bench, { UserData: "#!/bin/bash" }), "InvalidUserData.Malformed", 400);
      await refused(run(bench, { UserData: "abcde" }), "InvalidUserData.Malformed", 400);
    },
  },
  {
    name: "an image that is not there, malformed or of another architecture is refused",
    deviations: { moto: "launches from an unknown image" },
    async run(bench) {
      await refused(run(bench, { ImageId: "ami-00000000000000000" }), "InvalidAMIID.NotFound", 400);
      await refused(run(bench, { ImageId: "ami-xyz" }), "InvalidAMIID.Malformed", 400);
      await refused(run(bench, { InstanceType: "c7g.large" }), "InvalidParameterValue", 400);
    },
  },
  {
    name: "an unknown type is refused",
    deviations: { moto: "launches it" },
    async run(bench) {
      await refused(run(bench, { InstanceType: "c5.huge" as "c5.large" }), "InvalidParameterValue", 400);
    },
  },
  {
    name: "a subnet decides over zone and address, and an unknown one is refused",
    async run(bench) {
      const { Subnets = [] } = await bench.client.send(new DescribeSubnetsCommand({}));
      assert.ok(Subnets.length > 1);
      for (const { SubnetId, AvailabilityZone, CidrBlock = "" } of Subnets.slice(0, 2)) {
        const made = await runOne(bench, { SubnetId });
        assert.equal(made.SubnetId, SubnetId);
        assert.equal(made.Placement?.AvailabilityZone, AvailabilityZone);
        assert.equal(made.PrivateIpAddress?.split(".")[0], CidrBlock.split(".")[0]);
      }
      await refused(run(bench, { SubnetId: "subnet-0aaaaaaaaaaaaaaaa" }), "InvalidSubnetID.NotFound", 400);
    },
  },
  {
    name: "a zone is enough to be placed",
    async run(bench) {
      const zone = `${bench.region}b`;
      const { Placement } = await runOne(bench, { Placement: { AvailabilityZone: zone } });
      assert.equal(Placement?.AvailabilityZone, zone);
    },
  },
  {
    name: "an unknown security group, key pair or instance profile is refused",
    deviations: { moto: "knows no malformed id of a group" },
    async run(bench) {
      await refused(run(bench, { SecurityGroupIds: ["sg-0aaaaaaaaaaaaaaaa"] }), "InvalidGroup.NotFound", 400);
      await refused(run(bench, { SecurityGroupIds: ["nonsense"] }), "InvalidGroupId.Malformed", 400);
      await refused(run(bench, { KeyName: "no-such-key" }), "InvalidKeyPair.NotFound", 400);
      const message = await refused(
        run(bench, { IamInstanceProfile: { Name: "nobody" } }),
        "InvalidParameterValue",
        400,
      );
      assert.match(message, /Invalid IAM Instance Profile name/);
    },
  },
  {
    name: "an instance profile, a security group and the metadata options are shown as given",
    deviations: { moto: "has no instance profile unless IAM makes one" },
    async run(bench) {
      const { Groups = [] } = { Groups: ["sg-00000000000000001"] };
      const MetadataOptions = {
        HttpTokens: "required",
        HttpPutResponseHopLimit: 2,
        HttpEndpoint: "enabled",
        InstanceMetadataTags: "enabled",
      } as const;
      const settings = { SecurityGroupIds: Groups, IamInstanceProfile: { Name: "runner" }, MetadataOptions };
      const { InstanceId } = await runOne(bench, settings);
      const shown = await described(bench, InstanceId);
      assert.match(shown.IamInstanceProfile?.Arn ?? "", /^arn:aws:iam::\d{12}:instance-profile\/runner$/);
      assert.deepEqual(shown.SecurityGroups, [{ GroupId: Groups[0], GroupName: "runners" }]);
      const { State: _state, HttpProtocolIpv6: _ipv6, ...options } = shown.MetadataOptions ?? {};
      assert.deepEqual(options, MetadataOptions);
      const plain = await described(bench, (await runOne(bench)).InstanceId);
      const { HttpTokens, HttpEndpoint, HttpPutResponseHopLimit, InstanceMetadataTags } = plain.MetadataOptions ?? {};
      assert.deepEqual(
        [HttpTokens, HttpEndpoint, HttpPutResponseHopLimit, InstanceMetadataTags, plain.IamInstanceProfile],
        ["optional", "enabled", 1, "disabled", undefined],
      );
    },
  },
  {
    name: "metadata options that do not exist are refused",
    deviations: { moto: "accepts them" },
    async run(bench) {
      await refused(run(bench, { MetadataOptions: { HttpPutResponseHopLimit: 65 } }), "InvalidParameterValue", 400);
      const HttpTokens = "perhaps" as "required";
      await refused(run(bench, { MetadataOptions: { HttpTokens } }), "InvalidParameterValue", 400);
    },
  },
  {
    name: "tag keys that the metadata service cannot show are refused where it is to show them",
    deviations: { moto: "accepts them" },
    async run(bench) {
      const TagSpecifications = [{ ResourceType: "instance" as const, Tags: own(bench, { "a/b": "c" }) }];
      await runOne(bench, { TagSpecifications });
      const MetadataOptions = { InstanceMetadataTags: "enabled" as const };
      await refused(run(bench, { TagSpecifications, MetadataOptions }), "InvalidParameterValue", 400);
    },
  },
  {
    name: "tags that are reserved, too long, twice there or for something else are refused",
    deviations: { moto: "accepts them" },
    async run(bench) {
      const tagged = (ResourceType: "instance" | "fleet", ...keys: string[]) =>
        run(bench, { TagSpecifications: [{ ResourceType, Tags: keys.map((Key) => ({ Key, Value: "x" })) }] });
      await refused(tagged("instance", "aws:mine"), "InvalidParameterValue", 400);
      await refused(tagged("instance", "k".repeat(129)), "InvalidParameterValue", 400);
      await refused(tagged("instance", "k", "k"), "InvalidParameterValue", 400);
      await refused(tagged("fleet", "k"), "InvalidParameterValue", 400);
      const many = Array.from({ length: 51 }, (_, index) => `k${index}`);
      await refused(tagged("instance", ...many), "TagLimitExceeded", 400);
    },
  },
  {
    name: "counts have to be positive and in order",
    deviations: { moto: "accepts them" },
    async run(bench) {
      await refused(run(bench, { MinCount: 0, MaxCount: 1 }), "InvalidParameterValue", 400);
      await refused(run(bench, { MinCount: 2, MaxCount: 1 }), "InvalidParameterValue", 400);
    },
  },
  {
    name: "a network interface stands for subnet and groups, and not beside them",
    deviations: { moto: "has no group of that name, and accepts both" },
    async run(bench) {
      const { Subnets: [, subnet] = [] } = await bench.client.send(new DescribeSubnetsCommand({}));
      const { SubnetId = "" } = subnet ?? {};
      const NetworkInterfaces = [{ DeviceIndex: 0, SubnetId, Groups: ["sg-00000000000000001"] }];
      const made = await runOne(bench, { NetworkInterfaces });
      assert.deepEqual([made.SubnetId, made.SecurityGroups?.[0]?.GroupId], [SubnetId, "sg-00000000000000001"]);
      await refused(run(bench, { NetworkInterfaces, SubnetId }), "InvalidParameterCombination", 400);
      const SecurityGroupIds = ["sg-00000000000000000"];
      await refused(run(bench, { NetworkInterfaces, SecurityGroupIds }), "InvalidParameterCombination", 400);
    },
  },
  {
    name: "block devices are accepted and shown once the instance runs",
    async run(bench) {
      const { InstanceId } = await runOne(bench, {
        BlockDeviceMappings: [
          { DeviceName: "/dev/xvda", Ebs: { VolumeSize: 8, VolumeType: "gp3", DeleteOnTermination: true } },
          { DeviceName: "/dev/sdf", Ebs: { VolumeSize: 10, DeleteOnTermination: true } },
        ],
      });
      const shown = await untilState(bench, InstanceId, "running");
      const names = shown.BlockDeviceMappings?.map(({ DeviceName }) => DeviceName) ?? [];
      assert.ok(names.includes("/dev/sdf"), names.join(" "));
      for (const { Ebs } of shown.BlockDeviceMappings ?? []) assert.match(Ebs?.VolumeId ?? "", /^vol-/);
    },
  },
];
