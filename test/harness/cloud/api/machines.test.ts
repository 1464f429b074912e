import { expect, test } from "vitest";
import { until } from "../../until.ts";
import { type Cloud, type CloudOptions, startCloud } from "../cloud.ts";
import type { HostedMachine, LaunchOrder, MachineHost } from "../machine-host.ts";
import { clientOf } from "./checks/check.ts";
import {
  GetConsoleOutputCommand,
  RunInstancesCommand,
  type RunInstancesCommandInput,
  TerminateInstancesCommand,
} from "./checks/sdk.ts";
import { ownImage } from "./conformance.ts";

/** A machine of which a test decides what happens to it. */
class Machine implements HostedMachine {
  readonly order: LaunchOrder;
  readonly #ended = Promise.withResolvers<"poweroff" | "killed" | "failed">();
  readonly notices: number[] = [];
  kills = 0;

  constructor(order: LaunchOrder) {
    this.order = order;
  }

  get id() {
    return this.order.id;
  }
  get ended() {
    return this.#ended.promise;
  }
  end(how: "poweroff" | "failed") {
    this.#ended.resolve(how);
  }
  console() {
    return `${"x".repeat(70_000)}tail`;
  }
  async kill() {
    this.kills++;
    this.#ended.resolve("killed");
  }
  async partition() {}
  async freeze() {}
  spotNotice(atMs: number) {
    this.notices.push(atMs);
  }
  async pids() {
    return [];
  }
}

/** A host whose machines boot when they are told to. */
class Host implements MachineHost {
  readonly machines: Machine[] = [];
  readonly #gate = Promise.withResolvers<void>();
  failure: Error | undefined;

  async launch(order: LaunchOrder): Promise<HostedMachine> {
    const machine = new Machine(order);
    this.machines.push(machine);
    await this.#gate.promise;
    if (this.failure) throw this.failure;
    return machine;
  }
  boot() {
    this.#gate.resolve();
  }
  async close() {}
}

async function start(options: CloudOptions = {}) {
  const machines = new Host();
  const cloud = await startCloud({ machines, ...options });
  const client = clientOf({ ...cloud, credentials: cloud.credentials("owner") });
  const launch = async (input: Partial<RunInstancesCommandInput> = {}) => {
    const { Instances = [] } = await client.send(
      new RunInstancesCommand({ ImageId: ownImage, InstanceType: "c5.large", MinCount: 1, MaxCount: 1, ...input }),
    );
    return Instances.map(({ InstanceId = "" }) => InstanceId);
  };
  const close = async () => {
    client.destroy();
    machines.boot();
    await cloud.close();
  };
  return { machines, cloud, client, launch, [Symbol.asyncDispose]: close };
}

const stateOf = (cloud: Cloud, id: string | undefined) => cloud.instances().find((one) => one.id === id)?.state;
const untilState = (cloud: Cloud, id: string | undefined, state: string) =>
  until(`${id} ${state}`, () => stateOf(cloud, id) === state);

test("a machine is ordered with everything that was asked for, and the instance runs when it does", async () => {
  await using bench = await start();
  const { machines, cloud, launch } = bench;
  const tags = [{ Key: "owner", Value: "me" }];
  const [id = ""] = await launch({
    UserData: Buffer.from("#!/bin/sh\nünï\n").toString("base64"),
    IamInstanceProfile: { Name: "runner" },
    MetadataOptions: { HttpTokens: "required", HttpPutResponseHopLimit: 2, InstanceMetadataTags: "enabled" },
    TagSpecifications: [{ ResourceType: "instance", Tags: tags }],
  });
  const [machine] = machines.machines;
  const { userData, ...order } = machine?.order ?? {};
  expect(userData?.toString()).toBe("#!/bin/sh\nünï\n");
  expect(order).toEqual({
    id,
    privateIp: cloud.instances()[0]?.privateIp,
    tags: { owner: "me" },
    instanceType: "c5.large",
    zone: "us-east-1a",
    region: "us-east-1",
    accountId: "123456789012",
    imageId: ownImage,
    architecture: "x86_64",
    role: "runner",
    metadata: { endpoint: "enabled", tokens: "required", tags: true, hopLimit: 2 },
    memoryMb: 4096,
    vcpus: 2,
    faults: {},
  });
  expect([stateOf(cloud, id), cloud.machine(id)]).toEqual(["pending", undefined]);
  machines.boot();
  await untilState(cloud, id, "running");
  expect(cloud.machine(id)).toBe(machine);
});

test("an instance whose machine powers off ends as it was told to", async () => {
  await using bench = await start();
  const { machines, cloud, launch } = bench;
  machines.boot();
  const ids = [...(await launch()), ...(await launch({ InstanceInitiatedShutdownBehavior: "terminate" }))];
  for (const id of ids) await untilState(cloud, id, "running");
  for (const machine of machines.machines) machine.end("poweroff");
  await untilState(cloud, ids[0], "stopped");
  await untilState(cloud, ids[1], "terminated");
  const reason = "Client.InstanceInitiatedShutdown";
  expect(cloud.instances().map((one) => one.reason)).toEqual([reason, reason]);
});

