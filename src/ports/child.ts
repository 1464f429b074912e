/**
 * What a supervisor keeps alive, and how it is told to.
 *
 * - `start` resolves when the child is up: the next one is started after that. It rejects when the child could not be
 *   started, and then has cleaned up behind itself. `signal` aborts when the supervisor wants to end before `start` has
 *   answered; a child that comes up all the same is killed. It may answer nothing (`undefined`): there is nothing to supervise, which OTP calls
 *   `ignore`.
 * - `exited` is settled exactly once, when the child is gone: "normal" (its work was done), "shutdown" (it was told to stop), or
 *   the error that ended it. A rejection counts as that error.
 * - `stop("shutdown")` asks it to end; `stop("kill")` ends it at once, also after the other. Both are idempotent and
 *   return without waiting; they may be called after the end. A promise that it returns is not waited for.
 */
import type { Duration } from "../duration.ts";

export interface Child {
  readonly exited: Promise<ExitReason>;
  stop(mode: "shutdown" | "kill"): unknown;
  /** What others use of it, e.g. a connection. */
  readonly value?: unknown;
  /** For people who look at the tree: what it is doing, and what it looks after itself. */
  describe?(): { readonly detail?: string; readonly children?: readonly Branch[] };
}

/** One place of a tree of supervision, as people see it. */
export interface Branch {
  readonly id: string;
  readonly type: "worker" | "supervisor";
  readonly status: "starting" | "running" | "restarting" | "stopping" | "stopped";
  /** How often it has been started again. */
  readonly restarts: number;
  /** Since when it has been so, as `Clock.wall` tells it. */
  readonly since: number;
  readonly detail?: string;
  readonly children?: readonly Branch[];
}

export type ExitReason = "normal" | "shutdown" | Error;

export interface StartContext {
  readonly signal: AbortSignal;
  /** The ids from the root of the tree to this child, itself included; missing when no supervisor starts it. */
  readonly path?: readonly string[];
}

export interface ChildSpec {
  /** Unique among its siblings. */
  readonly id: string;
  readonly start: (context: StartContext, ...extra: never[]) => Child | undefined | Promise<Child | undefined>;
  /**
   * When it is started again: always, only after an error, or never.
   *
   * @default "permanent"
   */
  readonly restart?: "permanent" | "transient" | "temporary";
  /**
   * How long it may take to stop before it is killed; "brutal_kill" does not ask first.
   *
   * @default "5s" for a worker, "infinity" for a supervisor
   */
  readonly shutdown?: "brutal_kill" | "infinity" | Duration;
  /**
   * Its end may end the supervisor (see `autoShutdown`).
   *
   * @default false
   */
  readonly significant?: boolean;
  /** @default "worker" */
  readonly type?: "worker" | "supervisor";
}
