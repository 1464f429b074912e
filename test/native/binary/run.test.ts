import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import {
  AbortError,
  BinaryExitError,
  BinaryStartError,
  CallTimeoutError,
  CommandError,
  PoolClosedError,
  QueueFullError,
  QueueTimeoutError,
} from "../../../src/errors.ts";
import { until } from "../../harness/until.ts";
import { FakeClock } from "../../harness/fake-clock.ts";
import { bytes, fakeProgram, folder, makeLab, program, runs, text } from "./lab.ts";

const { declare, counts } = makeLab();
const cat = declare({ command: "cat" });
const sh = declare({ command: "sh", args: ["-c"], size: 8 });
const utf8 = { encoding: "utf8" } as const;

test("a run gives what the program wrote, in the shape of execa", async () => {
  const result = await cat.run(["-"], { input: "hello\n", cwd: "/tmp" });
  expect(result).toEqual({
    binary: cat.name,
    command: "cat -",
    escapedCommand: "cat -",
    cwd: "/tmp",
    pid: expect.any(Number),
    durationMs: expect.any(Number),
    stdout: bytes("hello\n"),
    stderr: "",
    status: 0,
    exitCode: 0,
    signal: undefined,
    signalDescription: undefined,
    failed: false,
    timedOut: false,
    isCanceled: false,
    isTerminated: false,
    isMaxBuffer: false,
    oom: false,
  });
  expect(result.stdout!.constructor).toBe(Uint8Array);
  expect((await cat.run([], { input: "naïve", ...utf8 })).stdout).toBe("naïve");
});

test("arguments of the binary come before those of the run, and what needs quotes is quoted", async () => {
  const { stdout, command, escapedCommand } = await sh.run(['printf "%s|" "$0" "$@"', "a b", "it's", "c\td"], utf8);
  expect(stdout).toBe("a b|it's|c\td|");
  expect(command).toBe(`sh -c printf "%s|" "$0" "$@" a b it's c\td`);
  expect(escapedCommand).toBe(`sh -c 'printf "%s|" "$0" "$@"' 'a b' 'it'\\''s' $'c\\x09d'`);
});

test("the environment is ours, the binary's, and the run's; undefined takes away; no error shows it", async () => {
  process.env["TINDERBOX_TEST_OURS"] = "ours";
  const own = declare({
    command: "sh",
    args: ["-c"],
    env: { A: "binary", B: "binary", TINDERBOX_TEST_GONE: undefined },
  });
  process.env["TINDERBOX_TEST_GONE"] = "x";
  const { stdout } = await own.run(['echo "$TINDERBOX_TEST_OURS $A $B ${TINDERBOX_TEST_GONE-none}"'], {
    ...utf8,
    env: { B: "hunter2" },
  });
  expect(stdout).toBe("ours binary hunter2 none\n");
  const error: unknown = await own.run(["exit 1"], { env: { B: "hunter2" } }).catch((failure: unknown) => failure);
  expect(inspect(error, { depth: 9 }) + JSON.stringify(error)).not.toContain("hunter2");
});

