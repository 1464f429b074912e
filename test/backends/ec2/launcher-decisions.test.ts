/** What a launcher decides, with time as the test says and EC2 as it says it is. */
import { describe, expect, test } from "vitest";
import type { Ec2Api, FleetOrder, FleetOutcome, Offer } from "../../../src/backends/ec2/api.ts";
import {
  type IntentFacts,
  Launcher,
  type LauncherDeps,
  type Party,
  type Wish,
} from "../../../src/backends/ec2/launcher.ts";
import { FakeClock } from "../../harness/fake-clock.ts";
import { type FakeApi, fakeApi, pass, refusal } from "./fake-api.ts";

const offers: readonly Offer[] = ["a", "b"].flatMap((zone) =>
  ["c6i.large", "m6i.large"].map((type) => ({ type, zone, subnet: `subnet-${zone}` })),
);

interface Desk {
  readonly clock: FakeClock;
  readonly api: FakeApi;
  readonly launcher: Launcher;
  readonly parties: Party[];
  readonly ended: string[];
  readonly intents: (IntentFacts & { readonly token: string })[];
  readonly struck: string[];
  readonly troubles: unknown[];
  /** What became of each wish, by its number: the instance or the error. */
  readonly outcomes: Map<number, unknown>;
  wish(count: number, more?: Partial<Wish>): void;
}

function desk(answers: Partial<Ec2Api>, deps: Partial<LauncherDeps> = {}): Desk {
  const clock = new FakeClock();
  const api = fakeApi(answers);
  const parties: Party[] = [];
  const ended: string[] = [];
  const intents: (IntentFacts & { readonly token: string })[] = [];
  const struck: string[] = [];
  const troubles: unknown[] = [];
  const outcomes = new Map<number, unknown>();
  const launcher = new Launcher({
    clock,
    api,
    markets: ["spot"],
    mostAtOnce: 100,
    offers: async () => offers,
    owner: async () => "scope/parent",
    tags: () => ({}),
    userData: async () => "",
    expect: (party) => void parties.push(party),
    intend: async (token, facts) => {
      intents.push({ token, ...facts });
      return async () => void struck.push(token);
    },
    end: (id) => void ended.push(id),
    trouble: (error) => void troubles.push(error),
    ...deps,
  });
  let wishes = 0;
  const wish = (count: number, more: Partial<Wish> = {}): void => {
    for (let made = 0; made < count; made++) {
      const number = ++wishes;
      const settle = (outcome: unknown) => {
        expect(outcomes.has(number)).toBe(false);
        outcomes.set(number, outcome);
      };
      launcher.add({ pool: "p", lifetimeMs: 1, bootTimeoutMs: 1, launched: settle, failed: settle, ...more });
    }
  };
  return { clock, api, launcher, parties, ended, intents, struck, troubles, outcomes, wish };
}

const granted = (...ids: string[]): FleetOutcome => ({ instances: ids.map((id) => ({ id, type: "t" })), refusals: [] });
const launches = (api: FakeApi): FleetOrder[] => api.of("launch") as FleetOrder[];

describe("boots", () => {
  test("that come one after the other are one request when they come soon, and none waits for long", async () => {
    const { clock, api, wish } = desk({ launch: async ({ count }) => granted(...Array(count).fill("i")) });
    wish(1);
    await pass(clock, 34);
    wish(1);
    await pass(clock, 34);
    expect(launches(api)).toEqual([]);
    await pass(clock, 1);
    expect(launches(api).map(({ count }) => count)).toEqual([2]);
    for (let times = 0; times < 20; times++) {
      wish(1);
      await pass(clock, 20);
    }
    // After a quarter of a second those that have waited go, whoever else comes.
    expect(launches(api).map(({ count }) => count)).toEqual([2, 13]);
    await pass(clock, 100);
    expect(launches(api).map(({ count }) => count)).toEqual([2, 13, 7]);
  });

  test("of other lifetimes or patience go by other requests: they have other user data", async () => {
    const { clock, api, wish } = desk({});
    wish(1);
    wish(1, { lifetimeMs: 2 });
    wish(1, { bootTimeoutMs: 2 });
    await pass(clock, 35);
    expect(launches(api)).toHaveLength(3);
  });

  test("are never more in one request than are allowed in a minute", async () => {
    const { clock, api, wish } = desk({}, { mostAtOnce: 4 });
    wish(10);
    await pass(clock, 35);
    expect(launches(api).map(({ count }) => count)).toEqual([4, 4, 2]);
  });
});

