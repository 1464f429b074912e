/** What a backend does with its site: whom it lets in, where it goes, and how it leaves. The gate and EC2 are the test's. */
import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import type { Ec2Api, InstanceFacts } from "../../../src/backends/ec2/api.ts";
import { ec2Backend } from "../../../src/backends/ec2/backend.ts";
import { type Ec2Options, resolveEc2Options } from "../../../src/backends/ec2/options.ts";
import type { BootRequest } from "../../../src/ports/backend.ts";
import type { Admission, Claim, DialOptions, Enrol, Gate } from "../../../src/ports/gate.ts";
import { identityOf, makeIdentityKeys } from "../../harness/cloud/machines/identity.ts";
import type { LaunchOrder } from "../../harness/cloud/machine-host.ts";
import { FakeClock } from "../../harness/fake-clock.ts";
import { facts, fakeApi, pass, settle } from "./fake-api.ts";

const ours = await makeIdentityKeys();
const subnet = "subnet-1";

interface Door extends Gate {
  readonly expected: { readonly ticket: Buffer; readonly enrol: Enrol; open: boolean }[];
  readonly dialled: { readonly address: string; readonly enrol: Enrol; readonly options: DialOptions }[];
}

function door(log: string[]): Door {
  const expected: Door["expected"] = [];
  const dialled: Door["dialled"] = [];
  return {
    expected,
    dialled,
    address: "10.0.0.1:7000",
    fingerprint: "f",
    expect(ticket, enrol) {
      const entry = { ticket, enrol, open: true };
      expected.push(entry);
      return () => void (entry.open = false);
    },
    dial(address, _ticket, enrol, options = {}) {
      dialled.push({ address, enrol, options });
      return new Promise((_, reject) =>
        options.signal?.addEventListener("abort", () => reject(new Error("it was broken off"))),
      );
    },
    close: async () => void log.push("gate closed"),
  };
}

function lab(options: Partial<Ec2Options> = {}, answers: Partial<Ec2Api> = {}) {
  const clock = new FakeClock();
  const log: string[] = [];
  const troubles: unknown[] = [];
  const doors: Door[] = [];
  const listed: InstanceFacts[] = [];
  let launched = 0;
  const api = fakeApi({
    subnets: async (ids) => ids.map((id) => ({ id, zone: "z" })),
    types: async (names) => names.map((type) => ({ type, vcpus: 2, architectures: ["x64", "arm64"] })),
    launch: async ({ count }) => ({
      instances: Array.from({ length: count }, () => ({ id: `i-${++launched}`, type: "c6i.large" })),
      refusals: [],
    }),
    makeTemplate: async () => ({ id: "lt-1", version: "1", whole: true, account: "123456789012" }),
    describe: async (ids) => listed.filter(({ id }) => ids.includes(id)),
    terminate: async (ids) => {
      log.push(`terminate ${ids.join()}`);
      return new Map(ids.map((id) => [id, "shutting-down"]));
    },
    ...answers,
  });
  const resolved = resolveEc2Options({
    image: "ami-1",
    subnets: [subnet],
    release: { bucket: "b" },
    instanceTypes: ["c6i.large"],
    ...options,
  });
  const backend = ec2Backend(resolved, {
    clock,
    trouble: (error) => void troubles.push(error),
    async open() {
      log.push("open");
      const gate = door(log);
      doors.push(gate);
      return {
        settings: { region: undefined, bucket: "b", subnets: [subnet], base: { template: "t" } },
        api,
        gate,
        owner: async () => "scope/me",
        intend: async () => async () => undefined,
        userData: async () => "#!/bin/sh\n",
        async close() {
          await gate.close();
          log.push("site closed");
        },
      };
    },
  });
  const accepted: string[] = [];
  const request = (address: string, more: Partial<BootRequest> = {}): BootRequest => ({
    runner: "media-1",
    pool: "media",
    address,
    token: randomBytes(32),
    env: {},
    onParentLoss: "drain",
    bootTimeoutMs: 60_000,
    lifetimeMs: 3_600_000,
    phase: () => undefined,
    output: () => undefined,
    beat: () => undefined,
    leaving: () => undefined,
    ...more,
  });
  const listen = async (name = "one") => {
    const listener = await backend.listen(() => void accepted.push(name));
    return { ...listener, boot: (more?: Partial<BootRequest>) => backend.boot(request(listener.address, more)) };
  };
  const enrol = async (claim: Partial<Claim>, by: Enrol): Promise<Admission | undefined> =>
    by({ instance: "i-1", identity: undefined, phases: {}, peer: "10.0.0.4:1", ...claim });
  return { clock, log, troubles, doors, listed, api, backend, listen, enrol, accepted };
}

const minuteMs = 60_000;