describe("input", () => {
  async function* slowly() {
    yield "a";
    await new Promise((resolve) => setImmediate(resolve));
    yield bytes("b");
  }
  test.each<[string, () => never]>([
    ["a string", () => "ab" as never],
    ["bytes", () => bytes("ab") as never],
    ["a Blob", () => new Blob(["a", "b"]) as never],
    ["a stream of the Web", () => new Blob(["ab"]).stream() as never],
    ["a stream of Node", () => Readable.from([bytes("a"), bytes("b")]) as never],
    ["an iterable", () => ["a", bytes("b")] as never],
    ["an async iterable", () => slowly() as never],
  ])("may be %s", async (_name, make) => {
    expect(text((await cat.run([], { input: make() })).stdout)).toBe("ab");
  });

  test("is empty without any, and refused when it is nothing to read", async () => {
    expect((await cat.run()).stdout).toEqual(new Uint8Array());
    expect(() => cat.run([], { input: 7 as never })).toThrow(/Cannot use 7 as input/);
    await expect(cat.run([], { input: [7] as never })).rejects.toThrow(/input has failed \(Cannot write 7 as input/);
    expect(counts.live).toBe(0);
  });

  test("that is not read is no error, and whoever makes it is told that nobody reads any more", async () => {
    const told: string[] = [];
    async function* endless() {
      try {
        for (;;) yield Buffer.alloc(65_536);
      } finally {
        told.push("iterable");
      }
    }
    const web = new ReadableStream({
      pull: (controller) => controller.enqueue(Buffer.alloc(65_536)),
      cancel: () => void told.push("web"),
    });
    const node = new Readable({ read: (size) => void node.push(Buffer.alloc(size)) });
    const quit = ["exit 0"];
    await Promise.all([endless(), web, node].map((input) => sh.run(quit, { input })));
    await until("the end of all three", () => told.length === 2 && node.destroyed);
    await sh.run(quit, { input: "x".repeat(10_000_000) });
  });

  test("that fails ends the program, and is the cause of the error", async () => {
    async function* broken() {
      yield "a";
      throw new RangeError("no more");
    }
    const node = new PassThrough();
    const calls = [cat.run([], { input: broken() }), cat.run([], { input: node })];
    node.destroy();
    await expect(calls[0]).rejects.toMatchObject({
      code: "ERR_TINDERBOX_BINARY_INPUT",
      message: expect.stringMatching(/Cannot finish binary "b1" \(cat\): its input has failed \(no more\)/),
      cause: expect.any(RangeError),
      failed: true,
    });
    await expect(calls[1]).rejects.toMatchObject({ code: "ERR_TINDERBOX_BINARY_INPUT" });
    const pids = calls.map(({ pid }) => pid!);
    await until("the end of both programs", () => !pids.some(runs));
  });
});

describe("failure", () => {
  test("is an error with the exit code, what was written, and the place of the call", async () => {
    const error: unknown = await sh.run(["echo out; echo first >&2; echo bad >&2; exit 3"]).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(BinaryExitError);
    expect(error).toMatchObject({
      code: "ERR_TINDERBOX_BINARY_EXIT",
      binary: sh.name,
      exitCode: 3,
      status: 3,
      stdout: bytes("out\n"),
      stderr: "first\nbad\n",
      failed: true,
      started: true,
    });
    expect((error as Error).message).toMatch(
      /^Cannot finish binary "b2" \(sh -c .*\): it ended with exit code 3; its last words:\nfirst\nbad$/s,
    );
    expect((error as Error).stack).toContain("run.test.ts");
  });

  test("by a signal has the status that shells tell", async () => {
    await expect(sh.run(["kill -SEGV $$"])).rejects.toMatchObject({
      status: 139,
      signal: "SIGSEGV",
      signalDescription: "Segmentation fault",
      isTerminated: true,
    });
  });

  test("is a result with reject: false", async () => {
    expect(await sh.run(["exit 4"], { reject: false })).toMatchObject({ failed: true, exitCode: 4 });
  });

  test("to start says what is missing", async () => {
    const missing = declare({ command: "no-such-program-anywhere" });
    await expect(missing.run()).rejects.toThrow(BinaryStartError);
    await expect(missing.run()).rejects.toThrow(/Cannot start binary "\w+": .*no-such-program-anywhere/);
    await expect(cat.run([], { cwd: "/no/such/folder" })).rejects.toThrow(/no\/such\/folder/);
    const error: unknown = await missing.start().catch((e: unknown) => e);
    expect(error).toBeInstanceOf(BinaryStartError);
    expect(error).toMatchObject({
      message: `Cannot start binary "${missing.name}": "no-such-program-anywhere": it is in no folder of PATH; install it, or give its path`,
      cause: expect.any(CommandError),
    });
    await expect(declare({ command: "cat", env: { PATH: "/nowhere" } }).start()).rejects.toThrow(BinaryStartError);
    await expect(cat.start()).resolves.toBeDefined();
  });

  test("that nobody awaits does not end the process", async () => {
    const seen: unknown[] = [];
    const note = (reason: unknown): void => void seen.push(reason);
    process.on("unhandledRejection", note);
    void sh.run(["exit 1"]);
    await until("the failure", () => sh.stats().running === 0 && sh.stats().queued === 0);
    await new Promise((resolve) => setImmediate(resolve));
    process.off("unhandledRejection", note);
    expect(seen).toEqual([]);
  });

  test("a descendant that keeps the pipe open keeps nobody waiting", async () => {
    const leaves = declare(program("leaves-a-grandchild.sh"));
    const { stdout } = await leaves.run([], utf8);
    await until("the end of the grandchild", () => !runs(Number(stdout)));
  });
});

describe("stdout beyond maxBuffer", () => {
  test("ends the program", async () => {
    const call = sh.run(["yes"], { maxBuffer: "10kb" });
    const error: unknown = await call.catch((e: unknown) => e);
    expect(error).toMatchObject({ isMaxBuffer: true, failed: true });
    expect((error as { stdout: Uint8Array }).stdout).toHaveLength(10 * 1024);
    expect((error as Error).message).toContain('it wrote more than 10240 bytes to stdout; raise "maxBuffer"');
    await until("the end of yes", () => !runs(call.pid!));
  });

  test("is not reached by just as much", async () => {
    const { stdout } = await sh.run(["head -c 10240 /dev/zero"], { maxBuffer: "10kb" });
    expect(stdout).toHaveLength(10_240);
  });

  test("of stderr only the end is kept", async () => {
    const floods = declare(program("floods-stderr.mjs", "3"));
    const { stderr, stdout } = await floods.run([], { input: "in", ...utf8 });
    expect(stdout).toBe("in");
    expect(stderr).toHaveLength(1024 ** 2);
    expect(stderr!.endsWith("x\nthe last line\n")).toBe(true);
  });
});

describe("an abort", () => {
  test("tells the caller at once, and ends the program when its grace is over", async () => {
    const stubborn = declare({ ...program("ignores-term.sh"), stop: { grace: "300ms" } });
    const controller = new AbortController();
    const call = stubborn.run([], { signal: controller.signal });
    const { value } = await call.stdout.getReader().read();
    const pid = Number(text(value));
    const reason = new Error("enough");
    controller.abort(reason);
    await expect(call).rejects.toMatchObject({ code: "ABORT_ERR", cause: reason, isCanceled: true, failed: true });
    await expect(call).rejects.toBeInstanceOf(AbortError);
    expect(runs(pid)).toBe(true);
    expect(stubborn.stats()).toMatchObject({ running: 1, failed: 1 });
    await until("its end", () => !runs(pid));
    await until("a free place", () => stubborn.stats().running === 0);
  });

  test("before the start, or in the queue, starts nothing", async () => {
    const own = makeLab();
    const one = own.declare({ command: "cat", size: 1 });
    await expect(one.run([], { signal: AbortSignal.abort() })).rejects.toThrow(AbortError);
    const first = one.run();
    void first.stdin;
    const controller = new AbortController();
    const second = one.run([], { signal: controller.signal });
    expect(one.stats()).toMatchObject({ running: 1, queued: 1 });
    controller.abort();
    await expect(second).rejects.toThrow(AbortError);
    expect(one.stats().queued).toBe(0);
    await first.stdin.close();
    await first;
    expect(own.started).toHaveLength(1);
    expect(own.counts.live).toBe(0);
  });
});

describe("time", () => {
  test("runs from the start of the program, and ends it", async () => {
    const clock = new FakeClock();
    const own = makeLab({ clock });
    const one = own.declare({ command: "sh", args: ["-c"], size: 1, timeout: "10s" });
    const first = one.run(["echo up; echo note >&2; exec sleep 1000"]);
    const second = one.run(["exit 0"], { timeout: "1s" });
    await until("the note", async () => (await first.stderr.getReader().read()).value);
    // The second waits longer than its time.
    clock.advance(9_999);
    expect(one.stats()).toMatchObject({ running: 1, queued: 1 });
    clock.advance(1);
    await expect(first).rejects.toMatchObject({
      code: "ERR_TINDERBOX_CALL_TIMEOUT",
      timeoutMs: 10_000,
      timedOut: true,
      stdout: bytes("up\n"),
    });
    await expect(first).rejects.toBeInstanceOf(CallTimeoutError);
    await expect(second).resolves.toMatchObject({ exitCode: 0 });
    expect(runs(first.pid!)).toBe(false);
    expect(clock.pending()).toBe(0);
  });

  test("in the queue is another clock, with an error of its own", async () => {
    const clock = new FakeClock();
    const one = makeLab({ clock }).declare({ command: "cat", size: 1, queueTimeout: "5s", queueLimit: 2 });
    const first = one.run();
    void first.stdin;
    const [second, third] = [one.run(), one.run([], { queueTimeout: "7s" })];
    await expect(one.run()).rejects.toMatchObject({ code: "ERR_TINDERBOX_QUEUE_FULL", limit: 2 });
    await expect(one.run()).rejects.toBeInstanceOf(QueueFullError);
    clock.advance(5_000);
    await expect(second).rejects.toMatchObject({ timeoutMs: 5_000, started: false });
    await expect(second).rejects.toBeInstanceOf(QueueTimeoutError);
    expect(one.stats().queued).toBe(1);
    await first.stdin.close();
    await first;
    await third;
  });
});

test("no more than size run at a time, in order", async () => {
  const where = folder();
  const two = makeLab().declare({
    command: "sh",
    args: ["-c", `echo x >${where}/$0; while [ -e ${where}/wait ]; do sleep 0.01; done`],
    size: 2,
  });
  writeFileSync(join(where, "wait"), "");
  const calls = ["1", "2", "3", "4"].map((name) => two.run([name]));
  await until("two of them", () => existsSync(join(where, "2")));
  expect(two.stats()).toMatchObject({ running: 2, queued: 2, completed: 0 });
  expect(readdirSync(where).toSorted()).toEqual(["1", "2", "wait"]);
  const { unlinkSync } = await import("node:fs");
  unlinkSync(join(where, "wait"));
  await Promise.all(calls);
  await until("free places", () => two.stats().running === 0);
  expect(two.stats()).toMatchObject({ queued: 0, completed: 4, failed: 0 });
});

describe("streams", () => {
  test("go in and out while the program runs", async () => {
    const call = cat.run();
    const writer = call.stdin.getWriter();
    const reader = call.stdout.getReader();
    for (const word of ["one", "two"]) {
      await writer.write(bytes(word));
      expect(text((await reader.read()).value)).toBe(word);
    }
    await writer.close();
    expect(await reader.read()).toEqual({ done: true, value: undefined });
    expect(await call).toMatchObject({ exitCode: 0, stdout: undefined, stderr: "" });
  });

  test("block the program when nobody reads them, and use little memory", async () => {
    const where = join(folder(), "written");
    // Says how far it came, after each megabyte.
    const call = sh.run([`while :; do head -c 1048576 /dev/zero || exit 1; echo x >>${where}; done`]);
    const reader = call.stdout.getReader();
    await reader.read();
    let last = -1;
    const count = (): number => readFileSync(where, { encoding: "utf8", flag: "a+" }).length;
    // Two looks that see the same: it has stopped.
    await until("a standstill", () => last === (last = count()) && last < 10, { every: 200 });
    expect(last).toBeLessThanOrEqual(3);
    // It goes on as soon as somebody reads on.
    for (let length = 0; length < 4 * 1024 ** 2;) length += (await reader.read()).value!.length;
    expect(count()).toBeGreaterThan(last);
    await reader.cancel();
    await expect(call).rejects.toThrow(BinaryExitError);
  });

  test("of stdin wait for a program that does not read", async () => {
    const deaf = declare({ ...program("never-reads-stdin.sh"), stop: { grace: "1s" } });
    const controller = new AbortController();
    const call = deaf.run([], { signal: controller.signal });
    const writer = call.stdin.getWriter();
    writer.closed.catch(() => {});
    let written = 0;
    const pump = (async () => {
      for (;;) {
        await writer.write(Buffer.alloc(65_536));
        written++;
      }
    })();
    let last = -1;
    await until("a standstill", () => written > 0 && last === (last = written), { every: 100 });
    expect(written).toBeLessThan(64);
    controller.abort();
    await expect(pump).rejects.toThrow(AbortError);
    await expect(call).rejects.toThrow(AbortError);
  });

  test("fail with the run, so that half an output is not taken for a whole one", async () => {
    const call = sh.run(["echo half; exit 1"]);
    const reader = call.stdout.getReader();
    const read = async () => {
      for (;;) if ((await reader.read()).done) return;
    };
    await expect(read()).rejects.toBeInstanceOf(BinaryExitError);
    await expect(call).rejects.toBeInstanceOf(BinaryExitError);
    const fine = sh.run(["echo half; exit 1"], { reject: false });
    expect(await new Response(fine.stdout).text()).toBe("half\n");
  });

  test.each(["abort", "queueTimeout", "close"])(
    "of stdin fail with a run that never begins (%s), also where that is a result",
    async (way) => {
      const clock = new FakeClock();
      const one = makeLab({ clock }).declare({ command: "cat", size: 1 });
      const first = one.run();
      void first.stdin;
      const controller = new AbortController();
      const second = one.run([], { reject: false, signal: controller.signal, queueTimeout: "5s" });
      const writer = second.stdin.getWriter();
      const outcome = Promise.allSettled([writer.write("x"), writer.closed]);
      if (way === "abort") controller.abort();
      else if (way === "queueTimeout") clock.advance(5_000);
      else void one.close({ timeout: 0 });
      expect((await outcome).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
      await second.catch(() => {});
      if (way !== "close") await first.stdin.close();
      await first.catch(() => {});
    },
  );

  test("of stdin fail with a run that has run out of time, also where that is a result", async () => {
    const one = declare({ ...program("never-reads-stdin.sh"), stop: { grace: "200ms" } });
    const call = one.run([], { reject: false, timeout: "300ms" });
    const writer = call.stdin.getWriter();
    const write = writer.write(Buffer.alloc(10_000_000)).then(() => writer.write("more"));
    expect(await call).toMatchObject({ timedOut: true, failed: true });
    await expect(write).rejects.toThrow(CallTimeoutError);
  });

  test("fail when the program's pipe was cut before its end, though the run went well", async () => {
    const { fake, stdout, exit, gone } = fakeProgram();
    const lab = makeLab({ start: async () => fake });
    const one = lab.declare({ command: "x" });
    const call = one.run();
    const reader = call.stdout.getReader();
    stdout.write("half");
    expect(text((await reader.read()).value)).toBe("half");
    fake.stderr.push(null);
    exit(0);
    gone();
    expect(await call).toMatchObject({ failed: false, stdout: undefined });
    // Who reads it still waits, and keeps the process.
    expect(lab.counts.live).toBe(1);
    stdout.destroy();
    await expect(reader.read()).rejects.toMatchObject({
      code: "ERR_TINDERBOX_BINARY_OUTPUT",
      message: expect.stringMatching(/^Cannot read stdout of binary "b1" \(x\) to its end/),
    });
    expect(lab.counts.live).toBe(0);
  });

  test("that nobody has taken are read to the end of what is there, also when this process is busy meanwhile", async () => {
    const clock = new FakeClock();
    const { fake, stdout, exit, gone } = fakeProgram();
    const one = makeLab({ clock, start: async () => fake }).declare({ command: "x" });
    const call = one.run([], utf8);
    await until("the program", () => call.pid !== undefined);
    exit(0);
    gone();
    await until("the wait", () => clock.pending() > 0);
    clock.advance(500);
    stdout.write("late");
    await until("it to be read", () => stdout.readableLength === 0);
    clock.advance(500);
    stdout.write(" and later");
    await until("it to be read", () => stdout.readableLength === 0);
    clock.advance(500);
    clock.advance(500);
    expect((await call).stdout).toBe("late and later");
  });

  test("that are cancelled end a program that writes", async () => {
    const call = sh.run(["yes"]);
    const reader = call.stdout.getReader();
    await reader.read();
    await reader.cancel();
    await expect(call).rejects.toMatchObject({ failed: true });
  });

  test("taken late begin with what was gathered", async () => {
    const call = sh.run(["echo early; cat"]);
    const writer = call.stdin.getWriter();
    await until("the program", () => call.pid !== undefined);
    const reader = call.stdout.getReader();
    expect(text((await reader.read()).value)).toBe("early\n");
    await writer.close();
    await call;
  });

  test("of stdin are refused when the run has input, or began without", async () => {
    const call = cat.run([], { input: "x" });
    expect(() => call.stdin).toThrow(/it has option input; use one of them/);
    await call;
    const late = cat.run();
    await late;
    expect(() => late.stdin).toThrow(/take stdin at once/);
  });

  test("a gigabyte goes through with flat memory", { timeout: 60_000 }, async () => {
    const piece = Buffer.alloc(1024 ** 2, 7);
    const input = function* () {
      for (let n = 0; n < 1024; n++) yield piece;
    };
    const call = cat.run([], { input: input() });
    let length = 0;
    let peak = 0;
    const before = process.memoryUsage().rss;
    for await (const chunk of call.stdout) {
      length += chunk.length;
      if ((length / 65_536) % 64 < 1) peak = Math.max(peak, process.memoryUsage().rss - before);
    }
    await call;
    expect(length).toBe(1024 ** 3);
    expect(peak).toBeLessThan(256 * 1024 ** 2);
  });
});

test("close lets runs finish, refuses new ones, and ends what takes too long", async () => {
  const own = makeLab();
  const one = own.declare({ command: "cat", size: 1 });
  const first = one.run();
  const writer = first.stdin.getWriter();
  const second = one.run([], { input: "queued" });
  const closing = one.close();
  await expect(one.run()).rejects.toThrow(PoolClosedError);
  await writer.close();
  await Promise.all([first, second, closing]);
  await one.start();
  const third = one.run();
  void third.stdin;
  const fourth = one.run();
  await until("the third", () => third.pid !== undefined);
  await one.close({ timeout: 0 });
  await expect(third).rejects.toMatchObject({ code: "ERR_TINDERBOX_POOL_CLOSED", started: true });
  await expect(fourth).rejects.toMatchObject({ code: "ERR_TINDERBOX_POOL_CLOSED", started: false });
  expect(runs(third.pid!)).toBe(false);
  expect(own.counts.live).toBe(0);
});

test("close has its own time also for runs that go on: they are told, and ended", async () => {
  const one = makeLab().declare({ ...program("ignores-term.sh"), size: 1, stop: { grace: "300ms" } });
  const [first, second] = [one.run(), one.run()];
  const told = Promise.allSettled([first, second]);
  await first.stdout.getReader().read();
  const began = performance.now();
  await one.close({ timeout: 300 });
  const took = performance.now() - began;
  expect(took).toBeGreaterThan(550);
  expect(took).toBeLessThan(3_000);
  expect((await told).map((each) => (each as PromiseRejectedResult).reason.started)).toEqual([true, false]);
  expect(runs(first.pid!)).toBe(false);
});

test("call and run are for the binaries that they are for", async () => {
  await expect(cat.call("x")).rejects.toThrow(/Cannot call binary "b1": it has no protocol; use run\(\)/);
  const lines = declare({ command: "cat", protocol: "lines" });
  expect(() => lines.run()).toThrow(/it has a protocol; use call\(\)/);
  expect(() => cat.run([], { timeOut: 1 } as never)).toThrow(/did you mean "timeout"/);
  expect(() => cat.run([], { encoding: "latin1" as never })).toThrow(/"bytes" or "utf8" is wanted/);
  expect(() => cat.run([], { signal: {} as never })).toThrow(/an AbortSignal is wanted/);
});

test("limits and the way to stop are handed to whoever starts programs", async () => {
  const own = makeLab();
  const limited = own.declare({
    command: "true",
    limits: { fileSize: "1mb" },
    stop: { signal: "SIGINT", grace: "2s" },
  });
  await limited.run();
  expect(own.started[0]).toMatchObject({
    limits: { fileSize: "1mb" },
    stopSignal: "SIGINT",
    graceMs: 2_000,
    name: limited.name,
  });
});
