/**
 * Every error that Tinderbox throws by itself. Facts are fields, the message is one sentence:
 * "Cannot <action>: <what is>; <what to do>". No message ever holds a secret or a captured value.
 */

const brand = Symbol.for("tinderbox.error");

export interface ErrorFacts {
  readonly cause?: unknown;
  readonly [field: string]: unknown;
}

/** Base of all errors below. `code` is stable, `is()` works across realms and copies of the package. */
export class TinderboxError extends Error {
  readonly code: string = "ERR_TINDERBOX";

  constructor(message: string, facts: ErrorFacts = {}) {
    const { cause, ...fields } = facts;
    super(message, cause === undefined ? undefined : { cause });
    for (const [key, value] of Object.entries(fields)) {
      if (value !== undefined)
        Object.defineProperty(this, key, { value, enumerable: true, writable: true, configurable: true });
    }
  }

  /** True for an instance of this class or of one derived from it, also from another copy of the package. */
  static is(value: unknown): boolean {
    if (value instanceof this) return true;
    const names = (value as { [brand]?: readonly string[] } | null | undefined)?.[brand];
    return Array.isArray(names) && names.includes(nameOf(this));
  }

  get [brand](): readonly string[] {
    const names: string[] = [];
    let prototype: object | null = Object.getPrototypeOf(this) as object | null;
    while (prototype && prototype !== Error.prototype) {
      names.push(nameOf(prototype.constructor as ErrorClass));
      prototype = Object.getPrototypeOf(prototype) as object | null;
    }
    return names;
  }
}

interface ErrorClass {
  readonly name: string;
  readonly prototype: object;
}

/** Bundlers rename classes; what `named` has written stays. A class derived by somebody else has its own name only. */
function nameOf(Class: ErrorClass): string {
  const own = Object.hasOwn(Class.prototype, "name") ? (Class.prototype as { name: unknown }).name : undefined;
  return typeof own === "string" ? own : Class.name;
}

/** Makes `name` an own property of the prototype, as the built-in errors have it. */
function named(Class: ErrorClass, name: string): void {
  Object.defineProperty(Class.prototype, "name", { value: name, writable: true, configurable: true });
}

/** A closure reaches something that cannot travel. Thrown before anything is sent. */
export class CaptureError extends TinderboxError {
  override readonly code: string = "ERR_TINDERBOX_CAPTURE";
  /** From the closure to the culprit, e.g. `["task", "db", "options.ssl"]`. */
  declare readonly path?: readonly (string | number)[];
  /** `file:line:column` of the identifier. */
  declare readonly at?: string;
}

/** A closure imports the parent's entry file, which would start the application a second time. */
export class EntryError extends TinderboxError {
  override readonly code: string = "ERR_TINDERBOX_ENTRY";
  /** Module URLs from the closure to the entry file. */
  declare readonly chain: readonly string[];
}

/** A step of a boot, such as "launched" or "connected". */
export interface BootPhase {
  readonly phase: string;
  readonly ms: number;
}

/** A runner did not come up. */
export class BootError extends TinderboxError {
  override readonly code: string = "ERR_TINDERBOX_BOOT";
  declare readonly phase: string;
  /** Those that were reached, in order, each with its milliseconds since the runner was wanted. */
  declare readonly phases: readonly BootPhase[];
  /** True when trying again cannot help (credentials, a failing `setup`). */
  declare readonly permanent: boolean;
  /** Last lines of the runner's standard error. */
  declare readonly stderr: readonly string[];
  readonly started = false;
}

/** The call waited longer than `queueTimeout` for a slot. */
export class QueueTimeoutError extends TinderboxError {
  override readonly code: string = "ERR_TINDERBOX_QUEUE_TIMEOUT";
  declare readonly timeoutMs: number;
  /** True when an earlier attempt had begun. */
  declare readonly started: boolean;
}

/** The pool already holds `queueLimit` waiting calls. */
export class QueueFullError extends TinderboxError {
  override readonly code: string = "ERR_TINDERBOX_QUEUE_FULL";
  declare readonly limit: number;
  readonly started = false;
}

