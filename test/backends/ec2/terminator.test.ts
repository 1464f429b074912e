import { expect, test } from "vitest";
import { Terminator } from "../../../src/backends/ec2/terminator.ts";
import { systemClock } from "../../../src/clock.ts";
import type { CloudOptions } from "../../harness/cloud/cloud.ts";
import { FakeClock } from "../../harness/fake-clock.ts";
import { startBench } from "./bench.ts";

async function lab(count: number, options: CloudOptions = {}) {
  const bench = await startBench(options);
  const { api } = bench;
  const template = await api.makeTemplate({
    token: "t",
    name: "tinderbox-t",
    userData: "#!/bin/sh\n",
    tags: { a: "b" },
  });
  const offers = [{ type: "c6i.large", subnet: "subnet-0000000000000000a", zone: "us-east-1a" }];
  const { instances } = await api.launch({ token: "f", template, count, market: "spot", offers, tags: { a: "b" } });
  const troubles: unknown[] = [];
  const terminator = new Terminator(systemClock, api, (error) => void troubles.push(error));
  return { ...bench, ids: instances.map(({ id }) => id), terminator, troubles };
}

test("ends many by one request, and knows that of each", async () => {
  const { cloud, ids, terminator, troubles } = await lab(20);
  await Promise.all(ids.map((id) => terminator.end(id)));
  expect(cloud.callsOf("TerminateInstances")).toHaveLength(1);
  expect(cloud.instances().every(({ state }) => state === "shutting-down" || state === "terminated")).toBe(true);
  expect({ troubles, pending: terminator.pending }).toEqual({ troubles: [], pending: [] });
});

test("asks again until it is done, whatever goes wrong, and tells of it", async () => {
  const { cloud, ids, terminator, troubles } = await lab(2);
  cloud.faults.add({
    kind: "error",
    action: "TerminateInstances",
    code: "UnauthorizedOperation",
    status: 403,
    times: 2,
  });
  await Promise.all(ids.map((id) => terminator.end(id)));
  expect(troubles.length).toBeGreaterThanOrEqual(2);
  expect(troubles[0]).toMatchObject({ kind: "denied" });
});

test("one that EC2 does not know yet does not keep the others; it is ended as soon as it is known", async () => {
  const { cloud, ids, terminator } = await lab(1, { times: { unlistedMs: 1_500 }, unlistedTerminate: "notFound" });
  const started = performance.now();
  await terminator.end(ids[0]!);
  expect(performance.now() - started).toBeGreaterThan(500);
  expect(cloud.instances()[0]!.state).not.toBe("running");
});

test("one that was never known is given up after two minutes, and its neighbours are ended at once", async () => {
  const { api, ids } = await lab(2);
  const clock = new FakeClock();
  const terminator = new Terminator(clock, api, (error) => {
    throw error;
  });
  const ghost = "i-0123456789abcdef0";
  let gone = false;
  void terminator.end(ghost).then(() => (gone = true));
  const others = Promise.all(ids.map((id) => terminator.end(id)));
  clock.advance(60);
  await others;
  expect({ gone, pending: terminator.pending }).toEqual({ gone: false, pending: [ghost] });
  for (let minute = 0; minute < 6 && !gone; minute++) {
    clock.advance(60_000);
    await new Promise((resolve) => setTimeout(resolve, 50));
    clock.advance(60);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(gone).toBe(true);
});
