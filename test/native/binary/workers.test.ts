import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import {
  AbortError,
  BinaryExitError,
  BinaryProtocolError,
  CallTimeoutError,
  PoolClosedError,
  QueueFullError,
  QueueTimeoutError,
} from "../../../src/errors.ts";
import { FakeClock } from "../../harness/fake-clock.ts";
import { until } from "../../harness/until.ts";
import { bytes, fakeProgram, folder, makeLab, program, runs } from "./lab.ts";

const lines = { protocol: "lines" } as const;
const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no failure",
    (error: unknown) => error,
  );
let packets = "";

beforeAll(() => {
  packets = join(folder(), "packets");
  execFileSync("cc", [
    "-O2",
    "-o",
    packets,
    fileURLToPath(new URL("../../programs/workers/packets.c", import.meta.url)),
  ]);
});

describe("protocols", () => {
  test("lines: a string for a string", async () => {
    const cat = makeLab().declare({ command: "cat", ...lines });
    expect(await cat.call("hello")).toBe("hello");
    expect(await cat.call("")).toBe("");
    expect(await cat.call("naïve \u{1f525}")).toBe("naïve \u{1f525}");
    await expect(cat.call("a\nb")).rejects.toThrow(TypeError);
    expect(cat.stats()).toMatchObject({ completed: 3, failed: 0, workers: { ready: 1, busy: 0, starting: 0 } });
  });

  test("jsonl: a value for a value, and what cannot be written is refused before anything is", async () => {
    const { declare, started } = makeLab();
    const cat = declare({ command: "cat", protocol: "jsonl" });
    await expect(cat.call(undefined)).rejects.toThrow(/there is no JSON for it/);
    const cyclic: unknown[] = [];
    cyclic.push(cyclic);
    await expect(cat.call(cyclic)).rejects.toThrow(TypeError);
    expect(started).toHaveLength(0);
    expect(await cat.call({ a: [1, "\n", null] })).toEqual({ a: [1, "\n", null] });
  });

  test.each([1, 2, 4] as const)("packets with a prefix of %i: bytes for bytes", async (packet) => {
    const echo = makeLab().declare({ command: packets, args: [String(packet)], protocol: { packet } });
    const most = { 1: 255, 2: 65_535, 4: 3_000_000 }[packet];
    for (const size of [0, 1, 200, most]) {
      const body = new Uint8Array(size).fill(size);
      expect(Buffer.compare((await echo.call(body)) as Uint8Array, body)).toBe(0);
    }
  });

  test("packets that their prefix cannot tell are refused", async () => {
    const { declare, started } = makeLab();
    const echo = declare({ command: packets, args: ["1"], protocol: { packet: 1 } });
    await expect(echo.call(new Uint8Array(256))).rejects.toThrow(/a prefix of 1 tells 255 at most/);
    expect(started).toEqual([]);
  });

  test("many calls side by side get their own answers, with any number of workers and any depth", async () => {
    for (const [size, pipeline] of [
      [1, 1],
      [2, 1],
      [1, 8],
      [3, 4],
    ] as const) {
      const { declare, started, counts } = makeLab();
      const echo = declare({ command: packets, protocol: { packet: 4 }, size, pipeline });
      const values = Array.from({ length: 500 }, (_, n) => bytes(`${n} ${"x".repeat(n * 7)}`));
      expect(await Promise.all(values.map((value) => echo.call(value)))).toEqual(values);
      expect(started).toHaveLength(size);
      expect(counts.live).toBe(0);
      expect(echo.stats()).toMatchObject({ completed: 500, queued: 0, restarts: 0 });
    }
  });

  test("requests and answers larger than any pipe go both ways at a time", async () => {
    const cat = makeLab().declare({ command: "cat", protocol: "jsonl", pipeline: 4 });
    const big = "x".repeat(5_000_000);
    const found = await Promise.all([1, 2, 3, 4, 5].map((n) => cat.call([n, big])));
    expect(found.map((value) => (value as unknown[])[0])).toEqual([1, 2, 3, 4, 5]);
  });
});

