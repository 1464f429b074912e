/** The failure matrix: the end of a runner's process, in every way that it can end, and what becomes of its calls. */
import { spawn } from "node:child_process";
import { appendFileSync, closeSync, writeFileSync } from "node:fs";
import { type Backend, type Pool, RunnerLostError, events, flame, local, pool } from "tinderbox";
import { describe, expect, test, vi } from "vitest";
import { until } from "../../harness/until.ts";
import { alive, failure, gone, room, wait } from "../lab.ts";

describe("`process.exit`, `kill -9`, OOM, segfault in an addon", () => {
  test.each<[string, () => unknown, { readonly [fact: string]: unknown }, RegExp?]>([
    ["process.exit(3)", () => process.exit(3), { exitCode: 3, reason: "exit code 3" }],
    ["process.exit(0)", () => process.exit(0), { exitCode: 0, reason: "exit code 0" }],
    ["kill -9", () => process.kill(process.pid, "SIGKILL"), { signal: "SIGKILL", reason: "signal SIGKILL" }],
    ["SIGTERM", () => process.kill(process.pid, "SIGTERM"), { signal: "SIGTERM", reason: "signal SIGTERM" }],
    ["segfault", () => process.kill(process.pid, "SIGSEGV"), { signal: "SIGSEGV", reason: "signal SIGSEGV" }],
    ["abort", () => process.abort(), { signal: "SIGABRT", reason: "signal SIGABRT" }],
    [
      "OOM",
      () => {
        const hoard: unknown[] = [];
        for (;;) hoard.push(Array.from({ length: 10_000 }, (_, index) => ({ index })));
      },
      { signal: "SIGABRT" },
    ],
    [
      "every descriptor closed",
      async () => {
        for (let descriptor = 3; descriptor < 64; descriptor++) {
          try {
            closeSync(descriptor);
          } catch {
            // It was not open.
          }
        }
        await new Promise(() => {});
      },
      {},
    ],
  ])(
    "%s: every call on that executor gets RunnerLostError with the reason; idempotent ones are retried elsewhere; the pool and other runners are untouched; queued callers are served by a new runner",
    async (name, end, facts) => {
      const own = pool(`lost-${name.replaceAll(/\W+/g, "-")}`, {
        max: 2,
        concurrency: 3,
        env: { NODE_OPTIONS: "--max-old-space-size=40" },
      });
      const untouched = [wait(own), wait(own), wait(own)];
      const [other] = await Promise.all(untouched.map(({ running }) => running));
      const neighbour = wait(own);
      const repeated = wait(own, { idempotent: true });
      const doomed = await neighbour.running;
      expect(await repeated.running).toBe(doomed);
      const killer = flame(end, { pool: own, name: "killer" });
      const queued = flame(() => process.pid, { pool: own });

      for (const call of [neighbour.done, killer]) {
        const error = await failure(call);
        expect(error).toBeInstanceOf(RunnerLostError);
        expect(error).toMatchObject({ started: true, runner: `${own.name}-2`, ...facts });
        expect(["process", "machine"]).toContain(error["scope"]);
      }
      expect((await failure(killer)).message).toMatch(/^Cannot finish call "killer": runner \S+ was lost, \S/);
      repeated.end();
      const pids = [other, doomed];
      expect(pids).not.toContain(await repeated.done);
      expect(pids).not.toContain(await queued);
      for (const call of untouched) call.end();
      expect(await Promise.all(untouched.map(({ done }) => done))).toEqual([other, other, other]);
      expect(own.stats()).toMatchObject({ failed: 2, queued: 0, boots: { ok: 3, failed: 0 } });
      await gone(doomed);
      await own.close();
    },
  );

  test("OOM is told with the last words of the process", async () => {
    const own = pool("hoarder", { max: 1, env: { NODE_OPTIONS: "--max-old-space-size=40" } });
    const error = await failure(
      flame(
        () => {
          const hoard: unknown[] = [];
          for (;;) hoard.push(Array.from({ length: 10_000 }, (_, index) => ({ index })));
        },
        { pool: own },
      ),
    );
    expect((error["stderr"] as string[]).join("\n")).toMatch(/heap out of memory/i);
    await own.close();
  });

  test("what the closure has started goes with its runner", async () => {
    const own = pool("family", { max: 1 });
    const { hear, path } = room();
    const note = path("child");
    const call = failure(
      flame(
        () => {
          const child = spawn("sleep", ["1000"], { stdio: "ignore" });
          writeFileSync(note, `${child.pid}\n`);
          process.exit(1);
        },
        { pool: own },
      ),
    );
    const [child] = await hear("child");
    expect(await call).toBeInstanceOf(RunnerLostError);
    await gone(Number(child));
    await own.close();
  });
});

