/** The machine process and its parent alone: no pool, no calls. What it does with its files, its agent and its own end. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { inheritedFlags } from "../../src/backends/local.ts";
import { systemClock } from "../../src/clock.ts";
import type { Backend } from "../../src/ports/backend.ts";
import type { Claim, Guest } from "../../src/ports/gate.ts";
import type { Connection } from "../../src/ports/transport.ts";
import { removeFoldersOf } from "../../src/scratch.ts";
import { openGate } from "../../src/transport/gate.ts";
import { flame, pool } from "../../src/index.ts";
import { remoteBackend } from "../harness/remote-backend.ts";
import { repository } from "../harness/script-folder.ts";
import { until } from "../harness/until.ts";

interface Host {
  readonly child: ChildProcess;
  readonly file: string;
  readonly parentFile: string;
  readonly claims: Claim[];
  readonly connections: Connection[];
  readonly exits: unknown[];
  readonly closed: (Error | undefined)[];
  guest(): Guest | undefined;
  readonly exited: Promise<unknown[]>;
}

async function host(onParentLoss: "kill" | "drain" = "kill", windowMs = 5_000): Promise<Host> {
  const gate = await openGate({ clock: systemClock, listen: { host: "127.0.0.1" }, host: "127.0.0.1", windowMs });
  const folder = mkdtempSync(join(tmpdir(), "machine-host-"));
  const file = join(folder, "parameters.json");
  const parentFile = join(folder, "parent");
  writeFileSync(parentFile, "");
  utimesSync(parentFile, 1, 1);
  const ticket = randomBytes(32);
  const claims: Claim[] = [];
  const connections: Connection[] = [];
  const exits: unknown[] = [];
  const closed: (Error | undefined)[] = [];
  let guest: Guest | undefined;
  gate.expect(ticket, (claim) => {
    claims.push(claim);
    const env = { GIVEN: "1" };
    return {
      grant: {
        runner: "r-1",
        token: randomBytes(32).toString("base64url"),
        env,
        flags: inheritedFlags(),
        onParentLoss,
        windowMs,
      },
      attached: (found) => (guest = found),
      accept(connection) {
        connections.push(connection);
        connection.attach({ data: () => undefined, drain: () => undefined, close: () => connection.end() });
      },
      beat: () => undefined,
      output: () => undefined,
      exited: (exit) => void exits.push(exit),
      notice: () => undefined,
      closed: (error) => void closed.push(error),
    };
  });
  writeFileSync(
    file,
    JSON.stringify({
      addresses: [gate.address],
      listen: null,
      fingerprint: gate.fingerprint,
      ticket: ticket.toString("base64url"),
      instance: "i-1",
      identity: { document: "{}", signature: "c2ln" },
      phases: { booted: 1.5 },
      parentFile,
      noticeFile: null,
    }),
  );
  const child = spawn(process.execPath, [...inheritedFlags(), join(repository, "runners/machine.ts"), file], {
    stdio: ["ignore", "inherit", "inherit"],
    detached: true,
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], TMPDIR: tmpdir() },
  });
  const exited = once(child, "exit");
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await exited;
    await gate.close();
    rmSync(folder, { recursive: true });
    removeFoldersOf(tmpdir(), child.pid!);
  });
  await until("the machine", () => guest);
  return {
    child,
    file,
    parentFile,
    claims,
    connections,
    exits,
    closed,
    exited,
    guest: () => guest,
  };
}

test("says who it is, leaves nothing of what it was told on the disk, and passes on what its agent connects to", async () => {
  const { file, claims, connections } = await host();
  expect(claims).toEqual([
    {
      instance: "i-1",
      identity: { document: "{}", signature: "c2ln" },
      phases: { booted: 1.5 },
      peer: expect.stringContaining("127.0.0.1") as string,
    },
  ]);
  expect(existsSync(file)).toBe(false);
  // The agent and its executor come through.
  await until("a connection of the agent", () => connections.length > 0);
});

test("the file by which it is kept on is touched when the parent is heard, and not by itself", async () => {
  const { parentFile, guest, connections } = await host();
  await until("its agent", () => connections.length > 0);
  const touched = (): number => statSync(parentFile).mtimeMs;
  expect(touched()).toBe(1_000);
  guest()!.ping();
  const first = await until("a touch", () => touched() > 1_000 && touched());
  expect(Math.abs(first - Date.now())).toBeLessThan(10_000);
  utimesSync(parentFile, 1, 1);
  await until("another touch", () => (guest()!.ping(), touched() > 1_000));
  expect(touched()).toBeGreaterThanOrEqual(first + 400);
});

test("one that is told to end ends its agent at once, says how that ended, and leaves with code 0", async () => {
  const { guest, exits, closed, exited, connections } = await host();
  await until("its agent", () => connections.length > 0);
  // What it has not read when it ends must not take along what it has said.
  const asking = setInterval(() => Array.from({ length: 50 }, () => guest()!.ping()), 0);
  guest()!.kill();
  expect(await exited).toEqual([0, null]);
  clearInterval(asking);
  await until("its goodbye", () => closed.length > 0);
  expect(exits).toEqual([{ signal: "SIGKILL" }]);
  expect(closed).toEqual([undefined]);
});

test.each(["kill", "drain"] as const)(
  "one whose parent lets go of it, and that is to %s then, ends: its agent has nothing to finish",
  async (onParentLoss) => {
    const { guest, exited, connections } = await host(onParentLoss);
    await until("its agent", () => connections.length > 0);
    guest()!.release();
    expect(await exited).toEqual([0, null]);
  },
);

test("one whose parent forgets it ends by itself", async () => {
  const { guest, exited, connections } = await host("kill", 1_000);
  await until("its agent", () => connections.length > 0);
  guest()!.gone();
  expect(await exited).toEqual([0, null]);
});

test("one whose parent is lost stays until its agent has finished what it runs", async () => {
  const folder = mkdtempSync(join(tmpdir(), "machine-drain-"));
  const file = join(folder, "finished");
  const backend = remoteBackend({ windowMs: 1_000 });
  let beats = 0;
  // A parent that is killed ends nothing.
  const helpless: Backend = {
    ...backend,
    boot: async (request) => {
      const beat = (): void => {
        beats++;
        request.beat();
      };
      return { ...(await backend.boot({ ...request, beat })), kill: () => undefined };
    },
  };
  const runners = pool("far-draining", { backend: helpless, max: 1, onParentLoss: "drain" });
  onTestFinished(async () => {
    await runners.close({ timeout: 0 });
    rmSync(folder, { recursive: true });
  });
  const call = flame(
    async () => {
      const { writeFileSync: write } = process.getBuiltinModule("node:fs");
      write(`${file}.begun`, "");
      await new Promise((resolve) => setTimeout(resolve, 8_000));
      write(file, "");
    },
    { pool: runners },
  );
  const outcome = Promise.resolve(call).catch((error: unknown) => error);
  await until("a call that runs", () => existsSync(`${file}.begun`));
  await until("signs of life of its agent", () => beats > 1);
  const [machine] = backend.machines;
  const ended = once(machine!.process, "exit");
  machine!.guest!.gone();
  expect(await ended).toEqual([0, null]);
  expect(existsSync(file)).toBe(true);
  expect(await outcome).toMatchObject({ code: "ERR_TINDERBOX_RUNNER_LOST" });
});
