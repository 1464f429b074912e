/**
 * The composition root: which clock, which backend, which events; and what the package does to the process it lives in,
 * which is as little as it can: live calls keep it alive, its end takes the runners along.
 */
import { realpathSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { localBackend } from "./backends/local.ts";
import { systemClock } from "./clock.ts";
import { events } from "./events/index.ts";
import { place } from "./context.ts";
import { resolveDuration } from "./duration.ts";
import { type CloseOptions, type Pool, type PoolHost, PoolRegistry } from "./pool/handle.ts";
import type { PoolOptions } from "./pool/options.ts";
import type { NestedCall } from "./pool/nesting.ts";
import { poolOptionNames } from "./pool/options.ts";
import { refuseUnknown } from "./options.ts";
import type { Backend } from "./ports/backend.ts";
import type { Timer } from "./ports/clock.ts";
import { printRunnerOutput } from "./print.ts";
import { listenUnix } from "./transport/unix.ts";

/** Runners are child processes of this one. The backend of pools that name no other. */
export function local(): Backend {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  return localBackend({ agent: new URL(`../runners/agent.${extension}`, import.meta.url), listen: listenUnix });
}

let shared: PoolOptions = {};

/**
 * Options of all pools that do not say otherwise, from now on.
 *
 * @example
 * defaults({ timeout: "2m", env: ["DATABASE_URL"] });
 */
export function defaults(options: PoolOptions): void {
  refuseUnknown(options, poolOptionNames, "defaults");
  shared = { ...shared, ...options };
}

let live = 0;
/** Held while a call is live: a timer is the one handle that any Node stays alive for. */
let alive: Timer | undefined;
const started = new Set<Pool>();

const host: PoolHost = {
  clock: systemClock,
  events,
  entry: entryUrl(),
  defaults: () => shared,
  fallback: () => (fallback ??= local()),
  override: () => {
    const wanted = process.env["TINDERBOX_BACKEND"];
    if (wanted === undefined || wanted === "") return undefined;
    if (wanted === "local") return (fallback ??= local());
    throw new TypeError(`Cannot use TINDERBOX_BACKEND=${wanted}: it does not exist; known is local`);
  },
  live(change) {
    live += change;
    if (live === 0) alive?.hold(false);
    else if (change === 1 && live === 1) (alive ??= systemClock.timer(2 ** 40, () => {})).hold(true);
  },
  nested: (call) => nestedCalls.run!(call),
  started(pool) {
    if (started.size === 0) attachToProcess();
    started.add(pool);
  },
};
let fallback: Backend | undefined;

/** Filled in by whoever knows how options are read. */
export const nestedCalls: { run?: (call: NestedCall) => void } = {};

export const registry = new PoolRegistry(host);

/** The file whose top level is the application; runners are never to run it. */
function entryUrl(): string | null {
  const script = process.argv[1];
  if (script === undefined) return null;
  try {
    return pathToFileURL(realpathSync(script)).href;
  } catch {
    return null;
  }
}

const signals = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

function attachToProcess(): void {
  printRunnerOutput(events);
  // Nothing left to do: let the runners end by themselves before the process does.
  process.on("beforeExit", () => {
    for (const pool of started) void pool.rest();
  });
  process.on("exit", () => {
    for (const pool of started) pool.exitNow();
  });
  for (const signal of signals) {
    const listener = (): void => {
      // The application that listens itself decides when to stop: it calls shutdown().
      if (process.listenerCount(signal) > 1) return;
      const end = (): void => {
        process.off(signal, listener);
        process.kill(process.pid, signal);
      };
      // Whoever asks twice does not want to wait.
      if (stopping) end();
      stopping = true;
      void shutdown().finally(end);
    };
    // Before the application's: one that listens once is no longer counted when it has been called.
    process.prependListener(signal, listener);
  }
}

let stopping = false;

/**
 * Ends all pools: new calls are refused, those that wait and run finish within the time, the rest get a
 * `PoolClosedError`, and the runners go. It does not end the process; Tinderbox does the same by itself on SIGTERM,
 * SIGINT and SIGHUP, and raises the signal again, unless the application listens for that signal. Does nothing on a
 * runner.
 *
 * @param options.timeout What the calls may take. Default: `drainTimeout` of each pool.
 * @throws TypeError for options that make no sense.
 * @example
 * process.once("SIGTERM", async () => {
 *   server.close();
 *   await shutdown({ timeout: "20s" });
 * });
 */
export async function shutdown(options: CloseOptions = {}): Promise<void> {
  refuseUnknown(options, ["timeout"], "shutdown");
  if (options.timeout !== undefined) resolveDuration(options.timeout, '"timeout" of shutdown()');
  if (place.runner) return;
  await Promise.all([...started].map((pool) => pool.close(options)));
}
