/** Checks what a binary is told, and fills in the rest; once, when it is declared. */
import { availableParallelism } from "node:os";
import { resolveDuration, resolveSize } from "../../duration.ts";
import { refuseUnknown, resolveBoolean, resolveCount, show } from "../../options.ts";
import { type Limits, resolveLimits } from "../limits.ts";
import { resolveStop } from "../stop.ts";
import type { Protocol } from "./framing.ts";
import type { BinaryOptions, BinarySource, OneShotOptions, RunInput, RunOptions, WorkerOptions } from "./options.ts";
import { withoutSecretsIn } from "./secrets.ts";
import { type ResolvedWorkers, resolveWorkers, workerOptionNames } from "./resolve-workers.ts";

/** Durations in milliseconds, sizes in bytes. */
export interface ResolvedBinary {
  readonly name: string;
  readonly command: string | undefined;
  readonly source: Readonly<Record<string, BinarySource>> | undefined;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string | undefined;
  readonly size: number;
  readonly queueLimit: number;
  readonly queueTimeoutMs: number;
  readonly timeoutMs: number;
  readonly limits: Limits | undefined;
  readonly stopSignal: NodeJS.Signals;
  readonly graceMs: number;
  readonly maxBuffer: number;
  /** Of a binary with a protocol. */
  readonly workers: ResolvedWorkers | undefined;
}

const common = [
  "command",
  "source",
  "args",
  "env",
  "cwd",
  "size",
  "queueLimit",
  "queueTimeout",
  "timeout",
  "limits",
  "stop",
];
const oneShot = ["maxBuffer"];

/** Throws `TypeError` for what makes no sense, naming the option. */
export function resolveBinary(name: string, options: BinaryOptions): ResolvedBinary {
  const owner = `binary "${name}"`;
  if (typeof options !== "object" || options === null)
    throw new TypeError(`Cannot declare ${owner}: it has no options; give { command }`);
  refuseUnknown(options, [...common, "protocol", ...oneShot, ...workerOptionNames], owner);
  const { protocol, command, source, stop } = options;
  const given = options as Omit<OneShotOptions, "protocol"> & WorkerOptions;
  checkKind(given, protocol, owner);
  if ((command === undefined) === (source === undefined))
    throw new TypeError(
      `Cannot declare ${owner}: it has ${command === undefined ? "neither" : "both"} command and source; give one of them`,
    );
  if (command !== undefined) checkText(command, "command", owner);
  const resolvedStop = resolveStop(stop, owner);
  resolveLimits(options.limits, owner);
  const of = (option: string): string => `option "${option}" of ${owner}`;
  const size = resolveCount(options.size ?? (protocol ? 1 : availableParallelism()), of("size"), 1);
  return {
    name,
    command,
    source: source && resolveSources(source, owner),
    args: resolveArgs(options.args ?? [], of("args")),
    env: resolveEnv(options.env ?? {}, of("env")),
    cwd: options.cwd === undefined ? undefined : checkText(options.cwd, "cwd", owner),
    size,
    queueLimit: resolveCount(options.queueLimit ?? 10_000, of("queueLimit"), 0, true),
    queueTimeoutMs: resolveDuration(options.queueTimeout ?? Infinity, of("queueTimeout")),
    timeoutMs: resolveDuration(options.timeout ?? Infinity, of("timeout")),
    limits: options.limits,
    stopSignal: resolvedStop.signal,
    graceMs: resolvedStop.graceMs,
    maxBuffer: resolveSize(given.maxBuffer ?? "100mb", of("maxBuffer")),
    workers: protocol && resolveWorkers(given, size, of),
  };
}

function checkKind(options: object, protocol: Protocol | undefined, owner: string): void {
  const wrong = (protocol ? oneShot : workerOptionNames).find((key) => key in options);
  if (wrong === undefined) return;
  const fix = protocol ? "leave it out, or leave protocol out" : "give protocol too";
  throw new TypeError(
    `Cannot use option "${wrong}" of ${owner}: it is for ${protocol ? "one-shot binaries" : "workers"}; ${fix}`,
  );
}

/** Options of one run over those of the binary. */
export interface ResolvedRun {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string | undefined;
  readonly input: RunInput | undefined;
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number;
  readonly queueTimeoutMs: number;
  readonly text: boolean;
  readonly reject: boolean;
  readonly maxBuffer: number;
}

const runNames = ["input", "signal", "timeout", "queueTimeout", "encoding", "cwd", "env", "reject", "maxBuffer"];

