/** Boots that fail: what the error says of them, when it is known, and what is left. All side by side, each with a pool of its own. */
import { describe, expect, test } from "vitest";
import type { MachineFaults } from "../harness/cloud/machine-host.ts";
import { type ParentOptions, runCommand, useBench } from "./bench.ts";
import { useParents } from "./parents.ts";
import { spoiltRelease } from "./releases.ts";

const bench = useBench();
const { run, instancesOf, gone } = useParents(bench);
const limit = { timeout: 200_000 };

interface Told {
  readonly code: string;
  readonly message: string;
  readonly phase: string;
  readonly phases: readonly { readonly phase: string; readonly ms: number }[];
  readonly stderr: readonly string[];
  /** From the first call to the first failure. */
  readonly firstMs: number;
}

/** One call whose boots fail. No machine of it is left. */
async function failing(pool: string, options: ParentOptions): Promise<Told> {
  const text = await run(
    pool,
    `
const since = performance.now();
let firstMs;
events.on("boot.failed", () => (firstMs ??= performance.now() - since));
const error = await flame(() => 1, { pool: own }).catch((error) => error);
const { code, message, phase, phases, stderr } = error;
console.log("told " + JSON.stringify({ code, message, phase, phases, stderr, firstMs }));
await own.close();
`,
    options,
  );
  await gone(pool, 20_000);
  const told = JSON.parse(/^told (.*)$/m.exec(text)![1]!) as Told;
  expect(told.code).toBe("ERR_TINDERBOX_BOOT");
  const times = told.phases.map(({ ms }) => ms);
  expect(times).toEqual(times.toSorted((left, right) => left - right));
  expect(told.phases.at(-1)?.phase).toBe(told.phase);
  // What the error is made of is in what is printed of it.
  for (const line of told.stderr) expect(told.message).toContain(line);
  for (const { phase, ms } of told.phases) expect(told.message).toContain(`${phase} after ${(ms / 1000).toFixed(1)} s`);
  return told;
}

const phasesOf = ({ phases }: Told): readonly string[] => phases.map(({ phase }) => phase);

/** All machines of the pool. */
function spoilMachines(pool: string, faults: MachineFaults): void {
  bench.site.cloud.machineFaults.add({ faults, tags: { "tinderbox:pool": pool }, times: 1_000 });
}

/** A pool with time for more than one boot, and what it launches. */
const release = async (layer: Parameters<typeof spoiltRelease>[1], vice: Parameters<typeof spoiltRelease>[2]) => ({
  ec2: { release: { bucket: bench.site.bucket, id: await spoiltRelease(bench, layer, vice) } },
  pool: { bootTimeout: "45s" },
});

describe.concurrent("a boot fails, and its error says when and why, where", () => {
  test.for([
    ["app", "missing", /status 404 NoSuchKey/],
    ["dependencies", "corrupt", /sha-?256|hash/i],
    ["node", "corrupt", /sha-?256|hash/i],
  ] as const)("the layer %s is %s", limit, async ([layer, vice, why]) => {
    const told = await failing(`${layer}-${vice}`, await release(layer, vice));
    expect(phasesOf(told)).toEqual(expect.arrayContaining(["requested", "launched", "booted"]));
    expect(phasesOf(told)).not.toContain("verified");
    expect(told.stderr.join("\n")).toMatch(why);
    expect(told.firstMs).toBeLessThan(35_000);
  });

  test("the user data is cut", limit, async () => {
    spoilMachines("cut", { truncateUserData: 9_000 });
    const told = await failing("cut", { pool: { bootTimeout: "45s" } });
    expect(phasesOf(told)).toEqual(["requested", "launched", "booted"]);
    expect(told.stderr.join("\n")).toContain("the user data has ended with code 2");
    expect(told.firstMs).toBeLessThan(35_000);
  });

  test("the machine never boots", limit, async () => {
    spoilMachines("never", { neverBoots: true });
    const told = await failing("never", { pool: { bootTimeout: "15s" } });
    expect(phasesOf(told)).toEqual(["requested", "launched"]);
    expect(told.message).toContain("it did not connect within 15000 ms");
  });

  test("the machine has no network, and so not even its user data", limit, async () => {
    spoilMachines("alone", { noNetwork: true });
    const told = await failing("alone", { pool: { bootTimeout: "15s" } });
    expect(phasesOf(told)).toEqual(["requested", "launched"]);
    expect(told.message).toContain("it did not connect within 15000 ms");
  });

  test(
    "keepForDebug: machines whose boot has failed stay on when all is over, until somebody reaps them",
    limit,
    async () => {
      const { ec2, pool } = await release("app", "missing");
      await run("kept", `await flame(() => 1, { pool: own }).catch(() => {}); await own.close();`, {
        ec2: { ...ec2, keepForDebug: true },
        pool: { ...pool, bootTimeout: "20s" },
      });
      const kept = instancesOf("kept");
      expect(kept.length).toBeGreaterThan(0);
      expect(kept.map(({ state }) => state)).toEqual(kept.map(() => "running"));
      expect(bench.site.cloud.machine(kept[0]!.id)!.console()).toContain("kept for debugging");
      const text = await runCommand(bench, "reap", "--bucket", bench.site.bucket);
      for (const { id } of kept) expect(text).toContain(id);
      await gone("kept", 20_000);
    },
  );
});
