/** What happens, as typed events: one stream under the log, the live line and the dashboard. */

export interface EventMap {
  /** A watch cannot read its cell, for the first time after it could; it goes on trying. */
  "store.failing": { readonly store: string; readonly key: string; readonly error: unknown };
  /** Something between a backend and its machines did not work, and is tried again or does not matter to calls; people should know. */
  "backend.trouble": { readonly backend: string; readonly error: unknown };
  /** What packing a release has left out, or does not know how to judge. */
  "release.notice": { readonly text: string };
  "boot.phase": { readonly pool: string; readonly runner: string; readonly phase: string; readonly ms: number };
  "boot.failed": { readonly pool: string; readonly runner: string; readonly error: Error };
  "runner.ready": { readonly pool: string; readonly runner: string; readonly machine: string; readonly ms: number };
  "runner.draining": { readonly pool: string; readonly runner: string; readonly reason: string };
  "runner.gone": {
    readonly pool: string;
    readonly runner: string;
    readonly reason: string;
    readonly exitCode?: number;
    readonly signal?: string;
    /** Calls that it had finished, and how long it lived. */
    readonly calls: number;
    readonly ms: number;
  };
  /** One of several executors of a runner has ended; another one is started for it. */
  "executor.exited": {
    readonly pool: string;
    readonly runner: string;
    readonly executor: number;
    readonly reason: string;
    readonly exitCode?: number;
    readonly signal?: string;
  };
  "runner.fault": {
    readonly pool: string;
    readonly runner: string;
    readonly calls: readonly number[];
    readonly text: string;
  };
  "runner.log": {
    readonly pool: string;
    readonly runner: string;
    readonly call: number;
    readonly name: string;
    readonly stream: "stdout" | "stderr";
    readonly line: string;
  };
  "call.queued": { readonly pool: string; readonly call: number; readonly name: string };
  "call.started": {
    readonly pool: string;
    readonly call: number;
    readonly name: string;
    readonly runner: string;
    readonly attempt: number;
  };
  "call.finished": {
    readonly pool: string;
    readonly call: number;
    readonly name: string;
    readonly runner: string;
    readonly ms: number;
  };
  "call.failed": {
    readonly pool: string;
    readonly call: number;
    readonly name: string;
    readonly runner: string | undefined;
    readonly error: unknown;
  };
  /** An attempt has failed by an error of the closure's own; the call is made again. */
  "call.retried": {
    readonly pool: string;
    readonly call: number;
    readonly name: string;
    readonly runner: string;
    readonly attempt: number;
    readonly error: unknown;
  };
  /** A live function of this process has failed, or something that the runner asked for could not be sent. */
  "live.failed": { readonly pool: string; readonly call: number; readonly name: string; readonly error: unknown };
  /** An object that `flame.place` keeps was made again on another runner, after the one that it was on was lost or drained. */
  "placed.restarted": {
    readonly pool: string;
    readonly name: string;
    /** Where it is now. */
    readonly runner: string;
    /** How often that has happened to this object. */
    readonly restarts: number;
    /** Why it was no longer where it was. */
    readonly error: Error;
  };
  /** A cast that a runner had accepted has failed: nobody else is told. */
  "cast.failed": { readonly pool: string; readonly name: string; readonly error: unknown };
  /** A worker of a binary is up. */
  "binary.started": { readonly binary: string; readonly pid: number; readonly ms: number };
  /** A worker of a binary has left its pool: by itself, or because it was told to, for this reason. */
  "binary.exited": {
    readonly binary: string;
    readonly pid: number | undefined;
    readonly reason: string;
    /** Why, where it was not wanted. */
    readonly error?: Error;
    readonly calls: number;
    readonly ms: number;
  };
  /** A binary cannot be started or cannot stay up; those who wait for it are told. */
  "binary.failed": { readonly binary: string; readonly error: Error };
  /** A line that a worker has written to its standard error. */
  "binary.log": { readonly binary: string; readonly pid: number; readonly line: string };
  /** A child of a supervisor has ended, by itself or because it was told to. `supervisor` is its path, e.g. "root/web". */
  "child.exited": {
    readonly supervisor: string;
    readonly child: string;
    readonly reason: "normal" | "shutdown" | Error;
  };
  /** It is up again. */
  "child.restarted": {
    readonly supervisor: string;
    readonly child: string;
    /** How often that has happened to it. */
    readonly restarts: number;
  };
  /** It could not be started again; its supervisor goes on trying. */
  "child.failed": { readonly supervisor: string; readonly child: string; readonly error: Error };
  /** Nobody waits for it any more, though it may still run: it did not end, or its start did not answer, in its time. */
  "child.forgotten": { readonly supervisor: string; readonly child: string; readonly why: string };
  /** A child ended too often: the supervisor ends all its children, and itself. */
  "supervisor.failed": { readonly supervisor: string; readonly child: string; readonly error: Error };
  /** A line that a service has printed. */
  "program.log": { readonly name: string; readonly stream: "stdout" | "stderr"; readonly line: string };
  /** A service has ended. */
  "program.exited": {
    readonly name: string;
    readonly pid: number;
    /** The exit code, or 128 + the number of the signal. */
    readonly status: number;
    /** It was told to. */
    readonly wanted: boolean;
    readonly signal?: string;
    readonly oom: boolean;
  };
  /** This system cannot enforce a limit of a native program. Said once for each limit. */
  "program.unlimited": { readonly name: string; readonly limit: string };
  /** These processes, which a native program has started, cannot be killed. */
  "program.stray": { readonly name: string; readonly pids: readonly number[] };
  "hook.failed": { readonly event: string; readonly error: unknown };
}

