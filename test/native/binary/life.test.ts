/** How workers come and go: restarts, readiness, health, recycling, idleness. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { BinaryExitError, BinaryStartError } from "../../../src/errors.ts";
import { Restarts } from "../../../src/native/binary/restarts.ts";
import { supervisor } from "../../../src/supervise.ts";
import { FakeClock } from "../../harness/fake-clock.ts";
import { until } from "../../harness/until.ts";
import { fakeProgram, folder, makeLab, program, runs } from "./lab.ts";

const lines = { protocol: "lines" } as const;
const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no failure",
    (error: unknown) => error,
  );
const pidOf = async (call: Promise<unknown>): Promise<number> => Number(String(await call).split(" ")[0]);

describe("a binary that cannot stay up", () => {
  test("fails those who wait with one error that has the cause, and is tried again when its time is over", async () => {
    const file = join(folder(), "starts");
    const count = (): number => (existsSync(file) ? readFileSync(file, "utf8").split("\n").length - 1 : 0);
    const clock = new FakeClock();
    const { declare, record } = makeLab({ clock });
    const failed = record("binary.failed");
    const loop = declare({
      ...program("exits-at-once.sh", file),
      ...lines,
      ready: /never/,
      maxRestarts: 2,
      within: "8s",
    });
    const waiting = [failure(loop.call("a")), failure(loop.call("b"))];
    // Pauses grow: 100 ms, then 200.
    for (const [starts, pause] of [
      [1, 100],
      [2, 200],
    ] as const) {
      await until(`${starts} ends`, () => loop.stats().restarts === starts);
      clock.advance(pause - 1);
      expect(loop.stats().workers.starting).toBe(0);
      clock.advance(1);
      expect(loop.stats().workers.starting).toBe(1);
    }
    const [first, second] = await Promise.all(waiting);
    expect(first).toBe(second);
    expect(first).toBeInstanceOf(BinaryStartError);
    expect(first).toMatchObject({
      code: "ERR_TINDERBOX_BINARY_START",
      binary: loop.name,
      retryAfterMs: 8_000,
      started: false,
      cause: expect.objectContaining({ exitCode: 7, stderr: "cannot open the model" }),
    });
    expect((first as Error).cause).toBeInstanceOf(BinaryExitError);
    expect((first as Error).message).toBe(
      `Cannot keep binary "b1" up: 3 workers ended within 8 s, and none is started for as long; the last: its worker ended with exit code 7; its last words:\ncannot open the model`,
    );
    expect(failed).toEqual([{ binary: "b1", error: first }]);
    expect(count()).toBe(3);
    expect(await failure(loop.call("c"))).toBe(first);
    clock.advance(7_999);
    expect(await failure(loop.call("d"))).toBe(first);
    clock.advance(1);
    expect(count()).toBe(3);
    void failure(loop.call("e"));
    expect(loop.stats()).toMatchObject({ queued: 1, workers: { starting: 1 } });
    // It begins from nothing: with the shortest pause.
    await until("its end", () => loop.stats().restarts === 3);
    clock.advance(99);
    expect(loop.stats().workers.starting).toBe(0);
    clock.advance(1);
    expect(loop.stats().workers.starting).toBe(1);
  });

  test("and comes up the second time serves its caller, who never knows", async () => {
    const { declare } = makeLab();
    const ready = declare({
      ...program("succeeds-the-second-time.sh", join(folder(), "mark")),
      ...lines,
      ready: /^up/,
    });
    expect(await ready.call("patient")).toBe("patient");
    expect(ready.stats()).toMatchObject({ restarts: 1, completed: 1, failed: 0 });
  });

  test("with workers that still live goes on with those, and is whole again later", async () => {
    const clock = new FakeClock();
    const { declare } = makeLab({ clock });
    const dies = declare({ ...program("dies-on-a-request.sh"), ...lines, size: 2, maxRestarts: 0, within: "5s" });
    await dies.start();
    expect(await failure(dies.call("die"))).toBeInstanceOf(BinaryExitError);
    await until("one to be left", () => dies.stats().workers.ready === 1);
    expect(await dies.call("still here")).toMatch(/still here/);
    clock.advance(5_000);
    await until("two of them", () => dies.stats().workers.ready === 2);
  });

  test("because it is not there says so at once, each time", async () => {
    const { declare, started } = makeLab();
    const missing = declare({ command: "no-such-program-anywhere", ...lines, size: 3 });
    for (let n = 0; n < 2; n++) {
      const error = await failure(missing.call("x"));
      expect(error).toBeInstanceOf(BinaryStartError);
      expect(String(error)).toContain("no-such-program-anywhere");
    }
    await expect(missing.start()).rejects.toThrow(BinaryStartError);
    expect(started.length).toBeGreaterThan(2);
    expect(missing.stats()).toMatchObject({ restarts: 0, workers: { starting: 0 } });
  });
});

test("a pause is as short as the first one after something was answered, whoever it was that answered", async () => {
  const clock = new FakeClock();
  const { declare, record } = makeLab({ clock });
  const exited = record("binary.exited");
  // Its first and its third start end at once.
  const code = `echo x >>"$0"; case $(wc -l <"$0") in 1|3) exit 1;; esac; echo up; exec cat`;
  const odd = declare({
    command: "sh",
    args: ["-c", code, join(folder(), "starts")],
    ...lines,
    ready: /^up/,
    maxCalls: 1,
  });
  const first = odd.call("first");
  await until("an end", () => exited.length === 1);
  clock.advance(100);
  expect(await first).toBe("first");
  await until("two ends more", () => exited.length === 3);
  const second = odd.call("second");
  clock.advance(99);
  expect(odd.stats().workers.starting).toBe(0);
  clock.advance(1);
  expect(await second).toBe("second");
});

describe("the rule of restarts", () => {
  test("allows so many within the time, and then none for as long", () => {
    const restarts = new Restarts(2, 1_000);
    expect([restarts.count(0, false), restarts.count(500, false)]).toEqual([true, true]);
    expect(restarts.count(1_001, false)).toBe(true);
    expect(restarts.count(1_400, false)).toBe(false);
    expect([restarts.exceeded, restarts.notBefore]).toEqual([true, 2_400]);
    restarts.again();
    expect([restarts.count(2_400, false), restarts.exceeded]).toEqual([true, false]);
  });

  test("waits longer each time that nothing was answered, and not at all after an answer", () => {
    const restarts = new Restarts(100, 1_000);
    const pauses = Array.from({ length: 9 }, () => (restarts.count(0, true), restarts.notBefore));
    expect(pauses).toEqual([100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]);
    const fresh = new Restarts(100, 1_000);
    fresh.count(0, true);
    fresh.worked();
    fresh.count(200, true);
    expect(fresh.notBefore).toBe(300);
    fresh.count(400, false);
    expect(fresh.notBefore).toBe(300);
  });
});

describe("a worker that cannot be started while another lives", () => {
  /** What is started, one after another: a program, or nothing at all. */
  const setUp = (starts: readonly (ReturnType<typeof fakeProgram> | undefined)[], options: object = {}) => {
    const clock = new FakeClock();
    const left = [...starts];
    const lab = makeLab({
      clock,
      start: async () => {
        const next = left.shift();
        if (!next) throw new Error("no process is left");
        return next.fake;
      },
    });
    const failed = lab.record("binary.failed");
    return { ...lab, clock, failed, binary: lab.declare({ command: "x", ...lines, size: 2, min: 1, ...options }) };
  };

  test("keeps nobody waiting when that one crashes: the next one is started at once", async () => {
    const [first, second] = [fakeProgram(), fakeProgram()];
    const { binary, failed, counts } = setUp([first, undefined, second]);
    const zero = binary.call("zero");
    await until("a worker", () => binary.stats().workers.busy === 1);
    first.stdout.write("0\n");
    await zero;
    const one = failure(binary.call("one"));
    await until("a worker", () => binary.stats().workers.busy === 1);
    const two = binary.call("two");
    await until("the failure", () => failed.length === 1);
    first.end(3);
    expect(await one).toBeInstanceOf(BinaryExitError);
    await until("its successor", () => binary.stats().workers.busy === 1);
    second.stdout.write("served\n");
    expect(await two).toBe("served");
    expect(counts.live).toBe(0);
  });

  test("and when that one cannot be started either, those who wait are told so", async () => {
    const first = fakeProgram();
    const { binary, failed, counts } = setUp([first]);
    const zero = binary.call("zero");
    await until("a worker", () => binary.stats().workers.busy === 1);
    first.stdout.write("0\n");
    await zero;
    const one = failure(binary.call("one"));
    await until("a worker", () => binary.stats().workers.busy === 1);
    const two = failure(binary.call("two"));
    await until("the failure", () => failed.length === 1);
    first.end(3);
    expect(await one).toBeInstanceOf(BinaryExitError);
    expect(await two).toMatchObject({ code: "ERR_TINDERBOX_BINARY_START", message: /no process is left/ });
    expect([counts.live, binary.stats().queued]).toEqual([0, 0]);
  });

  test("is tried again after pauses that grow, until it is there", async () => {
    const [first, second] = [fakeProgram(), fakeProgram()];
    const { binary, clock, failed, started } = setUp([first, undefined, undefined, second]);
    const one = binary.call("one");
    await until("a worker", () => binary.stats().workers.busy === 1);
    const two = binary.call("two");
    for (const [failures, pause] of [
      [1, 100],
      [2, 200],
    ] as const) {
      await until(`${failures} failures`, () => failed.length === failures);
      clock.advance(pause - 1);
      expect(started).toHaveLength(failures + 1);
      clock.advance(1);
      await until("the next start", () => started.length === failures + 2);
    }
    await until("both", () => binary.stats().workers.busy === 2);
    second.stdout.write("served\n");
    expect(await two).toBe("served");
    first.stdout.write("as well\n");
    expect(await one).toBe("as well");
  });

  test("fails start(), and not the calls", async () => {
    const first = fakeProgram();
    const { binary } = setUp([first], { min: 2 });
    await expect(binary.start()).rejects.toMatchObject({ code: "ERR_TINDERBOX_BINARY_START" });
    const call = binary.call("x");
    await until("a worker", () => binary.stats().workers.busy === 1);
    first.stdout.write("served\n");
    expect(await call).toBe("served");
  });

  test("because too many have ended: once the last one has gone, however it went, nobody waits for it", async () => {
    const [first, second] = [fakeProgram(), fakeProgram()];
    const { binary, failed, counts } = setUp([first, second], { min: 2, maxRestarts: 0 });
    await binary.start();
    const controller = new AbortController();
    const one = failure(binary.call("one"));
    const two = failure(binary.call("two", { signal: controller.signal }));
    first.end(3);
    expect(await one).toBeInstanceOf(BinaryExitError);
    await until("the failure", () => failed.length === 1);
    const three = failure(binary.call("three"));
    expect(binary.stats()).toMatchObject({ queued: 1, workers: { busy: 1 } });
    controller.abort();
    expect(await two).toMatchObject({ code: "ABORT_ERR" });
    expect(await three).toBe(failed[0]!.error);
    expect(await failure(binary.call("four"))).toBe(failed[0]!.error);
    expect(counts.live).toBe(0);
  });
});

