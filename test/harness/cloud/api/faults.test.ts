import { expect, test } from "vitest";
import { until } from "../../until.ts";
import { type Cloud, startCloud } from "../cloud.ts";
import { clientOf } from "./checks/check.ts";
import { DescribeInstancesCommand, type EC2ClientConfig, RunInstancesCommand } from "./checks/sdk.ts";
import { ownImage } from "./conformance.ts";
import type { CloudFault } from "./wire/faults.ts";

const launch = (ClientToken: string) =>
  new RunInstancesCommand({ ImageId: ownImage, InstanceType: "c5.large", MinCount: 1, MaxCount: 1, ClientToken });
const describe = () => new DescribeInstancesCommand({});

/** Sends launches of one token until one is answered. The client is as strict as in the checks. */
async function withClient<T>(
  cloud: Cloud,
  settings: EC2ClientConfig,
  use: (client: ReturnType<typeof clientOf>) => Promise<T>,
): Promise<T> {
  const client = clientOf({ ...cloud, credentials: cloud.credentials("owner") }, settings);
  try {
    return await use(client);
  } finally {
    client.destroy();
  }
}

test.for<[kind: CloudFault["kind"], made: number, error: string | undefined]>([
  ["lostReply", 1, undefined],
  ["droppedRequest", 0, undefined],
  ["internalBefore", 0, "InternalError"],
  ["internalAfter", 1, "InternalError"],
  ["unavailableBefore", 0, "Unavailable"],
  ["unavailableAfter", 1, "Unavailable"],
  ["throttle", 0, "RequestLimitExceeded"],
])("after %s there are %i instances, and one when it is sent again", async ([kind, made, error]) => {
  await using cloud = await startCloud();
  const fault = cloud.faults.add({ kind, action: "RunInstances" } as CloudFault);
  await withClient(cloud, {}, async (client) => {
    await client.send(describe());
    const failure: unknown = await client.send(launch("t")).catch((reason: unknown) => reason);
    expect(failure).toMatchObject(error === undefined ? { $metadata: { attempts: 1 } } : { name: error });
    expect(fault.struck).toBe(1);
    expect(cloud.instances()).toHaveLength(made);
    await client.send(launch("t"));
    expect(cloud.instances()).toHaveLength(1);
  });
  const [first, second] = cloud.callsOf("RunInstances");
  expect([first?.error, first?.status]).toEqual([error, { InternalError: 500 }[error ?? ""] ?? (error ? 503 : 0)]);
  expect(second?.status).toBe(200);
});

test("the SDK's own second try of a launch whose reply was lost launches nothing more", async () => {
  await using cloud = await startCloud();
  cloud.faults.add({ kind: "lostReply", action: "RunInstances" });
  await withClient(cloud, { maxAttempts: 3 }, async (client) => {
    const { Instances } = await client.send(launch("t"));
    expect(cloud.instances().map(({ id }) => id)).toEqual(Instances?.map(({ InstanceId }) => InstanceId));
  });
  expect(cloud.callsOf("RunInstances")).toHaveLength(2);
});

test("a fault strikes from the n-th request on, as often as it is told to, and nothing else", async () => {
  await using cloud = await startCloud();
  cloud.faults.add({ kind: "error", code: "Blocked", status: 400, action: "RunInstances", nth: 2, times: 2 });
  await withClient(cloud, {}, async (client) => {
    const seen: string[] = [];
    for (const token of ["a", "b", "c", "d"]) {
      await client.send(describe());
      await client.send(launch(token)).then(
        () => seen.push("done"),
        (error: Error) => seen.push(error.name),
      );
    }
    expect(seen).toEqual(["done", "Blocked", "Blocked", "done"]);
  });
});

test("a slow answer is late, and what it is about is done before", async () => {
  await using cloud = await startCloud();
  cloud.faults.add({ kind: "slow", ms: 300, action: "RunInstances" });
  await withClient(cloud, {}, async (client) => {
    const began = performance.now();
    const answer = client.send(launch("t"));
    await until("the instance", () => cloud.instances().length === 1);
    await answer;
    expect(performance.now() - began).toBeGreaterThan(290);
  });
});

test("a request that hangs is carried out when it is let go, also when its client has given up", async () => {
  await using cloud = await startCloud();
  const fault = cloud.faults.add({ kind: "hang", action: "RunInstances" });
  await withClient(cloud, {}, async (client) => {
    const giveUp = new AbortController();
    const answer = client.send(launch("t"), { abortSignal: giveUp.signal });
    await fault.strikes();
    giveUp.abort();
    await expect(answer).rejects.toMatchObject({ name: "AbortError" });
    expect(cloud.instances()).toEqual([]);
    fault.release();
    await until("the late launch", () => cloud.instances().length === 1);
  });
});

test("what hangs does not keep the endpoint from closing", async () => {
  const cloud = await startCloud();
  const fault = cloud.faults.add({ kind: "hang" });
  await withClient(cloud, {}, async (client) => {
    const answer = client.send(describe()).catch((reason: unknown) => reason);
    await fault.strikes();
    await cloud.close();
    expect(await answer).toBeInstanceOf(Error);
  });
  expect(cloud.calls.map(({ status }) => status)).toEqual([0]);
});
