/** The failure matrix: callers that leave, closures that do not let go, and the clocks. */
import { getEventListeners } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import {
  AbortError,
  type Backend,
  BootError,
  CallTimeoutError,
  PoolClosedError,
  QueueTimeoutError,
  flame,
  local,
  pool,
} from "tinderbox";
import { describe, expect, test } from "vitest";
import { until } from "../../harness/until.ts";
import { broken, failure, gone, room, wait } from "../lab.ts";

/** Blocks the event loop of its process, without using a core, until the file is there. */
function block(note: string, gate: string): number {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  writeFileSync(note, `${process.pid}\n`);
  while (!existsSync(gate)) Atomics.wait(cell, 0, 0, 10);
  return process.pid;
}

/** What a promise has come to by the next turn of the event loop. */
const atOnce = (promise: Promise<unknown>): Promise<unknown> =>
  Promise.race([promise, new Promise((resolve) => setImmediate(() => resolve("not yet")))]);

describe("the caller aborts: it is told at once; `Context.signal` aborts", () => {
  test.each([
    ["before the queue", true],
    ["in the queue", false],
  ])("%s: with the signal's reason, and nothing is run", async (where, early) => {
    const own = pool(`abort-${where.replaceAll(" ", "-")}`, { max: 1 });
    const held = early ? undefined : wait(own);
    await held?.running;
    const stop = new AbortController();
    const { path, heard } = room();
    const note = path("ran");
    if (early) stop.abort(new TypeError("my reason"));
    const call = flame(() => writeFileSync(note, ""), { pool: own, signal: stop.signal, name: "left" });
    expect(own.stats()).toMatchObject({ queued: early ? 0 : 1, runners: { booting: 0 } });
    const left = failure(call);
    stop.abort(new TypeError("my reason"));
    const error = await atOnce(left);
    expect(error).toBeInstanceOf(AbortError);
    expect(error).toMatchObject({ name: "AbortError", code: "ABORT_ERR", cause: { message: "my reason" } });
    held?.end();
    await held?.done;
    await own.close();
    expect(heard("ran")).toBe(false);
    expect(own.stats().boots.ok).toBe(early ? 0 : 1);
  });

  test("at boot: it leaves the queue; the next call is served by the runner that comes up", async () => {
    const own = pool("abort-at-boot", { max: 1 });
    const stop = new AbortController();
    const left = failure(flame(() => "left", { pool: own, signal: stop.signal }));
    const next = flame(({ runner }) => runner.id, { pool: own });
    stop.abort();
    expect(await atOnce(left)).toBeInstanceOf(AbortError);
    expect(own.stats()).toMatchObject({ queued: 1, runners: { booting: 1 } });
    expect(await next).toBe("abort-at-boot-1");
    await own.close();
  });

  test("running: the closure learns of it, and may tidy up; the slot is busy until it has", async () => {
    const own = pool("abort-running", { max: 1 });
    const stop = new AbortController();
    const { path, hear, say } = room();
    const [note, gate] = [path("heard"), path("go")];
    const call = failure(
      flame(
        async ({ signal, progress }) => {
          const aborted = new Promise((resolve) => signal.addEventListener("abort", resolve));
          progress("running");
          await aborted;
          writeFileSync(note, `${String(signal.reason)}\n`);
          while (!existsSync(gate)) await new Promise((resolve) => setTimeout(resolve, 10));
        },
        { pool: own, signal: stop.signal, name: "told", onProgress: () => stop.abort() },
      ),
    );
    expect(await call).toBeInstanceOf(AbortError);
    expect(await hear("heard")).toEqual(['AbortError: Cannot finish call "told": it was aborted']);
    const next = flame(({ runner }) => runner.id, { pool: own });
    expect(own.stats()).toMatchObject({ queued: 1, slots: { busy: 1, free: 0 } });
    say("go");
    expect(await next).toBe("abort-running-1");
    await own.close();
  });

  test("after its end: nothing happens, and no listener is left on the signal", async () => {
    const own = pool("abort-late", { max: 1, concurrency: 4 });
    const stop = new AbortController();
    await Promise.all(Array.from({ length: 50 }, () => flame(() => 1, { pool: own, signal: stop.signal })));
    expect(getEventListeners(stop.signal, "abort")).toEqual([]);
    stop.abort();
    expect(await flame(() => 2, { pool: own })).toBe(2);
    expect(own.stats().failed).toBe(0);
    await own.close();
  });

  test("a signal that times out is the cause of the error", async () => {
    const own = pool("abort-timeout", { max: 1 });
    const held = wait(own);
    await held.running;
    const error = await failure(flame(() => 1, { pool: own, signal: AbortSignal.timeout(20) }));
    expect(error).toMatchObject({ name: "AbortError", cause: { name: "TimeoutError" } });
    held.end();
    await held.done;
    await own.close();
  });

  test("blocking the loop: told while the closure still blocks; the slot is busy until it has ended; the runner stays", async () => {
    const own = pool("abort-blocked", { max: 1 });
    const stop = new AbortController();
    const { path, hear, say } = room();
    const [note, gate] = [path("blocks"), path("go")];
    const call = failure(flame(() => block(note, gate), { pool: own, signal: stop.signal }));
    const [pid] = await hear("blocks");
    const next = flame(() => process.pid, { pool: own });
    stop.abort();
    expect(await atOnce(call)).toBeInstanceOf(AbortError);
    expect(own.stats()).toMatchObject({ queued: 1, slots: { busy: 1, free: 0 } });
    say("go");
    expect(await next).toBe(Number(pid));
    await own.close();
  });
});

