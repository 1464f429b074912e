import { expect, test } from "vitest";
import type { Ec2Api } from "../../../src/backends/ec2/api.ts";
import { Terminator } from "../../../src/backends/ec2/terminator.ts";
import { systemClock } from "../../../src/clock.ts";
import type { CloudOptions } from "../../harness/cloud/cloud.ts";
import { FakeClock } from "../../harness/fake-clock.ts";
import { startBench } from "./bench.ts";
import { type FakeApi, fakeApi, pass, refusal } from "./fake-api.ts";

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

interface Condemned {
  readonly clock: FakeClock;
  readonly api: FakeApi;
  readonly terminator: Terminator;
  readonly troubles: unknown[];
  /** Those that are known to be ending, in that order. */
  readonly gone: string[];
  end(...ids: string[]): void;
}

function condemned(terminate: Ec2Api["terminate"]): Condemned {
  const clock = new FakeClock();
  const api = fakeApi({ terminate });
  const troubles: unknown[] = [];
  const gone: string[] = [];
  const terminator = new Terminator(clock, api, (error) => void troubles.push(error));
  const end = (...ids: string[]): void => ids.forEach((id) => void terminator.end(id).then(() => gone.push(id)));
  return { clock, api, terminator, troubles, gone, end };
}

const done = (ids: readonly string[]) => new Map(ids.map((id) => [id, "shutting-down"] as const));
const unknown = (...ids: string[]) =>
  refusal("InvalidInstanceID.NotFound", `The instance IDs '${ids.join(", ")}' do not exist`);
const minuteMs = 60_000;

test("one that was never known is given up after two minutes, and its neighbours are ended at once", async () => {
  const { clock, api, terminator, troubles, gone, end } = condemned(async (ids) => {
    if (ids.includes("i-ghost")) throw unknown("i-ghost");
    return done(ids);
  });
  end("i-ghost", "i-1", "i-2");
  await pass(clock, 60);
  expect({ gone, pending: terminator.pending }).toEqual({ gone: ["i-1", "i-2"], pending: ["i-ghost"] });
  await pass(clock, 2 * minuteMs - 60);
  expect(gone).not.toContain("i-ghost");
  await pass(clock, minuteMs);
  expect({ gone, troubles, pending: terminator.pending, timers: clock.pending() }).toEqual({
    gone: ["i-1", "i-2", "i-ghost"],
    troubles: [],
    pending: [],
    timers: 0,
  });
  expect(api.of("terminate").length).toBeLessThan(15);
});

test("those of one moment are one request, more than it may name are several; each is asked for once", async () => {
  const { clock, api, terminator, gone, end } = condemned(async (ids) => done(ids));
  const first = terminator.end("i-0");
  expect(terminator.end("i-0")).toBe(first);
  end(...Array.from({ length: 1_100 }, (_, index) => `i-${index}`));
  await pass(clock, 49);
  expect({ asked: api.log, timers: clock.pending() }).toEqual({ asked: [], timers: 1 });
  await pass(clock, 1);
  expect(api.of("terminate").map((ids) => (ids as string[]).length)).toEqual([500, 500, 100]);
  expect(gone).toHaveLength(1_100);
  expect(clock.pending()).toBe(0);
});

test("one that does not end is asked for again, later each time, without end, and never more than once at a time", async () => {
  const { clock, api, gone, end } = condemned(async (ids) => new Map(ids.map((id) => [id, "running"])));
  end("i-1");
  await pass(clock, 10_000);
  expect(api.of("terminate").length).toBeGreaterThanOrEqual(3);
  expect(api.of("terminate").length).toBeLessThanOrEqual(6);
  const before = api.of("terminate").length;
  await pass(clock, 60 * minuteMs);
  const rate = api.of("terminate").length - before;
  expect(rate).toBeGreaterThanOrEqual(80);
  expect(rate).toBeLessThanOrEqual(240);
  expect(gone).toEqual([]);
});

