import { type EventMap, type Pool, events, flame, pool } from "tinderbox";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { until } from "../harness/until.ts";

let own: Pool;
const retried: EventMap["call.retried"][] = [];
const hooks: EventMap["hook.failed"][] = [];
events.on("call.retried", (event) => void retried.push(event));
events.on("hook.failed", (event) => void hooks.push(event));
beforeAll(() => void (own = pool("retries", { max: 1, concurrency: 4 })));
afterAll(() => own.close());
afterEach(() => void [retried, hooks].forEach((list) => list.splice(0)));

const failing =
  (until_: number) =>
  ({ runner }: { runner: { attempt: number } }) => {
    if (runner.attempt < until_) throw new RangeError(`attempt ${runner.attempt}`);
    return runner.attempt;
  };

describe("retries", () => {
  test("none by default: the first error is the answer", async () => {
    await expect(flame(failing(1), { pool: own })).rejects.toThrow(new RangeError("attempt 0"));
    expect(retried).toEqual([]);
  });

  test("of a number repeat the call after errors of its own, with the attempt in its context", async () => {
    await expect(flame(failing(2), { pool: own, retries: 2, name: "third" })).resolves.toBe(2);
    expect(retried.map(({ attempt, name, runner }) => [attempt, name, runner])).toEqual([
      [0, "third", "retries-1"],
      [1, "third", "retries-1"],
    ]);
  });

  test("end with the last error when they are used up", async () => {
    await expect(flame(failing(9), { pool: own, retries: 2 })).rejects.toThrow(new RangeError("attempt 2"));
  });

  test("`when` decides which error is worth it, and is told the attempt", async () => {
    const asked: unknown[] = [];
    const when = (error: unknown, attempt: number): boolean => {
      asked.push([(error as Error).message, attempt]);
      return attempt < 2;
    };
    await expect(flame(failing(9), { pool: own, retries: { limit: 5, when } })).rejects.toThrow("attempt 1");
    expect(asked).toEqual([
      ["attempt 0", 1],
      ["attempt 1", 2],
    ]);
  });

  test("`delay` is a pause or a function of the attempt; meanwhile the slot is free", async () => {
    const delays: number[] = [];
    const delay = (attempt: number): number => {
      delays.push(attempt);
      return attempt === 2 ? 3_600_000 : 1;
    };
    const stop = new AbortController();
    const call = flame(failing(9), { pool: own, retries: { limit: 5, delay }, signal: stop.signal });
    await until("the second pause", () => delays.length === 2);
    expect(own.stats()).toMatchObject({ queued: 0, slots: { busy: 0, free: 4 } });
    stop.abort(new Error("enough"));
    await expect(call).rejects.toMatchObject({ code: "ABORT_ERR" });
    await own.drain();
  });

  test("a hook that throws is an event, and the closure's error is the answer", async () => {
    const when = (): never => {
      throw new Error("broken hook");
    };
    await expect(flame(failing(9), { pool: own, retries: { limit: 5, when } })).rejects.toThrow("attempt 0");
    const delay = (): never => "soon" as never;
    await expect(flame(failing(9), { pool: own, retries: { limit: 5, delay } })).rejects.toThrow("attempt 0");
    expect(hooks.map(({ event, error }) => [event, (error as Error).message])).toEqual([
      ["retries", "broken hook"],
      ["retries", expect.stringContaining('Cannot use "soon" as delay of option "retries" of flame')],
    ]);
  });

  test("are not for timeouts, aborts, lost runners or values that cannot be sent", async () => {
    const never = (): Promise<never> => new Promise(() => undefined);
    await expect(flame(never, { pool: own, retries: 3, timeout: 50 })).rejects.toMatchObject({
      code: "ERR_TINDERBOX_CALL_TIMEOUT",
    });
    await expect(flame(never, { pool: own, retries: 3, signal: AbortSignal.timeout(50) })).rejects.toMatchObject({
      code: "ABORT_ERR",
    });
    const alone = pool("retries-alone", { max: 1 });
    await expect(flame(() => process.exit(1), { pool: alone, retries: 3 })).rejects.toMatchObject({
      code: "ERR_TINDERBOX_RUNNER_LOST",
    });
    await alone.close();
    expect(retried).toEqual([]);
  });

  test("a call that had begun before it waited in vain says so", async () => {
    const alone = pool("retries-wait", { max: 1 });
    await flame(() => "up", { pool: alone });
    const stop = new AbortController();
    // The second attempt stands behind a call that takes the only slot meanwhile.
    const call = flame(failing(9), {
      pool: alone,
      queueTimeout: "500ms",
      retries: {
        limit: 5,
        delay: 50,
        when: () => {
          void flame(({ signal }) => new Promise((resolve) => signal.addEventListener("abort", resolve)), {
            pool: alone,
            signal: stop.signal,
            timeout: Infinity,
          }).catch(() => undefined);
          return true;
        },
      },
    });
    await expect(call).rejects.toMatchObject({ code: "ERR_TINDERBOX_QUEUE_TIMEOUT", started: true });
    stop.abort();
    await alone.close();
  });

  test("count apart from repeats after lost runners; the attempt counts both", async () => {
    const alone = pool("retries-both", { max: 1 });
    const call = flame(
      ({ runner }) => {
        if (runner.attempt === 0) throw new Error("own");
        if (runner.attempt === 1) process.exit(1);
        if (runner.attempt === 2) throw new Error("own again");
        return runner.attempt;
      },
      { pool: alone, retries: 2, idempotent: true },
    );
    await expect(call).resolves.toBe(3);
    await alone.close();
  });

  test.each([
    [-1, 'Cannot use -1 as option "retries" of flame: a whole number from 0 is wanted'],
    [201, 'Cannot use 201 as option "retries" of flame: at most 200 are possible'],
    [{ limit: 1.5 }, 'Cannot use 1.5 as limit of option "retries" of flame: a whole number from 0 is wanted'],
    [{ limit: 1, delay: "x" }, 'Cannot use "x" as delay of option "retries" of flame'],
    [{ limit: 1, when: 1 }, 'Cannot use 1 as when of option "retries" of flame: a function is wanted'],
    [{ limit: 1, dealy: 1 }, 'did you mean "delay"?'],
    [null, 'Cannot use null as option "retries" of flame'],
  ])("%j is refused", async (retries, message) => {
    await expect(flame(() => 1, { pool: own, retries: retries as number })).rejects.toThrow(message);
  });
});
