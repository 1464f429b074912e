import assert from "node:assert/strict";
import { listed, type OwnCheck, refused, run, runOne } from "./check.ts";
import { terminate, untilState } from "./life.ts";
import { DescribeInstancesCommand, DescribeSubnetsCommand, EC2ServiceException, RunInstancesCommand } from "./sdk.ts";

const small = { "subnet-0000000000000000a": { zone: "us-east-1a", cidr: "10.9.0.0/28" } };

export const limitChecks: readonly OwnCheck[] = [
  {
    name: "a type, zone and market without room is refused, and others are not",
    options: {},
    async run(bench) {
      bench.cloud.capacity.set({ type: "c5.large", zone: "us-east-1a", market: "on-demand" }, 0);
      const message = await refused(run(bench), "InsufficientInstanceCapacity", 500);
      assert.match(message, /c5\.large capacity .*us-east-1a/);
      await runOne(bench, { InstanceMarketOptions: { MarketType: "spot" } });
      await runOne(bench, { InstanceType: "m5.large" });
      await runOne(bench, { Placement: { AvailabilityZone: "us-east-1b" } });
      bench.cloud.capacity.clear();
      await runOne(bench);
    },
  },
  {
    name: "a launch gives as many as there is room for, from its least number on",
    options: {},
    async run(bench) {
      bench.cloud.capacity.set({ type: "c5.large" }, 3);
      await refused(run(bench, { MinCount: 4, MaxCount: 5 }), "InsufficientInstanceCapacity");
      assert.deepEqual(await listed(bench), []);
      const made = await run(bench, { MinCount: 2, MaxCount: 5 });
      assert.equal(made.length, 3);
      await refused(run(bench), "InsufficientInstanceCapacity");
      await terminate(bench, made[0]?.InstanceId ?? "");
      await runOne(bench);
    },
  },
  {
    name: "a zone may lack a type",
    options: {},
    async run(bench) {
      bench.cloud.capacity.set({ type: "c5.large", zone: "us-east-1a" }, "unsupported");
      await refused(run(bench), "Unsupported", 400);
    },
  },
  {
    name: "a quota of virtual processors is kept, for each market by itself",
    options: { quota: { onDemandVcpus: 4, spotVcpus: 2 } },
    async run(bench) {
      const spot = { InstanceMarketOptions: { MarketType: "spot" as const } };
      await run(bench, { MinCount: 2, MaxCount: 2 });
      assert.match(await refused(run(bench), "VcpuLimitExceeded", 400), /limit of 4/);
      await runOne(bench, spot);
      await refused(run(bench, spot), "MaxSpotInstanceCountExceeded", 400);
      bench.cloud.quota.onDemandVcpus = 6;
      await runOne(bench);
    },
  },
  {
    name: "a subnet has as many addresses as it has, and gets back those of what is terminated",
    options: { subnets: small },
    async run(bench) {
      const free = async () =>
        (await bench.client.send(new DescribeSubnetsCommand({}))).Subnets?.[0]?.AvailableIpAddressCount;
      assert.equal(await free(), 11);
      const made = await run(bench, { MinCount: 11, MaxCount: 11 });
      assert.equal(new Set(made.map(({ PrivateIpAddress }) => PrivateIpAddress)).size, 11);
      assert.equal(await free(), 0);
      await refused(run(bench), "InsufficientFreeAddressesInSubnet", 400);
      const [{ InstanceId = "", PrivateIpAddress } = {}] = made;
      await terminate(bench, InstanceId);
      await untilState(bench, InstanceId, "terminated");
      assert.equal((await runOne(bench)).PrivateIpAddress, PrivateIpAddress);
    },
  },
  {
    name: "an address may be wished for, if it is free and of the subnet",
    options: { subnets: small },
    async run(bench) {
      const PrivateIpAddress = "10.9.0.9";
      assert.equal((await runOne(bench, { PrivateIpAddress })).PrivateIpAddress, PrivateIpAddress);
      await refused(run(bench, { PrivateIpAddress }), "InvalidIPAddress.InUse", 400);
      for (const wrong of ["10.9.0.3", "10.9.0.15", "10.8.0.9"]) {
        await refused(run(bench, { PrivateIpAddress: wrong }), "InvalidParameterValue", 400);
      }
    },
  },
  {
    name: "a spot price that is too low is refused",
    options: {},
    async run(bench) {
      bench.cloud.prices.set({ type: "c5.large", zone: "us-east-1a" }, 0.05);
      const spot = (MaxPrice: string) =>
        run(bench, { InstanceMarketOptions: { MarketType: "spot", SpotOptions: { MaxPrice } } });
      await refused(spot("0.04"), "SpotMaxPriceTooLow", 400);
      assert.equal((await spot("0.05")).length, 1);
    },
  },
  {
    name: "launches are throttled by requests: five at once, then two a second",
    options: {},
    async run(bench) {
      const launch = { ImageId: bench.imageId, InstanceType: "c5.large" as const, MinCount: 1, MaxCount: 1 };
      const began = performance.now();
      const answers = await Promise.allSettled(
        Array.from({ length: 10 }, () => bench.client.send(new RunInstancesCommand(launch))),
      );
      const refusals = answers.flatMap((one) => (one.status === "rejected" ? [one.reason as unknown] : []));
      const more = Math.floor(((performance.now() - began) / 1000) * 2);
      assert.ok(10 - refusals.length >= 5 && 10 - refusals.length <= 5 + more, `${refusals.length} are refused`);
      for (const error of refusals) {
        assert.ok(error instanceof EC2ServiceException);
        assert.deepEqual([error.name, error.$metadata.httpStatusCode], ["RequestLimitExceeded", 503]);
      }
      // Others have buckets of their own, and the SDK tries again on its own account.
      await bench.client.send(new DescribeInstancesCommand({}));
      await bench.connect({ maxAttempts: 10 }).send(new RunInstancesCommand(launch));
    },
  },
  {
    name: "launches are throttled by instances as well",
    options: { limits: { instances: { burst: 3, perSecond: 0 } } },
    async run(bench) {
      assert.equal((await run(bench, { MinCount: 1, MaxCount: 5 })).length, 3);
      await refused(run(bench), "RequestLimitExceeded", 503);
    },
  },
  {
    name: "each action has a bucket of its own",
    options: {
      limits: { others: { burst: 2, perSecond: 0 }, actions: { DescribeSubnets: { burst: 1, perSecond: 0 } } },
    },
    async run(bench) {
      const describe = () => bench.client.send(new DescribeInstancesCommand({}));
      const subnets = () => bench.client.send(new DescribeSubnetsCommand({}));
      await describe();
      await subnets();
      await refused(subnets(), "RequestLimitExceeded", 503);
      await describe();
      await refused(describe(), "RequestLimitExceeded", 503);
      bench.cloud.throttle.set({ others: { burst: 1, perSecond: 0 } });
      await describe();
    },
  },
];
