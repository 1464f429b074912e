/**
 * Runners as child processes of the parent: the same protocol, isolation and failures as a machine, on a laptop.
 *
 * Each leads a process group of its own, so that a terminal's Ctrl-C reaches the parent alone and a kill reaches
 * everything that the runner has started.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import type { Duplex, Readable } from "node:stream";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { Lines } from "../lines.ts";
import { killMarked, markVariable, newMark } from "../mark.ts";
import { removeScratch } from "../scratch.ts";
import type { Backend, BootRequest, Machine, MachineExit } from "../ports/backend.ts";
import type { Connection, Listener } from "../ports/transport.ts";

export interface LocalWiring {
  /** The agent's file. */
  readonly agent: URL;
  readonly listen: (accept: (connection: Connection) => void) => Promise<Listener>;
}

const idleMs = 60_000;

export function localBackend(wiring: LocalWiring): Backend {
  return {
    name: "local",
    defaults: { max: availableParallelism(), processes: 1, concurrency: 1, idleMs, onParentLoss: "kill" },
    listen: wiring.listen,
    boot: (request) => launch(request, fileURLToPath(wiring.agent), "machine"),
  };
}

/**
 * Starts an agent's process: a machine of its own, or one executor of the machine that this process is. An executor
 * belongs to the process group of its machine and ends with it. `flags` are Node's.
 */
export async function launch(
  request: BootRequest,
  agent: string,
  as: "machine" | "executor",
  flags: readonly string[] = inheritedFlags(),
): Promise<Machine> {
  const { onParentLoss } = request;
  request.phase("requested");
  const { mark, value } = newMark(request.env, "runner");
  const child = spawn(process.execPath, [...flags, agent, request.address, request.runner], {
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    env: { ...request.env, [markVariable]: value, TINDERBOX_RUNNER: `${as} ${onParentLoss} ${process.pid}` },
    detached: as === "machine",
  });
  const end = (): void => void (as === "machine" ? killGroup(child.pid) : child.kill("SIGKILL"));
  const guard = child.stdio[3] as Duplex;
  guard.on("error", () => {});
  guard.on("data", () => request.beat());
  guard.write(request.token);
  follow(child.stdout!, (line) => request.output("stdout", line));
  follow(child.stderr!, (line) => request.output("stderr", line));
  const base = dirname(dirname(request.address));
  const exited = watch(child, () => {
    end();
    // What has left its group: programs that a closure has started with a session of their own.
    killMarked({ mark, pid: child.pid, ended: true });
    const pid = child.pid ?? 0;
    removeScratch(as === "machine" ? { base, machine: pid } : { base, machine: process.pid, executor: pid });
  });
  if (child.pid === undefined) {
    const [error] = (await once(child, "error")) as [Error];
    throw error;
  }
  release(child, guard);
  request.phase("launched");
  return {
    id: String(child.pid),
    exited,
    ping: () => void (guard.writable && guard.write(beat)),
    kill: end,
    // The end of this process is what tells a runner that drains.
    exitNow() {
      if (onParentLoss !== "kill") return;
      end();
      killMarked({ mark, pid: child.pid });
    },
  };
}

const beat = Buffer.from([1]);

/** Pipes may stay open in processes that the runner has started: they do not delay the news of its end. */
function watch(child: ChildProcess, cleanUp: () => void): Promise<MachineExit> {
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => {
      cleanUp();
      const done = (): void => {
        child.stdio.forEach((stream) => stream?.destroy());
        resolve({ ...(code === null ? {} : { exitCode: code }), ...(signal === null ? {} : { signal }) });
      };
      child.once("close", done);
      setImmediate(() => setImmediate(done));
    });
  });
}

function follow(stream: Readable, print: (line: string) => void): void {
  const lines = new Lines(print);
  stream.on("data", (chunk: Buffer) => lines.push(chunk));
  stream.on("error", () => {});
  stream.on("close", () => lines.flush());
}

/** A child, its pipes: none of them is a reason for the parent to stay. */
function release(child: ChildProcess, guard: Duplex): void {
  child.unref();
  for (const stream of [child.stdout, child.stderr, guard]) (stream as unknown as { unref?(): void }).unref?.();
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // Gone already.
  }
}

const carried = /^(--import|--require|-r|--conditions|-C|--loader|--experimental-loader)(=|$)/;

/** How modules are found and compiled is the application's choice; debugging, evaluation and test flags are not handed on. */
export function inheritedFlags(
  execArgv: readonly string[] = process.execArgv,
  nodeOptions = process.env["NODE_OPTIONS"] ?? "",
): string[] {
  const found: string[] = [];
  const words = [
    ...(nodeOptions.match(/(?:[^\s"]+|"[^"]*")+/g) ?? []).map((word) => word.replaceAll('"', "")),
    ...execArgv,
  ];
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!;
    if (!carried.test(word)) continue;
    found.push(word);
    if (!word.includes("=") && index + 1 < words.length) found.push(words[++index]!);
  }
  return found;
}
