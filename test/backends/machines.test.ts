/** Machines in the hands of a test: what a pool makes of boots that fail, machines that crash, fall silent, or are to go. */
import { BootError, type Context, RunnerLostError, events, flame, live, pool } from "tinderbox";
import { type MemoryOptions, inline, memory } from "tinderbox/testing";
import { expect, test } from "vitest";
import { until } from "../harness/until.ts";

let made = 0;

function build(options: MemoryOptions = {}, more: object = {}) {
  const backend = memory(options);
  return { backend, own: pool(`machines-${++made}`, { backend, max: 1, ...more }) };
}

const forever = () => new Promise(() => {});

test("a machine that crashes takes its calls along, and the next call gets another", async () => {
  const { backend, own } = build();
  const call = flame(forever, { pool: own });
  await until("the call to run", () => own.stats().slots.busy === 1);
  backend.machines[0]!.crash({ exitCode: 137, reason: "out of memory" });
  await expect(call).rejects.toSatisfy((error) => RunnerLostError.is(error));
  await expect(call).rejects.toMatchObject({ exitCode: 137, runner: `${own.name}-1` });
  await expect(call).rejects.toThrow(/out of memory/);
  expect(await flame(() => 1, { pool: own })).toBe(1);
  expect(backend.machines.map(({ id, up }) => [id, up])).toEqual([
    ["memory-1", false],
    ["memory-2", true],
  ]);
  await own.close();
});

test("a crash aborts the signals of its calls, and nobody hears of them any more", async () => {
  const { backend, own } = build();
  const told: string[] = [];
  const tell = live((word: string) => void told.push(word));
  const aborted = Promise.withResolvers<void>();
  const seen = live(() => aborted.resolve());
  const call = flame(
    async ({ signal }) => {
      await tell("runs");
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      Object.assign(globalThis, { crashSeen: true });
      await seen();
    },
    { pool: own },
  );
  call.catch(() => undefined);
  await until("its word", () => told.length === 1);
  backend.machines[0]!.crash();
  await expect(call).rejects.toSatisfy((error) => RunnerLostError.is(error));
  await until("the abort", () => (globalThis as { crashSeen?: boolean }).crashSeen);
  await own.close();
});

test("a crash aborts the calls that its calls have made", async () => {
  const inner = build({}, {}).own;
  const { backend, own } = build({}, { allow: [inner.name] });
  const waits = ({ signal }: Context) => new Promise((resolve) => signal.addEventListener("abort", resolve));
  const call = flame(() => flame(waits, { pool: inner, timeout: Infinity }), { pool: own });
  call.catch(() => undefined);
  await until("the inner call to run", () => inner.stats().slots.busy === 1);
  backend.machines[0]!.crash();
  await expect(call).rejects.toSatisfy((error) => RunnerLostError.is(error));
  await until("its end", () => inner.stats().slots.busy === 0);
  await Promise.all([own.close(), inner.close()]);
});

test("a call that is idempotent is made again", async () => {
  const { backend, own } = build();
  const call = flame(({ runner }) => (runner.attempt === 0 ? new Promise<number>(() => {}) : runner.attempt), {
    pool: own,
    idempotent: true,
  });
  await until("the call to run", () => own.stats().slots.busy === 1);
  backend.machines[0]!.crash();
  expect(await call).toBe(1);
  await own.close();
});

test("boots that fail are made again, and one that cannot be helped fails the calls that wait", async () => {
  const failing = build({ failure: (boot) => (boot <= 2 ? new Error("no capacity") : undefined) });
  expect(await flame(() => 1, { pool: failing.own })).toBe(1);
  expect(failing.own.stats().boots).toEqual({ ok: 1, failed: 2 });
  expect(failing.backend.machines.map(({ up }) => up)).toEqual([false, false, true]);
  const hopeless = build({ failure: () => Object.assign(new Error("no credentials"), { permanent: true }) });
  const call = flame(() => 1, { pool: hopeless.own });
  await expect(call).rejects.toSatisfy((error) => BootError.is(error));
  await expect(call).rejects.toThrow(/no credentials/);
  await Promise.all([failing.own.close(), hopeless.own.close()]);
});