test("an instance whose machine fails, or could not be made, is terminated by the server", async () => {
  await using bench = await start();
  const { machines, cloud, launch } = bench;
  machines.boot();
  const [failing] = await launch();
  await untilState(cloud, failing, "running");
  machines.machines[0]?.end("failed");
  await untilState(cloud, failing, "terminated");
  machines.failure = new Error("no namespaces here");
  const [missing] = await launch();
  await untilState(cloud, missing, "terminated");
  expect(cloud.instances().map((one) => one.reason)).toEqual(["Server.InternalError", "Server.InternalError"]);
});

test("an instance is terminated when its machine is gone, also when that was still booting", async () => {
  await using bench = await start();
  const { machines, cloud, client, launch } = bench;
  const [id = ""] = await launch();
  const terminate = new TerminateInstancesCommand({ InstanceIds: [id] });
  await client.send(terminate);
  await client.send(terminate);
  await until("its time to be over", () => Date.now() > (cloud.instances()[0]?.launchedMs ?? 0) + 100);
  expect([stateOf(cloud, id), machines.machines[0]?.kills]).toEqual(["shutting-down", 0]);
  machines.boot();
  await untilState(cloud, id, "terminated");
  expect(machines.machines[0]?.kills).toBe(1);
  expect(cloud.instances()[0]?.reason).toBe("Client.UserInitiatedShutdown");
});

test("an instance takes its time to be over, also when its machine is gone at once", async () => {
  await using bench = await start({ times: { shuttingDownMs: 60_000 } });
  const { machines, cloud, client, launch } = bench;
  const [id = ""] = await launch();
  await client.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
  machines.boot();
  await until("the kill", () => machines.machines[0]?.kills === 1);
  // It has booted in the meantime, which is nobody's concern any more.
  cloud.advance(30_000);
  expect(stateOf(cloud, id)).toBe("shutting-down");
  cloud.advance(30_000);
  expect(stateOf(cloud, id)).toBe("terminated");
});

test("an instance whose machine is killed past the API still counts as running, as on a host that broke", async () => {
  await using bench = await start();
  const { machines, cloud, launch } = bench;
  machines.boot();
  const [id = ""] = await launch();
  await untilState(cloud, id, "running");
  await cloud.machine(id)?.kill();
  await cloud.machine(id)?.ended;
  await launch();
  expect(stateOf(cloud, id)).toBe("running");
});

test("a machine is told before its spot instance is taken back", async () => {
  await using bench = await start();
  const { machines, cloud, launch } = bench;
  machines.boot();
  const [id = ""] = await launch({ InstanceMarketOptions: { MarketType: "spot" } });
  await untilState(cloud, id, "running");
  const before = Date.now();
  cloud.interrupt(id, 200);
  const [noticed = 0] = machines.machines[0]?.notices ?? [];
  expect(noticed - before).toBeGreaterThanOrEqual(200);
  expect(stateOf(cloud, id)).toBe("running");
  await untilState(cloud, id, "terminated");
  expect(Date.now()).toBeGreaterThanOrEqual(noticed);
  expect([machines.machines[0]?.kills, cloud.instances()[0]?.reason]).toEqual([1, "Server.SpotInstanceTermination"]);
});

test("a machine that is still booting hears of its end when it has booted", async () => {
  await using bench = await start();
  const { machines, cloud, launch } = bench;
  const [id = ""] = await launch({ InstanceMarketOptions: { MarketType: "spot" } });
  cloud.interrupt(id, 60_000);
  machines.boot();
  await untilState(cloud, id, "running");
  expect(machines.machines[0]?.notices).toHaveLength(1);
});

test("the console is the last 64 KB of what the machine printed", async () => {
  await using bench = await start();
  const { machines, cloud, client, launch } = bench;
  machines.boot();
  const [InstanceId = ""] = await launch();
  await untilState(cloud, InstanceId, "running");
  const { Output = "" } = await client.send(new GetConsoleOutputCommand({ InstanceId }));
  const text = Buffer.from(Output, "base64").toString();
  expect([text.length, text.slice(-5)]).toEqual([65_536, "xtail"]);
});

test("faults of machines strike those that fit, from the n-th on", async () => {
  await using bench = await start();
  const { machines, cloud, launch } = bench;
  cloud.machineFaults.add({ faults: { bootDelayMs: 50 }, nth: 2, times: 2 });
  cloud.machineFaults.add({ faults: { neverBoots: true }, tags: { bad: "yes" }, times: 9 });
  const bad = [{ ResourceType: "instance" as const, Tags: [{ Key: "bad", Value: "yes" }] }];
  await launch();
  await launch({ MinCount: 2, MaxCount: 2, TagSpecifications: bad });
  await launch();
  expect(machines.machines.map(({ order }) => order.faults)).toEqual([
    {},
    { bootDelayMs: 50, neverBoots: true },
    { bootDelayMs: 50, neverBoots: true },
    {},
  ]);
});

test("closing ends every machine, also one that is being made", async () => {
  const bench = await start();
  await bench.launch({ MinCount: 2, MaxCount: 2 });
  await bench[Symbol.asyncDispose]();
  expect(bench.machines.machines.map(({ kills }) => kills)).toEqual([1, 1]);
});