describe("a worker that dies", () => {
  test("takes only the call along that it was on: others, and those that wait, are served", async () => {
    const { declare, record } = makeLab();
    const dies = declare({ ...program("dies-on-a-request.sh"), ...lines, size: 2 });
    const exited = record("binary.exited");
    const calls = ["1", "die", "2", "3", "4"].map((request) => dies.call(request));
    const [one, error, ...rest] = await Promise.all(calls.map((call) => call.catch((e: unknown) => e)));
    expect(error).toBeInstanceOf(BinaryExitError);
    expect(error).toMatchObject({
      code: "ERR_TINDERBOX_BINARY_EXIT",
      binary: dies.name,
      status: 139,
      signal: "SIGSEGV",
      oom: false,
      started: true,
      pid: expect.any(Number),
      stderr: expect.stringMatching(/^\d+ is up\nabout to crash$/),
    });
    expect(String(error)).toMatch(/its worker was ended by SIGSEGV .*; its last words:\n\d+ is up\nabout to crash/s);
    expect([one, ...rest]).toEqual([1, 2, 3, 4].map((n) => expect.stringMatching(new RegExp(`^\\d+ ${n}$`))));
    expect(exited).toEqual([expect.objectContaining({ reason: "exited", error: expect.any(BinaryExitError) })]);
    await until("its successor", () => dies.stats().workers.ready === 2);
    expect(dies.stats()).toMatchObject({ restarts: 1, completed: 4, failed: 1 });
  });

  test("in the middle of a line, or of a frame, says so", async () => {
    const { declare } = makeLab();
    const half = declare({ ...program("writes-half-a-line-and-dies.sh"), ...lines });
    const error = await failure(half.call("x"));
    expect(error).toMatchObject({ exitCode: 3, stderr: "the disk is full" });
    expect(String(error)).toContain(
      "ended with exit code 3, in the middle of an answer (10 bytes of it); its last words:\nthe disk is full",
    );
    const frame = declare({ ...program("writes-half-a-frame-and-dies.mjs"), protocol: { packet: 4 } });
    expect(String(await failure(frame.call(bytes("x"))))).toContain(
      "exit code 4, in the middle of an answer (7 bytes of it)",
    );
  });

  test("after its last answer has still given it, and its last words, though they are read later", async () => {
    const { fake, stdout, stderr, exit, end } = fakeProgram();
    const { declare } = makeLab({ start: async () => fake });
    const once = declare({ command: "x", ...lines, pipeline: 2, maxRestarts: 0 });
    const [first, second] = [once.call("first"), failure(once.call("second"))];
    await until("a worker", () => once.stats().workers.busy === 1);
    exit(9);
    await new Promise((resolve) => setImmediate(resolve));
    stdout.write("in time\n");
    expect(await first).toBe("in time");
    stderr.write("why it ended\n");
    end(9);
    expect(await second).toMatchObject({ exitCode: 9, stderr: "why it ended" });
  });

  test("but leaves its output open keeps nobody waiting", async () => {
    const { fake, exit, gone } = fakeProgram();
    const { declare } = makeLab({ start: async () => fake });
    const open = declare({ command: "x", ...lines, maxRestarts: 0 });
    const call = failure(open.call("x"));
    await until("a worker", () => open.stats().workers.busy === 1);
    exit(3);
    gone();
    expect(await call).toMatchObject({ exitCode: 3 });
  });
});

describe("a worker that breaks the protocol is replaced:", () => {
  test("an answer that is no JSON is an error for that call alone", async () => {
    const { declare, record } = makeLab();
    const exited = record("binary.exited");
    const garbage = declare({ ...program("answers-garbage.sh"), protocol: "jsonl" });
    const [first, error, last] = await Promise.all(
      ["1", "garbage", "3"].map((value) => garbage.call(value).catch((e: unknown) => e)),
    );
    expect([first, last]).toEqual(["1", "3"]);
    expect(error).toBeInstanceOf(BinaryProtocolError);
    expect(String(error)).toMatch(
      /Cannot go on with a worker of binary "b1": it answered what is no JSON: "\{ \\"not\\": json"; it is replaced/,
    );
    expect(exited.map(({ reason }) => reason)).toEqual(["protocol"]);
    expect(await garbage.call("fine")).toBe("fine");
  });

  test("an answer too many ends it, and nobody gets another's answer", async () => {
    const { declare, record } = makeLab();
    const exited = record("binary.exited");
    const twice = declare({ ...program("answers-twice.sh"), ...lines, size: 1 });
    expect(await twice.call("first")).toBe("first");
    await until("its end", () => exited.length === 1);
    expect(exited[0]).toMatchObject({
      reason: "protocol",
      error: expect.objectContaining({ message: expect.stringContaining("answered without being asked") }),
    });
    expect(await twice.call("second")).toBe("second");
  });

  test("words that nobody asked for", async () => {
    const { declare, record } = makeLab();
    const exited = record("binary.exited");
    const talks = declare({ ...program("talks-unasked.sh"), ...lines });
    expect(await talks.call("a")).toBe("a");
    await until("its end", () => exited.length === 1);
    expect(exited[0]!.reason).toBe("protocol");
  });

  test("an answer longer than maxAnswer", async () => {
    const { declare } = makeLab();
    const much = declare({ ...program("announces-too-much.mjs"), protocol: { packet: 4 } });
    expect(String(await failure(much.call(bytes("x"))))).toContain(
      "announced an answer of 2147483647 bytes, which is more than 67108864",
    );
    const cat = declare({ command: "cat", ...lines, maxAnswer: 5 });
    expect(await cat.call("12345")).toBe("12345");
    expect(await failure(cat.call("1234567"))).toBeInstanceOf(BinaryProtocolError);
  });

  test("a stdout that is closed while it lives on", async () => {
    const { declare } = makeLab();
    const closes = declare({ ...program("closes-stdout-and-lives.sh"), ...lines, stop: { grace: "500ms" } });
    expect(await failure(closes.call("x"))).toMatchObject({
      code: "ERR_TINDERBOX_BINARY_PROTOCOL",
      message: expect.stringContaining("it closed its stdout"),
    });
  });
});

