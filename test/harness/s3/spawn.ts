import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Credentials } from "./authenticate.ts";
import type { Answer, Call, Calls } from "./protocol.ts";
import type { S3Options } from "./server.ts";

type Remote = {
  readonly [Name in keyof Calls]: (...args: Parameters<Calls[Name]>) => Promise<ReturnType<Calls[Name]>>;
};

/** An S3 server in a process of its own, which a test may stop, kill or measure. */
export interface SpawnedS3 extends Omit<Remote, "start">, AsyncDisposable {
  readonly endpoint: string;
  readonly virtualEndpoint: string;
  readonly region: string;
  readonly credentials: Credentials;
  readonly pid: number;
  readonly child: ChildProcess;
  /** Sends a signal: SIGSTOP freezes the server with its connections open, SIGKILL resets them. */
  kill(signal: NodeJS.Signals): void;
  /** Kills the process, waits for its end and removes its files. May be called more than once. */
  dispose(): Promise<void>;
}

/** As `startS3`, in a process of its own. What it stores is lost with it. */
export async function spawnS3(options: Omit<S3Options, "folder"> = {}): Promise<SpawnedS3> {
  // The parent owns the folder, so that a killed server leaves nothing.
  const folder = mkdtempSync(join(tmpdir(), "s3-"));
  const file = fileURLToPath(new URL("child.ts", import.meta.url));
  const child = fork(file, {
    execArgv: ["--conditions=tinderbox-source", "--expose-gc"],
    env: { PATH: process.env["PATH"], TMPDIR: process.env["TMPDIR"] },
    serialization: "advanced",
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const waiting = new Map<number, (answer: Answer) => void>();
  let calls = 0;
  let over = false;
  child.on("message", (message) => {
    const answer = message as Answer;
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  void exited.then(() => {
    over = true;
    for (const [id, settle] of waiting) settle({ id, error: "the process has ended" });
    waiting.clear();
  });

  async function call<Name extends keyof Calls>(
    name: Name,
    ...args: Parameters<Calls[Name]>
  ): Promise<ReturnType<Calls[Name]>> {
    if (over) throw new Error(`Cannot call ${name} of the S3 server: the process has ended`);
    const id = calls++;
    const { promise, resolve } = Promise.withResolvers<Answer>();
    waiting.set(id, resolve);
    const message: Call = { id, name, args };
    child.send(message, (error) => error && resolve({ id, error: error.message }));
    const answer = await promise;
    if (answer.error !== undefined) throw new Error(`Cannot call ${name} of the S3 server: ${answer.error}`);
    return answer.result as ReturnType<Calls[Name]>;
  }

  const dispose = async () => {
    child.kill("SIGKILL");
    await exited;
    rmSync(folder, { recursive: true, force: true });
  };

  try {
    const started = await call("start", { ...options, folder });
    return {
      ...started,
      pid: child.pid ?? -1,
      child,
      kill: (signal) => child.kill(signal),
      dispose,
      [Symbol.asyncDispose]: dispose,
      credentialsFor: (...args) => call("credentialsFor", ...args),
      addFault: (...args) => call("addFault", ...args),
      releaseFault: (...args) => call("releaseFault", ...args),
      struckBy: (...args) => call("struckBy", ...args),
      clearFaults: () => call("clearFaults"),
      requests: () => call("requests"),
      keys: (...args) => call("keys", ...args),
      etag: (...args) => call("etag", ...args),
      parts: () => call("parts"),
      partition: (...args) => call("partition", ...args),
      heal: () => call("heal"),
      memory: () => call("memory"),
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}
