/**
 * Group commit: all updates of one record that this process has asked for become one write. While it is under way others gather, and
 * become the next. Every write is a compare-and-swap, so that nothing is lost between processes either.
 *
 * Each write carries its writer and a number. When an answer does not tell whether it was done (a lost reply, a refusal of a write that
 * had landed), the record itself does: each keeps the last numbers of those who wrote last.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { randomBytes } from "node:crypto";
import { AbortError, LeaseLostError, StoreConflictError, StoreError } from "../errors.ts";
import { formatDuration } from "../duration.ts";
import type { Timer } from "../ports/clock.ts";
import type { PutOutcome } from "../ports/store.ts";
import type { Lease } from "./lease.ts";
import { type CellState, type RecordKind, keptWriters, nextState, noState, readRecord, writeRecord } from "./record.ts";
import { type Requests, isTransient } from "./requests.ts";

export interface Update {
  /** Makes the new text of the value from the old one; undefined when there is none yet. May be called more than once. */
  readonly apply: (text: string | undefined) => Promise<string>;
  readonly lease?: Lease | undefined;
  readonly signal?: AbortSignal | undefined;
  /** How long it may be tried, in milliseconds. */
  readonly timeoutMs: number;
}

interface Waiting extends Update {
  settled: boolean;
  /** Fulfilled when it is settled. */
  readonly over: Promise<typeof gone>;
  /** Runs what is its caller's as if its caller did. */
  readonly inContext: <T>(act: () => T) => T;
  /** A write with its result may have been done. */
  doubtful: boolean;
  failure: unknown;
  failures: number;
  resolve(text: string): void;
  reject(error: unknown): void;
}

const gone = Symbol("gone");

/** Records whose updates are being made, by whatever asks for another one. */
const making = new AsyncLocalStorage<readonly Commits[]>();

/** What one write would make of those who wait; it may have been done. */
interface Attempt {
  readonly number: number;
  readonly state: CellState;
  readonly results: ReadonlyMap<Waiting, string>;
}

/** Those who lost against others meet again soon; the more there are, the longer they wait. */
const pauses = { initialMs: 5, maxMs: 1_000, factor: 1.7, jitter: true };

export class Commits {
  readonly #requests: Requests;
  readonly #kind: RecordKind;
  readonly key: string;
  readonly #id = randomBytes(8).toString("base64url");
  #attempts = 0;
  #queue: Waiting[] = [];
  #running = false;
  /** What was last seen: the next write is tried on it before anything is read. */
  #known: CellState | undefined;
  #learnt = 0;
  readonly #watchers = new Set<(state: CellState) => void>();

  constructor(requests: Requests, kind: RecordKind, key: string) {
    this.#requests = requests;
    this.#kind = kind;
    this.key = key;
  }

  get known(): CellState | undefined {
    return this.#known;
  }

  /** Calls `see` with each state that this process learns of, whatever it has learnt it from. */
  watch(see: (state: CellState) => void): () => void {
    this.#watchers.add(see);
    return () => void this.#watchers.delete(see);
  }

