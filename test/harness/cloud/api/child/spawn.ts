import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Answer, Call, Calls, ChildOptions, Started } from "./protocol.ts";

/** For `hostModule`: machines of namespaces, as `startMachines` makes them. */
export const namespaceHost = new URL("namespaces.ts", import.meta.url).href;

type Remote = {
  readonly [Name in keyof Calls]: (...args: Parameters<Calls[Name]>) => Promise<ReturnType<Calls[Name]>>;
};

/** An EC2 endpoint in a process of its own, which a test may stop, kill or measure. */
export interface SpawnedCloud extends Omit<Remote, "start" | "close">, Started, AsyncDisposable {
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
    if (over) throw new Error(`Cannot call ${name} of the EC2 endpoint: the process has ended`);
    const id = calls++;
    const { promise, resolve } = Promise.withResolvers<Answer>();
    waiting.set(id, resolve);
    const message: Call = { id, name, args };
    child.send(message, (error) => error && resolve({ id, error: error.message }));
    const answer = await promise;
    if (answer.error !== undefined) throw new Error(`Cannot call ${name} of the EC2 endpoint: ${answer.error}`);
    return answer.result as ReturnType<Calls[Name]>;
  }

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
    const started = await call("start", options);
    return {
      ...started,
      pid: child.pid ?? -1,
      child,
      signal: (signal) => child.kill(signal),
      close,
      [Symbol.asyncDispose]: close,
      credentials: (...args) => call("credentials", ...args),
      calls: (...args) => call("calls", ...args),
      instances: () => call("instances"),
      console: (...args) => call("console", ...args),
      pids: (...args) => call("pids", ...args),
      kill: (...args) => call("kill", ...args),
      partition: (...args) => call("partition", ...args),
      freeze: (...args) => call("freeze", ...args),
      addFault: (...args) => call("addFault", ...args),
      releaseFault: (...args) => call("releaseFault", ...args),
      struckBy: (...args) => call("struckBy", ...args),
      clearFaults: () => call("clearFaults"),
      addMachineFault: (...args) => call("addMachineFault", ...args),
      setCapacity: (...args) => call("setCapacity", ...args),
      setSpotPrice: (...args) => call("setSpotPrice", ...args),
      interrupt: (...args) => call("interrupt", ...args),
      powerOff: (...args) => call("powerOff", ...args),
      advance: (...args) => call("advance", ...args),
    };
  } catch (error) {
    await close();
    throw error;
  }
}
