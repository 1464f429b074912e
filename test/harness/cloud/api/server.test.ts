import { connect } from "node:net";
import { once } from "node:events";
import { expect, test } from "vitest";
import { processesOf } from "../../processes.ts";
import { until } from "../../until.ts";
import { startCloud } from "../cloud.ts";
import { clientOf } from "./checks/check.ts";
import {
  DescribeInstancesCommand,
  paginateDescribeInstances,
  RunInstancesCommand,
  TerminateInstancesCommand,
} from "./checks/sdk.ts";
import { spawnCloud } from "./child/spawn.ts";
import { ownImage, roomyLimits } from "./conformance.ts";

const launch = (count: number) =>
  new RunInstancesCommand({ ImageId: ownImage, InstanceType: "c5.large", MinCount: count, MaxCount: count });

test("a thousand instances are launched, listed and terminated", { timeout: 30_000 }, async () => {
  await using cloud = await startCloud({ limits: roomyLimits });
  const client = clientOf({ ...cloud, credentials: cloud.credentials("owner") });
  for (let round = 0; round < 10; round++) await client.send(launch(100));
  const ids: string[] = [];
  for await (const { Reservations = [] } of paginateDescribeInstances({ client, pageSize: 300 }, {})) {
    ids.push(...Reservations.flatMap(({ Instances = [] }) => Instances.map(({ InstanceId = "" }) => InstanceId)));
  }
  expect([ids.length, new Set(ids).size]).toEqual([1000, 1000]);
  expect(new Set(cloud.instances().map(({ privateIp }) => privateIp)).size).toBe(1000);
  await client.send(new TerminateInstancesCommand({ InstanceIds: ids }));
  await until("all terminated", () => cloud.instances().every(({ state }) => state === "terminated"));
  client.destroy();
});

test("two clouds know nothing of each other", async () => {
  await using one = await startCloud();
  await using other = await startCloud();
  const client = clientOf({ ...one, credentials: one.credentials("owner") });
  const stranger = clientOf({ ...other, credentials: one.credentials("owner") });
  await client.send(launch(1));
  await expect(stranger.send(launch(1))).rejects.toMatchObject({ name: "AuthFailure" });
  expect([one.instances().length, other.instances().length]).toEqual([1, 0]);
  client.destroy();
  stranger.destroy();
});

test("requests that are no requests of EC2 are refused or cut off", async () => {
  await using cloud = await startCloud();
  expect((await fetch(cloud.endpoint)).status).toBe(405);
  const broken = await fetch(cloud.endpoint, { method: "POST", body: "Action=%zz" });
  expect([broken.status, await broken.text()]).toEqual([400, expect.stringContaining("MalformedQueryString")]);
  await expect(fetch(cloud.endpoint, { method: "POST", body: "x".repeat(2 ** 20 + 1) })).rejects.toThrow(
    "fetch failed",
  );
  const { port } = new URL(cloud.endpoint);
  const socket = connect(Number(port), "127.0.0.1");
  socket.end("nonsense\r\n\r\n").resume();
  await once(socket, "close");
});

test("closing again, and with a client connected, is no error", async () => {
  const cloud = await startCloud();
  const client = clientOf({ ...cloud, credentials: cloud.credentials("owner") });
  await client.send(new DescribeInstancesCommand({}));
  await Promise.all([cloud.close(), cloud.close()]);
  await cloud.close();
  await expect(client.send(new DescribeInstancesCommand({}))).rejects.toThrow(/hang up|ECONNREFUSED|ECONNRESET/);
  client.destroy();
});

test("an endpoint in a process of its own does the same, and can be told the same", async () => {
  await using cloud = await spawnCloud({ region: "eu-west-1" });
  const client = clientOf({ ...cloud, credentials: await cloud.credentials("alice") });
  const fault = await cloud.addFault({ kind: "internalBefore", action: "RunInstances" });
  await expect(client.send(launch(1))).rejects.toMatchObject({ name: "InternalError" });
  expect(await cloud.struckBy(fault)).toBe(1);
  await cloud.setCapacity({ type: "c5.large" }, 1);
  const { Instances: [made] = [] } = await client.send(launch(1));
  await expect(client.send(launch(1))).rejects.toMatchObject({ name: "InsufficientInstanceCapacity" });
  const [instance] = await cloud.instances();
  expect([instance?.id, instance?.zone]).toEqual([made?.InstanceId, "eu-west-1a"]);
  expect((await cloud.calls("RunInstances")).map(({ principal, error }) => [principal, error])).toEqual([
    ["alice", "InternalError"],
    ["alice", undefined],
    ["alice", "InsufficientInstanceCapacity"],
  ]);
  await cloud.powerOff(made?.InstanceId ?? "");
  await until("it stopped", async () => (await cloud.instances())[0]?.state === "stopped");
  await expect(cloud.powerOff("i-nobody")).rejects.toThrow("there never was one");
  await expect(cloud.console(made?.InstanceId ?? "")).rejects.toThrow("nothing runs it");
  client.destroy();
});

/** A module of a machine host whose machines live until they are killed. */
const hostModule = `data:text/javascript,${encodeURIComponent(`
  const machine = ({ id, userData, privateIp }) => {
    const { promise: ended, resolve } = Promise.withResolvers();
    const text = [Buffer.from(userData).toString(), privateIp].join(" ");
    return { id, ended, console: () => text, kill: async () => resolve("killed"), pids: async () => [4711] };
  };
  export const startHost = async (region) => ({
    machines: { launch: async (order) => machine(order), close: async () => undefined },
    subnets: { "subnet-0000000000000001": { zone: region + "x", cidr: "10.200.0.0/24" } },
    parentAddress: "10.200.0.1",
  });
`)}`;

test("an endpoint in a process of its own has a machine host there", async () => {
  await using cloud = await spawnCloud({ hostModule });
  expect(cloud.parentAddress).toBe("10.200.0.1");
  const client = clientOf({ ...cloud, credentials: await cloud.credentials("alice") });
  const { input } = launch(1);
  const UserData = Buffer.from("hello").toString("base64");
  const { Instances: [made] = [] } = await client.send(new RunInstancesCommand({ ...input, UserData }));
  const id = made?.InstanceId ?? "";
  await until("it runs", async () => (await cloud.instances())[0]?.state === "running");
  expect(made?.Placement?.AvailabilityZone).toBe("us-east-1x");
  expect([await cloud.console(id), await cloud.pids(id)]).toEqual(["hello 10.200.0.4", [4711]]);
  await client.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
  await until("its end", async () => (await cloud.instances())[0]?.state === "terminated");
  client.destroy();
});

test("an endpoint in a process of its own can be stopped and killed", async () => {
  const cloud = await spawnCloud();
  const client = clientOf({ ...cloud, credentials: await cloud.credentials("alice") });
  await client.send(new DescribeInstancesCommand({}));
  cloud.signal("SIGSTOP");
  const frozen = client.send(new DescribeInstancesCommand({}));
  cloud.signal("SIGCONT");
  await frozen;
  cloud.signal("SIGKILL");
  await expect(cloud.instances()).rejects.toThrow("the process has ended");
  await cloud.close();
  client.destroy();
  expect(processesOf().filter(({ pid }) => pid === cloud.pid)).toEqual([]);
});
