/** The failure matrix: runners that do not come up. */
import { type Backend, BootError, events, flame, local, pool } from "tinderbox";
import { describe, expect, test } from "vitest";
import { until } from "../../harness/until.ts";
import { alive, broken, failure, gone, wait } from "../lab.ts";

/** A backend that remembers the processes it has started. */
function watched(backend: Backend): { readonly backend: Backend; readonly pids: number[] } {
  const pids: number[] = [];
  return {
    pids,
    backend: {
      ...backend,
      boot: async (request) => {
        const machine = await backend.boot(request);
        pids.push(Number(machine.id));
        return machine;
      },
    },
  };
}

describe.concurrent(
  "boot fails / hangs: `BootError` with phase and cause to the waiting callers once no boot can succeed in their time; back-off; the machine is terminated",
  () => {
    test.each([
      ["that exits", 'console.error("no disk"); process.exit(7);', "launched", /exit code 7/],
      ["that hangs", 'console.error("no disk"); setInterval(() => {}, 1000);', "launched", /did not connect within/],
      [
        "that ignores every signal and hangs",
        'console.error("no disk"); process.on("SIGTERM", () => {}); for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);',
        "launched",
        /did not connect within/,
      ],
      [
        "that connects and says nothing",
        'import { connect } from "node:net"; console.error("no disk"); connect(process.argv[2]).on("error", () => {}); setInterval(() => {}, 1000);',
        "launched",
        /did not connect within/,
      ],
      [
        "that speaks another language",
        'import { connect } from "node:net"; console.error("no disk"); connect(process.argv[2], function () { this.write("GET / HTTP/1.1\\r\\n\\r\\n"); }).on("error", () => {}); setInterval(() => {}, 1000);',
        "launched",
        /did not connect within/,
      ],
    ])("a runner %s", async (name, program, phase, reason) => {
      const { backend, pids } = watched(broken(program));
      const own = pool(`boots-${name.replaceAll(/\W+/g, "-")}`, { max: 1, bootTimeout: "1200ms", backend });
      const calls = [flame(() => 1, { pool: own }), flame(() => 2, { pool: own })];
      for (const call of calls) {
        const error = await failure(call);
        expect(error).toBeInstanceOf(BootError);
        expect(error).toMatchObject({ phase, started: false, permanent: false });
        expect(error.cause).toMatchObject({
          code: "ERR_TINDERBOX_BOOT",
          phase,
          message: expect.stringMatching(reason),
        });
        expect(error["stderr"]).toContain("no disk");
      }
      expect(own.stats()).toMatchObject({ queued: 0, failed: 2 });
      await own.close();
      expect(pids.length).toBeGreaterThan(0);
      for (const pid of pids) await gone(pid);
    });

    test("a program that cannot be started", async () => {
      const backend: Backend = {
        ...local(),
        boot: () => Promise.reject(Object.assign(new Error("quota exceeded"), { code: "E_QUOTA" })),
      };
      const own = pool("no-machine", { max: 1, bootTimeout: "500ms", backend });
      const error = await failure(flame(() => 1, { pool: own }));
      expect(error).toMatchObject({ phase: "requested", permanent: false, message: expect.stringContaining("quota") });
      expect((error.cause as Error).cause).toMatchObject({ message: "quota exceeded", code: "E_QUOTA" });
      await own.close();
    });

    test("a failure that trying again cannot help reaches all waiters at once", async () => {
      const backend: Backend = {
        ...local(),
        boot: () => Promise.reject(Object.assign(new Error("invalid authentication"), { permanent: true })),
      };
      const own = pool("hopeless", { max: 1, bootTimeout: "1h", backend });
      const errors = await Promise.all([1, 2, 3].map((value) => failure(flame(() => value, { pool: own }))));
      for (const error of errors) expect(error).toMatchObject({ name: "BootError", permanent: true, started: false });
      expect(own.stats().queued).toBe(0);
      await own.close();
    });

    test("the pauses grow: a runner that fails at once is not tried in a tight loop", async () => {
      const own = pool("pauses", { max: 4, bootTimeout: "1500ms", backend: broken("process.exit(1)") });
      const began = performance.now();
      const attempts: number[] = [];
      const listening = new AbortController();
      events.on("boot.failed", (event) => event.pool === own.name && attempts.push(performance.now() - began), {
        signal: listening.signal,
      });
      await Promise.all([1, 2, 3, 4].map((value) => failure(flame(() => value, { pool: own }))));
      const elapsed = performance.now() - began;
      listening.abort();
      // Waves of up to four, and before the n-th a pause of at least 50 ms doubled n - 2 times.
      const waves = Math.floor(Math.log2(elapsed / 50 + 1)) + 1;
      expect(attempts.length).toBeGreaterThan(4);
      expect(attempts.length).toBeLessThanOrEqual(4 * waves);
      await own.close();
    });

    test("a caller with less patience than `bootTimeout` has its own error", async () => {
      const { backend, pids } = watched(broken("setInterval(() => {}, 1000)"));
      const own = pool("impatient", { max: 1, bootTimeout: "30s", backend });
      expect(await failure(flame(() => 1, { pool: own, queueTimeout: "100ms" }))).toMatchObject({
        name: "QueueTimeoutError",
        started: false,
      });
      await until("a process", () => pids.length > 0);
      await own.close();
      for (const pid of pids) await gone(pid);
    });

    test("a pool that is closed during a boot is closed when that machine is gone", async () => {
      const good = local();
      let letGo!: () => void;
      const slow = new Promise<void>((resolve) => (letGo = resolve));
      let asked = false;
      const { backend, pids } = watched({
        ...good,
        boot: async (request) => {
          asked = true;
          await slow;
          return good.boot(request);
        },
      });
      const own = pool("taken-back", { max: 1, backend });
      const call = failure(flame(() => 1, { pool: own, queueTimeout: "50ms" }));
      await until("the boot", () => asked);
      await call;
      let closed = false;
      const closing = own.close().then(() => (closed = true));
      await new Promise((resolve) => setImmediate(resolve));
      const early = closed;
      letGo();
      await closing;
      await until("the machine that came late", () => pids.length === 1);
      const left = pids.filter(alive);
      for (const pid of pids) await gone(pid);
      expect({ early, left }).toEqual({ early: false, left: [] });
    });

    test("a runner that comes up and dies before its first call is not tried in a tight loop either", async () => {
      const good = local();
      let boots = 0;
      const backend: Backend = {
        ...good,
        boot: async (request) => {
          boots++;
          const machine = await good.boot(request);
          const phase = request.phase.bind(request);
          return { ...machine, ping: () => (phase("breaks"), machine.kill()) };
        },
      };
      const own = pool("breaks", { min: 1, max: 1, backend });
      const began = performance.now();
      await own.start();
      await until("three boots", () => boots >= 3);
      const elapsed = performance.now() - began;
      expect(boots).toBeLessThanOrEqual(Math.floor(Math.log2(elapsed / 50 + 1)) + 2);
      await own.close();
    });
  },
);