test("a machine of the launch is let in by its ticket, once, and its connections go to the pool that asked for it", async () => {
  const { clock, doors, listen, enrol, accepted, troubles } = lab();
  const [one, other] = [await listen("one"), await listen("other")];
  expect(one.address).not.toBe(other.address);
  const boot = other.boot();
  await pass(clock, 100);
  const machine = await boot;
  expect(machine.id).toBe("i-1");
  const { enrol: by } = doors[0]!.expected[0]!;
  expect(await enrol({ instance: "i-2" }, by)).toBeUndefined();
  const admission = await enrol({}, by);
  admission!.accept({ destroy: () => void accepted.push("refused") } as never);
  other.close();
  admission!.accept({ destroy: () => void accepted.push("refused") } as never);
  expect(accepted).toEqual(["other", "refused"]);
  expect(await enrol({}, by)).toBeUndefined();
  expect({ troubles, doors: doors.length }).toEqual({ troubles: [], doors: 1 });
});

test("a ticket is for the machines of its launch alone", async () => {
  const { clock, doors, listen, enrol } = lab();
  const { boot } = await listen();
  const booting = Promise.all([boot({ pool: "one" }), boot({ pool: "other" })]);
  await pass(clock, 100);
  await booting;
  const [one, other] = doors[0]!.expected;
  expect(await enrol({ instance: "i-2" }, one!.enrol)).toBeUndefined();
  expect(await enrol({ instance: "i-1" }, other!.enrol)).toBeUndefined();
  expect(await enrol({ instance: "i-2" }, other!.enrol)).toBeDefined();
});

test("a ticket is good for a quarter of an hour", async () => {
  const { clock, doors, listen } = lab();
  const { boot } = await listen();
  void boot();
  await pass(clock, 100);
  await pass(clock, 15 * minuteMs - 101);
  expect(doors[0]!.expected[0]!.open).toBe(true);
  await pass(clock, 101);
  expect(doors[0]!.expected[0]!.open).toBe(false);
});

test("what machines are tagged with says whose they are, for which pool and request, and until when", async () => {
  const { clock, api, listen } = lab({ tags: { team: "video", Name: "ours" } });
  const { boot } = await listen();
  void boot();
  void boot({ lifetimeMs: Infinity });
  await pass(clock, 100);
  const [first, second] = (api.of("launch") as { tags: Record<string, string>; token: string }[]).toSorted(
    (left, right) =>
      Number(left.tags["tinderbox:expires"] === "never") - Number(right.tags["tinderbox:expires"] === "never"),
  );
  expect(first!.tags).toEqual({
    Name: "ours",
    team: "video",
    "tinderbox:owner": "scope/me",
    "tinderbox:pool": "media",
    "tinderbox:request": first!.token,
    "tinderbox:expires": expect.stringMatching(/^2026-01-01T01:0\d:/) as string,
  });
  expect(second!.tags["tinderbox:expires"]).toBe("never");
});

const shown = (changes: Partial<LaunchOrder> = {}): { document: string; signature: string } => {
  const order = { id: "i-1", accountId: "123456789012", region: "us-east-1", zone: "us-east-1a", ...changes };
  const { document = "", signature = "" } = identityOf(order as LaunchOrder, 0, ours);
  return { document, signature };
};

test.each([
  ["no document", undefined, "it shows no identity document"],
  ["another's document", shown({ id: "i-2" }), 'that of "i-2"'],
  ["a document of another account", shown({ accountId: "999999999999" }), 'account "999999999999"'],
  ["a document of another region", shown({ region: "eu-west-1" }), 'region "eu-west-1"'],
  ["a forged document", { ...shown(), signature: shown({ id: "i-2" }).signature }, "has signed"],
])("with certificates a machine with %s is not let in; the right one still is", async (_name, identity, why) => {
  const { clock, doors, listen, enrol, troubles } = lab({ identityCertificates: [ours.certificate] });
  const { boot } = await listen();
  void boot();
  await pass(clock, 100);
  const { enrol: by } = doors[0]!.expected[0]!;
  expect(await enrol({ identity }, by)).toBeUndefined();
  expect(troubles).toHaveLength(1);
  expect(String(troubles[0])).toMatch(/^Error: Cannot let i-1 in: .*; see identityCertificates of ec2\(\)$/);
  expect(String(troubles[0])).toContain(why);
  expect(await enrol({ identity: shown() }, by)).toBeDefined();
  // Of others it is not even said why.
  expect(await enrol({ instance: "i-7", identity: shown({ id: "i-7" }) }, by)).toBeUndefined();
  expect(troubles).toHaveLength(1);
});

