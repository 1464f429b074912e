/** The composition root of pools: which clock, which backend, which events. */
import { realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { localBackend } from "./backends/local.ts";
import { systemClock } from "./clock.ts";
import { events } from "./events/index.ts";
import { count, hold } from "./lifecycle.ts";
import { type PoolHost, PoolRegistry } from "./pool/handle.ts";
import type { PoolOptions } from "./pool/options.ts";
import type { NestedCall } from "./pool/nesting.ts";
import { poolOptionNames } from "./pool/options.ts";
import { refuseUnknown } from "./options.ts";
import type { Backend } from "./ports/backend.ts";
import { keepPool } from "./pools.ts";
import { listenUnix } from "./transport/unix.ts";

/** Runners are child processes of this one. The backend of pools that name no other. */
export function local(): Backend {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  return localBackend({
    agent: new URL(`../runners/agent.${extension}`, import.meta.url),
    listen: (accept) => listenUnix(accept),
  });
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
    if (wanted === "inline") return (within ??= loadInline());
    throw new TypeError(
      `Cannot use TINDERBOX_BACKEND=${wanted}: it does not exist; known is local, and for tests inline`,
    );
  },
  live: hold,
  nested: (call) => nestedCalls.run!(call),
  started: keepPool,
  running: count,
};
let fallback: Backend | undefined;
let within: Backend | undefined;

/** Only tests pay for it. Synchronous, as the declaration of a pool is. */
function loadInline(): Backend {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const found = createRequire(import.meta.url)(`./testing/inline.${extension}`) as {
    inlineFor(nested: typeof nestedCalls): Backend;
  };
  return found.inlineFor(nestedCalls);
}

/** Filled in by whoever knows how options are read. */
export const nestedCalls: { run?: (call: NestedCall) => void } = {};

export const registry = new PoolRegistry(host);

/** The file whose top level is the application; runners are never to run it. */
export function entryUrl(): string | null {
  const script = process.argv[1];
  if (script === undefined) return null;
  try {
    return pathToFileURL(realpathSync(script)).href;
  } catch {
    return null;
  }
}
