import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { callsTo, type Remote } from "../../../calls.ts";
import type { Calls, ChildOptions, Started } from "./protocol.ts";

/** For `hostModule`: machines of namespaces, as `startMachines` makes them. */
export const namespaceHost = new URL("namespaces.ts", import.meta.url).href;

/** An EC2 endpoint in a process of its own, which a test may stop, kill or measure. */
export interface SpawnedCloud extends Omit<Remote<Calls>, "start" | "close">, Started, AsyncDisposable {
  readonly pid: number;
  readonly child: ChildProcess;
  /** Sends a signal: SIGSTOP freezes the endpoint with its connections open, SIGKILL resets them. */
  signal(signal: NodeJS.Signals): void;
  /** Ends machines and endpoint, and waits for the end of the process. May be called more than once. */
  close(): Promise<void>;
}

/** How long an orderly end may take before the process is killed. */
const closeMs = 20_000;

/**
 * As `startCloud`, in a process of its own, so that parents in several processes use it and none of them is slowed.
 *
 * @example
 * await using cloud = await spawnCloud({ times: { unlistedMs: 500 } });
 * const credentials = await cloud.credentials("parent");
 */
export async function spawnCloud(options: ChildOptions = {}): Promise<SpawnedCloud> {
  const child = fork(fileURLToPath(new URL("main.ts", import.meta.url)), {
    execArgv: ["--conditions=tinderbox-source"],
    env: { ...process.env, NODE_OPTIONS: "" },
    serialization: "advanced",
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  let over = false;
  const { remote, exited } = callsTo<Calls>(child, "the EC2 endpoint");
  void exited.then(() => (over = true));

  const close = async () => {
    if (over) return exited;
    const deadline = setTimeout(() => child.kill("SIGKILL"), closeMs);
    // One that was stopped could not hear it.
    child.kill("SIGCONT");
    if (child.connected) child.disconnect();
    await exited;
    clearTimeout(deadline);
  };

  try {
    const started = await remote.start(options);
    return {
      ...started,
      pid: child.pid ?? -1,
      child,
      signal: (signal) => child.kill(signal),
      close,
      [Symbol.asyncDispose]: close,
      credentials: remote.credentials,
      calls: remote.calls,
      instances: remote.instances,
      console: remote.console,
      pids: remote.pids,
      kill: remote.kill,
      partition: remote.partition,
      freeze: remote.freeze,
      addFault: remote.addFault,
      releaseFault: remote.releaseFault,
      struckBy: remote.struckBy,
      clearFaults: remote.clearFaults,
      addMachineFault: remote.addMachineFault,
      setCapacity: remote.setCapacity,
      setSpotPrice: remote.setSpotPrice,
      interrupt: remote.interrupt,
      powerOff: remote.powerOff,
      advance: remote.advance,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