test("more instances than were asked for are ended: they are nobody's", async () => {
  const { clock, api, parties, ended, outcomes, wish } = desk({ launch: async () => granted("i-1", "i-2", "i-3") });
  wish(1);
  await pass(clock, 35);
  expect([...outcomes.values()]).toEqual(["i-1"]);
  expect(ended).toEqual(["i-2", "i-3"]);
  expect(await parties[0]!.instances).toEqual(["i-1"]);
  expect(await parties[0]!.of("i-2")).toBeUndefined();
  expect(launches(api)).toHaveLength(1);
});

test("a machine that comes before EC2 has answered is told from others when it has", async () => {
  const { promise, resolve } = Promise.withResolvers<FleetOutcome>();
  const { clock, parties, outcomes, wish } = desk({ launch: () => promise });
  wish(1);
  await pass(clock, 35);
  let known: unknown = "not yet";
  void parties[0]!.of("i-1").then((found) => (known = found));
  await pass(clock, 5_000);
  expect(known).toBe("not yet");
  resolve(granted("i-1"));
  await pass(clock, 0);
  expect(known).toMatchObject({ pool: "p" });
  expect(outcomes.get(1)).toBe("i-1");
});

test("what a request leaves behind is written down before it is made, and struck out when that is gone", async () => {
  const steps: string[] = [];
  const { clock, api, intents, struck, parties, wish } = desk({
    template: "lt-theirs",
    makeTemplate: async ({ token, name }) => {
      steps.push(`make ${name === `tinderbox-${token}`} ${intents.some((intent) => intent.token === token)}`);
      return { id: "lt-1", version: "7", whole: false, account: "123456789012" };
    },
  });
  wish(2);
  await pass(clock, 35);
  expect(intents).toEqual([{ token: expect.any(String) as string, count: 2, pool: "p", template: "lt-theirs" }]);
  expect(steps).toEqual(["make true true"]);
  expect(parties[0]!.account).toBe("123456789012");
  expect(api.of("removeTemplate")).toEqual([{ id: "lt-1", version: "7", whole: false, account: "123456789012" }]);
  expect(struck).toEqual([intents[0]!.token]);
});

test("what could not be removed stays written down, for whoever looks later, and is told", async () => {
  const { clock, struck, troubles, outcomes, wish } = desk({
    launch: async () => granted("i-1"),
    removeTemplate: async () => {
      throw refusal("UnauthorizedOperation");
    },
  });
  wish(1);
  await pass(clock, 35);
  expect(outcomes.get(1)).toBe("i-1");
  expect(struck).toEqual([]);
  expect(troubles).toMatchObject([{ reason: "UnauthorizedOperation" }]);
});

test.each(["offers", "owner", "intend", "userData"] as const)(
  "a failure of %s fails the boots, and asks for nothing",
  async (name) => {
    const failure = new Error("there is none");
    const { clock, api, outcomes, wish } = desk({}, { [name]: () => Promise.reject(failure) });
    wish(2);
    await pass(clock, 35);
    expect([...outcomes.values()]).toEqual([failure, failure]);
    expect(launches(api)).toEqual([]);
  },
);

test("a request that gets no answer is repeated with its token, later each time, and given up in the end", async () => {
  const times: number[] = [];
  const { clock, api, outcomes, struck, wish } = desk({
    launch: async () => {
      times.push(clock.now());
      throw refusal("TimeoutError");
    },
  });
  wish(1);
  await pass(clock, 120_000);
  expect(times).toHaveLength(6);
  expect(new Set(launches(api).map(({ token }) => token)).size).toBe(1);
  const gaps = times.slice(1).map((at, index) => at - times[index]!);
  gaps.forEach((gap, index) => {
    expect(gap).toBeGreaterThanOrEqual(500 * 2 ** index);
    expect(gap).toBeLessThanOrEqual(1_500 * 2 ** index);
  });
  expect(outcomes.get(1)).toMatchObject({ reason: "TimeoutError", permanent: false });
  expect(struck).toHaveLength(1);
});

test("a request refused as a whole for want of capacity goes on in the other market", async () => {
  const { clock, api, outcomes, wish } = desk(
    {
      launch: async ({ market }) => {
        if (market === "spot") throw refusal("InsufficientInstanceCapacity");
        return granted("i-1");
      },
    },
    { markets: ["spot", "on-demand"] },
  );
  wish(1);
  await pass(clock, 35);
  expect(launches(api).map(({ market }) => market)).toEqual(["spot", "on-demand"]);
  expect(outcomes.get(1)).toBe("i-1");
  // Spot is known to have none: it is not asked.
  wish(1);
  await pass(clock, 35);
  expect(launches(api).map(({ market }) => market)).toEqual(["spot", "on-demand", "on-demand"]);
});

