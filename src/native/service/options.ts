/** What a service is declared with, and what it comes to. */
import { type Duration, resolveDuration } from "../../duration.ts";
import { refuseUnknown, resolveCount, show } from "../../options.ts";
import type { ChildSpec } from "../../ports/child.ts";
import { type Limits, resolveLimits } from "../limits.ts";
import { type StopOptions, type ResolvedStop, resolveStop } from "../stop.ts";

/** Where somebody listens: a TCP port (of this machine, unless `host` says otherwise) or a Unix socket. */
export type Endpoint = { readonly port: number; readonly host?: string } | { readonly socket: string };

export type Stream = "stdout" | "stderr";

export interface ServiceOptions {
  /** A name that is looked up on PATH, or a path; a relative one is taken from `cwd`. */
  readonly command: string;
  readonly args?: readonly string[];
  /** Added to the environment of this process; `undefined` takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** @default the working folder of this process */
  readonly cwd?: string;
  /**
   * When it is started again: always, only when it has failed, or never.
   *
   * @default "permanent"
   */
  readonly restart?: ChildSpec["restart"];
  /** Its end may end its supervisor (see `autoShutdown`). */
  readonly significant?: boolean;
  /**
   * What tells that it is up: a line that it prints on stdout or stderr, or somebody who listens. Without it, it is up as soon
   * as it runs. What starts after it waits for it.
   */
  readonly ready?: RegExp | ((line: string) => boolean) | Endpoint;
  /**
   * How long it may take until it is ready.
   *
   * @default "30s"
   */
  readonly readyTimeout?: Duration;
  /** Asks from time to time whether it does its work; one that does not is ended, so that its supervisor starts it again. */
  readonly health?: HealthOptions;
  readonly stop?: StopOptions;
  readonly limits?: Limits;
  /**
   * Where its lines go: to this process's own output as `name: line`, nowhere, or to a function.
   *
   * @default true
   */
  readonly log?: boolean | ((line: string, stream: Stream) => void);
}

export interface HealthOptions {
  /** False, a promise of it, or an error when it is not well; or where somebody must listen. */
  readonly check: (() => unknown) | Endpoint;
  /** @default "10s" */
  readonly every?: Duration;
  /**
   * What one answer may take.
   *
   * @default "5s"
   */
  readonly timeout?: Duration;
  /**
   * Bad answers in a row that end it.
   *
   * @default 3
   */
  readonly failures?: number;
}

export interface ResolvedHealth {
  readonly check: (() => unknown) | Endpoint;
  readonly everyMs: number;
  readonly timeoutMs: number;
  readonly failures: number;
}

export interface ResolvedService extends Pick<ServiceOptions, "command" | "cwd" | "ready" | "limits"> {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly readyMs: number;
  /** Whether it may be started again. */
  readonly again: boolean;
  readonly health: ResolvedHealth | undefined;
  readonly stop: ResolvedStop;
  readonly log: boolean | ((line: string, stream: Stream) => void);
}

const names = [
  ...["command", "args", "env", "cwd", "restart", "significant", "ready", "readyTimeout", "health", "stop", "limits"],
  "log",
];

/** Throws TypeError for what makes no sense. */
export function resolveService(name: string, options: ServiceOptions): ResolvedService {
  if (typeof name !== "string" || !/^[\w.-]{1,64}$/.test(name)) {
    throw new TypeError(`Cannot declare service ${show(name)}: a name has 1 to 64 letters, digits, ".", "_" or "-"`);
  }
  const owner = `service "${name}"`;
  refuseUnknown(options, names, owner);
  const { command, args = [], env = {}, cwd, ready, readyTimeout = "30s", health, log = true } = options;
  if (typeof command !== "string" || command === "") {
    throw new TypeError(
      `Cannot use ${show(command)} as "command" of ${owner}: the name or path of a program is wanted`,
    );
  }
  if (!Array.isArray(args) || args.some((arg) => typeof arg !== "string")) {
    throw new TypeError(`Cannot use ${show(args)} as "args" of ${owner}: an array of strings is wanted`);
  }
  if (ready !== undefined && !(ready instanceof RegExp) && typeof ready !== "function")
    checkEndpoint(ready, "ready", owner);
  if (typeof log !== "boolean" && typeof log !== "function") {
    throw new TypeError(`Cannot use ${show(log)} as "log" of ${owner}: true, false or a function is wanted`);
  }
  resolveLimits(options.limits, owner);
  return {
    name,
    command,
    args,
    env,
    ...(cwd === undefined ? {} : { cwd }),
    ...(ready === undefined ? {} : { ready }),
    again: options.restart !== "temporary",
    readyMs: resolveDuration(readyTimeout, `"readyTimeout" of ${owner}`),
    health: health && resolveHealth(health, owner),
    stop: resolveStop(options.stop, owner),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    log,
  };
}

function resolveHealth(health: HealthOptions, owner: string): ResolvedHealth {
  refuseUnknown(health, ["check", "every", "timeout", "failures"], `"health" of ${owner}`);
  const { check, every = "10s", timeout = "5s", failures = 3 } = health;
  if (typeof check !== "function") checkEndpoint(check, "check", owner);
  const everyMs = resolveDuration(every, `"every" of ${owner}`);
  if (everyMs === 0) throw new TypeError(`Cannot use ${show(every)} as "every" of ${owner}: a time above 0 is wanted`);
  return {
    check,
    everyMs,
    timeoutMs: resolveDuration(timeout, `"timeout" of the health of ${owner}`),
    failures: resolveCount(failures, `"failures" of ${owner}`, 1),
  };
}

function checkEndpoint(endpoint: Endpoint, option: string, owner: string): void {
  const given = endpoint as { readonly port?: unknown; readonly host?: unknown; readonly socket?: unknown } | null;
  if (typeof given === "object" && given !== null) {
    refuseUnknown(given, ["port", "host", "socket"], `"${option}" of ${owner}`);
    const { port, host, socket } = given;
    if (typeof socket === "string" && socket !== "" && port === undefined) return;
    const named = host === undefined || (typeof host === "string" && host !== "");
    if (Number.isInteger(port) && (port as number) > 0 && (port as number) < 65_536 && named) return;
  }
  throw new TypeError(
    `Cannot use ${show(endpoint)} as "${option}" of ${owner}: a function, { port } or { socket } is wanted${option === "ready" ? ", or a regular expression" : ""}`,
  );
}
