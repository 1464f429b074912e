/**
 * Where runners come from. The pool asks for machines and never learns what they are made of.
 *
 * - `listen` opens the place where runners dial in; a pool calls it once, before its first boot.
 * - `boot` resolves as soon as the machine has been asked for and can be terminated; it does not wait for it to be
 *   ready. It rejects when the machine cannot be asked for at all; `permanent: true` on the error means that trying
 *   again cannot help. The machine then dials `request.address` and shows `request.token`.
 * - `Machine.exited` resolves exactly once, when the machine is known to be gone, whoever ended it; it never rejects.
 * - `Machine.kill` ends it at once, with everything that it started. Idempotent, never throws.
 * - `Machine.lastWords` is asked of a machine that does not come up: what it has printed where nobody heard it, such as on its
 *   console. It may take seconds, and never rejects.
 * - `Machine.ping` asks the guard for a sign of life; `request.beat` is called when it comes.
 * - Nothing here keeps the parent's process alive. `exitNow` is called while it exits: synchronous, no throw; it ends
 *   the machine, unless `onParentLoss` is "drain": then the machine will notice by itself, and finish what it runs.
 */
import type { Connection, Listener } from "./transport.ts";

export interface Backend {
  readonly name: string;
  readonly defaults: BackendDefaults;
  listen(accept: (connection: Connection) => void): Promise<Listener>;
  boot(request: BootRequest): Promise<Machine>;
}

/** Defaults that depend on where runners are; users override them per pool. */
export interface BackendDefaults {
  readonly max: number;
  /** Executors of one runner. */
  readonly processes: number;
  readonly concurrency: number;
  readonly idleMs: number;
  readonly onParentLoss: "kill" | "drain";
  /** Where runners take long to boot: pools scale by `drainWithin` of this; by `slots()` where it is left out. */
  readonly drainWithinMs?: number;
  /** Runners are on other machines: where this one keeps its programs and files means nothing there. */
  readonly remote?: boolean;
}

export interface BootRequest {
  /** Unique among all runners of this parent, e.g. `media-3`. */
  readonly runner: string;
  readonly pool: string;
  readonly address: string;
  /** Proves to the parent that this runner is the one it asked for. Used once; never in argv, environment or logs. */
  readonly token: Buffer;
  /** The runner's environment, complete but for what its backend must add. */
  readonly env: Readonly<Record<string, string>>;
  readonly onParentLoss: "kill" | "drain";
  /** What it may take until it is ready: one that has not heard of us by then has to end by itself, too. */
  readonly bootTimeoutMs: number;
  /** Age at which the machine has to end by itself, whatever has become of us. May be Infinity. */
  readonly lifetimeMs: number;
  /** It has reached that phase of its boot, `agoMs` ago: 0 where that is not said. */
  phase(name: string, agoMs?: number): void;
  /** A line that the machine printed past the connection: before it, after it, or from native code. */
  output(stream: "stdout" | "stderr", line: string): void;
  beat(): void;
  /** The machine is going to be taken away soon, such as by a notice of its market: no more calls for it. */
  leaving(reason: string): void;
}

export interface Machine {
  /** Process id, instance id: what a person would look up. */
  readonly id: string;
  readonly exited: Promise<MachineExit>;
  ping(): void;
  kill(): void;
  exitNow(): void;
  lastWords?(): Promise<readonly string[]>;
}

export interface MachineExit {
  readonly exitCode?: number;
  readonly signal?: string;
  /** Why it ended, where the backend knows more than its exit status tells. */
  readonly reason?: string;
  /** It ran out of memory, and its backend knows that. */
  readonly oom?: boolean;
}
