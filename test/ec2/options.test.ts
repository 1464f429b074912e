/** What options of `ec2()` do, seen from the application, the machine and EC2. All side by side, each with a pool of its own. */
import { describe, expect, test } from "vitest";
import type { CloudInstance } from "../harness/cloud/cloud.ts";
import { useBench } from "./bench.ts";
import { useParents } from "./parents.ts";

const bench = useBench();
const { start, run, instancesOf, launched, gone } = useParents(bench);
const limit = { timeout: 200_000 };

/** What user code gets from the metadata service: a status, or why there is none. */
const metadata = `
const answer = await flame(async () => {
  const ask = async (path, method, headers) => {
    const reply = await fetch("http://169.254.169.254/latest/" + path, { method, headers, signal: AbortSignal.timeout(5000) });
    return reply.status === 200 ? reply.text() : String(reply.status);
  };
  try {
    const token = await ask("api/token", "PUT", { "x-aws-ec2-metadata-token-ttl-seconds": "60" });
    return await ask("meta-data/instance-id", "GET", { "x-aws-ec2-metadata-token": token });
  } catch (error) {
    return "unreachable: " + (error.cause?.code ?? error.name);
  }
}, { pool: own });
console.log("metadata", answer);
await own.close();
`;

describe.concurrent("options of ec2()", () => {
  test(
    "allowMetadata: user code reaches the metadata service of its machine, and without it does not",
    limit,
    async () => {
      const [allowed, denied] = await Promise.all([
        run("allowed", metadata, { ec2: { allowMetadata: true } }),
        run("denied", metadata),
      ]);
      expect(allowed).toMatch(new RegExp(`^metadata ${(await launched("allowed")).id}$`, "m"));
      expect(denied).toMatch(/^metadata unreachable: \w+$/m);
    },
  );

  test("tags and diskSize are in the request, and the tags on all that it makes", limit, async () => {
    await run("tagged", `await flame(() => 1, { pool: own }); await own.close();`, {
      ec2: { tags: { team: "video", "cost centre": "42 / ä" }, diskSize: 40 },
      pool: { lifetime: "1h" },
    });
    const [{ tags, launchedMs }] = instancesOf("tagged") as [CloudInstance];
    expect(tags).toMatchObject({ team: "video", "cost centre": "42 / ä", "tinderbox:pool": "tagged" });
    const lastsMs = Date.parse(tags["tinderbox:expires"]!) - launchedMs;
    expect(lastsMs).toBeGreaterThan(3_600_000);
    expect(lastsMs).toBeLessThan(3_800_000);
    const { cloud } = bench.site;
    const of = (action: string): string =>
      JSON.stringify(cloud.callsOf(action).filter((call) => JSON.stringify(call).includes('"tagged"'))[0]?.parameters);
    expect(of("CreateFleet").split('"cost centre"')).toHaveLength(4);
    expect(of("CreateLaunchTemplate")).toMatch(/"VolumeSize":40\b/);
    expect(of("CreateLaunchTemplate")).toContain('"DeleteOnTermination":true');
  });

  test(
    "launchesPerMinute: of three machines two are asked for at once, and the third when its turn has come",
    limit,
    async () => {
      await run(
        "slowly",
        `
await Promise.all([75_000, 75_000, 0].map((ms) => flame(async () => { await new Promise((r) => setTimeout(r, ms)); }, { pool: own, timeout: "150s" })));
await own.close();
`,
        { ec2: { launchesPerMinute: 2 }, pool: { max: 3, bootTimeout: "110s" } },
      );
      const [first, second, third, ...more] = instancesOf("slowly").map(({ launchedMs }) => launchedMs);
      expect(more).toEqual([]);
      expect(second! - first!).toBeLessThan(5_000);
      expect(third! - first!).toBeGreaterThan(58_000);
      expect(third! - first!).toBeLessThan(80_000);
    },
  );

  test("lifetime: machines are replaced before they are too old, and no call notices", limit, async () => {
    const text = await run(
      "mortal",
      `
const end = performance.now() + 120_000;
const machines = new Set();
events.on("runner.ready", ({ pool, machine }) => machines.add(machine));
let done = 0;
const caller = async () => {
  // There are two at a time: with the fourth each has been replaced.
  while (machines.size < 4 && performance.now() < end) {
    await flame(async () => { await new Promise((r) => setTimeout(r, 100)); }, { pool: own });
    done++;
  }
};
await Promise.all([caller(), caller()]);
await own.close();
console.log("done", done, machines.size);
`,
      { pool: { lifetime: "15s", drainTimeout: "5s", max: 2 } },
    );
    const [, done, machines] = /^done (\d+) (\d+)$/m.exec(text)!;
    // Each lost call would have been told.
    expect(Number(done)).toBeGreaterThan(10);
    expect(Number(machines)).toBeGreaterThanOrEqual(4);
    await gone("mortal", 10_000);
  });

  test(
    "reconnectWindow: a machine that is cut off for less than that loses no call and repeats none",
    limit,
    async () => {
      const script = start(
        "patient",
        `
const seen = [];
const call = flame(async () => {
  const { appendFileSync, readFileSync } = await import("node:fs");
  appendFileSync("/tmp/runs", "x");
  console.log("in it");
  await new Promise((r) => setTimeout(r, 10_000));
  return readFileSync("/tmp/runs", "utf8");
}, { pool: own });
console.log("runs", await call, own.stats().boots.ok);
await own.close();
`,
        { ec2: { reconnectWindow: "12s" } },
      );
      await script.see(/\] in it/, { within: 100_000 });
      const machine = bench.site.cloud.machine((await launched("patient")).id)!;
      const before = performance.now();
      await machine.partition(true);
      // Longer than the pool waits for a sign of life of one that could give it.
      await new Promise((resolve) => setTimeout(resolve, 6_000));
      await machine.partition(false);
      const away = performance.now() - before;
      const { stdout, code } = await script.finished;
      expect({ code, away: away < 12_000 }).toEqual({ code: 0, away: true });
      expect(stdout).toMatch(/^runs x 1$/m);
    },
  );

  test("reconnectWindow: a machine that is cut off for longer is lost, and ended", limit, async () => {
    const script = start(
      "impatient",
      `
const error = await flame(() => { console.log("in it"); return new Promise(() => setInterval(() => {}, 1000)); }, { pool: own, timeout: Infinity }).catch((error) => error);
console.log("lost", error.code, error.scope, error.reason);
await own.close();
`,
      { ec2: { reconnectWindow: "1s" } },
    );
    await script.see(/\] in it/, { within: 100_000 });
    await bench.site.cloud.machine((await launched("impatient")).id)!.partition(true);
    const before = performance.now();
    await script.see(/^lost ERR_TINDERBOX_RUNNER_LOST machine /m, { within: 15_000 });
    expect(performance.now() - before).toBeLessThan(10_000);
    expect((await script.finished).code).toBe(0);
    await gone("impatient", 15_000);
  });
});