describe("ready", () => {
  test.each(["1", "2"])("waits for a line of output %s; what stood before is no answer", async (output) => {
    const go = join(folder(), "go");
    const { declare, record } = makeLab();
    const started = record("binary.started");
    const slow = declare({ ...program("starts-slowly.sh", go, output), ...lines, ready: /is ready$/ });
    const call = slow.call("x");
    await until("the start", () => slow.stats().workers.starting === 1);
    expect(started).toEqual([]);
    writeFileSync(go, "");
    expect(await call).toBe("x");
    expect(started).toEqual([{ binary: slow.name, pid: expect.any(Number), ms: expect.any(Number) }]);
  });

  test("may be the first answer", async () => {
    const { declare } = makeLab();
    const hello = declare({ command: "sh", args: ["-c", 'echo "{}"; exec cat'], protocol: "jsonl", ready: "answer" });
    expect(await hello.call(1)).toBe(1);
  });

  test("has a time, and one that is not up by then counts as one that ended", async () => {
    const clock = new FakeClock();
    const { declare } = makeLab({ clock });
    const slow = declare({
      ...program("starts-slowly.sh", "/no/such/file", "2"),
      ...lines,
      ready: /is ready/,
      readyTimeout: "3s",
      maxRestarts: 0,
    });
    const call = failure(slow.call("x"));
    await until("the program", () => clock.pending() > 0);
    clock.advance(2_999);
    expect(slow.stats().workers.starting).toBe(1);
    clock.advance(1);
    expect(String(await call)).toMatch(/its worker was not ready within 3 s; raise "readyTimeout"/);
  });
});

