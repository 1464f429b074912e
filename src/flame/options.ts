/** The options of a call, and the pool that it goes to. */
import { AsyncLocalStorage } from "node:async_hooks";
import { place } from "../context.ts";
import { type Duration, resolveDuration } from "../duration.ts";
import type { RunnerInfo } from "../context.ts";
import { refuseUnknown, resolveBoolean, show } from "../options.ts";
import type { CallOptions } from "../pool/call.ts";
import { Pool } from "../pool/handle.ts";
import { type RetryOptions, resolveRetries } from "../pool/retries.ts";
import { registry } from "../runtime.ts";

export interface FlameOptions {
  /** The pool, or its name. @default a pool "default" over local() */
  readonly pool?: Pool | string;
  /**
   * One runner and no other: its id, or what `context().runner` and `pool.nodes()` give. A call for a runner that is
   * gone, or goes while the call waits, rejects with `RunnerLostError`.
   */
  readonly node?: RunnerInfo | string;
  /** Limit of the execution alone, without queue and boot. @default the pool's, "30s" */
  readonly timeout?: Duration;
  /** Limit of the wait for a slot. @default the pool's, Infinity */
  readonly queueTimeout?: Duration;
  /** Gives the call up: it rejects at once with `AbortError`. */
  readonly signal?: AbortSignal;
  /**
   * Further attempts after an error of the closure's own: their number, or `{ limit, delay, when }`. @default 0
   */
  readonly retries?: number | RetryOptions;
  /** The call may be repeated when its runner is lost, up to 3 times. @default false */
  readonly idempotent?: boolean;
  /** What the call is called in events, logs and errors. @default the function's name */
  readonly name?: string;
  /** Larger goes first. @default 0 */
  readonly priority?: number;
  /** Calls of one key go to the same runner where possible. */
  readonly key?: string;
  /** Gets the values that the closure passes to `context.progress`, in the asynchronous context of the call. */
  readonly onProgress?: (value: unknown) => void;
}

export const flameOptionNames: readonly (keyof FlameOptions)[] = [
  "pool",
  "node",
  "timeout",
  "queueTimeout",
  "signal",
  "retries",
  "idempotent",
  "name",
  "priority",
  "key",
  "onProgress",
];

/** `owner` is the function that was called, for messages. */
export function poolOf({ pool: chosen, node }: FlameOptions, owner: string): Pool {
  if (chosen === undefined && node !== undefined) return registry.get(readNode(node, owner).pool);
  if (chosen instanceof Pool) return chosen;
  if (typeof chosen === "string") return registry.get(chosen);
  if (place.runner && chosen === undefined) return registry.handle(place.runner.pool);
  if (chosen !== undefined) throw new TypeError(`Cannot use option "pool" of ${owner}: a pool or its name is wanted`);
  return registry.has("default") ? registry.get("default") : registry.declare("default", {}, undefined);
}

/** Runners are numbered within their pool. */
function readNode(node: RunnerInfo | string, owner: string): { readonly pool: string; readonly number: number } {
  const id: unknown = typeof node === "object" && node !== null ? node.id : node;
  const [, pool, number] = (typeof id === "string" && /^(.+)-(\d+)$/.exec(id)) || [];
  if (pool !== undefined) return { pool, number: Number(number) };
  throw new TypeError(
    `Cannot use ${show(id)} as option "node" of ${owner}: the id of a runner is wanted, such as "media-3"`,
  );
}

function resolveNode(node: FlameOptions["node"], pool: Pool, owner: string): number | undefined {
  if (node === undefined) return undefined;
  const found = readNode(node, owner);
  if (found.pool === pool.name) return found.number;
  throw new TypeError(
    `Cannot use a runner of pool "${found.pool}" as option "node" of ${owner}: the call is for pool "${pool.name}"`,
  );
}

/** Checks the options of a call and fills in the pool's defaults. Unknown ones are refused by whoever knows them all. */
export function resolveFlameOptions(
  fn: { readonly name: string },
  options: FlameOptions,
  pool: Pool,
  owner: string,
): CallOptions {
  const { timeoutMs, queueTimeoutMs } = pool.options;
  const { timeout, queueTimeout, signal, retries, idempotent, name, priority, key, onProgress } = options;
  const option = (of: keyof FlameOptions): string => `option "${of}" of ${owner}`;
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw new TypeError(`Cannot use ${option("signal")}: an AbortSignal is wanted`);
  if (priority !== undefined && !Number.isFinite(priority))
    throw new TypeError(`Cannot use ${String(priority)} as ${option("priority")}: a number is wanted`);
  if (onProgress !== undefined && typeof onProgress !== "function")
    throw new TypeError(`Cannot use ${option("onProgress")}: a function is wanted`);
  return {
    name: name ?? fn.name,
    timeoutMs: timeout === undefined ? timeoutMs : resolveDuration(timeout, option("timeout")),
    queueTimeoutMs: queueTimeout === undefined ? queueTimeoutMs : resolveDuration(queueTimeout, option("queueTimeout")),
    idempotent: idempotent === undefined ? false : resolveBoolean(idempotent, option("idempotent")),
    retries: resolveRetries(retries, () => option("retries")),
    signal,
    priority: priority ?? 0,
    key,
    node: resolveNode(options.node, pool, owner),
    onProgress: onProgress && AsyncLocalStorage.bind(onProgress),
  };
}

/** As `resolveFlameOptions`, for callers without options of their own. */
export function checkFlameOptions(options: FlameOptions, owner: string): void {
  refuseUnknown(options, flameOptionNames, owner);
}
