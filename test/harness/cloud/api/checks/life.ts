import assert from "node:assert/strict";
import { until } from "../../../until.ts";
import { type Bench, type Check, described, listed, own, type OwnCheck, refused, run, runOne } from "./check.ts";
import {
  CreateTagsCommand,
  DescribeInstanceAttributeCommand,
  DescribeInstancesCommand,
  DescribeInstanceStatusCommand,
  GetConsoleOutputCommand,
  type Instance,
  TerminateInstancesCommand,
} from "./sdk.ts";

/** Waits until an instance is shown in a state. */
export function untilState(bench: Bench, id: string, state: string): Promise<Instance> {
  return until(`${id} ${state}`, async () => {
    const shown = await described(bench, id);
    const isOver = shown.State?.Name === "terminated" && state !== "terminated";
    assert.ok(!isOver, `${id} is terminated and will never be ${state}`);
    return shown.State?.Name === state && shown;
  });
}

export async function terminate({ client }: Bench, ...InstanceIds: string[]) {
  const { TerminatingInstances = [] } = await client.send(new TerminateInstancesCommand({ InstanceIds }));
  return TerminatingInstances;
}

export const lifeChecks: readonly Check[] = [
  {
    name: "an instance goes from pending to running, and when it is told to end, to terminated",
    async run(bench) {
      const { InstanceId } = await runOne(bench);
      const running = await untilState(bench, InstanceId, "running");
      assert.deepEqual(running.State, { Code: 16, Name: "running" });
      const [change] = await terminate(bench, InstanceId);
      assert.deepEqual(
        [change?.InstanceId, change?.PreviousState, change?.CurrentState],
        [InstanceId, { Code: 16, Name: "running" }, { Code: 32, Name: "shutting-down" }],
      );
      const over = await untilState(bench, InstanceId, "terminated");
      assert.deepEqual(over.State, { Code: 48, Name: "terminated" });
      assert.equal(over.StateReason?.Code, "Client.UserInitiatedShutdown");
      assert.match(over.StateTransitionReason ?? "", /^User initiated \(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/);
    },
  },
  {
    name: "what is terminated stays listed with its tags, and has no address any more",
    deviations: { moto: "keeps the address" },
    async run(bench) {
      const { InstanceId } = await runOne(bench);
      await terminate(bench, InstanceId);
      const over = await untilState(bench, InstanceId, "terminated");
      assert.deepEqual([over.PrivateIpAddress, over.SubnetId, over.NetworkInterfaces], [undefined, undefined, []]);
      assert.deepEqual(
        (await listed(bench)).map((one) => one.InstanceId),
        [InstanceId],
      );
    },
  },
  {
    name: "to terminate again what is terminated changes nothing and is no error",
    deviations: { moto: "begins to shut down again" },
    async run(bench) {
      const { InstanceId } = await runOne(bench);
      await terminate(bench, InstanceId);
      const first = await untilState(bench, InstanceId, "terminated");
      const [change] = await terminate(bench, InstanceId);
      assert.deepEqual([change?.PreviousState?.Name, change?.CurrentState?.Name], ["terminated", "terminated"]);
      assert.equal((await described(bench, InstanceId)).StateTransitionReason, first.StateTransitionReason);
    },
  },
  {
    name: "one unknown id spoils a request to terminate, and nothing is terminated",
    async run(bench) {
      const { InstanceId } = await runOne(bench);
      await untilState(bench, InstanceId, "running");
      const message = await refused(
        terminate(bench, InstanceId, "i-0aaaaaaaaaaaaaaaa"),
        "InvalidInstanceID.NotFound",
        400,
      );
      assert.match(message, /i-0aaaaaaaaaaaaaaaa/);
      assert.equal((await described(bench, InstanceId)).State?.Name, "running");
    },
  },
  {
    name: "a malformed id is told from an unknown one",
    deviations: { moto: "takes every id for an unknown one" },
    async run(bench) {
      const describe = (id: string) => bench.client.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
      await refused(describe("i-0aaaaaaaaaaaaaaaa"), "InvalidInstanceID.NotFound", 400);
      await refused(describe("i-aaaa"), "InvalidInstanceID.Malformed", 400);
      await refused(describe("instance"), "InvalidInstanceID.Malformed", 400);
      await refused(terminate(bench, "i-XYZ"), "InvalidInstanceID.Malformed", 400);
    },
  },
  {
    name: "an instance with protection from termination is not terminated",
    deviations: { moto: "terminates it" },
    async run(bench) {
      const { InstanceId } = await runOne(bench, { DisableApiTermination: true });
      await untilState(bench, InstanceId, "running");
      await refused(terminate(bench, InstanceId), "OperationNotPermitted");
      assert.equal((await described(bench, InstanceId)).State?.Name, "running");
    },
  },
  {
    name: "what an instance does on its own shutdown is shown as it was given",
    async run(bench) {
      const shown = async (InstanceId: string) => {
        const Attribute = "instanceInitiatedShutdownBehavior" as const;
        const answer = await bench.client.send(new DescribeInstanceAttributeCommand({ InstanceId, Attribute }));
        return answer.InstanceInitiatedShutdownBehavior?.Value;
      };
      const { InstanceId } = await runOne(bench, { InstanceInitiatedShutdownBehavior: "terminate" });
      assert.equal(await shown(InstanceId), "terminate");
      assert.equal(await shown((await runOne(bench)).InstanceId), "stop");
    },
  },
  {
    name: "the status of running instances is told, and of all only on demand",
    async run(bench) {
      const { InstanceId } = await runOne(bench);
      await untilState(bench, InstanceId, "running");
      const status = async (IncludeAllInstances: boolean) => {
        const input = { InstanceIds: [InstanceId], IncludeAllInstances };
        const { InstanceStatuses = [] } = await bench.client.send(new DescribeInstanceStatusCommand(input));
        return InstanceStatuses.map((one) => [one.InstanceState?.Name, one.InstanceStatus?.Status]);
      };
      assert.deepEqual(await status(false), [["running", "ok"]]);
      await terminate(bench, InstanceId);
      await untilState(bench, InstanceId, "terminated");
      assert.deepEqual(await status(false), []);
      assert.equal((await status(true)).length, 1);
    },
  },
  {
    name: "the console of an instance is there to be read",
    async run(bench) {
      const { InstanceId } = await runOne(bench);
      const answer = await bench.client.send(new GetConsoleOutputCommand({ InstanceId }));
      assert.equal(answer.InstanceId, InstanceId);
      assert.ok(answer.Timestamp instanceof Date);
      const unknown = new GetConsoleOutputCommand({ InstanceId: "i-0aaaaaaaaaaaaaaaa" });
      await refused(bench.client.send(unknown), "InvalidInstanceID.NotFound", 400);
    },
  },
];

export const ownLifeChecks: readonly OwnCheck[] = [
  {
    name: "an instance that shuts itself down stops, or is terminated if that was wished",
    options: {},
    async run(bench) {
      const stopping = await runOne(bench);
      const ending = await runOne(bench, { InstanceInitiatedShutdownBehavior: "terminate" });
      for (const { InstanceId } of [stopping, ending]) {
        await untilState(bench, InstanceId, "running");
        bench.cloud.powerOff(InstanceId);
      }
      const stopped = await untilState(bench, stopping.InstanceId, "stopped");
      const ended = await untilState(bench, ending.InstanceId, "terminated");
      for (const { StateReason } of [stopped, ended]) {
        assert.equal(StateReason?.Code, "Client.InstanceInitiatedShutdown");
      }
      assert.deepEqual([stopped.State?.Code, ended.State?.Code], [80, 48]);
      const [change] = await terminate(bench, stopping.InstanceId);
      assert.deepEqual([change?.PreviousState?.Name, change?.CurrentState?.Name], ["stopped", "terminated"]);
    },
  },
  {
    name: "a spot instance that shuts itself down is terminated, since it cannot be stopped",
    options: {},
    async run(bench) {
      const { InstanceId } = await runOne(bench, { InstanceMarketOptions: { MarketType: "spot" } });
      await untilState(bench, InstanceId, "running");
      bench.cloud.powerOff(InstanceId);
      await untilState(bench, InstanceId, "terminated");
    },
  },
  {
    name: "a spot instance is taken back with a reason of its own",
    options: {},
    async run(bench) {
      const InstanceMarketOptions = { MarketType: "spot" as const };
      const { InstanceId, InstanceLifecycle, SpotInstanceRequestId } = await runOne(bench, { InstanceMarketOptions });
      assert.equal(InstanceLifecycle, "spot");
      assert.match(SpotInstanceRequestId ?? "", /^sir-/);
      await untilState(bench, InstanceId, "running");
      bench.cloud.interrupt(InstanceId, 50);
      const ended = await untilState(bench, InstanceId, "terminated");
      assert.equal(ended.StateReason?.Code, "Server.SpotInstanceTermination");
    },
  },
  {
    name: "states take the time that they are told to",
    options: { times: { pendingMs: 60_000, shuttingDownMs: 60_000 } },
    async run(bench) {
      const { InstanceId } = await runOne(bench);
      const shown = async () => (await described(bench, InstanceId)).State?.Name;
      const seen = [await shown()];
      const wait = async (ms: number) => {
        bench.cloud.advance(ms);
        seen.push(await shown());
      };
      await wait(30_000);
      await wait(30_000);
      await terminate(bench, InstanceId);
      await wait(30_000);
      await wait(30_000);
      assert.deepEqual(seen, ["pending", "pending", "running", "shutting-down", "terminated"]);
    },
  },
  {
    name: "what is terminated is forgotten in time",
    options: { times: { terminatedListedMs: 60_000 } },
    async run(bench) {
      const { InstanceId } = await runOne(bench);
      await terminate(bench, InstanceId);
      await untilState(bench, InstanceId, "terminated");
      bench.cloud.advance(60_000);
      assert.deepEqual(await listed(bench), []);
      await refused(described(bench, InstanceId), "InvalidInstanceID.NotFound", 400);
      await refused(terminate(bench, InstanceId), "InvalidInstanceID.NotFound", 400);
    },
  },
  {
    name: "a new instance is not listed at first, but can be terminated",
    options: { times: { unlistedMs: 60_000 } },
    async run(bench) {
      const { InstanceId } = await runOne(bench);
      const other = await runOne(bench);
      assert.deepEqual(await listed(bench), []);
      await refused(described(bench, InstanceId), "InvalidInstanceID.NotFound", 400);
      const Tags = own(bench, { late: "tag" });
      const tag = new CreateTagsCommand({ Resources: [InstanceId], Tags });
      await refused(bench.client.send(tag), "InvalidInstanceID.NotFound", 400);
      await terminate(bench, other.InstanceId);
      bench.cloud.advance(60_000);
      const byId = new Map((await listed(bench)).map((one) => [one.InstanceId, one.State?.Name]));
      assert.deepEqual([byId.get(InstanceId), byId.get(other.InstanceId)], ["running", "terminated"]);
    },
  },
  {
    name: "a new instance can also be one that cannot be terminated yet",
    options: { times: { unlistedMs: 60_000 }, unlistedTerminate: "notFound" },
    async run(bench) {
      const { InstanceId } = await runOne(bench);
      await refused(terminate(bench, InstanceId), "InvalidInstanceID.NotFound", 400);
      bench.cloud.advance(60_000);
      await terminate(bench, InstanceId);
      await untilState(bench, InstanceId, "terminated");
    },
  },
  {
    name: "states that are shown can be old",
    options: { times: { staleMs: 60_000 } },
    async run(bench) {
      const { InstanceId } = await runOne(bench);
      const shown = async () => (await described(bench, InstanceId)).State?.Name;
      assert.equal(await shown(), "pending");
      bench.cloud.advance(61_000);
      assert.equal(await shown(), "running");
      const [change] = await terminate(bench, InstanceId);
      assert.equal(change?.CurrentState?.Name, "shutting-down");
      assert.equal(await shown(), "running");
      bench.cloud.advance(61_000);
      assert.equal(await shown(), "terminated");
    },
  },
  {
    name: "several instances at once are one reservation each time",
    options: {},
    async run(bench) {
      await run(bench, { MinCount: 2, MaxCount: 2 });
      await run(bench, { MinCount: 3, MaxCount: 3 });
      const { Reservations = [] } = await bench.client.send(new DescribeInstancesCommand({}));
      assert.deepEqual(
        Reservations.map(({ Instances = [] }) => Instances.length),
        [2, 3],
      );
    },
  },
];