export type EventName = keyof EventMap;
export type Listener<N extends EventName> = (event: EventMap[N]) => void;

/** Typed listeners. One that throws, or whose promise rejects, becomes a `hook.failed` event and hurts nobody else. */
export class Events {
  readonly #listeners = new Map<EventName, Set<{ readonly call: Listener<never> }>>();

  /** True when somebody listens: whoever emits often asks first. */
  has(name: EventName): boolean {
    return (this.#listeners.get(name)?.size ?? 0) > 0;
  }

  /**
   * Calls `listener` for each event of that name until the returned handle is disposed or `signal` aborts.
   *
   * @example
   * const off = events.on("runner.ready", ({ runner, ms }) => console.log(runner, ms));
   * off[Symbol.dispose]();
   */
  on<N extends EventName>(name: N, listener: Listener<N>, options: { readonly signal?: AbortSignal } = {}): Disposable {
    const { signal } = options;
    let listeners = this.#listeners.get(name);
    if (!listeners) this.#listeners.set(name, (listeners = new Set()));
    const found = listeners;
    // Registered twice it is called twice, and each handle ends its own.
    const entry = { call: listener as Listener<never> };
    const off = (): void => {
      found.delete(entry);
      signal?.removeEventListener("abort", off);
    };
    if (!signal?.aborted) {
      found.add(entry);
      signal?.addEventListener("abort", off, { once: true });
    }
    return { [Symbol.dispose]: off };
  }

  emit<N extends EventName>(name: N, event: EventMap[N]): void {
    const listeners = this.#listeners.get(name);
    if (!listeners) return;
    for (const entry of [...listeners]) {
      // An earlier one may have ended it.
      if (!listeners.has(entry)) continue;
      try {
        const result: unknown = (entry.call as (event: EventMap[N]) => unknown)(event);
        if (result instanceof Promise) result.catch((error: unknown) => this.#failed(name, error));
      } catch (error) {
        this.#failed(name, error);
      }
    }
  }

  /** What fails in a listener for failures stays there: it would come back without end. */
  #failed(name: EventName, error: unknown): void {
    if (name !== "hook.failed") this.emit("hook.failed", { event: name, error });
  }
}

/** Of this process. */
export const events = new Events();
