/** What is known to go wrong in FLAME 0.5.3, D1 to D13: that it does not go wrong here, on real processes. */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { type Backend, BootError, type Pool, RunnerLostError, events, flame, local, pool } from "tinderbox";
import { describe, expect, test } from "vitest";
import { testRun } from "../harness/run.ts";
import { runScript } from "../harness/script.ts";
import { until } from "../harness/until.ts";
import { alive, broken, failure, gone, room, wait } from "./lab.ts";

const ready = (own: Pool, count: number) =>
  until(`${count} ready runners`, () => own.stats().runners.ready === count && own.stats().runners.booting === 0);

/** What `events` tell of one pool until `off`. */
function listen(own: Pool) {
  const stop = new AbortController();
  const { signal } = stop;
  const goneRunners: string[] = [];
  const bootErrors: Error[] = [];
  events.on("runner.gone", ({ pool: name, runner }) => name === own.name && goneRunners.push(runner), { signal });
  events.on("boot.failed", ({ pool: name, error }) => name === own.name && bootErrors.push(error), { signal });
  return { goneRunners, bootErrors, off: () => stop.abort() };
}

describe("D1: the death of a runner is the end of its calls and of nothing else", () => {
  test("D1: five deaths in a row, and the other runner's work goes on where it is", async () => {
    const own = pool("d1", { max: 2, concurrency: 2 });
    const untouched = [wait(own), wait(own)];
    const [pid] = await Promise.all(untouched.map(({ running }) => running));
    const { goneRunners, off } = listen(own);
    for (let round = 0; round < 5; round++) {
      const awaited = wait(own);
      // Nobody looks at this one: its failure is an event, and no reason for anything.
      const forgotten = wait(own);
      const doomed = await awaited.running;
      expect([await forgotten.running, doomed === pid]).toEqual([doomed, false]);
      process.kill(doomed, "SIGKILL");
      expect(await failure(awaited.done)).toBeInstanceOf(RunnerLostError);
    }
    for (const call of untouched) call.end();
    expect(await Promise.all(untouched.map(({ done }) => done))).toEqual([pid, pid]);
    expect(goneRunners).toEqual(["d1-2", "d1-3", "d1-4", "d1-5", "d1-6"]);
    expect(own.stats()).toMatchObject({ completed: 2, failed: 10, boots: { ok: 6, failed: 0 } });
    off();
    await own.close();
  });
});

describe("D2: a single-use runner", () => {
  test("D2: is never handed to a caller that waits, however its call ends", async () => {
    const own = pool("d2", { max: 2, singleUse: true });
    const ends: (() => unknown)[] = [
      () => process.pid,
      () => Promise.reject(new Error(String(process.pid))),
      () => process.pid,
      () => process.exit(5),
      () => process.pid,
      () => new Promise((resolve) => setTimeout(() => resolve(process.pid), 50)),
      () => process.pid,
    ];
    const found = await Promise.all(
      ends.map((end) => flame(end, { pool: own }).catch((error: Error) => error.name + error.message)),
    );
    expect(found[3]).toMatch(/^RunnerLostError.*exit code 5/);
    const pids = found.filter((_, index) => index !== 3).map((each) => Number(String(each).replace(/^\D+/, "")));
    expect(new Set(pids).size).toBe(6);
    expect(own.stats()).toMatchObject({ completed: 5, failed: 2, boots: { ok: 7, failed: 0 } });
    await own.close();
  });
});

describe("D3: min", () => {
  test("D3: is held for ever: idle runners that are killed are replaced without a call", async () => {
    const own = pool("d3", { min: 2, max: 3 });
    const { off } = listen(own);
    const machines: number[] = [];
    const listening = events.on("runner.ready", (event) => event.pool === "d3" && machines.push(Number(event.machine)));
    await own.start();
    for (let round = 1; round <= 3; round++) {
      await ready(own, 2);
      await until("new ones", () => machines.length === 2 * round);
      for (const pid of machines.slice(-2)) process.kill(pid, "SIGKILL");
      await until("the pool to notice", () => machines.filter(alive).length === 0);
    }
    await ready(own, 2);
    await until("the last two", () => machines.filter(alive).length === 2);
    listening[Symbol.dispose]();
    off();
    await own.close();
  });

  test("D3: is held with single-use runners", async () => {
    const own = pool("d3-single", { min: 1, max: 2, singleUse: true });
    const pids = [await flame(() => process.pid, { pool: own }), await flame(() => process.pid, { pool: own })];
    await ready(own, 1);
    pids.push(await flame(() => process.pid, { pool: own }));
    expect(new Set(pids).size).toBe(3);
    await own.close();
  });

  test("D3: a min that cannot boot does not stop the application from starting", async () => {
    const own = pool("d3-broken", { min: 2, max: 2, backend: broken("process.exit(1)") });
    const { bootErrors, off } = listen(own);
    await own.start();
    await until("two failures", () => bootErrors.length >= 2);
    off();
    await own.close();
  });
});

