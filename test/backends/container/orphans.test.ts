/** Whatever happens to a parent, to a container or to the engine: nothing is left within the bound that docs/container.md names. */
import { describe, expect, test } from "vitest";
import { until } from "../../harness/until.ts";
import { available, noContainerLeft, runParent, startParent, useBench } from "./bench.ts";

/** A container may take a while on a busy machine. */
const slowly = { within: 30_000 };
const limit = { timeout: 90_000 };

/** Runs until its parent is gone, and does not notice. */
const endless = `
const call = flame(async () => { console.log("in it"); await new Promise(() => setInterval(() => {}, 1000)); }, { pool: far });
call.catch((error) => console.log("lost", error.reason));
await call.catch(() => undefined);
`;

describe.skipIf(!available)("in containers", () => {
  const bench = useBench();
  const brisk = { reconnectWindow: "1s", parentLostAfter: "6s" };

  /** The machine process, as this computer numbers it, of the one container that there is. */
  async function machineOf(which = /^\S*node \S*machine\.js/): Promise<{ readonly id: string; readonly pid: number }> {
    const [id] = await bench.engine.containers();
    const pids = await bench.engine.processes(id!);
    const pid = [...pids.keys()].find((each) => which.test(bench.engine.commandOf(each)));
    return { id: id!, pid: pid! };
  }

  test("a parent that is killed during a call: the container is gone when the window is over", limit, async () => {
    const script = startParent(bench, endless, { container: brisk });
    await script.see(/\] in it/, slowly);
    expect(await bench.engine.containers()).toHaveLength(1);
    script.kill("SIGKILL");
    await script.finished;
    await noContainerLeft(bench, 6_000);
  });

  test(
    "a parent that is killed while a container boots: it ends at once, though nobody has told it",
    limit,
    async () => {
      // It looks for its parent where that is not, and would do so for a minute.
      const script = startParent(bench, endless, { container: { host: "127.0.0.2", network: undefined } });
      await script.see(/"phase":"started"/, slowly);
      expect(await bench.engine.containers()).toHaveLength(1);
      script.kill("SIGKILL");
      await script.finished;
      await noContainerLeft(bench, 5_000);
    },
  );

  test(
    "a parent that is killed between the making of a container and its start leaves it for the next one",
    limit,
    async () => {
      // As it would have been made: with the name of a process that is no more.
      const { engine } = bench;
      const script = startParent(bench, endless, { container: brisk });
      await script.see(/\] in it/, slowly);
      const [id] = await engine.containers();
      const owner = await engine.labelOf(id!, "tinderbox.owner");
      script.kill("SIGKILL");
      await script.finished;
      await noContainerLeft(bench, 6_000);
      const left = await engine.create({ Labels: { "tinderbox.owner": owner! } });
      const others = [
        await engine.create({ Labels: { "tinderbox.owner": owner!.replace(/^[^/]+/, "another-computer") } }),
        await engine.create({ Labels: { "tinderbox.owner": owner!.replace(/[^/]+$/, `${process.pid}.1x`) } }),
        await engine.create({ Labels: { other: "1" } }),
        // It may finish what it runs.
        await engine.create({ Labels: { "tinderbox.owner": owner!, "tinderbox.parent-loss": "drain" } }),
      ];
      const code = `console.log("next", await flame(() => 1, { pool: far })); await far.close();`;
      await runParent(bench, code);
      await until("the sweep", async () => !(await engine.containers()).includes(left));
      expect((await engine.containers()).toSorted()).toEqual(others.toSorted());
      for (const each of others) await engine.api("DELETE", `/containers/${each}?force=1`);
    },
  );

  test("another parent's containers are not touched while it lives", limit, async () => {
    const script = startParent(bench, endless);
    await script.see(/\] in it/, slowly);
    const before = await bench.engine.containers();
    await runParent(bench, `console.log(await flame(() => 1, { pool: far })); await far.close();`);
    expect(await bench.engine.containers()).toEqual(before);
    expect(script.stdout).not.toContain("lost");
    script.kill("SIGKILL");
    await script.finished;
    await noContainerLeft(bench, 15_000);
  });

  test("a machine process that hangs, without a parent, is ended by the container itself", limit, async () => {
    const script = startParent(bench, endless, { container: brisk });
    await script.see(/\] in it/, slowly);
    const { pid } = await machineOf();
    process.kill(pid, "SIGSTOP");
    script.kill("SIGKILL");
    await script.finished;
    const killedAt = performance.now();
    await noContainerLeft(bench, 15_000);
    // Its clock, and not the end of its connection, which it cannot see.
    expect(performance.now() - killedAt).toBeGreaterThan(2_000);
  });

  test("a container that hangs, and whose parent nobody would miss, ends at its age", limit, async () => {
    const script = startParent(bench, endless, {
      container: { reconnectWindow: "1s", parentLostAfter: "24h" },
      pool: { lifetime: "4s", drainTimeout: "1s", bootTimeout: "3s" },
    });
    await script.see(/\] in it/, slowly);
    const { pid } = await machineOf();
    process.kill(pid, "SIGSTOP");
    script.kill("SIGKILL");
    await script.finished;
    await noContainerLeft(bench, 12_000);
    expect(script.stdout).not.toContain("lost");
  });

  test("a machine process that hangs is noticed by the parent, which ends its container", limit, async () => {
    const script = startParent(
      bench,
      `${endless}; console.log("next", await flame(() => 1, { pool: far })); await far.close();`,
    );
    await script.see(/\] in it/, slowly);
    const { pid } = await machineOf();
    process.kill(pid, "SIGSTOP");
    await script.see(/^lost /m, { within: 10_000 });
    const { code } = await script.finished;
    expect(code).toBe(0);
    expect(script.stdout).toMatch(/^next 1$/m);
    await noContainerLeft(bench);
  });

  test("a container whose every process hangs, without a parent, is ended by the next one", limit, async () => {
    const script = startParent(bench, endless, { container: brisk });
    await script.see(/\] in it/, slowly);
    const { id } = await machineOf();
    for (const pid of (await bench.engine.processes(id)).keys()) process.kill(pid, "SIGSTOP");
    script.kill("SIGKILL");
    await script.finished;
    expect(await bench.engine.containers()).toEqual([id]);
    await runParent(bench, `console.log(await flame(() => 1, { pool: far })); await far.close();`);
    await noContainerLeft(bench);
  });

  test(
    "a machine process that is killed takes its container with it, and the call is told at once",
    limit,
    async () => {
      const script = startParent(bench, `${endless}; await far.close();`);
      await script.see(/\] in it/, slowly);
      const { pid } = await machineOf();
      const killedAt = performance.now();
      process.kill(pid, "SIGKILL");
      await script.see(/^lost status 137 of its container$/m, { within: 4_000 });
      // Long before the window of its connection is over.
      expect(performance.now() - killedAt).toBeLessThan(4_000);
      expect((await script.finished).code).toBe(0);
      await noContainerLeft(bench);
    },
  );

  test("a container that somebody removes is lost, and another comes", limit, async () => {
    const script = startParent(
      bench,
      `${endless}; console.log("next", await flame(() => 1, { pool: far })); await far.close();`,
    );
    await script.see(/\] in it/, slowly);
    const { id } = await machineOf();
    await bench.engine.api("DELETE", `/containers/${id}?force=1`);
    await script.see(/^lost (the end|status 137) of its container$/m, { within: 4_000 });
    expect((await script.finished).code).toBe(0);
    expect(script.stdout).toMatch(/^next 1$/m);
    await noContainerLeft(bench);
  });

  test(
    "an engine's service that ends and comes back costs no call, and containers are removed when it is back",
    limit,
    async () => {
      const script = startParent(
        bench,
        `
const call = flame(async () => { console.log("in it"); await new Promise((resolve) => setTimeout(resolve, 3000)); return "done"; }, { pool: far });
console.log("result", await call);
console.log("again", await flame(() => 1, { pool: far }), far.stats().boots.ok);
const closing = far.close();
console.log("closing");
await closing;
console.log("closed");
`,
      );
      await script.see(/\] in it/, slowly);
      await bench.engine.kill();
      await script.see(/^closing$/m, { within: 10_000 });
      await script.see(/backend\.trouble .*Cannot remove container/, { within: 10_000 });
      expect(script.stdout).not.toContain("closed");
      await bench.engine.start();
      expect((await script.finished).code).toBe(0);
      expect(script.stdout).toMatch(/^result done$/m);
      expect(script.stdout).toMatch(/^again 1 1$/m);
      expect(script.stdout).toMatch(/^closed$/m);
      await noContainerLeft(bench);
    },
  );
});
