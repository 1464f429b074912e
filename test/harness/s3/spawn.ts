import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { callsTo, type Remote } from "../calls.ts";
import type { Credentials } from "./authenticate.ts";
import type { Calls } from "./protocol.ts";
import type { S3Options } from "./server.ts";

/** An S3 server in a process of its own, which a test may stop, kill or measure. */
export interface SpawnedS3 extends Omit<Remote<Calls>, "start">, AsyncDisposable {
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
  const { remote, exited } = callsTo<Calls>(child, "the S3 server");
  const dispose = async () => {
    child.kill("SIGKILL");
    await exited;
    rmSync(folder, { recursive: true, force: true });
  };

  try {
    const started = await remote.start({ ...options, folder });
    return {
      ...started,
      pid: child.pid ?? -1,
      child,
      kill: (signal) => child.kill(signal),
      dispose,
      [Symbol.asyncDispose]: dispose,
      credentialsFor: remote.credentialsFor,
      addFault: remote.addFault,
      releaseFault: remote.releaseFault,
      struckBy: remote.struckBy,
      clearFaults: remote.clearFaults,
      requests: remote.requests,
      keys: remote.keys,
      etag: remote.etag,
      parts: remote.parts,
      partition: remote.partition,
      heal: remote.heal,
      memory: remote.memory,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}