describe("one call of several on a runner is aborted: the others never notice", () => {
  test("of twelve on one runner four abort, four time out, and four finish where they are", async () => {
    const own = pool("neighbours", { max: 1, concurrency: 12 });
    const stop = new AbortController();
    // Those that are to time out begin when the others run: no clock of theirs ticks during the boot.
    const kept = [wait(own), wait(own), wait(own), wait(own)];
    const aborted = Array.from({ length: 4 }, () => wait(own, { signal: stop.signal }));
    const [pid] = await Promise.all([...kept, ...aborted].map(({ running }) => running));
    const late = Array.from({ length: 4 }, () => wait(own, { timeout: "100ms" }));
    const errors = [...aborted, ...late].map(({ done }) => failure(done));
    stop.abort();
    const names = (await Promise.all(errors)).map(({ name }) => name);
    expect(names).toEqual([...Array(4).fill("AbortError"), ...Array(4).fill("CallTimeoutError")]);
    for (const call of kept) call.end();
    expect(await Promise.all(kept.map(({ done }) => done))).toEqual(Array(4).fill(pid));
    await until("eight slots to come free", () => own.stats().slots.free === 12);
    expect(own.stats()).toMatchObject({ completed: 4, failed: 8, boots: { ok: 1, failed: 0 } });
    expect(await flame(() => process.pid, { pool: own })).toBe(pid);
    await own.close();
  });

  test("one signal of many calls, on the runner and in the queue, ends those and no other", async () => {
    const own = pool("shared-signal", { max: 1, concurrency: 2 });
    const stop = new AbortController();
    const kept = wait(own);
    const doomed = Array.from({ length: 20 }, () => wait(own, { signal: stop.signal }));
    const pid = await kept.running;
    await doomed[0]!.running;
    const last = flame(() => process.pid, { pool: own });
    const errors = doomed.map(({ done }) => failure(done));
    stop.abort();
    expect((await Promise.all(errors)).map(({ name }) => name)).toEqual(Array(20).fill("AbortError"));
    expect(await last).toBe(pid);
    kept.end();
    expect(await kept.done).toBe(pid);
    await own.close();
  });
});

