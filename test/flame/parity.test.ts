/** FLAME's own test cases, under their names, where this package has none of its own for them. See docs/flame-parity.md. */
import { type Backend, type FlameOptions, type Pool, context, events, flame, local, pool } from "tinderbox";
import { describe, expect, test } from "vitest";
import { until } from "../harness/until.ts";
import { broken, failure, gone, wait } from "./lab.ts";

const ready = (own: Pool, count: number) =>
  until(`${count} ready runners`, () => own.stats().runners.ready === count && own.stats().runners.booting === 0);
const runnerOf = (own: Pool) => flame(({ runner }) => runner.id, { pool: own });

describe("flame_test", () => {
  test("init boots min runners and grows on demand", async () => {
    const own = pool("parity-grows", { min: 1, max: 2, concurrency: 2 });
    await own.start();
    await ready(own, 1);
    expect(await runnerOf(own)).toBe("parity-grows-1");
    // Below its two slots nothing grows, above them a second runner comes.
    const first = wait(own);
    await first.running;
    expect(await runnerOf(own)).toBe("parity-grows-1");
    expect(own.stats().runners).toMatchObject({ ready: 1, booting: 0 });
    const second = wait(own);
    await second.running;
    expect(await runnerOf(own)).toBe("parity-grows-2");
    const rest = [wait(own), wait(own)];
    await Promise.all(rest.map(({ running }) => running));
    // Now calls wait: one loses its patience, another is served when a slot comes free.
    expect(await failure(flame(() => "queued", { pool: own, queueTimeout: "100ms" }))).toMatchObject({
      name: "QueueTimeoutError",
    });
    const queued = flame(() => "queued", { pool: own });
    first.end();
    expect(await queued).toBe("queued");
    expect(own.stats()).toMatchObject({ runners: { ready: 2, booting: 0 }, boots: { ok: 2 } });
    for (const call of [second, ...rest]) call.end();
    await Promise.all([first, second, ...rest].map(({ done }) => done));
    await own.close();
  });

  test("concurrent calls on fully pending runners", async () => {
    const own = pool("parity-pending", { max: 1, concurrency: 2 });
    const calls = [wait(own), wait(own)];
    expect(own.stats()).toMatchObject({ runners: { ready: 0 }, queued: 2 });
    const [one, two] = await Promise.all(calls.map(({ running }) => running));
    expect(one).toBe(two);
    for (const call of calls) call.end();
    await Promise.all(calls.map(({ done }) => done));
    await own.close();
  });

  test("failure of pending async runner bootup", async () => {
    const good = local();
    const bad = broken("process.exit(1)");
    let boots = 0;
    const own = pool("parity-bootup", {
      min: 1,
      max: 2,
      backend: { ...good, boot: (request) => (++boots === 2 ? bad : good).boot(request) },
    });
    await own.start();
    await ready(own, 1);
    const seen: string[] = [];
    const stop = new AbortController();
    const note = (event: string) => (of: { readonly pool: string }) => of.pool === own.name && seen.push(event);
    events.on("boot.failed", note("failed"), { signal: stop.signal });
    events.on("runner.ready", note("ready"), { signal: stop.signal });
    const held = wait(own);
    await held.running;
    // The queued caller is served by the retried boot.
    expect(await flame(() => "fulfilled", { pool: own })).toBe("fulfilled");
    expect(seen).toEqual(["failed", "ready"]);
    expect(own.stats().runners.ready).toBe(2);
    stop.abort();
    held.end();
    await held.done;
    await own.close();
  });

  test("idle shutdown", async () => {
    const own = pool("parity-idle", { min: 1, max: 2, concurrency: 2, idle: "150ms" });
    const ended: string[] = [];
    const listening = events.on("runner.draining", ({ pool: name, runner, reason }) => {
      if (name === own.name) ended.push(`${runner} ${reason}`);
    });
    const calls = [wait(own), wait(own), wait(own)];
    await Promise.all(calls.map(({ running }) => running));
    expect(own.stats().runners.ready).toBe(2);
    for (const call of calls) call.end();
    await Promise.all(calls.map(({ done }) => done));
    await until("one runner", () => own.stats().runners.ready === 1 && own.stats().runners.draining === 0);
    // The one that stays is idle for several times as long, and stays.
    const began = performance.now();
    await until("more idle time", () => performance.now() - began > 500);
    expect(own.stats().runners.ready).toBe(1);
    expect(ended).toEqual([expect.stringMatching(/^parity-idle-[12] idle$/)]);
    listening[Symbol.dispose]();
    await own.close();
  });

  test("call links: the end of the call's process is an error that can be caught, and so is its own; then the runner idles down", async () => {
    const own = pool("parity-links", { max: 1, idle: "50ms" });
    expect(await failure(flame(() => process.kill(process.pid, "SIGKILL"), { pool: own }))).toMatchObject({
      name: "RunnerLostError",
      signal: "SIGKILL",
    });
    expect(await failure(flame(() => Promise.reject(new Error("boom")), { pool: own }))).toMatchObject({
      message: "boom",
    });
    await until("no runner", () => own.stats().runners.ready === 0 && own.stats().runners.draining === 0);
    await own.close();
  });
});

