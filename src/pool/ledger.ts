/** The calls that a pool has taken and not yet let go of. Tells each caller its end, once, and counts. */
import type { Events } from "../events/index.ts";
import type { Clock } from "../ports/clock.ts";
import { type Call, type CallRequest } from "./call.ts";
import type { Lane } from "./lane.ts";

export interface LedgerDeps {
  readonly clock: Clock;
  readonly events: Events;
  /** Told of each call that begins (1) and each that its caller is done with (-1): live calls keep the process alive. */
  live(change: 1 | -1): void;
}

export class Ledger {
  completed = 0;
  failed = 0;
  readonly #pool: string;
  readonly #deps: LedgerDeps;
  readonly #calls = new Map<number, Call>();
  #next = 1;
  /** Placed objects that are up, less what is under way on them. */
  #resting = 0;

  constructor(pool: string, deps: LedgerDeps) {
    this.#pool = pool;
    this.#deps = deps;
  }

  get size(): number {
    return this.#calls.size;
  }

  /** Those with something to do: a placed object that nobody calls has not. */
  get active(): number {
    return this.#calls.size - this.#resting;
  }

  get(id: number): Call | undefined {
    return this.#calls.get(id);
  }

  all(): Call[] {
    return [...this.#calls.values()];
  }

  on(lane: Lane): Call[] {
    return this.all().filter((call) => call.lane === lane);
  }

  /** `abort` is called when the caller's signal fires before the call has ended. */
  add(request: CallRequest, abort: (call: Call) => void): Call {
    const call: Call = {
      ...request,
      id: this.#next++,
      attempt: request.attempt ?? 0,
      retried: 0,
      repeated: 0,
      returned: 0,
      lane: undefined,
      nesting: request.depth ?? 0,
      waiting: 0,
      sent: false,
      settled: false,
      opened: false,
      kept: false,
      startedAt: 0,
      clock: undefined,
      patience: undefined,
      bootClock: undefined,
      onAbort: undefined,
    };
    this.#calls.set(call.id, call);
    this.#deps.live(1);
    const { signal } = call.options;
    if (signal) {
      call.onAbort = () => abort(call);
      signal.addEventListener("abort", call.onAbort, { once: true });
    }
    return call;
  }

  resolve(call: Call, value: unknown): void {
    if (!this.#close(call)) return;
    this.completed++;
    const { events, clock } = this.#deps;
    if (events.has("call.finished")) {
      const ms = clock.now() - call.startedAt;
      events.emit("call.finished", { ...this.#facts(call), runner: call.lane?.runner ?? "", ms });
    }
    if (call.opened) call.watch?.ended(undefined);
    else call.resolve(value);
  }

  /** Its caller has the result, and the call goes on. */
  open(call: Call, value: unknown): void {
    call.opened = true;
    if (call.mode === "place") this.#resting++;
    call.resolve(value);
    call.resolve = call.reject = ignore;
  }

  /** Its caller holds functions of it: it is over, but for what they hold. */
  keep(call: Call): void {
    this.resolve(call, undefined);
    call.kept = true;
    this.#resting++;
  }

  /** Something that was asked of an open call begins (1) or is over (-1). */
  use(change: 1 | -1): void {
    this.#resting -= change;
  }

  reject(call: Call, error: unknown): void {
    if (!this.#close(call)) return;
    this.failed++;
    const { events } = this.#deps;
    if (events.has("call.failed"))
      events.emit("call.failed", { ...this.#facts(call), runner: call.lane?.runner, error });
    if (call.opened) call.watch?.ended(error as Error);
    else call.reject(error);
  }

  /** An attempt has failed, and another one follows. */
  failedAttempt(call: Call, error: unknown): void {
    const { events } = this.#deps;
    if (!events.has("call.retried")) return;
    const runner = call.lane?.runner ?? "";
    events.emit("call.retried", { ...this.#facts(call), runner, attempt: call.attempt, error });
  }

  queued(call: Call): void {
    const { events } = this.#deps;
    if (events.has("call.queued")) events.emit("call.queued", this.#facts(call));
  }

  started(call: Call, runner: string): void {
    const { events } = this.#deps;
    if (events.has("call.started"))
      events.emit("call.started", { ...this.#facts(call), runner, attempt: call.attempt });
  }

  /** A hook of the caller's that throws is an event; neither the call nor the pool minds. */
  progress(call: Call, value: unknown): void {
    try {
      call.options.onProgress?.(value);
    } catch (error) {
      this.#deps.events.emit("hook.failed", { event: "onProgress", error });
    }
  }

  /** Nothing of the call is left. */
  forget(call: Call): void {
    call.clock?.cancel();
    if (call.kept || (call.opened && call.mode === "place")) this.#resting--;
    // Who watches a call waits for what its runner does last.
    if (call.watch) this.#deps.live(-1);
    this.#calls.delete(call.id);
  }

  #facts(call: Call) {
    return { pool: this.#pool, call: call.id, name: call.options.name };
  }

  #close(call: Call): boolean {
    if (call.settled) return false;
    call.settled = true;
    if (!call.watch) this.#deps.live(-1);
    call.clock?.cancel();
    call.bootClock?.cancel();
    if (call.onAbort) call.options.signal?.removeEventListener("abort", call.onAbort);
    return true;
  }
}

function ignore(): void {}
