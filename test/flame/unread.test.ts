/** A runner that has not read a call cannot have started it: the call goes on elsewhere, without any permission. */
import { type Pool, RunnerLostError, events, flame, pool } from "tinderbox";
import { afterAll, describe, expect, test } from "vitest";
import { until } from "../harness/until.ts";

const pids = (own: Pool): Promise<number> => flame(() => process.pid, { pool: own });
const gone: string[] = [];
const off = events.on("runner.gone", ({ runner, signal }) => void gone.push(`${runner} ${signal}`));
afterAll(() => off[Symbol.dispose]());

describe("a call whose runner was killed", () => {
  test("before it had read the call is made again, as the first attempt", async () => {
    const own = pool("unread", { max: 1 });
    const pid = await pids(own);
    process.kill(pid, "SIGSTOP");
    const call = flame(({ runner }) => [runner.id, runner.attempt], { pool: own });
    await until("it is sent", () => own.stats().slots.busy === 1);
    // Writes leave in the next tick; its own is before this turn of the loop.
    await new Promise((resolve) => setImmediate(resolve));
    process.kill(pid, "SIGKILL");
    expect(await call).toEqual(["unread-2", 0]);
    expect(gone).toContain("unread-1 SIGKILL");
    await own.close();
  });

  test("also a large one, of which it may have got a part", async () => {
    const own = pool("unread-large", { max: 1 });
    const pid = await pids(own);
    process.kill(pid, "SIGSTOP");
    const bytes = new Uint8Array(5_000_000).fill(7);
    const call = flame(({ runner }) => [runner.id, bytes.length], { pool: own });
    await until("it is sent", () => own.stats().slots.busy === 1);
    await new Promise((resolve) => setImmediate(resolve));
    process.kill(pid, "SIGKILL");
    expect(await call).toEqual(["unread-large-2", 5_000_000]);
    await own.close();
  });

  test("of several the last one alone is known to be unread", async () => {
    const own = pool("unread-last", { max: 1, concurrency: 3 });
    const pid = await pids(own);
    process.kill(pid, "SIGSTOP");
    const calls = ["a", "b", "c"].map((word) => flame(() => word, { pool: own }));
    await until("they are sent", () => own.stats().slots.busy === 3);
    await new Promise((resolve) => setImmediate(resolve));
    process.kill(pid, "SIGKILL");
    const outcomes = await Promise.allSettled(calls);
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected", "fulfilled"]);
    await own.close();
  });

  test("after it had read the call is told so", async () => {
    const own = pool("read", { max: 1 });
    const call = flame(
      ({ progress }) => {
        progress(process.pid);
        for (;;);
      },
      { pool: own, onProgress: (pid) => process.kill(pid as number, "SIGKILL") },
    );
    const error: unknown = await call.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RunnerLostError);
    expect(error).toMatchObject({ started: true, signal: "SIGKILL" });
    await own.close();
  });

  test("again and again comes to an end, and the error says that it never started", async () => {
    const own = pool("unread-always", { max: 1 });
    const killed: number[] = [];
    const killer = events.on("runner.ready", ({ pool: name, machine }) => {
      if (name !== own.name) return;
      process.kill(Number(machine), "SIGSTOP");
      killed.push(Number(machine));
      setImmediate(() => setImmediate(() => process.kill(Number(machine), "SIGKILL")));
    });
    const error: unknown = await flame(() => "never", { pool: own }).catch((reason: unknown) => reason);
    killer[Symbol.dispose]();
    expect(error).toBeInstanceOf(RunnerLostError);
    expect(error).toMatchObject({ started: false });
    expect(killed).toHaveLength(4);
    expect(await flame(() => "served", { pool: own })).toBe("served");
    await own.close();
  });
});