/** The closure ran longer than `timeout`. */
export class CallTimeoutError extends TinderboxError {
  override readonly code: string = "ERR_TINDERBOX_CALL_TIMEOUT";
  declare readonly timeoutMs: number;
  readonly started = true;
}

/** The runner, or the executor on it, ended while the call was on it. */
export class RunnerLostError extends TinderboxError {
  override readonly code: string = "ERR_TINDERBOX_RUNNER_LOST";
  declare readonly runner: string;
  declare readonly scope: "process" | "machine";
  declare readonly started: boolean;
  /** What happened, in words. */
  declare readonly reason: string;
  declare readonly exitCode?: number;
  declare readonly signal?: string;
  /** It ran out of memory. */
  declare readonly oom: boolean;
  /** Last lines of the runner's standard error. */
  declare readonly stderr: readonly string[];
}

/** The other end broke the wire protocol; that connection is closed. */
export class ProtocolError extends TinderboxError {
  override readonly code: string = "ERR_TINDERBOX_PROTOCOL";
}

/** The pool is closing or closed. */
export class PoolClosedError extends TinderboxError {
  override readonly code: string = "ERR_TINDERBOX_POOL_CLOSED";
  declare readonly started: boolean;
}

/** The caller's signal aborted. `cause` is the signal's reason. */
export class AbortError extends TinderboxError {
  override readonly code: string = "ABORT_ERR";
}

/** A native program cannot be started: there is none, or it must not run, or not within its limits. */
export class CommandError extends TinderboxError {
  override readonly code: string = "ERR_TINDERBOX_COMMAND";
  declare readonly command: string;
}

/** A native program ended, or had to be ended, while the call was on it. What `run` throws has the fields of `RunResult` too. */
export class BinaryExitError extends TinderboxError {
  override readonly code: string = "ERR_TINDERBOX_BINARY_EXIT";
  /** The name that it was declared by. */
  declare readonly binary: string;
  declare readonly pid?: number;
  /** As shells tell it: the exit code, or 128 + the number of the signal; absent while it has not ended yet. */
  declare readonly status?: number;
  declare readonly exitCode?: number;
  declare readonly signal?: string;
  /** It reached its memory limit. */
  declare readonly oom: boolean;
  /** Last lines that it wrote to its standard error. */
  declare readonly stderr: string;
  readonly started = true;
}

/** A binary cannot be started, or cannot stay up. `cause` is why. */
export class BinaryStartError extends TinderboxError {
  override readonly code: string = "ERR_TINDERBOX_BINARY_START";
  declare readonly binary: string;
  /** When it has ended too often: how long no call starts it again. */
  declare readonly retryAfterMs?: number;
  readonly started = false;
}

/** A worker of a binary does not keep to its protocol; it is replaced. */
export class BinaryProtocolError extends TinderboxError {
  override readonly code: string = "ERR_TINDERBOX_BINARY_PROTOCOL";
  declare readonly binary: string;
  declare readonly pid: number;
  declare readonly stderr: string;
  readonly started = true;
}

/** A child of a supervisor could not be started. `cause` is why. */
export class ChildStartError extends TinderboxError {
  override readonly code: string = "ERR_TINDERBOX_CHILD_START";
  /** The ids from the root of the tree to the supervisor, e.g. `"root/web"`. */
  declare readonly supervisor: string;
  declare readonly child: string;
}

/** A child ended too often for its supervisor, which has given up. `cause` is what the child died of last. */
export class MaxRestartIntensityError extends TinderboxError {
  override readonly code: string = "ERR_TINDERBOX_MAX_RESTART_INTENSITY";
  readonly reason = "reached_max_restart_intensity";
  /** The ids from the root of the tree to the supervisor, e.g. `"root/web"`. */
  declare readonly supervisor: string;
  declare readonly child: string;
  declare readonly maxRestarts: number;
  declare readonly withinMs: number;
}

/** What was asked of a supervisor cannot be done now; `reason` is OTP's word for why. */
export class SupervisorError extends TinderboxError {
  override readonly code: string = "ERR_TINDERBOX_SUPERVISOR";
  declare readonly reason:
    "already_started" | "already_present" | "not_found" | "running" | "restarting" | "max_children" | "stopped";
  /** The ids from the root of the tree to the supervisor, e.g. `"root/web"`. */
  declare readonly supervisor: string;
  declare readonly child?: string;
}

