/** From nothing to a thousand machines that come in over TLS, and back; on the API side alone, nothing boots. */
import { expect, test } from "vitest";
import { measureScale } from "./scale/measure.ts";

test(
  "a thousand machines are asked for with few requests, none of them throttled; all come in, and all are terminated",
  { timeout: 180_000 },
  async () => {
    const count = 1_000;
    const { instances, calls, throttled, troubles, steady, ...figures } = await measureScale(count);
    console.log(JSON.stringify({ ...figures, steady, calls }));
    expect(troubles).toEqual([]);
    expect(throttled).toBe(0);
    // A hundred in each request, as EC2 advises; no more machines than were wanted, and each ended by us.
    expect(instances).toHaveLength(count);
    expect(new Set(instances.map(({ state, reason }) => `${state} ${reason}`))).toEqual(
      new Set(["terminated Client.UserInitiatedShutdown"]),
    );
    const { CreateFleet = 0, CreateLaunchTemplate = 0, DeleteLaunchTemplate = 0, ...others } = calls;
    expect(CreateFleet).toBeGreaterThanOrEqual(count / 100);
    expect(CreateFleet).toBeLessThanOrEqual(count / 100 + 2);
    expect([CreateLaunchTemplate, DeleteLaunchTemplate]).toEqual([CreateFleet, CreateFleet]);
    // A look each five seconds at those that have not come in, 200 with each request; ends are merged.
    expect(others["DescribeInstances"]).toBeLessThan(60);
    expect(others["TerminateInstances"]).toBeLessThanOrEqual(20);
    expect(Object.keys(others).toSorted()).toEqual([
      "DescribeInstanceTypes",
      "DescribeInstances",
      "DescribeSubnets",
      "TerminateInstances",
    ]);
    // Within the rates that EC2 documents this takes seconds; what is left is the handshakes of a thousand machines.
    expect(figures.launchedMs).toBeLessThan(30_000);
    expect(figures.rss - figures.rssBefore).toBeLessThan(600);
    expect(steady.p99).toBeLessThan(250);
  },
);