describe("health", () => {
  const deaf = (clock: FakeClock, probe: (call: (request: never) => Promise<never>) => unknown) => {
    const go = join(folder(), "deaf");
    const lab = makeLab({ clock });
    const binary = lab.declare({
      ...program("goes-deaf.sh", go),
      ...lines,
      health: { every: "10s", timeout: "2s", probe },
    });
    return { ...lab, go, binary };
  };

  test("one that no longer answers is replaced before a caller meets it", async () => {
    const clock = new FakeClock();
    let probes = 0;
    const { go, binary, record } = deaf(clock, (call) => (probes++, call("ping" as never)));
    const exited = record("binary.exited");
    const pid = await pidOf(binary.call("x"));
    clock.advance(10_000);
    await until("an answer", () => binary.stats().workers.busy === 0 && probes === 1);
    expect(await pidOf(binary.call("y"))).toBe(pid);
    writeFileSync(go, "");
    clock.advance(10_000);
    await until("a question", () => probes === 2);
    const { unlinkSync } = await import("node:fs");
    await until("it to be deaf", () => readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith("sleep"));
    unlinkSync(go);
    clock.advance(2_000);
    await until("its end", () => exited.length === 1);
    expect(exited[0]).toMatchObject({
      reason: "unhealthy",
      pid,
      error: expect.objectContaining({
        message: expect.stringMatching(/health probe failed \(it did not answer within 2 s\)/),
      }),
    });
    expect(await pidOf(binary.call("z"))).not.toBe(pid);
  });

  test.each([
    ["says false", () => false, /the probe said no/],
    ["throws", () => Promise.reject(new Error("too hot")), /too hot/],
  ])("a probe that %s has it replaced", async (_name, probe, message) => {
    const clock = new FakeClock();
    const { binary, record } = deaf(clock, probe);
    const exited = record("binary.exited");
    const pid = await pidOf(binary.call("x"));
    clock.advance(9_999);
    expect(await pidOf(binary.call("x"))).toBe(pid);
    clock.advance(10_000);
    await until("its end", () => exited.length === 1);
    expect(String(exited[0]!.error)).toMatch(message);
    await until("the end of the process", () => !runs(pid));
    expect(binary.stats().restarts).toBe(1);
  });
});

