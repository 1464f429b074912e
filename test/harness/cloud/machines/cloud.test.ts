import { createServer } from "node:http";
import { type AddressInfo } from "node:net";
import {
  CreateFleetCommand,
  CreateLaunchTemplateCommand,
  DescribeInstancesCommand,
  EC2Client,
  GetConsoleOutputCommand,
  RunInstancesCommand,
  TerminateInstancesCommand,
} from "@aws-sdk/client-ec2";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../../until.ts";
import { type Cloud, startCloud } from "../cloud.ts";
import { machinesAvailable } from "./available.ts";
import { type Machines, startMachines } from "./machines.ts";

const image = "ami-0123456789abcdef0";
const medianOf = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

describe.skipIf(!(await machinesAvailable()))("instances of the EC2 endpoint", () => {
  let machines: Machines;
  let cloud: Cloud;
  let client: EC2Client;
  /** Address of the sender -> when it was heard, and what it said. */
  const heard = new Map<string, { at: number; said: string }>();
  const listener = createServer((request, response) => {
    heard.set(request.socket.remoteAddress ?? "", { at: performance.now(), said: request.url ?? "" });
    response.end();
  });
  beforeAll(async () => {
    machines = await startMachines();
    cloud = await startCloud({ machines, subnets: machines.subnets("us-east-1") });
    client = new EC2Client({ ...cloud, credentials: cloud.credentials("owner") });
    await new Promise<void>((resolve) => listener.listen(0, machines.parentAddress, resolve));
  });
  afterAll(async () => {
    client.destroy();
    listener.close();
    await cloud.close();
    await machines.close();
  });

  const script = (then: string) => {
    const { port } = listener.address() as AddressInfo;
    const call = `exec 3<>/dev/tcp/${machines.parentAddress}/${port}; printf 'GET /%s HTTP/1.0\\r\\n\\r\\n' "$(hostname)" >&3; cat <&3 >/dev/null`;
    return Buffer.from(`#!/bin/bash\n${call}\n${then}\n`).toString("base64");
  };
  const describeOne = async (id: string) => {
    const { Reservations } = await client.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
    return Reservations?.[0]?.Instances?.[0];
  };

  test("boot, run their user data and power themselves off", async () => {
    const times: { script: number; over: number }[] = [];
    for (let round = 0; round < 5; round++) {
      const started = performance.now();
      const { Instances = [] } = await client.send(
        new RunInstancesCommand({
          ImageId: image,
          InstanceType: "c5.large",
          MinCount: 1,
          MaxCount: 1,
          InstanceInitiatedShutdownBehavior: "terminate",
          UserData: script("poweroff"),
        }),
      );
      const { InstanceId: id = "", PrivateIpAddress: address = "" } = Instances[0] ?? {};
      const { at, said } = await until("its word", () => heard.get(address), { every: 2 });
      expect(said).toBe(`/ip-${address.replaceAll(".", "-")}`);
      await until("its end", () => cloud.instances().find((one) => one.id === id)?.state === "terminated", {
        every: 2,
      });
      times.push({ script: at - started, over: performance.now() - started });
      expect((await describeOne(id))?.StateReason?.Code).toBe("Client.InstanceInitiatedShutdown");
      const { Output = "" } = await client.send(new GetConsoleOutputCommand({ InstanceId: id }));
      expect(Buffer.from(Output, "base64").toString()).toContain("Power down");
    }
    const of = (pick: "script" | "over") => Math.round(medianOf(times.map((one) => one[pick])));
    console.log(`RunInstances to user data ${of("script")} ms, to terminated ${of("over")} ms (median of 5)`);
  });

  test("boot ten at once for a fleet, in different zones, and are ended by TerminateInstances", async () => {
    heard.clear();
    const UserData = script("sleep 1000");
    const data = { ImageId: image, InstanceType: "c5.large", UserData } as const;
    const { LaunchTemplate } = await client.send(
      new CreateLaunchTemplateCommand({ LaunchTemplateName: "ten", LaunchTemplateData: data }),
    );
    const started = performance.now();
    const { Instances = [] } = await client.send(
      new CreateFleetCommand({
        Type: "instant",
        TargetCapacitySpecification: { TotalTargetCapacity: 10, DefaultTargetCapacityType: "on-demand" },
        LaunchTemplateConfigs: [
          {
            LaunchTemplateSpecification: { LaunchTemplateId: LaunchTemplate?.LaunchTemplateId, Version: "1" },
            Overrides: Object.keys(machines.subnets("us-east-1")).map((SubnetId) => ({ SubnetId })),
          },
        ],
      }),
    );
    const ids = Instances.flatMap(({ InstanceIds = [] }) => InstanceIds);
    expect(ids).toHaveLength(10);
    await until("ten words", () => heard.size === 10, { every: 5 });
    console.log(`CreateFleet of 10 to the last user data ${Math.round(performance.now() - started)} ms`);
    const hosted = ids.map((id) => cloud.machine(id));
    await client.send(new TerminateInstancesCommand({ InstanceIds: ids }));
    expect(await Promise.all(hosted.map((one) => one?.ended))).toEqual(ids.map(() => "killed"));
  });
});
