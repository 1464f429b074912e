/** Pools as the application sees them: declared by name, started by their first call. */
import { type RunnerInfo, place } from "../context.ts";
import { handleOf } from "../value/port.ts";
import { type Duration, resolveDuration } from "../duration.ts";
import { TinderboxError } from "../errors.ts";
import type { Branch, Child, ExitReason, StartContext } from "../ports/child.ts";
import { refuseUnknown } from "../options.ts";
import type { Backend } from "../ports/backend.ts";
import type { CallRequest } from "./call.ts";
import { type PoolOptions, type ResolvedPoolOptions, resolvePoolOptions } from "./options.ts";
import { type PoolStats, noStats } from "./stats.ts";
import { type PoolDeps, RunningPool } from "./pool.ts";

/** What all pools of a process share. */
export interface PoolHost extends PoolDeps {
  /** Options of pools that do not say otherwise. */
  readonly defaults: () => PoolOptions;
  readonly fallback: () => Backend;
  /** The backend of all pools, whatever they say. */
  readonly override: () => Backend | undefined;
  /** Told of a pool that begins to boot runners; `supervised`: because a supervisor of the application has started it. */
  started(pool: Pool, supervised: boolean): void;
  /** How many pools have runners, or may have. */
  running(change: 1 | -1): void;
}

export interface CloseOptions {
  readonly timeout?: Duration;
}

export class Pool {
  readonly name: string;
  readonly #declared: PoolOptions;
  readonly #host: PoolHost;
  #resolved: ResolvedPoolOptions;
  #running: RunningPool | undefined;
  #closed = false;
  #exit = Promise.withResolvers<ExitReason>();
  /** For its calls, when everything is ended. */
  #deadline = Infinity;
  /** What `resize` has set; it outlives the runners. */
  #bounds: { readonly min?: number; readonly max?: number } = {};

  constructor(name: string, options: PoolOptions, host: PoolHost) {
    this.name = name;
    this.#declared = options;
    this.#host = host;
    this.#resolved = this.#resolve();
  }

  /** Options with all defaults filled in; durations in milliseconds. */
  get options(): ResolvedPoolOptions {
    return this.#running?.options ?? this.#resolved;
  }

  /** For supervisors: a pool is a child spec. */
  get id(): string {
    return this.name;
  }

  get type(): "supervisor" {
    return "supervisor";
  }

  /** One that was closed stays so; with others that are started again it is opened again. */
  get restart(): "transient" {
    return "transient";
  }

  /** It has clocks of its own: `drainTimeout`. */
  get shutdown(): "infinity" {
    return "infinity";
  }