test("boots take as long as they are told to, and a boot that takes too long is given up", async () => {
  const phases: string[] = [];
  const { backend, own } = build({ bootMs: 60_000 }, { bootTimeout: 100 });
  using _ = events.on("boot.phase", ({ pool: name, phase }) => void (name === own.name && phases.push(phase)));
  await expect(flame(() => 1, { pool: own, queueTimeout: 2_000 })).rejects.toThrow(/within 100 ms/);
  expect(phases).not.toContain("launched");
  expect(backend.machines[0]!.up).toBe(false);
  await own.close({ timeout: 0 });
});

test("a machine that freezes is given up by its heartbeat", { timeout: 30_000 }, async () => {
  const { backend, own } = build();
  // What it has done is not heard of, either.
  const gate = { open: () => {} };
  Object.assign(globalThis, { frozenGate: gate });
  const call = flame(
    () => {
      const { frozenGate } = globalThis as unknown as { readonly frozenGate: typeof gate };
      return new Promise<void>((resolve) => (frozenGate.open = resolve));
    },
    { pool: own },
  );
  await until("the call to run", () => own.stats().slots.busy === 1);
  backend.machines[0]!.freeze();
  gate.open();
  await expect(call).rejects.toThrow(/no sign of life for 3 s/);
  expect(backend.machines[0]!.up).toBe(false);
  await own.close();
});

test("a machine that is to go takes no more calls, finishes those that it has, and another comes", async () => {
  const { backend, own } = build({}, { max: 2, concurrency: 2 });
  const gate = Promise.withResolvers<string>();
  const wait = live(() => gate.promise);
  const first = flame(async () => await wait(), { pool: own });
  await until("the call to run", () => own.stats().slots.busy === 1);
  backend.machines[0]!.leave("spot notice");
  expect(await flame(({ runner }) => runner.id, { pool: own })).toBe(`${own.name}-2`);
  gate.resolve("finished");
  expect(await first).toBe("finished");
  await until("its end", () => !backend.machines[0]!.up);
  await own.close();
});

test("what it prints is heard as of any machine, and is in the error of what it leaves behind", async () => {
  const { backend, own } = build();
  const lines: unknown[] = [];
  using _ = events.on("runner.log", (event) => void (event.pool === own.name && lines.push(event)));
  const call = flame(forever, { pool: own });
  await until("the call to run", () => own.stats().slots.busy === 1);
  backend.machines[0]!.print("stderr", "kernel: it burns");
  backend.machines[0]!.crash();
  await expect(call).rejects.toMatchObject({ stderr: ["kernel: it burns"] });
  expect(lines).toEqual([expect.objectContaining({ stream: "stderr", line: "kernel: it burns" })]);
  await own.close();
});

test("its boot has the phases of any machine that needs no other", async () => {
  const { own } = build();
  const phases: string[] = [];
  using _ = events.on("boot.phase", ({ pool: name, phase }) => void (name === own.name && phases.push(phase)));
  await flame(() => 1, { pool: own });
  expect(phases).toEqual(["requested", "launched", "connected", "ready"]);
  await own.close();
});

test("defaults are those of the test, and what makes no sense is refused", async () => {
  const { own } = build({ defaults: { max: 7, concurrency: 3 } }, { max: undefined });
  expect([own.options.max, own.options.concurrency]).toEqual([7, 3]);
  const within = pool("within", { backend: inline() });
  expect([within.options.max, within.options.concurrency]).toEqual([4, 16]);
  expect(() => memory({ bootMs: -1 })).toThrow(/option "bootMs" of memory/);
  expect(() => memory({ boots: 1 } as MemoryOptions)).toThrow(/boots/);
});

test("a machine ends by itself at the age that it was given, when its parent exits, and when nobody listens at its address", async () => {
  const backend = memory();
  const listener = await backend.listen(() => undefined);
  const request = {
    runner: "old-1",
    pool: "old",
    address: listener.address,
    token: Buffer.alloc(32),
    env: {},
    onParentLoss: "kill",
    bootTimeoutMs: 60_000,
    lifetimeMs: 50,
    phase() {},
    output() {},
    beat() {},
    leaving() {},
  } as const;
  expect(await (await backend.boot(request)).exited).toEqual({ signal: "SIGKILL" });
  const long = { ...request, lifetimeMs: Infinity };
  const machine = await backend.boot(long);
  machine.exitNow();
  expect(await machine.exited).toEqual({ signal: "SIGKILL" });
  listener.close();
  expect(await (await backend.boot(long)).exited).toEqual({ exitCode: 1 });
});
