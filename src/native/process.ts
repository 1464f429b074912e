/** Starts native programs (see program.ts for what holds). */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import type { Program, ProgramExit, ProgramOptions } from "./program.ts";

export async function startProgram(options: ProgramOptions): Promise<Program> {
  const { command, args = [], env, cwd } = options;
  const child = spawn(command, args, {
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
    env: { ...(env ?? process.env) },
    cwd,
  });
  const exited = new Promise<ProgramExit>((resolve) => {
    child.once("exit", (code, signal) => {
      killGroup(child.pid);
      resolve({
        status: code ?? 128 + constants.signals[signal!],
        exitCode: code ?? undefined,
        signal: signal ?? undefined,
        oom: false,
      });
    });
  });
  if (child.pid === undefined) {
    const [error] = (await once(child, "error")) as [Error];
    throw error;
  }
  child.stdin.on("error", () => {});
  const gone = exited.then(() => {});
  return {
    pid: child.pid,
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    exited,
    gone,
    memory: () => undefined,
    async stop() {
      child.stdin.end();
      killGroup(child.pid);
      await gone;
    },
    kill: () => killGroup(child.pid),
    hold(alive) {
      const act = alive ? "ref" : "unref";
      child[act]();
      for (const stream of child.stdio) (stream as unknown as { ref?(): void; unref?(): void } | null)?.[act]?.();
    },
  };
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // Gone already.
  }
}