// What follows waits for the most part, and does so side by side.
describe.concurrent("closure spins the CPU", () => {
  test("other calls on that executor are delayed, heartbeats are not; `timeout` still fires", async () => {
    const own = pool("spins", { max: 1, concurrency: 2 });
    const pid = await flame(() => process.pid, { pool: own });
    const order: string[] = [];
    const spinner = failure(
      flame(
        () => {
          // Longer than three beats.
          const end = performance.now() + 4_500;
          let turns = 0;
          while (performance.now() < end) turns++;
          return turns;
        },
        { pool: own, timeout: "200ms" },
      ),
    ).then((error) => (order.push("timeout"), error));
    const neighbour = flame(() => process.pid, { pool: own }).then((found) => (order.push("neighbour"), found));
    expect(await spinner).toBeInstanceOf(CallTimeoutError);
    expect(await neighbour).toBe(pid);
    expect(order).toEqual(["timeout", "neighbour"]);
    expect(own.stats()).toMatchObject({ boots: { ok: 1, failed: 0 }, completed: 2, failed: 1 });
    await own.close();
  });
});

describe.concurrent("the slot stays busy until the runner confirms or a grace of 5 s passes", () => {
  test("a closure that blocks the event loop: its executor is replaced once its other calls' timeouts pass", async () => {
    const own = pool("grace-blocked", { max: 1, concurrency: 2 });
    const neighbour = wait(own, { timeout: "1s" });
    const pid = await neighbour.running;
    const stop = new AbortController();
    const { path, hear } = room();
    const [note, gate] = [path("blocks"), path("never")];
    const blocked = failure(flame(() => block(note, gate), { pool: own, signal: stop.signal }));
    await hear("blocks");
    stop.abort();
    const next = flame(() => process.pid, { pool: own });
    expect(await blocked).toBeInstanceOf(AbortError);
    expect(await failure(neighbour.done)).toBeInstanceOf(CallTimeoutError);
    expect(await next).not.toBe(pid);
    await gone(pid);
    await own.close();
  });

  const blockedBeside = async (name: string) => {
    const own = pool(name, { max: 2, concurrency: 2, drainTimeout: "100ms" });
    const neighbour = wait(own, { timeout: "6s" });
    const pid = await neighbour.running;
    const { path, hear } = room();
    const [note, gate] = [path("blocks"), path("never")];
    const blocked = failure(flame(() => block(note, gate), { pool: own, timeout: "100ms" }));
    await hear("blocks");
    expect(await blocked).toBeInstanceOf(CallTimeoutError);
    return { own, neighbour, pid };
  };

  test("its neighbours keep their own time, however long, and are not lost; with room in the pool nobody else waits", async () => {
    const { own, neighbour, pid } = await blockedBeside("grace-neighbour");
    expect(await flame(() => process.pid, { pool: own })).not.toBe(pid);
    expect(await failure(neighbour.done)).toBeInstanceOf(CallTimeoutError);
    await own.close();
  });

  test("it is replaced when its neighbours' time is over, without a second grace", async () => {
    const { own, neighbour, pid } = await blockedBeside("grace-once");
    try {
      expect(await failure(neighbour.done)).toBeInstanceOf(CallTimeoutError);
      await gone(pid, { within: 3_000 });
    } finally {
      await own.close();
    }
  });

  test("a closure that only waits, and ignores its signal: the neighbours finish, then the runner is replaced", async () => {
    const own = pool("grace-deaf", { max: 1, concurrency: 3 });
    const neighbour = wait(own);
    const pid = await neighbour.running;
    const stop = new AbortController();
    const deaf = failure(
      flame(
        ({ progress }) => {
          progress("deaf");
          return new Promise(() => {});
        },
        { pool: own, signal: stop.signal, onProgress: () => stop.abort() },
      ),
    );
    expect(await deaf).toBeInstanceOf(AbortError);
    expect(own.stats().slots).toEqual({ busy: 2, free: 1 });
    await until("its last slot to be closed", () => own.stats().slots.free === 0);
    const next = flame(() => process.pid, { pool: own });
    neighbour.end();
    expect(await neighbour.done).toBe(pid);
    expect(await next).not.toBe(pid);
    await own.close();
  });

  test("an idempotent call that ignores its abort is not repeated when its runner is replaced", async () => {
    const own = pool("grace-idempotent", { max: 1 });
    const { path, lines, hear } = room();
    const [note, gate] = [path("blocks"), path("never")];
    const blocked = failure(flame(() => block(note, gate), { pool: own, timeout: "300ms", idempotent: true }));
    const [pid] = await hear("blocks");
    expect(await blocked).toBeInstanceOf(CallTimeoutError);
    expect(await flame(() => process.pid, { pool: own })).not.toBe(Number(pid));
    expect(lines("blocks")).toHaveLength(1);
    await own.close();
  });
});

