import { expect, test } from "vitest";
import { until } from "../../harness/until.ts";
import { startBench } from "./bench.ts";

const offers = (cloud: { region: string }, subnets: readonly { id: string; zone: string }[]) =>
  subnets.map(({ id, zone }) => ({ type: "c6i.large", subnet: id, zone }));

test("a template, a fleet, what is seen of it, and its end", async () => {
  const { cloud, api } = await startBench();
  const subnets = await api.subnets(["subnet-0000000000000000a"]).catch(() => []);
  console.log(subnets, await api.types(["c6i.large"]));
  const template = await api.makeTemplate({
    token: "t1",
    name: "tinderbox-t1",
    userData: "#!/bin/sh\ntrue\n",
    tags: { a: "b" },
  });
  const { instances, refusals } = await api.launch({
    token: "f1",
    template,
    count: 2,
    market: "spot",
    offers: offers(cloud, subnets),
    tags: { "tinderbox:owner": "x/y" },
  });
  expect(refusals).toEqual([]);
  expect(instances).toHaveLength(2);
  await until("they run", async () =>
    (await api.describe(instances.map(({ id }) => id))).every(({ state }) => state === "running"),
  );
  console.log(await api.tagged("tinderbox:owner"), api.stats);
  console.log(await api.terminate(instances.map(({ id }) => id)));
  await api.removeTemplate(template);
  await api.removeTemplate(template);
});
