/** The process between a parent and an agent on a machine of its own: with real processes, over TLS, on this machine. */
import { connect, createServer, type Socket } from "node:net";
import { once } from "node:events";
import { readdirSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { events, flame, pool, type Pool, type PoolOptions } from "../../src/index.ts";
import { remoteBackend, type RemoteOptions } from "../harness/remote-backend.ts";
import { until } from "../harness/until.ts";

let pools = 0;

function lab(options: PoolOptions = {}, remote: RemoteOptions = {}) {
  const backend = remoteBackend(remote);
  const runners: Pool = pool(`far-${++pools}`, { backend, max: 1, ...options });
  onTestFinished(() => runners.close({ timeout: 0 }));
  return { backend, runners, last: () => backend.machines.at(-1)! };
}

/** Something between the two that can be cut. */
async function wire() {
  const sockets = new Set<Socket>();
  let to = 0;
  let broken = false;
  let passed = 0;
  const server = createServer((from) => {
    if (broken) return void from.destroy();
    const onward = connect(to, "127.0.0.1");
    for (const [one, other] of [
      [from, onward],
      [onward, from],
    ] as const) {
      sockets.add(one);
      one.on("data", (chunk) => {
        passed += chunk.length;
        if (!other.write(chunk)) one.pause();
      });
      other.on("drain", () => one.resume());
      one.on("error", () => undefined);
      one.on("close", () => (sockets.delete(one), other.destroy()));
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = (): void => sockets.forEach((socket) => socket.resetAndDestroy());
  onTestFinished(() => (cut(), void server.close()));
  return {
    dial(address: string) {
      to = Number(address.split(":").at(-1));
      return `127.0.0.1:${(server.address() as AddressInfo).port}`;
    },
    cut,
    break(yes: boolean) {
      broken = yes;
      if (yes) cut();
    },
    get passed() {
      return passed;
    },
  };
}

test("calls, results, large buffers and output go both ways", async () => {
  const { runners } = lab();
  const lines: string[] = [];
  const heard = events.on("runner.log", ({ line }) => void lines.push(line));
  onTestFinished(() => heard[Symbol.dispose]());
  const sent = new Uint8Array(8_000_000).fill(7);
  expect(await flame(() => sent.map((byte) => byte + 1), { pool: runners })).toEqual(sent.map(() => 8));
  await flame(() => console.log("said there"), { pool: runners });
  await until("the line", () => lines.includes("said there"));
  const given: number[] = [];
  for await (const each of flame(
    function* () {
      for (let index = 0; index < 100; index++) yield index;
    },
    { pool: runners },
  ))
    given.push(each);
  expect(given).toEqual(Array.from({ length: 100 }, (_, index) => index));
});

test("the environment is that of the machine, and what the pool gives", async () => {
  process.env["NOT_FOR_RUNNERS"] = "1";
  onTestFinished(() => void delete process.env["NOT_FOR_RUNNERS"]);
  const { runners } = lab({ env: { GIVEN: "2" }, secrets: { TOKEN: "3" } });
  const env = await flame(() => ({ ...process.env }), { pool: runners });
  expect(env).toMatchObject({ GIVEN: "2", TOKEN: "3", HOME: process.env["HOME"] });
  expect(env["NOT_FOR_RUNNERS"]).toBeUndefined();
});

test("several executors, one of which dies alone", async () => {
  const { runners } = lab({ processes: 2 });
  const pause = () => flame(() => new Promise((resolve) => setTimeout(resolve, 400, process.pid)), { pool: runners });
  expect(new Set(await Promise.all([pause(), pause()])).size).toBe(2);
  const living = pause();
  await expect(flame(() => process.exit(3), { pool: runners })).rejects.toMatchObject({
    scope: "process",
    exitCode: 3,
  });
  expect(await living).toEqual(expect.any(Number));
});

test("a slow reader holds up who produces, not the machine's memory", async () => {
  const { runners } = lab();
  let produced = 0;
  const stream = flame(
    async function* () {
      for (let index = 1; index <= 200; index++) yield { index, bytes: new Uint8Array(500_000) };
    },
    { pool: runners },
  );
  for await (const { index, bytes } of stream) {
    expect(bytes).toHaveLength(500_000);
    produced = index;
    if (index === 20) break;
  }
  expect(produced).toBe(20);
  expect(await flame(() => "free", { pool: runners })).toBe("free");
});

test("a link that is cut again and again loses nothing and repeats nothing", async () => {
  const between = await wire();
  const { runners } = lab({ concurrency: 4 }, { dial: between.dial });
  let made = 0;
  const calls = Promise.all(
    Array.from({ length: 300 }, async (_, index) => {
      const given = await flame(
        async () =>
          [
            index,
            ((globalThis as { ran?: number }).ran = ((globalThis as { ran?: number }).ran ?? 0) + 1),
            new Uint8Array(20_000),
          ] as const,
        { pool: runners },
      );
      made++;
      return given[0];
    }),
  );
  let cuts = 0;
  for (let seen = 0; made < 300; seen = made) {
    await until("some more calls", () => made >= Math.min(300, seen + 20), { every: 1 });
    between.cut();
    cuts++;
  }
  expect(await calls).toEqual(Array.from({ length: 300 }, (_, index) => index));
  expect(cuts).toBeGreaterThan(5);
  expect(await flame(() => (globalThis as { ran?: number }).ran, { pool: runners })).toBe(300);
  expect(runners.stats().boots).toEqual({ ok: 1, failed: 0 });
});

test("a link that stays away is given up by both sides, and nothing is run twice", async () => {
  const between = await wire();
  const { runners, backend } = lab({ onParentLoss: "kill" }, { dial: between.dial, windowMs: 1_000 });
  const call = flame(() => new Promise(() => setInterval(() => {}, 1_000)), { pool: runners, timeout: Infinity });
  await until("a call that runs", () => runners.stats().slots.busy === 1 && between.passed > 0);
  await until("its machine", () => backend.machines[0]?.guest !== undefined);
  const { process: machine } = backend.machines[0]!;
  const ended = once(machine, "exit");
  between.break(true);
  await expect(call).rejects.toMatchObject({ code: "ERR_TINDERBOX_RUNNER_LOST", started: true });
  await ended;
  between.break(false);
  expect(await flame(() => "on another", { pool: runners })).toBe("on another");
});

test("a machine process that is killed takes everything along", async () => {
  const { runners, last } = lab();
  const pid = await flame(() => process.pid, { pool: runners });
  const call = flame(() => new Promise(() => setInterval(() => {}, 1_000)), { pool: runners, timeout: Infinity });
  await until("a call that runs", () => runners.stats().slots.busy === 1);
  const machine = last().process.pid!;
  process.kill(machine, "SIGKILL");
  await expect(call).rejects.toMatchObject({ code: "ERR_TINDERBOX_RUNNER_LOST" });
  await until("its agent go", () => !readdirSync("/proc").includes(String(pid)));
});

test("what its cloud announces makes it leave: it finishes what it runs, and another comes", async () => {
  const { runners, last } = lab({ max: 2 });
  const running = flame(() => new Promise((resolve) => setTimeout(resolve, 3_000, "finished")), { pool: runners });
  const first = await until("a machine", () => last()?.guest && last());
  await until("a call that runs", () => runners.stats().slots.busy === 1);
  writeFileSync(first.noticeFile, `spot ${Math.round(Date.now() / 1_000) + 120}\n`);
  await until("it takes no more calls", () => runners.nodes().length === 0, { within: 5_000 });
  expect(await flame(() => "elsewhere", { pool: runners })).toBe("elsewhere");
  expect(await running).toBe("finished");
  expect(runners.stats().boots.ok).toBe(2);
});