describe.concurrent("each clock has its own error class", () => {
  const slow = (delayMs: number): Backend => {
    const good = local();
    return {
      ...good,
      boot: async (request) => {
        await new Promise((resolve) => setTimeout(resolve, delayMs));
        return good.boot(request);
      },
    };
  };

  test("queueTimeout: QueueTimeoutError, not started; those behind it in the queue are served", async () => {
    const own = pool("clock-queue", { max: 1 });
    const held = wait(own);
    await held.running;
    const late = failure(flame(() => 1, { pool: own, queueTimeout: "50ms" }));
    const patient = flame(() => 2, { pool: own });
    const error = await late;
    expect(error).toBeInstanceOf(QueueTimeoutError);
    expect(error).toMatchObject({ code: "ERR_TINDERBOX_QUEUE_TIMEOUT", started: false, timeoutMs: 50 });
    held.end();
    expect(await patient).toBe(2);
    await held.done;
    await own.close();
  });

  test("bootTimeout: BootError, not started", async () => {
    const own = pool("clock-boot", { max: 1, bootTimeout: "300ms", backend: broken("setInterval(() => {}, 1000)") });
    const error = await failure(flame(() => 1, { pool: own }));
    expect(error).toBeInstanceOf(BootError);
    expect(error).toMatchObject({ code: "ERR_TINDERBOX_BOOT", started: false });
    await own.close();
  });

  test("timeout: CallTimeoutError, started", async () => {
    const own = pool("clock-call", { max: 1 });
    const error = await failure(wait(own, { timeout: "50ms" }).done);
    expect(error).toBeInstanceOf(CallTimeoutError);
    expect(error).toMatchObject({ code: "ERR_TINDERBOX_CALL_TIMEOUT", started: true, timeoutMs: 50 });
    await own.close();
  });

  test("drainTimeout: PoolClosedError, and whether it had started", async () => {
    const own = pool("clock-drain", { max: 1, drainTimeout: "100ms" });
    const held = wait(own);
    const pid = await held.running;
    const errors = [held.done, flame(() => 1, { pool: own })].map(failure);
    await own.close();
    const [running, queued] = await Promise.all(errors);
    expect(running).toBeInstanceOf(PoolClosedError);
    expect(running).toMatchObject({ code: "ERR_TINDERBOX_POOL_CLOSED", started: true });
    expect(queued).toBeInstanceOf(PoolClosedError);
    expect(queued).toMatchObject({ started: false });
    await gone(pid);
  });

  test("neither queue nor boot count against `timeout`", async () => {
    // A boot of more than a second, then a wait of as long, and a limit of a second.
    const own = pool("clock-apart", { max: 1, timeout: "1s", backend: slow(1_100) });
    const began = performance.now();
    const held = wait(own, { timeout: "20s" });
    const call = flame(() => "in time", { pool: own });
    await held.running;
    await until("the time to pass", () => performance.now() - began > 2_400);
    held.end();
    expect(await call).toBe("in time");
    await held.done;
    await own.close();
  });

  test("a call that is repeated has its whole `timeout` again", async () => {
    const own = pool("clock-again", { max: 1 });
    const call = flame(
      async ({ runner }) => {
        await new Promise((resolve) => setTimeout(resolve, 600));
        return runner.attempt === 2 ? "in time" : process.exit(1);
      },
      { pool: own, idempotent: true, timeout: "1500ms" },
    );
    expect(await call).toBe("in time");
    await own.close();
  });

  test("Infinity is never", async () => {
    const own = pool("clock-never", { max: 1, timeout: "20ms" });
    const held = wait(own, { timeout: Infinity });
    await held.running;
    expect(await failure(wait(own, { queueTimeout: "60ms" }).done)).toBeInstanceOf(QueueTimeoutError);
    held.end();
    expect(await held.done).toBeGreaterThan(0);
    await own.close();
  });
});
