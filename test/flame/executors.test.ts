import { readFileSync } from "node:fs";
import { type EventMap, RunnerLostError, context, events, flame, pool } from "tinderbox";
import { afterEach, describe, expect, test } from "vitest";
import { testRun } from "../harness/run.ts";
import { until } from "../harness/until.ts";

const exits: EventMap["executor.exited"][] = [];
const gone: EventMap["runner.gone"][] = [];
events.on("executor.exited", (event) => void exits.push(event));
events.on("runner.gone", (event) => void gone.push(event));
afterEach(() => void [exits, gone].forEach((list) => list.splice(0)));

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const failure = (call: Promise<unknown>): Promise<Error> =>
  call.then(
    () => expect.fail("it did not fail"),
    (error: Error) => error,
  );

describe("a runner with several executors", () => {
  test("spreads its calls over them, and has the slots of all", async () => {
    const own = pool("spread", { max: 1, processes: 2, concurrency: 2 });
    const calls = Array.from({ length: 4 }, () =>
      flame(({ signal }) => new Promise<number>((r) => signal.addEventListener("abort", () => r(process.pid))), {
        pool: own,
        timeout: Infinity,
      }),
    );
    await until("four running calls", () => own.stats().slots.busy === 4);
    expect(own.stats()).toMatchObject({ runners: { ready: 1 }, slots: { busy: 4, free: 0 }, boots: { ok: 1 } });
    calls.forEach((call) => void call.catch(() => undefined));
    await own.close({ timeout: 0 });
  });

  test("each of them is a process of its own, on one runner", async () => {
    const own = pool("each", { max: 1, processes: 2 });
    const where = (): Promise<[number, number, string]> =>
      flame(
        async (): Promise<[number, number, string]> => {
          const { setTimeout: sleep } = await import("node:timers/promises");
          await sleep(50);
          return [process.pid, process.ppid, context().runner.id];
        },
        { pool: own },
      );
    const found = await Promise.all([where(), where()]);
    expect(new Set(found.map(([pid]) => pid)).size).toBe(2);
    expect(new Set(found.map(([, parent]) => parent)).size).toBe(1);
    expect(found.map(([, , id]) => id)).toEqual(["each-1", "each-1"]);
    await own.close();
    expect(found.some(([pid]) => alive(pid))).toBe(false);
  });

  test.each([
    ["exits", () => process.exit(7), { exitCode: 7, reason: "exit code 7" }],
    ["is killed", () => process.kill(process.pid, "SIGKILL"), { signal: "SIGKILL", reason: "signal SIGKILL" }],
  ])("one that %s takes its own calls along and is started again; the others never notice", async (how, die, end) => {
    const own = pool(`dies-${how.replace(" ", "-")}`, { max: 1, processes: 2, concurrency: 2 });
    // Of four calls two are on the first executor, and two on the second.
    const told: number[] = [];
    const held = Array.from({ length: 2 }, () =>
      flame(
        async ({ progress, signal }) => {
          progress(process.pid);
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
        },
        { pool: own, timeout: Infinity, onProgress: (pid) => void told.push(pid as number) },
      ).then(
        () => "ended",
        (error: unknown) => error,
      ),
    );
    await until("one call on each", () => told.length === 2);
    expect(new Set(told).size).toBe(2);
    const error = await failure(flame(die, { pool: own }));
    expect(error).toBeInstanceOf(RunnerLostError);
    expect(error).toMatchObject({ scope: "process", started: true, ...end });
    expect(error.message).toContain(`its executor on runner ${own.name}-1 was lost, ${end.reason}`);
    const lost = (await Promise.race(held)) as Error;
    expect(lost).toMatchObject({ scope: "process", ...end });
    await until("both executors", () => own.stats().slots.free === 3);
    expect(exits).toMatchObject([{ runner: `${own.name}-1`, ...end }]);
    expect(gone).toEqual([]);
    // The neighbour is still on its executor.
    expect(own.stats()).toMatchObject({
      slots: { busy: 1 },
      runners: { ready: 1, booting: 0 },
      boots: { ok: 1, failed: 0 },
    });
    await own.close({ timeout: 0 });
    const outcomes = await Promise.all(held);
    expect(outcomes.map((outcome) => (outcome as Error).name).toSorted()).toEqual([
      "PoolClosedError",
      "RunnerLostError",
    ]);
  });

  test("an idempotent call goes on, on another executor", async () => {
    const own = pool("again", { max: 1, processes: 2 });
    const attempt = await flame(
      ({ runner }) => {
        if (runner.attempt === 0) process.exit(1);
        return runner.attempt;
      },
      { pool: own, idempotent: true },
    );
    expect(attempt).toBe(1);
    await own.close();
    expect(gone).toHaveLength(1);
  });

  test("one that blocks beyond its grace is replaced alone, once its other calls have ended", async () => {
    const own = pool("stuck", { max: 1, processes: 2 });
    const neighbour = flame(
      ({ signal }) => new Promise((resolve) => signal.addEventListener("abort", () => resolve(0))),
      { pool: own, timeout: Infinity },
    ).catch((error: unknown) => error);
    await until("the neighbour runs", () => own.stats().slots.busy === 1);
    const error = await failure(
      flame(() => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0), { pool: own, timeout: 100 }),
    );
    expect(error.name).toBe("CallTimeoutError");
    await until("the executor's end", () => exits.length === 1, { within: 15_000 });
    expect(exits).toMatchObject([{ reason: "a cancelled call did not stop within its grace" }]);
    expect(await flame(() => "served", { pool: own })).toBe("served");
    expect(own.stats()).toMatchObject({ slots: { busy: 1, free: 1 }, boots: { ok: 1, failed: 0 } });
    await own.close({ timeout: 0 });
    await neighbour;
  });

  test("one that can no longer be trusted is replaced alone, its calls unharmed", async () => {
    const own = pool("faulty-one", { max: 1, processes: 2 });
    const result = await flame(
      async () => {
        const { setTimeout: sleep } = await import("node:timers/promises");
        setTimeout(() => {
          throw new Error("later");
        });
        await sleep(20);
        return "unharmed";
      },
      { pool: own },
    );
    expect(result).toBe("unharmed");
    await until("the executor's end", () => exits.length === 1);
    await until("a new one", () => own.stats().slots.free === 2);
    expect(gone).toEqual([]);
    await own.close();
  });

  test("what a dead one has started goes with it, and what the others have started stays", async () => {
    const own = pool("strays", { max: 1, processes: 2 });
    const start = async (): Promise<[number, number]> => {
      const { spawn } = await import("node:child_process");
      const { setTimeout: sleep } = await import("node:timers/promises");
      const child = spawn("sleep", ["600"], { stdio: "ignore" });
      child.unref();
      await sleep(50);
      return [process.pid, child.pid!];
    };
    const [[one, child], [, other]] = await Promise.all([flame(start, { pool: own }), flame(start, { pool: own })]);
    expect([alive(child), alive(other)]).toEqual([true, true]);
    process.kill(one, "SIGKILL");
    await until("the child's end", () => !alive(child));
    expect(alive(other)).toBe(true);
    await own.close();
    await until("the other child's end", () => !alive(other));
  });

  test("a stopped one is noticed by its beats", { timeout: 40_000 }, async () => {
    const own = pool("stopped", { max: 1, processes: 2 });
    const call = flame(
      async ({ progress }) => {
        progress(process.pid);
        await new Promise(() => undefined);
      },
      { pool: own, timeout: Infinity, onProgress: (pid) => process.kill(pid as number, "SIGSTOP") },
    );
    const error = await failure(call);
    expect(error).toMatchObject({ scope: "process", signal: "SIGKILL" });
    expect(error.message).toMatch(/heartbeat lost: no sign of life for \d+ s/);
    expect(gone).toEqual([]);
    await own.close();
  });

  test("the machine goes as a whole when its own process is killed", async () => {
    const own = pool("whole", { max: 1, processes: 2 });
    const call = flame(
      async ({ progress }) => {
        progress([process.pid, process.ppid]);
        await new Promise(() => undefined);
      },
      { pool: own, timeout: Infinity, onProgress: (pids) => process.kill((pids as number[])[1]!, "SIGKILL") },
    );
    expect(await failure(call)).toMatchObject({ scope: "machine", signal: "SIGKILL" });
    expect(gone).toHaveLength(1);
    expect(await flame(() => 1, { pool: own })).toBe(1);
    await own.close();
  });

  test("one that does not come up again takes the machine along after its third try, and the pool boots another", async () => {
    const file = `${testRun.folder}/starts`;
    const own = pool("sick", {
      max: 1,
      processes: 2,
      setup: async () => {
        const { appendFileSync, readFileSync: read } = await import("node:fs");
        appendFileSync(file, "x");
        const starts = read(file, "utf8").length;
        // Two for the first runner, three that fail, and then all is well again.
        if (starts > 2 && starts < 6) throw new Error("not now");
      },
    });
    await failure(flame(() => process.exit(1), { pool: own }));
    await until("the runner's end", () => gone.length === 1);
    expect(gone[0]!.reason).toMatch(/its executor \d does not come up again: its setup failed: not now/);
    expect(readFileSync(file, "utf8")).toHaveLength(5);
    expect(await flame(() => "served", { pool: own })).toBe("served");
    await own.close();
  });

  test("drains as a whole, exit handlers included", async () => {
    const file = `${testRun.folder}/exits`;
    const own = pool("drains", { max: 1, processes: 2, idle: "50ms" });
    await Promise.all(
      [1, 2].map((n) =>
        flame(
          async () => {
            const { appendFileSync } = await import("node:fs");
            const { setTimeout: sleep } = await import("node:timers/promises");
            process.on("exit", (code) => appendFileSync(file, `${n}:${code} `));
            await sleep(20);
          },
          { pool: own },
        ),
      ),
    );
    await until("the runner's end", () => gone.length === 1);
    expect(gone).toMatchObject([{ reason: "drained", exitCode: 0 }]);
    expect(readFileSync(file, "utf8").trim().split(" ").toSorted()).toEqual(["1:0", "2:0"]);
    await own.close();
  });
});