describe("D4: callers that wait", () => {
  test("D4: are served by a new runner when the only one dies, without any further call", async () => {
    const own = pool("d4", { max: 1 });
    const doomed = wait(own);
    const pid = await doomed.running;
    const waiting = [1, 2, 3].map((value) => flame(() => [value, process.pid] as const, { pool: own }));
    process.kill(pid, "SIGKILL");
    expect(await failure(doomed.done)).toBeInstanceOf(RunnerLostError);
    const served = await Promise.all(waiting);
    expect(served.map(([value]) => value)).toEqual([1, 2, 3]);
    expect(served.map(([, runner]) => runner)).not.toContain(pid);
    expect(own.stats().boots).toEqual({ ok: 2, failed: 0 });
    await own.close();
  });
});

describe("D5: growth", () => {
  test("D5: after five boots that fail together the pool has the five runners that its queue asks for", async () => {
    const good = local();
    const bad = broken("process.exit(1)");
    let boots = 0;
    const backend: Backend = { ...good, boot: (request) => (boots++ < 5 ? bad : good).boot(request) };
    const own = pool("d5", { max: 5, backend });
    const calls = Array.from({ length: 5 }, () => wait(own));
    const pids = await Promise.all(calls.map(({ running }) => running));
    expect(new Set(pids).size).toBe(5);
    expect(own.stats().boots).toEqual({ ok: 5, failed: 5 });
    for (const call of calls) call.end();
    await Promise.all(calls.map(({ done }) => done));
    await own.close();
  });
});

describe("D6: the caller of a lost runner", () => {
  test("D6: catches the error as any other, its `finally` runs, and its process lives", async () => {
    const { code, stdout, stderr } = await runScript(`import { flame } from "tinderbox";
try {
  await flame(() => process.kill(process.pid, "SIGKILL"));
} catch (error) {
  console.log(error.name, error.started);
} finally {
  console.log("finally");
}
// Neither does a failure that nobody awaits end it.
void flame(() => process.exit(1));
console.log(await flame(() => "alive"));`);
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "RunnerLostError true\nfinally\nalive\n", stderr: "" });
  });
});

describe("D7: the cause of a failing boot", () => {
  test("D7: reaches each caller, and the event stream at each attempt", async () => {
    const program = 'console.error("Error: license server unreachable"); process.exit(9);';
    const own = pool("d7", { max: 2, bootTimeout: "700ms", backend: broken(program) });
    const { bootErrors, off } = listen(own);
    const errors = await Promise.all([1, 2].map((value) => failure(flame(() => value, { pool: own }))));
    for (const error of [...errors, ...bootErrors]) {
      expect(error).toBeInstanceOf(BootError);
      expect(error.message).toMatch(/exit code 9/);
      expect(error.message).toMatch(/license server unreachable/);
      expect(error).toMatchObject({ phase: "launched", stderr: ["Error: license server unreachable"] });
    }
    expect(bootErrors.length).toBe(own.stats().boots.failed);
    off();
    await own.close();
  });
});