describe("a worker is replaced between calls", () => {
  test("after maxCalls; the next one is started while the last call runs", async () => {
    const { declare, record, started } = makeLab();
    const exited = record("binary.exited");
    const dies = declare({ ...program("dies-on-a-request.sh"), ...lines, maxCalls: 3 });
    const pids = await Promise.all(Array.from({ length: 9 }, (_, n) => pidOf(dies.call(String(n)))));
    const [a, b, c] = [pids[0], pids[3], pids[6]];
    expect(pids).toEqual([a, a, a, b, b, b, c, c, c]);
    expect(new Set(pids).size).toBe(3);
    await until("three ends", () => exited.length === 3);
    expect(exited.map(({ reason, calls }) => [reason, calls])).toEqual([
      ["maxCalls", 3],
      ["maxCalls", 3],
      ["maxCalls", 3],
    ]);
    expect(started).toHaveLength(4);
    expect(dies.stats()).toMatchObject({ restarts: 0, completed: 9, failed: 0 });
  });

  test("so that nobody waits for the next one longer than needed", async () => {
    const go = join(folder(), "go");
    const { declare, started } = makeLab();
    const waits = declare({ ...program("waits-for-a-file.sh"), ...lines, maxCalls: 1 });
    const first = waits.call(go);
    await until("the next one", () => started.length === 2 && waits.stats().workers.ready === 1);
    expect(waits.stats().workers.busy).toBe(1);
    const second = waits.call("pid");
    expect(await second).not.toBe("");
    writeFileSync(go, "");
    expect(await first).not.toBe(await second);
  });

  test("when it is older than maxAge, once another is up", async () => {
    const clock = new FakeClock();
    const { declare, record } = makeLab({ clock });
    const exited = record("binary.exited");
    const go = join(folder(), "go");
    const waits = declare({ ...program("waits-for-a-file.sh"), ...lines, maxAge: "1m" });
    const pid = await pidOf(waits.call("pid"));
    const call = waits.call(go);
    clock.advance(59_999);
    expect(waits.stats().workers).toEqual({ starting: 0, ready: 0, busy: 1 });
    clock.advance(1);
    expect(waits.stats().workers).toEqual({ starting: 1, ready: 0, busy: 1 });
    const other = await pidOf(waits.call("pid"));
    expect(other).not.toBe(pid);
    expect(exited).toEqual([]);
    writeFileSync(go, "");
    expect(Number(await call)).toBe(pid);
    await until("its end", () => exited.length === 1);
    expect(exited[0]).toMatchObject({ reason: "maxAge", pid });
  });

  test("when it has taken more than maxMemory", async () => {
    const clock = new FakeClock();
    const { declare, record } = makeLab({ clock });
    const exited = record("binary.exited");
    const grows = declare({ ...program("grows.mjs"), ...lines, maxMemory: "200mb" });
    const pid = await pidOf(grows.call("1"));
    clock.advance(1_000);
    expect(await pidOf(grows.call("300"))).toBe(pid);
    clock.advance(1_000);
    await until("its end", () => exited.length === 1);
    expect(exited[0]).toMatchObject({ reason: "maxMemory", pid });
    expect(await pidOf(grows.call("1"))).not.toBe(pid);
  });

  test("and keeps its place when its successor cannot come up", async () => {
    const clock = new FakeClock();
    const mark = join(folder(), "mark");
    const { declare, record } = makeLab({ clock });
    const failed = record("binary.failed");
    const once = declare({
      command: "sh",
      args: ["-c", `[ -e "$0" ] && exit 9; : >"$0"; echo up; while read -r line; do echo "$$ $line"; done`, mark],
      ...lines,
      ready: /^up/,
      maxAge: "1m",
      maxRestarts: 0,
    });
    const pid = await pidOf(once.call("x"));
    clock.advance(60_000);
    await until("the failure", () => failed.length === 1);
    expect(await pidOf(once.call("y"))).toBe(pid);
  });
});