/** A store did not do what it was asked for. */
export class StoreError extends TinderboxError {
  override readonly code: string = "ERR_TINDERBOX_STORE";
  /** Address of the store. */
  declare readonly store: string;
  declare readonly key?: string;
  /** True when it was a write that may have been done, or may yet be done. */
  declare readonly maybe: boolean;
  /** True when the same may succeed a moment later. */
  declare readonly transient: boolean;

  constructor(message: string, facts: ErrorFacts = {}) {
    super(message, { maybe: false, transient: false, ...facts });
  }
}

/** Somebody else was there first. Nothing was done, unless `maybe` says otherwise. */
export class StoreConflictError extends StoreError {
  override readonly code: string = "ERR_TINDERBOX_STORE_CONFLICT";
  /**
   * `"changed"`: the object is not what `ifMatch` wants; `"held"`: somebody holds the lease; `"contended"`: others were faster for too long;
   * `"unknown"`: too many others have written since to tell whether this write was done.
   */
  declare readonly reason: "changed" | "held" | "contended" | "unknown";
  /** Of a lease that is held: its holder, as `host:pid:number`. */
  declare readonly holder?: string;
}

/** What is stored, or was to be stored, is not what it has to be. */
export class StoreDataError extends StoreError {
  override readonly code: string = "ERR_TINDERBOX_STORE_DATA";
  /** What the schema says, where a schema has refused it. */
  declare readonly issues?: readonly { readonly message: string; readonly path: string }[];
}

/** A lease is no longer held: somebody else has it, or may have it by now. What was to be written under it was not. */
export class LeaseLostError extends TinderboxError {
  override readonly code: string = "ERR_TINDERBOX_LEASE_LOST";
  declare readonly store: string;
  declare readonly key: string;
  declare readonly token: number;
  /** The token that took its place, where that is known. */
  declare readonly current?: number;
}

/** EC2 has refused a request, or not answered it. */
export class Ec2Error extends TinderboxError {
  override readonly code: string = "ERR_TINDERBOX_EC2";
  /**
   * `"capacity"`: not here and now; `"quota"`: the account may not have more; `"throttled"`: too many requests; `"denied"`: by its
   * policies or credentials; `"invalid"`: nobody could do it as it is asked; `"transient"`: nobody knows, later it may work.
   */
  declare readonly kind: "capacity" | "quota" | "throttled" | "denied" | "invalid" | "transient";
  /** EC2's own word for it, such as `InsufficientInstanceCapacity`. */
  declare readonly reason: string;
  /** The same will never be done. */
  declare readonly permanent: boolean;
}

/** A container engine has refused a request, or not answered it. */
export class ContainerError extends TinderboxError {
  override readonly code: string = "ERR_TINDERBOX_CONTAINER";
  /** Of its answer, where there was one. */
  declare readonly status?: number;
  /** The same will never be done. */
  declare readonly permanent: boolean;
}

/** A release cannot be made, or is not what it says it is; nothing of it may be used. */
export class ReleaseError extends TinderboxError {
  override readonly code: string = "ERR_TINDERBOX_RELEASE";
  /** Relative to the root, where one file is to blame. */
  declare readonly path?: string;
}

/** Every class above, for the tables that look an error up by name. */
export const errorClasses = {
  TinderboxError,
  CaptureError,
  EntryError,
  BootError,
  QueueTimeoutError,
  QueueFullError,
  CallTimeoutError,
  RunnerLostError,
  ProtocolError,
  PoolClosedError,
  AbortError,
  ChildStartError,
  MaxRestartIntensityError,
  SupervisorError,
  CommandError,
  BinaryExitError,
  BinaryStartError,
  BinaryProtocolError,
  StoreError,
  StoreConflictError,
  StoreDataError,
  LeaseLostError,
  Ec2Error,
  ContainerError,
  ReleaseError,
} as const;
for (const [name, Class] of Object.entries(errorClasses)) named(Class, name);