describe("runner_test", () => {
  test("backend success single_use", async () => {
    const own = pool("parity-single", { max: 1, singleUse: true });
    const pid = await flame(() => process.pid, { pool: own });
    await gone(pid);
    expect(own.stats()).toMatchObject({ completed: 1, runners: { ready: 0 } });
    await own.close();
  });

  test("backend success multi use", async () => {
    const own = pool("parity-multi", { max: 1 });
    const pid = await flame(() => process.pid, { pool: own });
    await own.start();
    expect(await flame(() => process.pid, { pool: own })).toBe(pid);
    expect(own.stats().boots.ok).toBe(1);
    const ends: unknown[] = [];
    const listening = events.on("runner.gone", (event) => event.pool === own.name && ends.push(event));
    await own.close();
    listening[Symbol.dispose]();
    expect(ends).toEqual([expect.objectContaining({ exitCode: 0, reason: "drained", calls: 2 })]);
  });

  test("backend runner spawn connect failure", async () => {
    const own = pool("parity-refused", {
      max: 1,
      backend: {
        ...local(),
        boot: () => Promise.reject(Object.assign(new Error("invalid_authentication"), { permanent: true })),
      },
    });
    expect(await failure(flame(() => 1, { pool: own }))).toMatchObject({
      name: "BootError",
      permanent: true,
      cause: { message: "invalid_authentication" },
    });
    await own.close();
  });

  test("backend runner boot failure", async () => {
    const own = pool("parity-nxdomain", {
      max: 1,
      bootTimeout: "300ms",
      backend: { ...local(), boot: () => Promise.reject(new Error("nxdomain")) },
    });
    expect(await failure(flame(() => 1, { pool: own }))).toMatchObject({
      name: "BootError",
      permanent: false,
      cause: { cause: { message: "nxdomain" } },
    });
    await own.close();
  });

  describe.each([
    ["single use", true],
    ["multi use", false],
  ])("%s", (name, singleUse) => {
    test.each<[string, () => unknown, FlameOptions, object]>([
      ["execution failure", () => Promise.reject(new Error("boom")), {}, { name: "Error", message: "boom" }],
      [
        "execution timeout",
        () => new Promise((resolve) => context().signal.addEventListener("abort", resolve)),
        { timeout: "100ms" },
        { name: "CallTimeoutError", timeoutMs: 100 },
      ],
    ])("%s", async (what, end, options, error) => {
      const own = pool(`parity-${what}-${name}`.replaceAll(" ", "-"), { max: 1, singleUse });
      expect(await failure(flame(end, { pool: own, ...options }))).toMatchObject(error);
      expect(await runnerOf(own)).toBe(`${own.name}-${singleUse ? 2 : 1}`);
      await own.close();
    });
  });

  test("idle shutdown with time: before its first call, and after it", async () => {
    const own = pool("parity-idle-time", { max: 1, idle: "100ms", spare: 0 });
    const stop = new AbortController();
    const never = failure(flame(() => 1, { pool: own, signal: stop.signal }));
    stop.abort();
    await never;
    await until("the boot", () => own.stats().boots.ok === 1);
    await until("its end", () => own.stats().runners.ready === 0 && own.stats().runners.draining === 0);
    const pid = await flame(() => process.pid, { pool: own });
    await gone(pid);
    await own.close();
  });

  test("code_sync: code goes to a runner with the first call that needs it, and not again", async () => {
    const good = local();
    let bytes = 0;
    const backend: Backend = {
      ...good,
      listen: (accept) =>
        good.listen((connection) => {
          const write = connection.write.bind(connection);
          connection.write = (chunk) => {
            bytes += chunk.byteLength;
            return write(chunk);
          };
          accept(connection);
        }),
    };
    const own = pool("parity-code", { max: 1, backend });
    const sent = async (value: number): Promise<number> => {
      const before = bytes;
      // Long enough to be seen among everything else that is sent.
      const found = await flame(
        () =>
          `${value}: 0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz`
            .length,
        { pool: own },
      );
      expect(found).toBe(String(value).length + 2 + 252);
      return bytes - before;
    };
    const first = await sent(1);
    const again = await sent(22);
    expect(first).toBeGreaterThan(400);
    expect(again).toBeLessThan(150);
    // Another runner has none of it.
    process.kill(await flame(() => process.pid, { pool: own }), "SIGKILL");
    await until("its loss", () => own.stats().runners.ready === 0);
    expect(await sent(3)).toBeGreaterThan(400);
    await own.close();
  });
});
