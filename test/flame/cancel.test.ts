import { getEventListeners } from "node:events";
import { AbortError, CallTimeoutError, RunnerLostError, flame, pool } from "tinderbox";
import { afterAll, describe, expect, test } from "vitest";
import { until } from "../harness/until.ts";

const cancels = pool("cancels", { max: 1, concurrency: 4 });
afterAll(() => cancels.close());

function caught(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => ({ value }),
    (error: unknown) => error,
  );
}

describe("aborting a call", () => {
  test("before it is made rejects at once and boots nothing", async () => {
    const own = pool("never");
    const error = await caught(flame(() => 1, { pool: own, signal: AbortSignal.abort("why") }));
    expect(error).toBeInstanceOf(AbortError);
    expect(error).toMatchObject({ name: "AbortError", code: "ABORT_ERR", cause: "why" });
    expect(own.stats().runners.booting).toBe(0);
  });

  test("while its runner boots takes it out of the queue; the next call is served", async () => {
    const own = pool("boots", { max: 1 });
    const stop = new AbortController();
    const first = caught(flame(() => 1, { pool: own, signal: stop.signal }));
    const second = flame(() => 2, { pool: own });
    stop.abort();
    expect(await first).toBeInstanceOf(AbortError);
    expect(own.stats()).toMatchObject({ queued: 1, runners: { booting: 1 } });
    expect(await second).toBe(2);
    await own.close();
  });

  test("in the queue leaves the running call and the next one alone", async () => {
    const own = pool("queues", { max: 1 });
    const running = flame(() => new Promise((resolve) => setTimeout(() => resolve("ran"), 150)), { pool: own });
    const stop = new AbortController();
    const queued = caught(flame(() => "never", { pool: own, signal: stop.signal }));
    const next = flame(() => "next", { pool: own });
    await until("the first call runs", () => own.stats().slots.busy === 1);
    stop.abort();
    expect(await queued).toBeInstanceOf(AbortError);
    expect(await Promise.all([running, next])).toEqual(["ran", "next"]);
    await own.close();
  });

  test("while it runs is told to the closure, and others on its runner never notice", async () => {
    const stop = new AbortController();
    const other = flame(() => new Promise((resolve) => setTimeout(() => resolve(process.pid), 200)), { pool: cancels });
    const call = caught(
      flame(
        ({ signal, progress }) =>
          new Promise((_, reject) => {
            signal.addEventListener("abort", () => {
              const { name, message } = signal.reason as Error;
              Reflect.set(globalThis, "heard", `${name}: ${message}`);
              reject(signal.reason as Error);
            });
            progress("running");
          }),
        { pool: cancels, signal: stop.signal, name: "told", onProgress: () => stop.abort() },
      ),
    );
    expect(await call).toBeInstanceOf(AbortError);
    const pid = await other;
    const heard = await flame(() => Reflect.get(globalThis, "heard") as unknown, { pool: cancels });
    expect(heard).toBe('AbortError: Cannot finish call "told": it was aborted');
    expect(await flame(() => process.pid, { pool: cancels })).toBe(pid);
    expect(cancels.stats().slots.busy).toBe(0);
  });

  test("tells the caller at once, while the slot stays taken until the closure has stopped", async () => {
    const own = pool("slow-to-stop", { max: 1 });
    const stop = new AbortController();
    const call = caught(
      flame(
        ({ signal }) => new Promise((resolve) => signal.addEventListener("abort", () => setTimeout(resolve, 300))),
        { pool: own, signal: stop.signal },
      ),
    );
    await until("it runs", () => own.stats().slots.busy === 1);
    stop.abort();
    expect(await call).toBeInstanceOf(AbortError);
    expect(own.stats().slots.busy).toBe(1);
    expect(await flame(() => "after", { pool: own })).toBe("after");
    await own.close();
  });

  test("after its end does nothing, and leaves no listener on the signal", async () => {
    const stop = new AbortController();
    await Promise.all(Array.from({ length: 50 }, () => flame(() => 1, { pool: cancels, signal: stop.signal })));
    expect(getEventListeners(stop.signal, "abort")).toEqual([]);
    stop.abort();
    expect(await flame(() => 2, { pool: cancels })).toBe(2);
  });
});

describe("a closure that blocks the event loop", () => {
  test("is left to its grace, then its runner is replaced; its neighbours get the reason", async () => {
    const own = pool("blocked", { max: 1, concurrency: 2, timeout: "300ms" });
    const first = await flame(() => process.pid, { pool: own });
    const neighbour = caught(flame(() => new Promise(() => {}), { pool: own, timeout: "1s" }));
    const blocked = caught(
      flame(
        () => {
          for (;;);
        },
        { pool: own },
      ),
    );
    expect(await blocked).toBeInstanceOf(CallTimeoutError);
    const error = await neighbour;
    expect(error instanceof CallTimeoutError || error instanceof RunnerLostError).toBe(true);
    expect(await flame(() => process.pid, { pool: own, timeout: "30s" })).not.toBe(first);
    await own.close();
  }, 30_000);
});