describe("time and abort", () => {
  test("a timeout runs from the moment that a worker has the request; that worker is replaced", async () => {
    const clock = new FakeClock();
    const { declare, record } = makeLab({ clock });
    const exited = record("binary.exited");
    const log = record("binary.log");
    const hangs = declare({ ...program("hangs-on-a-request.sh"), ...lines, timeout: "30s" });
    const [pid] = ((await hangs.call("x")) as string).split(" ");
    const stuck = failure(hangs.call("hang", { timeout: "10s" }));
    const waiting = hangs.call("waits", { timeout: "1s" });
    await until("it to hang", () => log.some(({ line }) => line === "hanging"));
    clock.advance(9_999);
    expect(hangs.stats()).toMatchObject({ workers: { busy: 1 }, queued: 1 });
    clock.advance(1);
    expect(await stuck).toBeInstanceOf(CallTimeoutError);
    expect(await stuck).toMatchObject({
      timeoutMs: 10_000,
      started: true,
      message: expect.stringMatching(/ran longer than 10 s; raise "timeout"; its last words:\nhanging/),
    });
    const [other, answer] = ((await waiting) as string).split(" ");
    expect(answer).toBe("waits");
    expect(other).not.toBe(pid);
    await until("the end of the old one", () => !runs(Number(pid)));
    expect(exited).toEqual([expect.not.objectContaining({ error: expect.anything() })]);
    expect(exited[0]!.reason).toBe("timeout");
  });

  test("an abort tells the caller at once and replaces the worker; other workers and calls never notice", async () => {
    const { declare, record } = makeLab();
    const log = record("binary.log");
    const hangs = declare({ ...program("hangs-on-a-request.sh"), ...lines, size: 2 });
    const controller = new AbortController();
    const stuck = failure(hangs.call("hang", { signal: controller.signal }));
    const others = Promise.all(Array.from({ length: 20 }, (_, n) => hangs.call(String(n))));
    await until("it to hang", () => log.some(({ line }) => line === "hanging"));
    controller.abort("why");
    expect(await stuck).toBeInstanceOf(AbortError);
    expect(await stuck).toMatchObject({ cause: "why" });
    expect(await others).toHaveLength(20);
    expect(hangs.stats().restarts).toBe(0);
  });

  test("an abort in the queue costs no worker", async () => {
    const where = join(folder(), "go");
    const { declare, started, counts } = makeLab();
    const waits = declare({ ...program("waits-for-a-file.sh"), ...lines });
    const first = waits.call(where);
    const controller = new AbortController();
    const second = failure(waits.call("pid", { signal: controller.signal }));
    const third = waits.call("pid");
    expect(waits.stats().queued).toBe(3);
    await until("a worker", () => waits.stats().workers.busy === 1);
    controller.abort();
    expect(await second).toBeInstanceOf(AbortError);
    expect(await failure(waits.call("pid", { signal: AbortSignal.abort() }))).toBeInstanceOf(AbortError);
    writeFileSync(where, "");
    expect(await third).toBe(await first);
    expect(started).toHaveLength(1);
    expect(counts.live).toBe(0);
  });

  test("the queue has a limit and a clock of its own", async () => {
    const where = join(folder(), "go");
    const clock = new FakeClock();
    const { declare } = makeLab({ clock });
    const waits = declare({ ...program("waits-for-a-file.sh"), ...lines, queueLimit: 2, queueTimeout: "5s" });
    const first = waits.call(where);
    await until("a worker", () => waits.stats().workers.busy === 1);
    const second = failure(waits.call("pid"));
    const third = waits.call("pid", { queueTimeout: "9s" });
    expect(await failure(waits.call("pid"))).toBeInstanceOf(QueueFullError);
    clock.advance(5_000);
    expect(await second).toBeInstanceOf(QueueTimeoutError);
    expect(await second).toMatchObject({ timeoutMs: 5_000, started: false });
    writeFileSync(where, "");
    expect(await third).toBe(await first);
  });

  test("with a pipeline, those who share a worker with an aborted call are still answered", async () => {
    const where = join(folder(), "go");
    const { declare, record, started } = makeLab();
    const exited = record("binary.exited");
    const log = record("binary.log");
    const waits = declare({ ...program("waits-for-a-file.sh"), ...lines, pipeline: 3 });
    const controller = new AbortController();
    const first = failure(waits.call(where, { signal: controller.signal }));
    const second = waits.call("pid");
    await until("it to wait", () => log.length > 0);
    const { pid } = log[0]!;
    controller.abort();
    expect(await first).toBeInstanceOf(AbortError);
    // A call that comes now goes to another worker.
    const third = Number(await waits.call("pid"));
    expect(third).not.toBe(pid);
    writeFileSync(where, "");
    expect(Number(await second)).toBe(pid);
    await until("the end of the first worker", () => exited.length === 1);
    expect(exited[0]).toMatchObject({ reason: "aborted", pid });
    expect(started).toHaveLength(2);
  });

  test("but no longer than the grace: then they are told that it may have been done", async () => {
    const clock = new FakeClock();
    const { declare, record } = makeLab({ clock });
    const log = record("binary.log");
    const hangs = declare({ ...program("hangs-on-a-request.sh"), ...lines, pipeline: 2, stop: { grace: "2s" } });
    const first = failure(hangs.call("hang", { timeout: "10s" }));
    const second = failure(hangs.call("behind"));
    const queued = hangs.call("queued");
    await until("it to hang", () => log.some(({ line }) => line === "hanging"));
    clock.advance(10_000);
    expect(await first).toBeInstanceOf(CallTimeoutError);
    expect(await queued).toMatch(/queued$/);
    clock.advance(2_000);
    expect(await second).toBeInstanceOf(BinaryExitError);
    expect(String(await second)).toContain(
      "its worker was ended because another call on it ran into its timeout; it may have been done",
    );
  });
});

