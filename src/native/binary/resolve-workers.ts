/** Options of binaries with a protocol. */
import { resolveDuration, resolveSize } from "../../duration.ts";
import { refuseUnknown, resolveCount, show } from "../../options.ts";
import type { Protocol } from "./framing.ts";
import type { HealthOptions, WorkerOptions } from "./options.ts";

export interface ResolvedWorkers {
  readonly protocol: Protocol;
  readonly min: number;
  readonly pipeline: number;
  readonly maxAnswer: number;
  readonly ready: RegExp | "answer" | undefined;
  readonly readyTimeoutMs: number;
  readonly health: ResolvedHealth | undefined;
  readonly maxRestarts: number;
  readonly withinMs: number;
  readonly maxCalls: number;
  readonly maxMemory: number;
  readonly maxAgeMs: number;
  readonly idleMs: number;
}

export interface ResolvedHealth {
  readonly everyMs: number;
  readonly timeoutMs: number;
  readonly probe: (call: (request: unknown) => Promise<unknown>) => unknown;
}

/** All but `protocol` and what one-shot binaries have as well. */
export const workerOptionNames = [
  "min",
  "pipeline",
  "maxAnswer",
  "ready",
  "readyTimeout",
  "health",
  "maxRestarts",
  "within",
  "maxCalls",
  "maxMemory",
  "maxAge",
  "idle",
];

export function resolveWorkers(options: WorkerOptions, size: number, of: (option: string) => string): ResolvedWorkers {
  const idleMs = resolveDuration(options.idle ?? Infinity, of("idle"));
  const min = resolveCount(options.min ?? (idleMs === Infinity ? size : 0), of("min"), 0);
  if (min > size) throw new TypeError(`Cannot use ${min} as ${of("min")}: it is above size, which is ${size}`);
  const { ready } = options;
  if (ready !== undefined && ready !== "answer" && !(ready instanceof RegExp))
    throw new TypeError(`Cannot use ${show(ready)} as ${of("ready")}: a regular expression or "answer" is wanted`);
  return {
    protocol: resolveProtocol(options.protocol, of("protocol")),
    min,
    // One that is global or sticky would remember where it was.
    ready: ready instanceof RegExp ? new RegExp(ready.source, ready.flags.replace(/[gy]/g, "")) : ready,
    pipeline: resolveCount(options.pipeline ?? 1, of("pipeline"), 1),
    maxAnswer: resolveSize(options.maxAnswer ?? "64mb", of("maxAnswer")),
    readyTimeoutMs: resolveDuration(options.readyTimeout ?? "30s", of("readyTimeout")),
    health: options.health && resolveHealth(options.health, of),
    maxRestarts: resolveCount(options.maxRestarts ?? 3 * size, of("maxRestarts"), 0),
    withinMs: resolveDuration(options.within ?? "5s", of("within")),
    maxCalls: resolveCount(options.maxCalls ?? Infinity, of("maxCalls"), 1, true),
    maxMemory: options.maxMemory === undefined ? Infinity : resolveSize(options.maxMemory, of("maxMemory")),
    maxAgeMs: resolveDuration(options.maxAge ?? Infinity, of("maxAge")),
    idleMs,
  };
}

function resolveProtocol(protocol: unknown, option: string): Protocol {
  if (protocol === "lines" || protocol === "jsonl") return protocol;
  if (typeof protocol === "object" && protocol !== null) {
    refuseUnknown(protocol, ["packet"], option);
    const { packet } = protocol as { readonly packet?: unknown };
    if (packet === 1 || packet === 2 || packet === 4) return { packet };
  }
  throw new TypeError(`Cannot use ${show(protocol)} as ${option}: "lines", "jsonl" or { packet: 1 | 2 | 4 } is wanted`);
}

function resolveHealth(health: HealthOptions, of: (option: string) => string): ResolvedHealth {
  refuseUnknown(health, ["every", "timeout", "probe"], of("health"));
  const { every, timeout = "5s", probe } = health;
  if (typeof probe !== "function")
    throw new TypeError(`Cannot use ${show(probe)} as ${of("health.probe")}: a function is wanted`);
  const everyMs = resolveDuration(every, of("health.every"));
  if (everyMs === 0) throw new TypeError(`Cannot use 0 as ${of("health.every")}: a time above 0 is wanted`);
  return {
    everyMs,
    timeoutMs: resolveDuration(timeout, of("health.timeout")),
    probe: probe as unknown as ResolvedHealth["probe"],
  };
}