test("where this process dials, it goes to machines when it is known where they are, and no longer than they live", async () => {
  const { clock, doors, listed, listen, troubles, log, enrol } = lab({ dial: "parent" });
  const { boot } = await listen();
  const booting = Promise.all([boot(), boot()]);
  await pass(clock, 100);
  const [first, second] = await booting;
  expect(doors[0]!.expected).toEqual([]);
  await pass(clock, 3_000);
  expect(doors[0]!.dialled).toEqual([]);
  listed.push(facts("i-1", "pending", { address: "10.0.0.5" }), facts("i-2", "running", { address: "10.0.0.6" }));
  await pass(clock, 1_000);
  expect(doors[0]!.dialled.map(({ address }) => address)).toEqual(["10.0.0.5:7117", "10.0.0.6:7117"]);
  expect(await enrol({ instance: "i-2" }, doors[0]!.dialled[1]!.enrol)).toBeDefined();
  expect(doors[0]!.dialled[0]!.options.withinMs).toBe(15 * minuteMs);
  first!.kill();
  await pass(clock, 100);
  expect(log).toContain("terminate i-1");
  expect(doors[0]!.dialled.map(({ options }) => options.signal!.aborted)).toEqual([true, false]);
  expect(troubles).toEqual([]);
  void second;
});

test("one that has gone before anybody knew where it was is not gone to", async () => {
  const { clock, doors, listed, listen } = lab({ dial: "parent" });
  const { boot } = await listen();
  const booting = boot();
  await pass(clock, 100);
  (await booting).kill();
  listed.push(facts("i-1", "running", { address: "10.0.0.5" }));
  await pass(clock, 10_000);
  expect(doors[0]!.dialled).toEqual([]);
});

test("more are never asked for at once than within a minute", async () => {
  const { clock, api, listen } = lab({ launchesPerMinute: 2 });
  const { boot } = await listen();
  for (let count = 0; count < 5; count++) void boot();
  await pass(clock, 100);
  expect((api.of("launch") as { count: number }[]).map(({ count }) => count)).toEqual([2, 2, 1]);
});

test("what EC2 has is asked once, and again after a failure", async () => {
  let failures = 1;
  const { clock, api, listen } = lab(
    {},
    {
      subnets: async (ids) => {
        if (failures-- > 0) throw new Error("not now");
        return ids.map((id) => ({ id, zone: "z" }));
      },
    },
  );
  const { boot } = await listen();
  const first = boot();
  first.catch(() => undefined);
  await pass(clock, 100);
  await expect(first).rejects.toThrow("not now");
  for (let count = 0; count < 2; count++) {
    const next = boot();
    await pass(clock, 100);
    await next;
  }
  expect(api.of("subnets")).toHaveLength(2);
});

test("a site ends with its last pool: what is ending is confirmed first, and the next site waits for that", async () => {
  const { clock, log, listen, doors } = lab();
  const [one, other] = [await listen(), await listen()];
  const booting = one.boot();
  await pass(clock, 100);
  (await booting).kill();
  one.close();
  one.close();
  await settle();
  expect(log).toEqual(["open"]);
  const last = other.boot();
  await pass(clock, 35);
  expect((await last).id).toBe("i-2");
  other.close();
  const next = listen();
  await settle();
  expect(log).toEqual(["open"]);
  await pass(clock, 50);
  await next;
  expect(log).toEqual(["open", "terminate i-1", "gate closed", "site closed", "open"]);
  expect(doors).toHaveLength(2);
});

test("a closed site leaves no timer and no ticket, and boots that come too late are refused", async () => {
  const { clock, log, listen } = lab();
  const { boot, close } = await listen();
  void boot().catch(() => undefined);
  await pass(clock, 100);
  const late = boot();
  late.catch(() => undefined);
  await settle();
  close();
  await pass(clock, 0);
  await expect(late).rejects.toThrow("their pools have been closed");
  expect(log.at(-1)).toBe("site closed");
  expect(clock.pending()).toBe(0);
});

test("a launch whose pools are closed before it is made is not made", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { clock, api, listen } = lab(
    {},
    {
      makeTemplate: async () => {
        await promise;
        return { id: "lt-1", version: "1", whole: true, account: undefined };
      },
    },
  );
  const { boot, close } = await listen();
  const booting = boot();
  booting.catch(() => undefined);
  await pass(clock, 100);
  close();
  await settle();
  resolve();
  await settle();
  await expect(booting).rejects.toThrow("closed");
  expect(api.of("launch")).toEqual([]);
  expect(api.of("removeTemplate")).toHaveLength(1);
  expect(clock.pending()).toBe(0);
});

test("a site that cannot be opened is tried again by the next", async () => {
  const clock = new FakeClock();
  let opened = 0;
  const resolved = resolveEc2Options({ image: "ami-1", subnets: [subnet], release: { bucket: "b" } });
  const backend = ec2Backend(resolved, {
    clock,
    trouble: () => undefined,
    async open() {
      opened++;
      throw new Error("no way");
    },
  });
  await expect(backend.listen(() => undefined)).rejects.toThrow("no way");
  await expect(backend.listen(() => undefined)).rejects.toThrow("no way");
  expect(opened).toBe(2);
});