describe("D8: drainTimeout", () => {
  test("D8: is what a pool gives its calls when it is closed", async () => {
    const own = pool("d8", { max: 1, drainTimeout: "200ms" });
    const held = wait(own);
    const pid = await held.running;
    const began = performance.now();
    const error = failure(held.done);
    await own.close();
    expect(await error).toMatchObject({ name: "PoolClosedError", started: true });
    expect(performance.now() - began).toBeGreaterThanOrEqual(190);
    await gone(pid);
  });

  test("D8: is what a runner gets that drains, of whatever reason, and then does not end", async () => {
    const own = pool("d8-idle", { max: 1, drainTimeout: "200ms", idle: "50ms" });
    const { goneRunners, off } = listen(own);
    const pid = await flame(
      () => {
        process.on("exit", () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
        return process.pid;
      },
      { pool: own },
    );
    await gone(pid);
    await until("the event", () => goneRunners.length === 1);
    expect(own.stats().runners).toEqual({ booting: 0, ready: 0, draining: 0 });
    off();
    await own.close();
  });
});

describe("D9: a lifecycle hook of the user throws: an event; never the pool's death", () => {
  test("D9: listeners of every event, onProgress and scale, all broken at once", async () => {
    const stop = new AbortController();
    const { signal } = stop;
    const failed: string[] = [];
    events.on("hook.failed", ({ event }) => failed.push(event), { signal });
    const names = [
      "boot.phase",
      "boot.failed",
      "runner.ready",
      "runner.draining",
      "runner.gone",
      "runner.fault",
      "runner.log",
      "call.queued",
      "call.started",
      "call.finished",
      "call.failed",
    ] as const;
    for (const [index, name] of names.entries()) {
      const broke = (): Promise<void> => {
        if (index % 2 === 0) throw new Error("broken hook");
        return Promise.reject(new Error("broken hook"));
      };
      events.on(name, broke, { signal });
    }
    const good = local();
    const bad = broken("process.exit(1)");
    let boots = 0;
    const own = pool("d9", {
      max: 2,
      idle: "50ms",
      backend: { ...good, boot: (request) => (boots++ === 0 ? bad : good).boot(request) },
      scale: () => {
        throw new Error("broken hook");
      },
    });
    const broke = (): never => {
      throw new Error("broken hook");
    };
    const call = flame(
      ({ progress }) => {
        console.log("said");
        progress(1);
        return 1;
      },
      { pool: own, onProgress: broke },
    );
    expect(await call).toBe(1);
    expect(await failure(flame(() => Promise.reject(new Error("own")), { pool: own }))).toMatchObject({
      message: "own",
    });
    await flame(() => void setImmediate(() => Promise.reject(new Error("later"))), { pool: own });
    await until("no runner", () => own.stats().runners.ready === 0 && own.stats().runners.draining === 0);
    expect(await flame(() => 2, { pool: own })).toBe(2);
    expect([...new Set(failed)].toSorted()).toEqual([...names, "onProgress", "scale"].toSorted());
    stop.abort();
    await own.close();
  });
});

describe("D10: what a runner removes when it ends", () => {
  test("D10: the folder of a call is its own until it has ended, also while its pool closes; nothing else goes", async () => {
    const own = pool("d10", { max: 1 });
    const other = join(testRun.folder, "other");
    writeFileSync(other, "");
    const { path, hear, say } = room();
    const [note, gate] = [path("folder"), path("go")];
    const call = flame(
      async ({ dir }) => {
        const folder = await dir();
        writeFileSync(join(folder, "work"), "half");
        writeFileSync(note, `${folder}\n`);
        while (!existsSync(gate)) await new Promise((resolve) => setTimeout(resolve, 10));
        return existsSync(join(folder, "work"));
      },
      { pool: own },
    );
    const [folder] = await hear("folder");
    const closing = own.close();
    say("go");
    expect(await call).toBe(true);
    await closing;
    expect([existsSync(folder!), existsSync(other), existsSync(path("folder"))]).toEqual([false, true, true]);
  });

  test("D10: the folder of a call goes also when its runner is killed", async () => {
    const own = pool("d10-killed", { max: 1 });
    const { path, hear } = room();
    const note = path("folder");
    const call = flame(
      async ({ dir }) => {
        writeFileSync(note, `${await dir()}\n`);
        process.kill(process.pid, "SIGKILL");
      },
      { pool: own },
    );
    expect(await failure(call)).toBeInstanceOf(RunnerLostError);
    const [folder] = await hear("folder");
    await own.close();
    expect(existsSync(folder!)).toBe(false);
  });
});

describe("D11: a secret", () => {
  test("D11: is in no error, event or output: neither the environment's nor the token of a runner", async () => {
    const secret = "hunter2-hunter2";
    const seen: string[] = [];
    const stop = new AbortController();
    const record = (event: unknown): void => {
      seen.push(inspect(event, { depth: 20, showHidden: true, getters: true }), JSON.stringify(event));
    };
    for (const name of [
      "boot.phase",
      "boot.failed",
      "runner.ready",
      "runner.gone",
      "runner.log",
      "call.failed",
    ] as const)
      events.on(name, (event) => event.pool.startsWith("d11") && record(event), { signal: stop.signal });
    const tokens: Buffer[] = [];
    const spied = (backend: Backend): Backend => ({
      ...backend,
      boot: (request) => {
        tokens.push(Buffer.from(request.token));
        return backend.boot(request);
      },
    });
    const env = { API_TOKEN: secret, DATABASE_URL: `postgres://user:${secret}@host/db` };
    const broke = pool("d11-boot", { max: 1, bootTimeout: "300ms", env, backend: spied(broken("process.exit(1)")) });
    const own = pool("d11", { max: 1, env, backend: spied(local()), drainTimeout: "100ms" });
    const result = pool("d11-result", { max: 1, env });
    const captured = { password: secret };
    const errors = [
      await failure(flame(() => 1, { pool: broke })),
      await failure(flame(() => (captured.password ? process.exit(1) : 0), { pool: own })),
      await failure(flame(() => new Promise(() => captured), { pool: own, timeout: "50ms" })),
      await failure(flame(() => 1, { pool: own, queueTimeout: "1ms" })),
      await failure(flame(() => captured, { pool: own, signal: AbortSignal.abort() })),
      await failure(flame(() => ({ captured, weak: new WeakMap() }) as unknown, { pool: result })),
    ];
    await Promise.all([own, broke, result].map((each) => each.close()));
    errors.push(await failure(flame(() => captured, { pool: own })));
    for (const error of errors) record(error);
    stop.abort();
    expect(new Set(errors.map(({ name }) => name)).size).toBe(7);
    const shown = seen.join("\n");
    expect(shown).not.toContain(secret);
    expect(tokens.length).toBeGreaterThan(2);
    for (const token of tokens)
      for (const encoding of ["hex", "base64", "latin1"] as const)
        expect(shown).not.toContain(token.toString(encoding));
  });
});

describe("D12: a caller that leaves", () => {
  test("D12: may do so at any moment, also twice, also when its runner is gone: the pool minds its own", async () => {
    const own = pool("d12", { max: 2, concurrency: 2 });
    const calls: Promise<unknown>[] = [];
    for (let round = 0; round < 40; round++) {
      const stop = new AbortController();
      const leave = (): void => stop.abort();
      const deadly = round % 8 === 7;
      const call = flame(
        async ({ progress }) => {
          progress(round);
          if (deadly) process.kill(process.pid, "SIGKILL");
          await new Promise((resolve) => setTimeout(resolve, 2));
          return round;
        },
        { pool: own, signal: stop.signal, ...(round % 4 === 1 ? { onProgress: leave } : {}) },
      );
      calls.push(call.catch(({ name }: Error) => name));
      if (round % 4 === 0) leave();
      if (round % 4 === 2) void call.finally(leave).catch(() => {});
      if (round % 4 === 3) setTimeout(leave, round);
      stop.signal.addEventListener("abort", leave);
    }
    const ends = await Promise.all(calls);
    for (const end of ends)
      expect(typeof end === "number" ? "number" : end).toMatch(/^(number|AbortError|RunnerLostError)$/);
    await until("all slots to come free", () => own.stats().slots.busy === 0 && own.stats().queued === 0);
    expect(await Promise.all([1, 2, 3, 4].map((value) => flame(() => value, { pool: own })))).toEqual([1, 2, 3, 4]);
    await own.close();
  });
});

describe("D13: the connections of other runners", () => {
  test("D13: do not notice when one runner dies: what they send arrives without a gap", async () => {
    const own = pool("d13", { max: 3 });
    const { path, say } = room();
    const gate = path("go");
    const { goneRunners, off } = listen(own);
    const streams = [0, 1, 2].map(() => {
      const seen: number[] = [];
      const stream = { seen, pid: 0, call: Promise.resolve(0) };
      stream.call = flame(
        async ({ progress }) => {
          let count = 0;
          for (; !existsSync(gate); count++) {
            progress([process.pid, count]);
            await new Promise((resolve) => setTimeout(resolve, 2));
          }
          return count;
        },
        {
          pool: own,
          onProgress: (value) => {
            const [pid, count] = value as [number, number];
            stream.pid = pid;
            seen.push(count);
          },
        },
      );
      return stream;
    });
    await until("three streams", () => streams.every(({ seen }) => seen.length > 10));
    const [victim, ...others] = streams as [(typeof streams)[0], ...typeof streams];
    const lost = failure(victim.call);
    process.kill(victim.pid, "SIGKILL");
    expect(await lost).toBeInstanceOf(RunnerLostError);
    const before = others.map(({ seen }) => seen.length);
    await until("more from the others", () => others.every(({ seen }, index) => seen.length > before[index]! + 10));
    say("go");
    for (const { seen, call } of others) {
      expect(await call).toBeGreaterThan(20);
      expect(seen).toEqual(Array.from({ length: await call }, (_, index) => index));
    }
    expect(goneRunners).toEqual([expect.stringMatching(/^d13-/)]);
    off();
    await own.close();
  });
});
