/** What becomes of machines when whoever should end them cannot. Each has a pool of its own; all wait for their ends side by side. */
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { afterAll, describe, expect, test } from "vitest";
import { removeFoldersOf } from "../../src/scratch.ts";
import type { CloudInstance } from "../harness/cloud/cloud.ts";
import type { RunningScript } from "../harness/script.ts";
import { until } from "../harness/until.ts";
import { type ParentOptions, runCommand, startParent, useBench } from "./bench.ts";

const bench = useBench();

const instanceOf = (pool: string): CloudInstance | undefined =>
  bench.site.cloud.instances().findLast(({ tags }) => tags["tinderbox:pool"] === pool);

const launched = (pool: string): Promise<CloudInstance> =>
  until(`an instance of ${pool}`, () => instanceOf(pool), { within: 60_000 }) as Promise<CloudInstance>;

/** The machine is off, and EC2 knows it; how it ended. */
async function gone(
  pool: string,
  within: number,
): Promise<{ readonly reason: string | undefined; readonly console: string }> {
  const { id } = await launched(pool);
  const console = (): string => bench.site.cloud.machine(id)?.console() ?? "";
  await until(`the end of ${pool}`, () => instanceOf(pool)!.state === "terminated", { within }).catch(
    (cause: unknown) => {
      throw new Error(`The machine of ${pool} is left:\n${console()}`, { cause });
    },
  );
  return { reason: instanceOf(pool)!.reason, console: console() };
}

const parents = new Set<RunningScript>();
afterAll(async () => {
  for (const script of parents) script.kill("SIGKILL");
  await Promise.allSettled([...parents].map(({ finished }) => finished));
  // As the next parent on this machine would do it.
  for (const { pid } of parents) removeFoldersOf(tmpdir(), pid);
});

function parent(pool: string, code: string, { pool: options, ...rest }: ParentOptions = {}): RunningScript {
  const head = `const own = pool("${pool}", { backend: ec2(backendOptions), max: 1, processes: 1, ...poolOptions });`;
  // Side by side tests cannot be told apart by what ends scripts with their test.
  const script = startParent(bench, `${head}\n${code}`, {
    ...rest,
    outlivesTest: true,
    pool: { bootTimeout: "60s", ...options },
  });
  parents.add(script);
  return script;
}

/** The bound of a machine that has not heard its parent: the boot's time and 30 seconds, and what turning off takes. */
const unheardMs = 20_000 + 30_000 + 25_000;
const forever = `await flame(() => new Promise(() => setInterval(() => {}, 1000)), { pool: own, timeout: Infinity });`;
const running =
  `console.log("running"); ` +
  `await flame(() => { console.log("in it"); return new Promise(() => setInterval(() => {}, 1000)); }, { pool: own, timeout: Infinity });`;
const byItself = "Client.InstanceInitiatedShutdown";
const byRequest = "Client.UserInitiatedShutdown";

/** Kills processes of a machine by what their command lines hold. */
async function signalInside(pool: string, signal: NodeJS.Signals, fits: (command: string) => boolean): Promise<number> {
  const machine = bench.site.cloud.machine((await launched(pool)).id)!;
  let count = 0;
  for (const pid of await machine.pids()) {
    let command = "";
    try {
      command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
    } catch {
      continue;
    }
    if (!fits(command)) continue;
    process.kill(pid, signal);
    count++;
  }
  return count;
}

