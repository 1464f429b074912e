import { expect, test } from "vitest";
import type { InstanceFacts } from "../../../src/backends/ec2/api.ts";
import type { Ec2Instance } from "../../../src/backends/ec2/machine.ts";
import { BootWatch } from "../../../src/backends/ec2/watch.ts";
import { FakeClock } from "../../harness/fake-clock.ts";
import { facts, fakeApi, pass, refusal } from "./fake-api.ts";
import { claim, instance } from "./instance.ts";

const everyMs = 5_000;

function lab(ids: readonly string[], describe: (ids: readonly string[]) => Promise<readonly InstanceFacts[]>) {
  const clock = new FakeClock();
  const api = fakeApi({ describe });
  const labs = ids.map((id) => instance(id));
  const machines = new Set<Ec2Instance>(labs.map(({ machine }) => machine));
  const seen: string[] = [];
  const watch = new BootWatch(
    clock,
    api,
    everyMs,
    () => machines,
    ({ id }) => void seen.push(id),
  );
  return { clock, api, labs, machines, seen, watch };
}

test("looks after those that boot, until none does", async () => {
  const { clock, api, labs, watch, seen } = lab(["i-1", "i-2"], async (ids) => ids.map((id) => facts(id, "pending")));
  watch.look();
  watch.look();
  await pass(clock, everyMs - 1);
  expect(api.of("describe")).toEqual([]);
  await pass(clock, 1);
  expect(api.of("describe")).toEqual([["i-1", "i-2"]]);
  expect(seen).toEqual(["i-1", "i-2"]);
  labs[0]!.machine.admit(claim);
  await pass(clock, everyMs);
  expect(api.of("describe").at(-1)).toEqual(["i-2"]);
  labs[1]!.machine.admit(claim);
  await pass(clock, 10 * everyMs);
  expect(api.of("describe")).toHaveLength(2);
  expect(clock.pending()).toBe(0);
  watch.look();
  expect(clock.pending()).toBe(1);
});

test("one that has ended before it came in is known at the next look; one that is not listed yet is waited for", async () => {
  let listed = false;
  const { clock, labs, watch } = lab(["i-1", "i-2"], async () =>
    listed ? [facts("i-2", "terminated", { reason: "Client.InstanceInitiatedShutdown" })] : [],
  );
  watch.look();
  await pass(clock, 4 * everyMs);
  expect(labs.map(({ exits }) => exits)).toEqual([[], []]);
  listed = true;
  await pass(clock, everyMs);
  expect(labs.map(({ exits }) => exits)).toEqual([
    [],
    [{ reason: "EC2 says that it is terminated (Client.InstanceInitiatedShutdown)" }],
  ]);
});

test("a look that fails is followed by the next", async () => {
  let failures = 2;
  const { clock, api, seen, watch } = lab(["i-1"], async (ids) => {
    if (failures-- > 0) throw refusal("RequestLimitExceeded");
    return ids.map((id) => facts(id, "running"));
  });
  watch.look();
  await pass(clock, 3 * everyMs);
  expect(api.of("describe")).toHaveLength(3);
  expect(seen).toEqual(["i-1"]);
});

test("many are asked about by several requests, one after the other", async () => {
  let open = 0;
  const { clock, api, seen, watch } = lab(
    Array.from({ length: 450 }, (_, index) => `i-${index}`),
    async (ids) => {
      expect(++open).toBe(1);
      await Promise.resolve();
      open--;
      return ids.map((id) => facts(id, "pending"));
    },
  );
  watch.look();
  await pass(clock, everyMs);
  expect(api.of("describe").map((ids) => (ids as string[]).length)).toEqual([200, 200, 50]);
  expect(seen).toHaveLength(450);
});

test("one that begins to boot during a look is seen by the next", async () => {
  const { promise, resolve } = Promise.withResolvers<readonly InstanceFacts[]>();
  const { clock, api, machines, labs, watch } = lab(["i-1"], () => promise);
  watch.look();
  await pass(clock, everyMs);
  labs[0]!.machine.admit(claim);
  machines.add(instance("i-2").machine);
  watch.look();
  expect(clock.pending()).toBe(0);
  resolve([]);
  await pass(clock, everyMs);
  expect(api.of("describe")).toEqual([["i-1"], ["i-2"]]);
});

test("one that is stopped looks no more, also when that happens during a look", async () => {
  const { promise, resolve } = Promise.withResolvers<readonly InstanceFacts[]>();
  const { clock, labs, watch } = lab(["i-1"], () => promise);
  watch.look();
  await pass(clock, everyMs);
  watch.stop();
  resolve([facts("i-1", "terminated")]);
  await pass(clock, 10 * everyMs);
  expect(clock.pending()).toBe(0);
  expect(labs[0]!.exits).toEqual([]);
  watch.look();
  expect(clock.pending()).toBe(0);
  const other = lab(["i-1"], async () => []);
  other.watch.look();
  other.watch.stop();
  expect(other.clock.pending()).toBe(0);
  const fresh = lab(["i-1"], async () => []);
  fresh.watch.stop();
  fresh.watch.look();
  expect(fresh.clock.pending()).toBe(0);
});
