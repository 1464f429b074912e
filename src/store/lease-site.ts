/** What all leases of one store share in this process. */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import type { HeldLease, LeaseHooks } from "./lease.ts";
import { type Obstacle, aborted, closed, timedOut } from "./lease-refusals.ts";
import { type Found, LeaseSlot } from "./lease-slot.ts";
import type { LeaseTerms } from "./lease-terms.ts";
import type { Requests } from "./requests.ts";

/** More are forgotten, the oldest first: that costs a wait and nothing else. */
const mostRemembered = 10_000;

/** Share of a ttl that a holder is left beyond it. */
const grace = 1.05;

export class LeaseSite {
  readonly requests: Requests;
  /** Names this process to people: who holds what. */
  readonly holder: string;
  readonly hooks: LeaseHooks;
  readonly #held = new Map<string, HeldLease>();
  /** For each key the etag that was seen last, and since when by our monotonic clock. */
  readonly #seen = new Map<string, { readonly etag: string; readonly since: number }>();
  /** Beats of writes that nobody here acts under any more. */
  readonly #abandoned = new Set<string>();
  readonly #wakers = new Map<string, Set<() => void>>();
  readonly #closing = new AbortController();
  readonly #cleanups = new Set<Promise<unknown>>();

  constructor(requests: Requests, holder = `${hostname()}:${process.pid}:${randomBytes(6).toString("hex")}`) {
    this.requests = requests;
    this.holder = holder;
    this.hooks = {
      ended: (lease) => {
        if (this.#held.get(lease.key) === lease) this.#held.delete(lease.key);
        this.#wake(lease.key);
      },
      abandoned: (beats) => beats.forEach((beat) => this.abandon(beat)),
    };
  }

  slot(key: string): LeaseSlot {
    return new LeaseSlot(this.requests, key);
  }

  get leases(): readonly HeldLease[] {
    return [...this.#held.values()];
  }

  add(lease: HeldLease): void {
    this.#seen.delete(lease.key);
    this.#held.set(lease.key, lease);
  }

  /** The lease of this process that is held, or is being given back. */
  own(key: string): HeldLease | undefined {
    const lease = this.#held.get(key);
    // One that nobody has looked at since it expired leaves by this.
    void lease?.held;
    return this.#held.get(key);
  }

  /** What stands in the way of taking the lease; undefined when it is free. */
  judge(key: string, found: Found | undefined, changed: boolean): Obstacle | undefined {
    if (!found || found.record.holder === null || this.#abandoned.has(found.record.beat)) return undefined;
    const own = this.own(key);
    const freeAt = this.#since(key, found) + found.record.ttl * grace;
    if (!own && this.requests.deps.clock.now() >= freeAt) return undefined;
    return { found, own, freeAt, changed };
  }

  #since(key: string, { etag, seenAt }: Found): number {
    const before = this.#seen.get(key);
    if (before?.etag === etag) return before.since;
    this.#seen.delete(key);
    this.#seen.set(key, { etag, since: seenAt });
    if (this.#seen.size > mostRemembered) this.#seen.delete(this.#seen.keys().next().value!);
    return seenAt;
  }

  abandon(beat: string): void {
    this.#abandoned.add(beat);
    if (this.#abandoned.size > mostRemembered) this.#abandoned.delete(this.#abandoned.keys().next().value!);
  }

  /** Waits until a lease of this key ends in this process, but not longer. Holds the process. */
  pause(key: string, ms: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const wakers = this.#wakers.get(key) ?? new Set();
    const wake = (): void => woken.abort();
    wakers.add(wake);
    this.#wakers.set(key, wakers);
    const either = AbortSignal.any([woken.signal, signal]);
    return this.requests
      .pause(ms, either)
      .catch(() => signal.throwIfAborted())
      .finally(() => {
        wakers.delete(wake);
        if (wakers.size === 0) this.#wakers.delete(key);
      });
  }

  #wake(key: string): void {
    for (const wake of [...(this.#wakers.get(key) ?? [])]) wake();
  }

  /**
   * Does what leads to a lease until it is over by its terms, or the store is closed. What comes of it later is given back.
   * `blocked` is called with each obstacle, so that a timeout can tell of the last one; "line": others of this process wait, too.
   */
  async seek(
    slot: LeaseSlot,
    { signal, timeoutMs }: LeaseTerms,
    act: (stop: AbortSignal, blocked: (obstacle: Obstacle | "line") => void) => Promise<HeldLease>,
  ): Promise<HeldLease> {
    const stop = new AbortController();
    const { promise, resolve, reject } = Promise.withResolvers<HeldLease>();
    let obstacle: Obstacle | "line" | undefined;
    const end = (error: unknown): void => {
      stop.abort(error);
      reject(error);
    };
    const abort = (): void => end(aborted(slot, signal!.reason));
    const close = (): void => end(closed(slot));
    if (signal?.aborted) abort();
    else if (this.#closing.signal.aborted) close();
    if (stop.signal.aborted) return promise;
    signal?.addEventListener("abort", abort, { once: true });
    this.#closing.signal.addEventListener("abort", close, { once: true });
    const timer = slot.clock.timer(timeoutMs, () => end(timedOut(slot, obstacle, this.holder, timeoutMs)));
    try {
      const found = act(stop.signal, (one) => (obstacle = one));
      found.then(resolve, reject);
      this.#track(found.then((lease) => (stop.signal.aborted ? lease.release() : undefined)));
      return await promise;
    } finally {
      timer.cancel();
      signal?.removeEventListener("abort", abort);
      this.#closing.signal.removeEventListener("abort", close);
    }
  }

  #track(cleanup: Promise<unknown>): void {
    const settled = cleanup.catch(() => undefined).finally(() => this.#cleanups.delete(settled));
    this.#cleanups.add(settled);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all([...this.#cleanups, ...this.leases.map((lease) => lease.release())]);
  }
}