test("where EC2 gives less than was asked for, and no reason, it is not asked again and again", async () => {
  const { clock, api, outcomes, wish } = desk({ launch: async () => ({ instances: [], refusals: [] }) });
  wish(1);
  await pass(clock, 10_000);
  expect(launches(api)).toHaveLength(1);
  expect(outcomes.get(1)).toMatchObject({ kind: "capacity", permanent: false });
});

test("refusals of one place at a time end after some requests, and the error names what was tried, but not a book of it", async () => {
  const many: Offer[] = Array.from({ length: 20 }, (_, index) => ({ type: `t${index}`, zone: "z", subnet: "s" }));
  const { clock, api, outcomes, wish } = desk(
    {
      launch: async ({ offers: [offer] }) => ({
        instances: [],
        refusals: [{ code: "InsufficientInstanceCapacity", message: "none", offer }],
      }),
    },
    { offers: async () => many, markets: ["spot", "on-demand"] },
  );
  wish(1);
  await pass(clock, 10_000);
  expect(launches(api)).toHaveLength(12);
  const { message } = outcomes.get(1) as Error;
  expect(message).toContain("t0 in z (spot): InsufficientInstanceCapacity, t1 in z");
  expect(message).toContain("t1 in z (on-demand): InsufficientInstanceCapacity, and 4 more; name more instanceTypes");
  expect(message).not.toContain("t2 in z (on-demand)");
});

test("what cannot be helped by waiting is what is told of several refusals", async () => {
  const { clock, outcomes, wish } = desk({
    launch: async () => ({
      instances: [],
      refusals: [
        { code: "InsufficientInstanceCapacity", message: "none", offer: offers[0] },
        { code: "VcpuLimitExceeded", message: "too many", offer: offers[1] },
        { code: "InsufficientInstanceCapacity", message: "none", offer: offers[2] },
        { code: "InsufficientInstanceCapacity", message: "none", offer: offers[3] },
      ],
    }),
  });
  wish(2);
  await pass(clock, 35);
  expect(outcomes.get(1)).toMatchObject({ kind: "quota", permanent: true });
  expect((outcomes.get(2) as Error).message).toMatch(/^Cannot launch 2 instances: VcpuLimitExceeded: too many;/);
});

test("a quota that is used up is not remembered as a lack of capacity", async () => {
  let refused = true;
  const { clock, outcomes, wish } = desk({
    launch: async () =>
      refused
        ? { instances: [], refusals: [{ code: "VcpuLimitExceeded", message: "too many", offer: undefined }] }
        : granted("i-1"),
  });
  wish(1);
  await pass(clock, 35);
  refused = false;
  wish(1);
  await pass(clock, 35);
  expect(outcomes.get(2)).toBe("i-1");
});

describe("closing", () => {
  test("fails what has not been asked for, and leaves no timer", async () => {
    const { clock, api, launcher, outcomes, wish } = desk({});
    wish(2);
    await launcher.close();
    await launcher.close();
    wish(1);
    expect(outcomes.size).toBe(3);
    await pass(clock, 10_000);
    expect(api.log).toEqual([]);
    expect([...outcomes.values()].map(String)).toEqual(
      Array(3).fill("Error: Cannot launch instances: their pools have been closed"),
    );
    expect(clock.pending()).toBe(0);
  });

  test("waits for requests that are under way, and until what was made for them is gone, but not for ever", async () => {
    const answer = Promise.withResolvers<FleetOutcome>();
    const removed = Promise.withResolvers<void>();
    const { clock, launcher, outcomes, struck, wish } = desk({
      launch: () => answer.promise,
      removeTemplate: () => removed.promise,
    });
    wish(1);
    await pass(clock, 35);
    let closed = 0;
    void launcher.close().then(() => closed++);
    await pass(clock, 5_000);
    answer.resolve(granted("i-1"));
    await pass(clock, 0);
    expect({ closed, outcome: outcomes.get(1) }).toEqual({ closed: 0, outcome: "i-1" });
    void launcher.close().then(() => closed++);
    await pass(clock, 4_999);
    expect(closed).toBe(0);
    await pass(clock, 1);
    expect(closed).toBe(1);
    removed.resolve();
    await pass(clock, 0);
    expect({ closed, struck: struck.length, timers: clock.pending() }).toEqual({ closed: 2, struck: 1, timers: 0 });
  });

  test("ends the wait for another try", async () => {
    const { clock, api, launcher, outcomes, wish } = desk({
      launch: async () => {
        throw refusal("TimeoutError");
      },
    });
    wish(1);
    await pass(clock, 100);
    expect(launches(api)).toHaveLength(1);
    void launcher.close();
    await pass(clock, 0);
    expect(outcomes.get(1)).toMatchObject({ reason: "TimeoutError" });
    await pass(clock, 60_000);
    expect(launches(api)).toHaveLength(1);
    expect(clock.pending()).toBe(0);
  });
});