describe("idempotent", () => {
  /** Runs `end` after noting its attempt; gives the attempts that were made. */
  const noted = (own: Pool, end: (attempt: number) => unknown, options = {}) => {
    const { path, lines } = room();
    const note = path("attempts");
    const call = flame(
      ({ runner }) => {
        appendFileSync(note, `${runner.attempt}\n`);
        return end(runner.attempt);
      },
      { pool: own, ...options },
    );
    return { call, attempts: () => lines("attempts") };
  };
  const own = pool("repeats", { max: 1, concurrency: 2 });

  test("a call whose runner is lost is repeated up to 3 times, the attempt in its context; then RunnerLostError", async () => {
    const { call, attempts } = noted(own, () => process.exit(1), { idempotent: true });
    const error = await failure(call);
    expect(error).toBeInstanceOf(RunnerLostError);
    expect(error).toMatchObject({ started: true, exitCode: 1 });
    expect(attempts()).toEqual(["0", "1", "2", "3"]);
  });

  test("the last of these attempts may still succeed", async () => {
    const { call, attempts } = noted(own, (attempt) => (attempt < 3 ? process.exit(1) : "at last"), {
      idempotent: true,
    });
    expect(await call).toBe("at last");
    expect(attempts()).toEqual(["0", "1", "2", "3"]);
  });

  test.each<[string, () => unknown, object, string]>([
    [
      "the closure's own error",
      () => {
        throw new RangeError("own");
      },
      {},
      "RangeError",
    ],
    ["the closure's own rejection", () => Promise.reject(new RangeError("own")), {}, "RangeError"],
    [
      "an error that looks like a lost runner",
      () =>
        Promise.reject(Object.assign(new Error("x"), { name: "RunnerLostError", code: "ERR_TINDERBOX_RUNNER_LOST" })),
      {},
      "RunnerLostError",
    ],
    ["a result that cannot be sent", () => new WeakMap(), {}, "CaptureError"],
    [
      "its timeout",
      () => new Promise((resolve) => setTimeout(resolve, 1_000)),
      { timeout: "50ms" },
      "CallTimeoutError",
    ],
  ])("is not repeated after %s", async (_, end, options, name) => {
    const { call, attempts } = noted(own, end, { idempotent: true, ...options });
    expect((await failure(call)).name).toBe(name);
    // Whatever came after it would have been noted by now.
    await flame(() => 1, { pool: own });
    expect(attempts()).toEqual(["0"]);
  });

  test("is not repeated after its abort, also when its runner is lost then", async () => {
    const stop = new AbortController();
    const { path, lines, hear } = room();
    const note = path("attempts");
    const call = flame(
      async ({ runner }) => {
        appendFileSync(note, `${runner.attempt} ${process.pid}\n`);
        await new Promise(() => {});
      },
      { pool: own, idempotent: true, signal: stop.signal },
    );
    const [, pid] = (await hear("attempts"))[0]!.split(" ");
    stop.abort();
    expect((await failure(call)).name).toBe("AbortError");
    process.kill(Number(pid), "SIGKILL");
    await gone(Number(pid));
    expect(await flame(() => process.pid, { pool: own })).not.toBe(Number(pid));
    expect(lines("attempts")).toHaveLength(1);
  });

  test("not idempotent: RunnerLostError with `started: true`, after one attempt", async () => {
    const { call, attempts } = noted(own, () => process.exit(1));
    expect(await failure(call)).toMatchObject({ code: "ERR_TINDERBOX_RUNNER_LOST", started: true });
    await flame(() => 1, { pool: own });
    expect(attempts()).toEqual(["0"]);
  });

  test("a call that never started is requeued, however many runners are lost before it", async () => {
    const narrow = pool("requeues", { max: 1 });
    const killers = Array.from({ length: 4 }, () => failure(flame(() => process.exit(1), { pool: narrow })));
    const { call, attempts } = noted(narrow, (attempt) => attempt);
    expect((await Promise.all(killers)).map(({ name }) => name)).toEqual(Array(4).fill("RunnerLostError"));
    expect(await call).toBe(0);
    expect(attempts()).toEqual(["0"]);
    await narrow.close();
  });

  test("so is one that was given to a runner whose connection had just ended", async () => {
    const good = local();
    let closed!: () => void;
    const heard = new Promise<void>((resolve) => (closed = resolve));
    const next: Promise<readonly [number, number]>[] = [];
    const backend: Backend = {
      ...good,
      listen: (accept) =>
        good.listen((connection) => {
          const attach = connection.attach.bind(connection);
          connection.attach = (handlers) =>
            attach({
              data: (chunk) => handlers.data(chunk),
              drain: () => handlers.drain(),
              close: (error) => {
                handlers.close(error);
                // Its process lives a moment longer, and its slot is free.
                if (next.length === 0)
                  next.push(flame(({ runner }) => [process.pid, runner.attempt] as const, { pool: cut }));
                closed();
              },
            });
          accept(connection);
        }),
    };
    const cut = pool("requeues-cut", { max: 1, concurrency: 2, backend });
    const pid = await flame(() => process.pid, { pool: cut });
    const lost = failure(
      flame(
        () => {
          type Handle = { readonly constructor: { readonly name: string }; destroy(): void };
          const { _getActiveHandles: handles } = process as unknown as { _getActiveHandles(): Handle[] };
          for (const handle of handles()) if (handle.constructor.name === "Socket") handle.destroy();
          return new Promise(() => {});
        },
        { pool: cut },
      ),
    );
    await heard;
    const [where, attempt] = await next[0]!;
    expect([where === pid, attempt]).toEqual([false, 0]);
    expect(await lost).toMatchObject({ name: "RunnerLostError", started: true });
    await cut.close();
  });

  test("so is one that had its slot, and whose capture was still being read when the runner died", async () => {
    const narrow = pool("requeues-blob", { max: 1 });
    const pid = await flame(() => process.pid, { pool: narrow });
    const { promise: readable, resolve: letRead } = Promise.withResolvers<void>();
    const read = Blob.prototype.arrayBuffer;
    const slow = vi.spyOn(Blob.prototype, "arrayBuffer").mockImplementation(async function (this: Blob) {
      await readable;
      return read.call(this);
    });
    const blob = new Blob(["content"]);
    const call = flame(async ({ runner }) => [await blob.text(), runner.attempt, process.pid] as const, {
      pool: narrow,
    });
    await until("the slot", () => narrow.stats().slots.busy === 1);
    process.kill(pid, "SIGKILL");
    await gone(pid);
    await until("the runner's loss", () => narrow.stats().runners.ready === 0);
    letRead();
    const [text, attempt, where] = await call;
    slow.mockRestore();
    expect([text, attempt, where === pid]).toEqual(["content", 0, false]);
    await narrow.close();
  });

  test("no call is run twice, and none is forgotten, while one runner after the other is lost", async () => {
    const losses = pool("losses", { max: 2, concurrency: 4 });
    const { path, lines } = room();
    const note = path("runs");
    const calls: Promise<unknown>[] = [];
    for (let round = 0; round < 4; round++) {
      for (let index = 0; index < 25; index++) {
        const id = calls.length;
        calls.push(
          flame(
            async () => {
              appendFileSync(note, `${id}\n`);
              await new Promise((resolve) => setTimeout(resolve, 5));
              return id;
            },
            { pool: losses },
          ).catch((error: unknown) => error),
        );
      }
      calls.push(flame(() => process.kill(process.pid, "SIGKILL"), { pool: losses }).catch((error: unknown) => error));
    }
    const ends = await Promise.all(calls);
    const runs = Map.groupBy(lines("runs").map(Number), (id) => id);
    expect([...runs.values()].filter((found) => found.length > 1)).toEqual([]);
    const results = ends.filter((end) => typeof end === "number");
    expect(results.filter((id) => !runs.has(id))).toEqual([]);
    expect(results.length).toBeGreaterThan(50);
    const errors = ends.filter((end) => typeof end !== "number") as Error[];
    expect(new Set(errors.map(({ name }) => name))).toEqual(new Set(["RunnerLostError"]));
    await losses.close();
    await own.close();
  });
});

describe("a runner that is lost while it idles", () => {
  test("is replaced by the next call; `min` by itself; its end is an event", async () => {
    const own = pool("idles", { max: 1 });
    const ended: unknown[] = [];
    const listening = new AbortController();
    events.on("runner.gone", (event) => event.pool === own.name && ended.push(event), { signal: listening.signal });
    const pid = await flame(() => process.pid, { pool: own });
    process.kill(pid, "SIGKILL");
    await until("the event", () => ended.length === 1);
    expect(ended).toEqual([expect.objectContaining({ signal: "SIGKILL", calls: 1, reason: "signal SIGKILL" })]);
    expect(alive(pid)).toBe(false);
    expect(await flame(() => process.pid, { pool: own })).not.toBe(pid);
    listening.abort();
    await own.close();
  });
});