describe("size, min and idle", () => {
  test("workers come as they are needed, and go when they are not, down to min", async () => {
    const clock = new FakeClock();
    const { declare, record, started } = makeLab({ clock });
    const exited = record("binary.exited");
    const go = join(folder(), "go");
    const waits = declare({ ...program("waits-for-a-file.sh"), ...lines, size: 4, min: 1, idle: "10s" });
    await waits.call("pid");
    expect(started).toHaveLength(1);
    const calls = [1, 2, 3].map(() => waits.call(go));
    await until("three of them", () => waits.stats().workers.busy === 3);
    writeFileSync(go, "");
    await Promise.all(calls);
    clock.advance(9_999);
    expect(exited).toEqual([]);
    clock.advance(2);
    expect(exited.map(({ reason }) => reason)).toEqual(["idle", "idle"]);
    clock.advance(60_000);
    expect(waits.stats().workers).toEqual({ starting: 0, ready: 1, busy: 0 });
  });

  test("one that is busy is not idle, however long that takes, and is not asked for its health", async () => {
    const clock = new FakeClock();
    const { declare } = makeLab({ clock });
    const go = join(folder(), "go");
    let probes = 0;
    const health = { every: "10s", probe: () => void probes++ };
    const waits = declare({ ...program("waits-for-a-file.sh"), ...lines, size: 2, idle: "10s", health });
    const call = waits.call(go);
    await until("it to be busy", () => waits.stats().workers.busy === 1);
    clock.advance(60_000);
    expect(waits.stats().workers.busy).toBe(1);
    writeFileSync(go, "");
    expect(await call).toMatch(/^\d+$/);
    expect(probes).toBe(0);
  });

  test("with idle alone none is kept, and start() brings one up all the same", async () => {
    const clock = new FakeClock();
    const { declare } = makeLab({ clock });
    const cat = declare({ command: "cat", ...lines, size: 4, idle: "10s" });
    await cat.start();
    expect(cat.stats().workers.ready).toBe(1);
    clock.advance(10_001);
    expect(cat.stats().workers.ready).toBe(0);
    expect(await cat.call("x")).toBe("x");
  });

  test("without it all of them are started by the first call, and stay", async () => {
    const { declare } = makeLab();
    const cat = declare({ command: "cat", ...lines, size: 3 });
    expect(cat.stats().workers).toEqual({ starting: 0, ready: 0, busy: 0 });
    await cat.call("x");
    await until("three", () => cat.stats().workers.ready === 3);
  });
});

