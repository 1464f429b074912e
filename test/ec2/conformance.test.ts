/** What every backend has to do, over machines of the bench: booted, dialled in, and looked at from outside. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, test } from "vitest";
import { testBackend } from "../../src/testing.ts";
import { noMachineLeft, useBench } from "./bench.ts";
import { make, optionsName } from "./under-test.ts";

const bench = useBench();

beforeAll(() => {
  const { site, release: id } = bench;
  const options = { ...site.options, release: { bucket: site.bucket, id } };
  Object.assign(process.env, site.env, { [optionsName]: JSON.stringify(options) });
});

afterAll(() => noMachineLeft(bench, 30_000), 40_000);

/** Its number in the machine is not the one that is seen here. */
function inside(pid: number): number {
  try {
    const [, numbers = ""] = /^NSpid:\s+(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return Number(numbers.split("\t").at(-1));
  } catch {
    return 0;
  }
}

async function isAlive(id: string, pid?: number): Promise<boolean> {
  const { cloud } = bench.site;
  const machine = cloud.machine(id);
  // What EC2 has given and nobody has made yet is going to run.
  if (!machine)
    return pid === undefined && cloud.instances().some((one) => one.id === id && one.state !== "terminated");
  const pids = await machine.pids();
  return pid === undefined ? pids.length > 0 : pids.some((each) => inside(each) === pid);
}

testBackend("ec2", () => ({ ...make(), isAlive }), {
  // Most of the time is that of boots, which wait for one another less than for themselves.
  test: test.concurrent,
  module: new URL("./under-test.ts", import.meta.url),
  bootMs: 45_000,
  endMs: 20_000,
  aloneMs: 45_000 + 30_000 + 15_000,
  // What EC2 is ending cannot be saved any more, and has some moments left.
  aheadMs: 5_000,
  limitMs: 170_000,
});