describe.concurrent(
  "many boots fail, then work again: the pool reaches the size the queue asks for, with no stall",
  () => {
    const good = local();
    const fails = broken("process.exit(1)");
    const hangs = broken("setInterval(() => {}, 1000)");
    test.each<[string, Backend[]]>([
      ["six that fail at once", [fails, fails, fails, fails, fails, fails]],
      ["every second one fails", [good, fails, good, fails]],
      ["two that hang beside one that works", [good, hangs, hangs]],
      ["some of each", [hangs, fails, good, fails, fails]],
    ])("%s", async (name, pattern) => {
      let boots = 0;
      const { backend } = watched({ ...good, boot: (request) => (pattern[boots++] ?? good).boot(request) });
      const own = pool(`recovers-${name.replaceAll(" ", "-")}`, { max: 3, bootTimeout: "5s", backend });
      const calls = [wait(own), wait(own), wait(own)];
      // None ends before all three run side by side: a pool that stays too small never gets there.
      const pids = await Promise.all(calls.map(({ running }) => running));
      expect(new Set(pids).size).toBe(3);
      expect(own.stats()).toMatchObject({
        queued: 0,
        runners: { booting: 0, ready: 3 },
        boots: { ok: 3, failed: pattern.filter((each) => each !== good).length },
      });
      for (const call of calls) call.end();
      await Promise.all(calls.map(({ done }) => done));
      await own.close();
    });
  },
);
