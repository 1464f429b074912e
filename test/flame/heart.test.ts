import { RunnerLostError, flame, pool } from "tinderbox";
import { expect, test } from "vitest";

test("a runner that is stopped is lost after three missed beats (15 before its guard is there), and its process is gone", async () => {
  const own = pool("stopped", { max: 1 });
  const pid = await flame(() => process.pid, { pool: own });
  const error = await flame(() => process.kill(process.pid, "SIGSTOP"), { pool: own }).catch(
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(RunnerLostError);
  expect((error as Error).message).toMatch(/heartbeat lost: no sign of life for (3|15) s/);
  expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  expect(await flame(() => 1, { pool: own })).toBe(1);
  await own.close();
}, 60_000);

test("a runner that computes for longer than that is left alone", async () => {
  const own = pool("computes", { max: 1 });
  const spun = await flame(
    () => {
      const end = performance.now() + 4_500;
      let turns = 0;
      while (performance.now() < end) turns++;
      return turns > 0;
    },
    { pool: own },
  );
  expect(spun).toBe(true);
  expect(own.stats().boots).toEqual({ ok: 1, failed: 0 });
  await own.close();
}, 60_000);