export function resolveRun(binary: ResolvedBinary, args: readonly string[], options: RunOptions): ResolvedRun {
  const owner = `run() of binary "${binary.name}"`;
  refuseUnknown(options, runNames, owner);
  const { input, signal, timeout, queueTimeout, encoding = "bytes", cwd, env, reject = true, maxBuffer } = options;
  const of = (option: string): string => `option "${option}" of ${owner}`;
  if (encoding !== "bytes" && encoding !== "utf8")
    throw new TypeError(`Cannot use ${show(encoding)} as ${of("encoding")}: "bytes" or "utf8" is wanted`);
  if (signal !== undefined) checkSignal(signal, of("signal"));
  return {
    args: [...binary.args, ...resolveArgs(args, `arguments of ${owner}`)],
    env: { ...binary.env, ...resolveEnv(env ?? {}, of("env")) },
    cwd: cwd === undefined ? binary.cwd : checkText(cwd, "cwd", owner),
    input,
    signal,
    timeoutMs: timeout === undefined ? binary.timeoutMs : resolveDuration(timeout, of("timeout")),
    queueTimeoutMs:
      queueTimeout === undefined ? binary.queueTimeoutMs : resolveDuration(queueTimeout, of("queueTimeout")),
    text: encoding === "utf8",
    reject: resolveBoolean(reject, of("reject")),
    maxBuffer: maxBuffer === undefined ? binary.maxBuffer : resolveSize(maxBuffer, of("maxBuffer")),
  };
}

export function checkSignal(signal: unknown, option: string): void {
  if (!(signal instanceof AbortSignal))
    throw new TypeError(`Cannot use ${show(signal)} as ${option}: an AbortSignal is wanted`);
}

function checkText(value: unknown, option: string, owner: string): string {
  if (typeof value === "string" && value !== "" && !value.includes("\0")) return value;
  throw new TypeError(`Cannot use ${show(value)} as option "${option}" of ${owner}: a path or name is wanted`);
}

function resolveArgs(args: unknown, option: string): readonly string[] {
  if (!Array.isArray(args)) throw new TypeError(`Cannot use ${show(args)} as ${option}: a list of strings is wanted`);
  for (const arg of args as unknown[]) {
    if (typeof arg !== "string" || arg.includes("\0"))
      throw new TypeError(`Cannot use ${show(arg)} in ${option}: a string without a zero character is wanted`);
  }
  return [...(args as string[])];
}

function resolveEnv(env: unknown, option: string): Readonly<Record<string, string | undefined>> {
  if (typeof env !== "object" || env === null || Array.isArray(env))
    throw new TypeError(`Cannot use ${show(env)} as ${option}: a record of strings is wanted`);
  for (const [name, value] of Object.entries(env as Record<string, unknown>)) {
    if (name === "" || /[=\0]/.test(name))
      throw new TypeError(`Cannot use ${show(name)} as a name in ${option}: a name without "=" is wanted`);
    // Not the value itself: this is where secrets are.
    if (value !== undefined && (typeof value !== "string" || value.includes("\0")))
      throw new TypeError(`Cannot use ${option}: the value of ${name} is not a string without zero characters`);
  }
  return { ...(env as Record<string, string | undefined>) };
}

function showUrl(url: unknown): string {
  return show(typeof url === "string" ? withoutSecretsIn(url) : url);
}

function resolveSources(sources: unknown, owner: string): Readonly<Record<string, BinarySource>> {
  if (typeof sources !== "object" || sources === null || Object.keys(sources).length === 0)
    throw new TypeError(
      `Cannot use ${show(sources)} as option "source" of ${owner}: a record such as { "linux-x64": { url, sha256 } } is wanted`,
    );
  for (const [platform, source] of Object.entries(sources as Record<string, BinarySource>)) {
    const of = `"${platform}" in option "source" of ${owner}`;
    if (typeof source !== "object" || source === null)
      throw new TypeError(`Cannot use ${of}: { url, sha256 } is wanted`);
    refuseUnknown(source, ["url", "sha256"], of);
    if (!URL.canParse(source.url))
      throw new TypeError(`Cannot use ${showUrl(source.url)} as url of ${of}: a URL is wanted`);
    if (typeof source.sha256 !== "string" || !/^[0-9a-f]{64}$/i.test(source.sha256))
      throw new TypeError(`Cannot use ${show(source.sha256)} as sha256 of ${of}: 64 hexadecimal digits are wanted`);
  }
  return sources as Record<string, BinarySource>;
}