describe.concurrent("no machine is left when", () => {
  test("its parent is killed before the machine dials in", { timeout: 200_000 }, async () => {
    const script = parent("undialled", forever, { pool: { bootTimeout: "20s" } });
    await script.see(/boot\.phase .*"launched"/, { within: 60_000 });
    script.kill("SIGKILL");
    expect(await gone("undialled", unheardMs)).toMatchObject({ reason: byItself });
  });

  test("its parent is killed during a call, and the call may not go on", { timeout: 200_000 }, async () => {
    const script = parent("killed", running, { pool: { bootTimeout: "60s", onParentLoss: "kill" } });
    await script.see(/in it/, { within: 100_000 });
    script.kill("SIGKILL");
    expect(await gone("killed", 20_000)).toMatchObject({ reason: byItself });
  });

  test("its parent is killed during a call, and the call may go on", { timeout: 200_000 }, async () => {
    const script = parent(
      "drained",
      `await flame(async () => { console.log("in it"); await new Promise((r) => setTimeout(r, 8000)); process.stderr.write("finished"); }, { pool: own });`,
      { pool: { bootTimeout: "60s" } },
    );
    await script.see(/in it/, { within: 100_000 });
    script.kill("SIGKILL");
    expect(await gone("drained", 30_000)).toMatchObject({ reason: byItself });
  });

  test("its user data is cut", { timeout: 200_000 }, async () => {
    bench.site.cloud.machineFaults.add({ faults: { truncateUserData: 9_000 }, tags: { "tinderbox:pool": "cut" } });
    const script = parent(
      "cut",
      `const error = await flame(() => 1, { pool: own }).catch((error) => error); console.log(error.code, error.message);`,
      {
        pool: { bootTimeout: "60s" },
      },
    );
    expect(await gone("cut", 60_000)).toMatchObject({ reason: byItself });
    script.kill();
  });

  test("its machine process hangs", { timeout: 200_000 }, async () => {
    const script = parent("hung", running, { pool: { bootTimeout: "60s" } });
    await script.see(/in it/, { within: 100_000 });
    expect(await signalInside("hung", "SIGSTOP", (command) => command.includes("runners/machine.js"))).toBe(1);
    expect(await gone("hung", 20_000)).toMatchObject({ reason: byRequest });
    const { stderr } = await script.finished;
    expect(stderr).toContain("ERR_TINDERBOX_RUNNER_LOST");
  });

  test("its machine process hangs, and its parent is gone", { timeout: 200_000 }, async () => {
    const script = parent("hung-alone", running, { pool: { bootTimeout: "60s" }, ec2: { parentLostAfter: "10s" } });
    await script.see(/in it/, { within: 100_000 });
    await signalInside("hung-alone", "SIGSTOP", (command) => command.includes("runners/machine.js"));
    script.kill("SIGKILL");
    expect(await gone("hung-alone", 40_000)).toEqual({
      reason: byItself,
      console: expect.stringContaining("not heard again") as string,
    });
  });

  test("the network is gone for ever", { timeout: 200_000 }, async () => {
    const script = parent("cut-off", running, { pool: { bootTimeout: "60s", onParentLoss: "kill" } });
    await script.see(/in it/, { within: 100_000 });
    await bench.site.cloud.machine((await launched("cut-off")).id)!.partition(true);
    await gone("cut-off", 30_000);
    expect((await script.finished).stderr).toContain("ERR_TINDERBOX_RUNNER_LOST");
  });

  test("nothing is left of it but its power-off timer", { timeout: 200_000 }, async () => {
    // Below a prefix of its own, or one of the other parents would find it, and end it.
    const release = { bucket: bench.site.bucket, prefix: "alone" };
    await runCommand(bench, "pack", "--to", `s3://${release.bucket}/${release.prefix}`);
    const times = { bootTimeout: "40s", lifetime: "15s", drainTimeout: "1s" };
    const script = parent("timer", running, { pool: times, ec2: { release } });
    await script.see(/in it/, { within: 100_000 });
    const mine = (command: string): boolean => /machine\.js|agent\.js|boot\.py|tinderbox\/watch|sh watch/.test(command);
    // Nor may its own notice, and ask for its end.
    script.kill("SIGSTOP");
    await signalInside("timer", "SIGSTOP", mine);
    script.kill("SIGKILL");
    expect(await gone("timer", 90_000)).toEqual({
      reason: byItself,
      console: expect.stringContaining("the lifetime of") as string,
    });
  });

  test(
    "nobody is left but another parent that looks; those of parents that live are not touched",
    { timeout: 200_000 },
    async () => {
      const dead = parent("dead", running, { pool: { bootTimeout: "60s" } });
      const living = parent("living", running, { pool: { bootTimeout: "60s" } });
      await Promise.all([dead.see(/in it/, { within: 90_000 }), living.see(/in it/, { within: 90_000 })]);
      // All of it stands still, its timers included: only EC2 can end it.
      await bench.site.cloud.machine((await launched("dead")).id)!.freeze(true);
      dead.kill("SIGKILL");
      const reap = (...more: string[]): Promise<string> =>
        runCommand(bench, "reap", "--bucket", bench.site.bucket, ...more);
      const { id } = await launched("dead");
      expect(await reap("--dry-run")).toContain(id);
      expect(instanceOf("dead")!.state).toBe("running");
      const text = await reap();
      expect(text).toContain(id);
      expect(text).not.toContain((await launched("living")).id);
      expect(await gone("dead", 20_000)).toMatchObject({ reason: byRequest });
      expect(instanceOf("living")!.state).toBe("running");
      living.kill("SIGTERM");
      await living.finished;
      await gone("living", 30_000);
    },
  );
});

describe("no machine is left, with requests that go wrong for whoever comes first, when", () => {
  test("its parent is killed before the launch is answered", { timeout: 200_000 }, async () => {
    const fault = bench.site.cloud.faults.add({ kind: "slow", ms: 60_000, action: "CreateFleet" });
    const script = parent("unanswered", forever, { pool: { bootTimeout: "20s" } });
    await launched("unanswered");
    script.kill("SIGKILL");
    fault.release();
    expect(await gone("unanswered", unheardMs)).toEqual({
      reason: byItself,
      console: expect.stringContaining("never heard") as string,
    });
  });

  test("its parent is killed while it asks for its end", { timeout: 200_000 }, async () => {
    bench.site.cloud.faults.add({ kind: "droppedRequest", action: "TerminateInstances", times: 3 });
    const script = parent("ending", `await flame(() => 1, { pool: own }); void own.close();`, {
      pool: { bootTimeout: "60s" },
    });
    const { id } = await launched("ending");
    const asked = () =>
      bench.site.cloud.callsOf("TerminateInstances").some((call) => JSON.stringify(call).includes(id));
    await until("a request for its end", asked, { within: 100_000 });
    script.kill("SIGKILL");
    // Whether the request was struck is chance here; the machine has ended by itself in any case.
    await gone("ending", 30_000);
  });
});