  async read(signal?: AbortSignal, patienceMs?: number): Promise<CellState> {
    const known = this.#known;
    const learnt = this.#learnt;
    const found = await this.#requests.get(this.key, { ifNoneMatch: known?.etag, signal }, patienceMs);
    if (found === "unchanged") return known!;
    const state = found ? readRecord(this.#kind, found.body, found.etag, this.#facts) : noState;
    // What was learnt meanwhile may be newer: nobody who watches sees time go back.
    return learnt === this.#learnt ? this.#learn(state) : state;
  }

  /** The text that was written. Rejects with what `apply` throws, and with StoreError. */
  update(update: Update): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const { promise: over, resolve: end } = Promise.withResolvers<typeof gone>();
    const { signal, timeoutMs } = update;
    if (making.getStore()?.includes(this))
      return Promise.reject(
        new TypeError(
          `Cannot update ${this.#named} while it is being updated: return the new value from the function instead`,
        ),
      );
    const abort = (): void => {
      const facts = { cause: signal!.reason, ...(waiting.doubtful && { maybe: true }) };
      waiting.reject(new AbortError(`Cannot update ${this.#named}: it was aborted`, facts));
    };
    const settle = (): boolean => {
      if (waiting.settled) return false;
      signal?.removeEventListener("abort", abort);
      timer?.cancel();
      end(gone);
      return (waiting.settled = true);
    };
    const waiting: Waiting = {
      ...update,
      settled: false,
      over,
      inContext: AsyncLocalStorage.snapshot(),
      doubtful: false,
      failure: undefined,
      failures: 0,
      resolve: (text) => settle() && resolve(text),
      reject: (error) => settle() && reject(error),
    };
    let timer: Timer | undefined;
    if (signal?.aborted) abort();
    else {
      signal?.addEventListener("abort", abort, { once: true });
      timer = this.#requests.deps.clock.timer(timeoutMs, () => waiting.reject(this.#late(waiting)));
      timer.hold(true);
      this.#queue.push(waiting);
      if (!this.#running) void this.#run();
    }
    return promise;
  }

  async #run(): Promise<void> {
    this.#running = true;
    // Those who ask in the same turn are in the same write.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const batch = this.#queue;
      this.#queue = [];
      await this.#commit(batch).catch((error: unknown) => {
        for (const each of batch) each.reject(each.doubtful ? this.#unknown(error) : error);
      });
    }
    this.#running = false;
  }

  /** Ends when each of them is settled. */
  async #commit(batch: readonly Waiting[]): Promise<void> {
    /** Writes of which it is not known whether they were, or will be, done. */
    let open: Attempt[] = [];
    let fresh = this.#known === undefined;
    let state = this.#known ?? (await this.read());
    for (let failures = 0; ; failures++) {
      if (failures > 0) await this.#requests.pause(this.#requests.pauseMs(failures, pauses));
      let attempt = await this.#attempt(batch, state, fresh);
      if (attempt === "stale") {
        [state, fresh] = [await this.read(), true];
        attempt = await this.#attempt(batch, state, fresh);
      }
      if (typeof attempt !== "object") return;
      for (const each of attempt.results.keys()) each.doubtful = true;
      const outcome = await this.#put(attempt, state, open.length > 0);
      if (typeof outcome === "object") return this.#done({ ...attempt.state, etag: outcome.etag }, attempt);
      if (outcome === "maybe") open.push(attempt);
      const [before, wasFresh] = [state, fresh];
      [state, fresh] = [await this.read(), true];
      // Somebody on the way may have repeated it. On an old state it was bound to be lost.
      const doubtful = open.length > 0 || (wasFresh && outcome === "lost");
      const landed = landedOf(this.#id, before, state, [...open, attempt], doubtful);
      if (landed === "unknown") throw this.#unknown();
      if (landed) return this.#done(state, landed);
      // What was made for another state can never land.
      if (state.etag !== before.etag) open = [];
      for (const each of batch) {
        each.doubtful = open.length > 0;
        if (outcome === "lost") each.failure = undefined;
        each.failures = failures + 1;
      }
    }
  }

  /** Undefined when nobody is left to write for; "stale" when somebody refuses a state that may be an old one. */
  async #attempt(batch: readonly Waiting[], state: CellState, fresh: boolean): Promise<Attempt | "stale" | undefined> {
    const results = new Map<Waiting, string>();
    const fences = new Map(state.fences);
    let text = state.text;
    for (const each of batch) {
      if (each.settled) continue;
      try {
        this.#checkFence(each.lease, fences);
        const next = await this.#apply(each, text);
        if (next === gone) continue;
        // While it was made, the lease may have gone.
        each.lease?.check();
        results.set(each, next);
        text = next;
        if (each.lease) {
          // The latest at the end: the oldest are forgotten first.
          fences.delete(each.lease.key);
          fences.set(each.lease.key, each.lease.token);
        }
      } catch (error) {
        if (!fresh) return "stale";
        each.reject(error);
      }
    }
    // Others were made from what it would have written: all over again, without it.
    if ([...results.keys()].some(({ settled }) => settled)) return this.#attempt(batch, state, fresh);
    if (results.size === 0) return undefined;
    const number = ++this.#attempts;
    return { number, state: nextState(state, text!, [this.#id, number], [...fences]), results };
  }

  /** Nobody waits for a function longer than its caller does. */
  #apply(each: Waiting, text: string | undefined): Promise<string | typeof gone> {
    const applied = each.inContext(() => making.run([...(making.getStore() ?? []), this], () => each.apply(text)));
    applied.catch(() => {});
    return Promise.race([applied, each.over]);
  }

  /** Throws what will not pass. */
  async #put(attempt: Attempt, state: CellState, doubtful: boolean): Promise<PutOutcome | "maybe" | "again"> {
    const condition = state.etag === undefined ? "absent" : { ifMatch: state.etag };
    try {
      return await this.#requests.put(this.key, writeRecord(this.#kind, attempt.state), { condition });
    } catch (error) {
      const maybe = StoreError.is(error) && (error as StoreError).maybe;
      for (const each of attempt.results.keys()) [each.failure, each.doubtful] = [error, maybe || doubtful];
      if (!isTransient(error)) throw error;
      return maybe ? "maybe" : "again";
    }
  }

  #done(state: CellState, { results }: Attempt): void {
    this.#learn(state);
    for (const [each, text] of results) each.resolve(text);
  }

  #late(waiting: Waiting): unknown {
    const { doubtful, failure, failures, timeoutMs } = waiting;
    if (doubtful) return this.#unknown(failure);
    if (failure !== undefined) return failure;
    if (failures === 0)
      return new StoreError(
        `Cannot update ${this.#named}: ${formatDuration(timeoutMs)} were over before it was written; its function, or an update before it in this process, took that long`,
        this.#facts,
      );
    return new StoreConflictError(
      `Cannot update ${this.#named}: others were faster for ${formatDuration(timeoutMs)}, ${failures} times; let fewer write to it, or raise "timeout"`,
      { ...this.#facts, reason: "contended" },
    );
  }

  #checkFence(lease: Lease | undefined, fences: ReadonlyMap<string, number>): void {
    if (!lease) return;
    lease.check();
    const { key, token, store } = lease;
    if (store !== this.#requests.name)
      throw new TypeError(`Cannot update ${this.#named} under lease "${key}" of ${store}: take one of the same store`);
    const current = fences.get(key) ?? 0;
    if (current <= token) return;
    throw new LeaseLostError(
      `Cannot update ${this.#named} under lease "${key}": its token ${token} is old, ${current} has written since; take the lease again`,
      { store: this.#requests.name, key, token, current },
    );
  }

  #unknown(cause?: unknown): StoreConflictError {
    return new StoreConflictError(
      `Cannot tell whether ${this.#named} was updated: the store did not answer, and does not tell any more; read it before you try again`,
      { ...this.#facts, reason: "unknown", maybe: true, cause },
    );
  }

  #learn(state: CellState): CellState {
    const changed = this.#known?.etag !== state.etag || this.#known === undefined;
    this.#known = state;
    this.#learnt++;
    if (changed) for (const see of [...this.#watchers]) see(state);
    return state;
  }

  get #named(): string {
    return `${this.#kind} "${this.key}" of ${this.#requests.name}`;
  }

  get #facts(): { readonly store: string; readonly key: string } {
    return { store: this.#requests.name, key: this.key };
  }
}

/** The write of ours that made `state`, or one before it; "unknown" when too much has happened since to tell. */
function landedOf(
  id: string,
  before: CellState,
  state: CellState,
  attempts: readonly Attempt[],
  doubtful: boolean,
): Attempt | "unknown" | undefined {
  const own = state.writers.find(([writer]) => writer === id);
  const found = own && attempts.find(({ number }) => number === own[1]);
  if (found) return found;
  // Nothing has happened yet, or nothing of ours was under way.
  if (!doubtful || state.etag === before.etag) return undefined;
  const forgotten = !own && state.writers.length >= keptWriters;
  // A record that began anew says nothing of the one before.
  const anew = before.etag !== undefined && state.born !== before.born;
  return forgotten || anew ? "unknown" : undefined;
}