describe("as a child of a supervisor", () => {
  test("it is a spec of itself; its child ends when it is told to, and can be started again", async () => {
    const { declare } = makeLab();
    const dies = declare({ ...program("dies-on-a-request.sh"), ...lines, size: 2 }, "hot");
    expect(dies.id).toBe("hot");
    const child = await dies.start({ signal: new AbortController().signal });
    const pid = await pidOf(dies.call("x"));
    expect(child.describe?.()).toMatchObject({
      detail: "0 running, 0 queued, 1 completed",
      children: expect.arrayContaining([
        expect.objectContaining({ id: `hot ${pid}`, status: "running", detail: "1 calls, 0 in flight" }),
      ]),
    });
    child.stop("shutdown");
    expect(await child.exited).toBe("shutdown");
    await until("its end", () => !runs(pid));
    const again = await dies.start();
    const other = await pidOf(dies.call("y"));
    again.stop("kill");
    expect(await again.exited).toBe("shutdown");
    await until("its end", () => !runs(other));
  });

  test("supervisors take it as it is, and end it with themselves", async () => {
    const { declare } = makeLab();
    const [dies, once] = [declare({ ...program("dies-on-a-request.sh"), ...lines }), declare({ command: "cat" })];
    const root = await supervisor({ id: "root", children: [dies, once] }).start();
    const pid = await pidOf(dies.call("x"));
    await root.stop();
    await until("its end", () => !runs(pid));
    expect(await failure(dies.call("y"))).toMatchObject({ code: "ERR_TINDERBOX_POOL_CLOSED" });
  });

  test("one that cannot stay up ends with the error", async () => {
    const { declare } = makeLab();
    const dies = declare({ ...program("dies-on-a-request.sh"), ...lines, maxRestarts: 0 });
    const child = await dies.start();
    await failure(dies.call("die"));
    expect(await child.exited).toBeInstanceOf(BinaryStartError);
  });

  test("a start that is no longer wanted leaves nothing", async () => {
    const { declare } = makeLab();
    const slow = declare({ ...program("starts-slowly.sh", "/no/such/file", "2"), ...lines, ready: /ready/ });
    const controller = new AbortController();
    const starting = failure(slow.start({ signal: controller.signal }));
    await until("the start", () => slow.stats().workers.starting === 1);
    controller.abort();
    expect(await starting).toMatchObject({ code: "ERR_TINDERBOX_POOL_CLOSED" });
    expect(slow.stats().workers.starting).toBe(0);
  });
});