  /**
   * Begins to hold `min` runners. Without it the first call does. Does nothing on a runner. A supervisor calls it, too, for a
   * pool that is one of its children, and thereby opens one that was closed; it stops it as `close` does.
   *
   * @throws CaptureError (as a rejection) when `setup`, `idleCheck`, `children` or `binaries` reach what cannot travel.
   */
  async start(context?: StartContext): Promise<Child> {
    if (place.runner) return this.child;
    if (context) {
      context.signal.throwIfAborted();
      if (this.#closed) this.#reopen();
      this.#run(true).start();
      return this.child;
    }
    this.#run().start();
    return this.child;
  }

  /** As a supervisor has it. */
  get child(): Child {
    return {
      exited: this.#exit.promise,
      value: this,
      stop: (mode) => void this.close(mode === "kill" ? { timeout: 0 } : {}),
      describe: () => this.describe(),
    };
  }

  /** Asks the runners what they keep up: `describe` tells it then. */
  async look(): Promise<void> {
    await this.#running?.look();
  }

  describe(): { readonly detail: string; readonly children: readonly Branch[] } {
    const { runners, slots, queued } = this.stats();
    const detail = `${runners.ready} ready, ${runners.booting} booting; ${slots.busy} busy, ${slots.free} free, ${queued} queued`;
    return { detail, children: this.#running?.branches() ?? [] };
  }

  /** A closure may capture it: on the runner the handle of the same name. */
  get [handleOf](): { readonly type: string; readonly data: unknown } {
    return { type: "pool", data: this.name };
  }

  /** Takes a call over. */
  submit(request: CallRequest): void {
    this.#run().run(request);
  }

  /** Runners that are up and take calls, for option `node` of `flame`. */
  nodes(): RunnerInfo[] {
    return this.#running?.nodes() ?? [];
  }

  stats(): PoolStats {
    return this.#running?.stats() ?? noStats;
  }

  /** Changes the bounds; runners above `max` are drained as soon as they are idle. */
  resize(bounds: { readonly min?: number; readonly max?: number }): void {
    this.#run().resize(bounds);
    this.#bounds = { ...this.#bounds, ...bounds };
    this.#resolved = this.#resolve();
  }

  /** Resolves when no call waits or runs; new ones are still accepted. */
  async drain(): Promise<void> {
    await this.#running?.drain();
  }

  /**
   * Refuses new calls, lets the others finish, ends the runners. Calls that have not finished in time get a
   * `PoolClosedError`.
   *
   * @param options.timeout What the calls may take. Default: the pool's `drainTimeout`.
   */
  async close(options: CloseOptions = {}): Promise<void> {
    refuseUnknown(options, ["timeout"], `close() of pool "${this.name}"`);
    const { timeout } = options;
    const timeoutMs = timeout === undefined ? undefined : resolveDuration(timeout, `"timeout" of close()`);
    this.#closed = true;
    const leftMs = Math.max(0, this.#deadline - this.#host.clock.now());
    await this.#running?.close(Math.min(timeoutMs ?? this.options.drainTimeoutMs, leftMs));
    this.#exit.resolve("shutdown");
  }

  /** Ends the runners of a process that has nothing left to do. A later call starts the pool again. */
  async rest(): Promise<void> {
    const running = this.#running;
    if (!running || running.live > 0) return;
    this.#running = undefined;
    await running.close();
  }

  /** Whoever closes it from now on has at most this much time for its calls. */
  hurry(timeoutMs: number): void {
    this.#deadline = this.#host.clock.now() + timeoutMs;
  }

  #reopen(): void {
    this.#closed = false;
    this.#deadline = Infinity;
    this.#running = undefined;
    this.#exit = Promise.withResolvers();
  }

  exitNow(): void {
    this.#running?.exitNow();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #resolve(): ResolvedPoolOptions {
    const { defaults, fallback, override } = this.#host;
    const given = Object.entries({ ...this.#declared, ...this.#bounds }).filter(([, value]) => value !== undefined);
    const options = { ...defaults(), ...Object.fromEntries(given) };
    const backend = override();
    return resolvePoolOptions(this.name, backend ? { ...options, backend } : options, fallback());
  }

  #run(supervised = false): RunningPool {
    if (!this.#running) {
      if (!this.#closed) this.#resolved = this.#resolve();
      const running = (this.#running = new RunningPool(this.name, this.#resolved, this.#host));
      if (this.#closed) void running.close();
      else {
        this.#host.started(this, supervised);
        this.#host.running(1);
        void running.closed.then(() => this.#host.running(-1));
      }
    }
    return this.#running;
  }
}

/** Declared pools by name, and where each was declared. */
export class PoolRegistry {
  readonly #host: PoolHost;
  readonly #pools = new Map<string, { readonly pool: Pool; readonly place: string | undefined }>();

  constructor(host: PoolHost) {
    this.#host = host;
  }

  /** `at` is where the declaration stands: the same place replaces (a reloaded module), another one throws. */
  declare(name: string, options: PoolOptions, at: string | undefined): Pool {
    const known = this.#pools.get(name);
    if (known && (at === undefined || known.place !== at)) {
      throw new TinderboxError(
        `Cannot declare pool "${name}": it is declared ${known.place ?? "at another place"} already; use another name, or import that pool`,
        { code: "ERR_TINDERBOX_POOL_NAME" },
      );
    }
    const pool = new Pool(name, options, this.#host);
    this.#pools.set(name, { pool, place: at });
    void known?.pool.close();
    return pool;
  }

  get(name: string): Pool {
    const known = this.#pools.get(name);
    if (known) return known.pool;
    throw new TinderboxError(
      `Cannot find pool "${name}": it is not declared; declared are ${[...this.#pools.keys()].join(", ") || "none"}`,
      { code: "ERR_TINDERBOX_POOL_NAME" },
    );
  }

  /** On a runner: what stands for the parent's pool of that name, whether or not this process has declared it. */
  handle(name: string): Pool {
    return this.#pools.get(name)?.pool ?? this.declare(name, {}, undefined);
  }

  has(name: string): boolean {
    return this.#pools.has(name);
  }

  all(): Pool[] {
    return [...this.#pools.values()].map(({ pool }) => pool);
  }
}