describe("back-pressure", () => {
  test("a worker that does not read is given no more than it has, and ends with its timeout", async () => {
    const { declare } = makeLab();
    const deaf = declare({ ...program("never-reads-stdin.sh"), ...lines, pipeline: 1_000, stop: { grace: "300ms" } });
    const calls = Array.from({ length: 20 }, () =>
      failure(deaf.call("x".repeat(100_000), { timeout: "300ms", queueTimeout: "200ms" })),
    );
    await until("a worker", () => deaf.stats().workers.busy === 1);
    expect(deaf.stats().queued).toBeGreaterThan(10);
    const errors = await Promise.all(calls);
    expect(errors.filter((error) => QueueTimeoutError.is(error)).length).toBeGreaterThan(10);
    expect(errors.every((error) => error instanceof Error)).toBe(true);
  });

  test("stderr is read all the time, and the last of it is kept", async () => {
    const { declare } = makeLab();
    const floods = declare({ ...program("floods-stderr.mjs", "4"), ...lines, maxCalls: 1 });
    expect(await floods.call("x")).toBe("x");
  });
});

describe("close", () => {
  test("refuses new calls, answers the others, and leaves no process", async () => {
    const { declare, counts } = makeLab();
    const dies = declare({ ...program("dies-on-a-request.sh"), ...lines, size: 2 });
    const calls = ["1", "2", "3", "4", "5"].map((request) => dies.call(request) as Promise<string>);
    const closing = dies.close();
    expect(await failure(dies.call("6"))).toBeInstanceOf(PoolClosedError);
    const pids = (await Promise.all(calls)).map((answer) => Number(answer.split(" ")[0]));
    await closing;
    expect(pids.filter(runs)).toEqual([]);
    expect(dies.stats().workers).toEqual({ starting: 0, ready: 0, busy: 0 });
    expect(counts.live).toBe(0);
    await dies.start();
    expect(await dies.call("7")).toMatch(/7$/);
  });

  test("tells those who have not ended in time, and kills what does not stop", async () => {
    const { declare } = makeLab();
    const hangs = declare({ ...program("hangs-on-a-request.sh"), ...lines });
    const [stuck, queued] = [failure(hangs.call("hang")), failure(hangs.call("x"))];
    await until("a worker", () => hangs.stats().workers.busy === 1);
    await hangs.close({ timeout: 0 });
    expect(await stuck).toMatchObject({ code: "ERR_TINDERBOX_POOL_CLOSED", started: true });
    expect(await queued).toMatchObject({ code: "ERR_TINDERBOX_POOL_CLOSED", started: false });
    await expect(hangs.close({ timeOut: 1 } as never)).rejects.toThrow(/did you mean "timeout"/);
  });
});

test("options of a call are checked", async () => {
  const cat = makeLab().declare({ command: "cat", ...lines });
  await expect(cat.call("x", { timeouts: 1 } as never)).rejects.toThrow(/did you mean "timeout"/);
  await expect(cat.call("x", { timeout: "soon" as never })).rejects.toThrow(/option "timeout" of call\(\)/);
  await expect(cat.call("x", { signal: {} as never })).rejects.toThrow(/an AbortSignal is wanted/);
});
