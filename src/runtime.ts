/**
 * The composition root: which clock, which backend, which events; and what the package does to the process it lives in,
 * which is as little as it can: live calls keep it alive, its end takes the runners along.
 */
import { realpathSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { localBackend } from "./backends/local.ts";
import { systemClock } from "./clock.ts";
import { events } from "./events/index.ts";
import { type Pool, type PoolHost, PoolRegistry } from "./pool/handle.ts";
import type { PoolOptions } from "./pool/options.ts";
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
  live(change) {
    live += change;
    if (live === 0) alive?.hold(false);
    else if (change === 1 && live === 1) (alive ??= systemClock.timer(2 ** 40, () => {})).hold(true);
  },
  started(pool) {
    if (started.size === 0) attachToProcess();
    started.add(pool);
  },
};
let fallback: Backend | undefined;

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
      // The application that listens itself decides when to stop.
      if (process.listenerCount(signal) > 1) return;
      void closeAll().finally(() => {
        process.off(signal, listener);
        process.kill(process.pid, signal);
      });
    };
    process.on(signal, listener);
  }
}

async function closeAll(): Promise<void> {
  await Promise.all([...started].map((pool) => pool.close()));
}