test("neighbours of one that is unknown, which go on running, are not asked for ever more often", async () => {
  const { clock, api, end } = condemned(async (ids) => {
    if (ids.includes("i-ghost")) throw unknown("i-ghost");
    return new Map(ids.map((id) => [id, "running"]));
  });
  end("i-1", "i-ghost");
  await pass(clock, 10 * minuteMs);
  expect(api.of("terminate").length).toBeLessThan(80);
  expect(clock.pending()).toBe(1);
});

test("one that is seen to end while a request for it fails is gone, and nothing breaks", async () => {
  const { promise, reject } = Promise.withResolvers<never>();
  const { clock, terminator, gone, end } = condemned(() => promise);
  end("i-1", "i-2");
  await pass(clock, 50);
  terminator.ended("i-1");
  reject(unknown("i-1", "i-2"));
  await pass(clock, 0);
  expect({ gone, pending: terminator.pending }).toEqual({ gone: ["i-1"], pending: ["i-2"] });
});

test("a refusal that names none of ours is told, and they are asked for again", async () => {
  let refused = 0;
  const { clock, troubles, gone, end } = condemned(async (ids) => {
    if (refused++ < 2) throw unknown("i-other");
    return done(ids);
  });
  end("i-1");
  await pass(clock, minuteMs);
  expect(troubles).toHaveLength(2);
  expect(gone).toEqual(["i-1"]);
});

test("what is known to have ended by itself is not asked for", async () => {
  const { clock, api, terminator, gone, end } = condemned(async (ids) => done(ids));
  end("i-1");
  terminator.ended("i-1");
  terminator.ended("i-never");
  await pass(clock, minuteMs);
  expect({ gone, asked: api.log }).toEqual({ gone: ["i-1"], asked: [] });
});

test("closing waits for confirmations, and leaves no timer", async () => {
  let refused = 0;
  const { clock, terminator, gone, end } = condemned(async (ids) => {
    if (refused++ < 2) throw refusal("RequestLimitExceeded");
    return done(ids);
  });
  end("i-1");
  let closed = false;
  void terminator.close().then(() => (closed = true));
  await pass(clock, 60);
  expect(closed).toBe(false);
  await pass(clock, 5_000);
  expect({ closed, gone, timers: clock.pending() }).toEqual({ closed: true, gone: ["i-1"], timers: 0 });
  const idle = condemned(async (ids) => done(ids));
  await idle.terminator.close();
  await idle.terminator.close();
});

test("closing does not wait for ever, and nothing is asked for after it", async () => {
  const { clock, api, terminator, gone, troubles, end } = condemned(async () => {
    throw refusal("InternalError");
  });
  end("i-1");
  let closed = false;
  void terminator.close().then(() => (closed = true));
  await pass(clock, 9_999);
  expect(closed).toBe(false);
  await pass(clock, 1);
  expect({ closed, gone, pending: terminator.pending, timers: clock.pending() }).toEqual({
    closed: true,
    gone: [],
    pending: [],
    timers: 0,
  });
  const { length } = api.log;
  expect(troubles.length).toBe(length);
  end("i-2");
  expect(clock.pending()).toBe(0);
  await terminator.close();
  await pass(clock, minuteMs);
  expect({ asked: api.log.length, timers: clock.pending() }).toEqual({ asked: length, timers: 0 });
});

test("a request that is broken off by the close is no trouble", async () => {
  const { promise, reject } = Promise.withResolvers<never>();
  const { clock, terminator, troubles, end } = condemned(() => promise);
  end("i-1");
  await pass(clock, 50);
  const closed = terminator.close();
  await pass(clock, 10_000);
  await closed;
  reject(refusal("AbortError"));
  await pass(clock, minuteMs);
  expect({ troubles, timers: clock.pending() }).toEqual({ troubles: [], timers: 0 });
});
