/** A backend whose machines are processes on this one that run `runners/machine.ts`: the whole way of a remote runner but the machine. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inheritedFlags } from "../../src/backends/local.ts";
import { systemClock } from "../../src/clock.ts";
import type { Backend, BootRequest, Machine, MachineExit } from "../../src/ports/backend.ts";
import type { Admission, Gate, Guest } from "../../src/ports/gate.ts";
import type { Connection } from "../../src/ports/transport.ts";
import { removeFoldersOf } from "../../src/scratch.ts";
import { openGate } from "../../src/transport/gate.ts";
import { repository } from "./script-folder.ts";

export interface RemoteOptions {
  readonly windowMs?: number;
  /** Where machines are told to dial; for those who sit in between. */
  readonly dial?: (address: string) => string;
}

/** A machine of this backend, for tests that do something to it. */
export interface RemoteMachine {
  readonly process: ChildProcess;
  readonly guest: Guest | undefined;
  /** Where its cloud would announce what it is going to do. */
  readonly noticeFile: string;
}

export function remoteBackend({ windowMs = 5_000, dial = (address) => address }: RemoteOptions = {}): Backend & {
  readonly machines: readonly RemoteMachine[];
} {
  const machines: RemoteMachine[] = [];
  const accepts = new Map<string, { readonly gate: Gate; accept(connection: Connection): void }>();
  return {
    machines,
    name: "remote",
    defaults: { max: 2, processes: 1, concurrency: 1, idleMs: 60_000, onParentLoss: "drain", remote: true },
    async listen(accept) {
      const gate = await openGate({ clock: systemClock, listen: { host: "127.0.0.1" }, host: "127.0.0.1", windowMs });
      accepts.set(gate.address, { gate, accept });
      return { address: gate.address, close: () => void gate.close() };
    },
    boot: (request) => start(request, accepts.get(request.address)!),
  };

  async function start(
    request: BootRequest,
    { gate, accept }: { readonly gate: Gate; accept(connection: Connection): void },
  ): Promise<Machine> {
    const ticket = randomBytes(32);
    const folder = mkdtempSync(join(tmpdir(), "remote-"));
    const file = join(folder, "parameters.json");
    const facts = { listen: null, fingerprint: gate.fingerprint, instance: request.runner, identity: null };
    const noticeFile = join(folder, "notices");
    const rest = { phases: { booted: 0.1 }, parentFile: null, noticeFile };
    const addresses = [dial(gate.address)];
    writeFileSync(file, JSON.stringify({ ...facts, ...rest, addresses, ticket: ticket.toString("base64url") }));
    const child = spawn(process.execPath, [...inheritedFlags(), join(repository, "runners/machine.ts"), file], {
      stdio: ["ignore", "inherit", "inherit"],
      detached: true,
      env: { PATH: process.env["PATH"], HOME: process.env["HOME"], TMPDIR: tmpdir() },
    });
    child.unref();
    const record: { process: ChildProcess; guest: Guest | undefined; noticeFile: string } = {
      process: child,
      guest: undefined,
      noticeFile,
    };
    machines.push(record);
    let exit: MachineExit | undefined;
    const exited = new Promise<MachineExit>((resolve) =>
      child.once("exit", () => {
        // A machine takes its disk along, also when its process could not clear up.
        rmSync(folder, { recursive: true, force: true });
        removeFoldersOf(tmpdir(), child.pid!);
        record.guest?.gone();
        resolve(exit ?? { reason: "its machine ended" });
      }),
    );
    const end = (): void => void child.kill("SIGKILL");
    const admission: Admission = {
      grant: {
        runner: request.runner,
        token: request.token.toString("base64url"),
        env: request.env,
        flags: inheritedFlags(),
        onParentLoss: request.onParentLoss,
        windowMs,
      },
      attached: (guest) => (record.guest = guest),
      accept,
      beat: () => request.beat(),
      output: (stream, line) => request.output(stream, line),
      exited: (found) => (exit = found),
      notice: (kind) => request.leaving(`its ${kind} notice`),
      closed: (error) => {
        record.guest = undefined;
        if (error) exit ??= { reason: `its connection was lost: ${error.message}` };
      },
    };
    gate.expect(ticket, () => admission);
    return {
      id: String(child.pid),
      exited,
      ping: () => record.guest?.ping(),
      kill: end,
      exitNow: () => undefined,
    };
  }
}
