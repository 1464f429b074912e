/** A lease while it is held: renewed, watched, given back. */
import { LeaseLostError } from "../errors.ts";
import type { Timer } from "../ports/clock.ts";
import { type LeaseRecord, newBeat } from "./lease-record.ts";
import type { LeaseSlot, Outcome } from "./lease-slot.ts";
import { isTransient } from "./requests.ts";

/**
 * The right to do something that nobody else may do meanwhile. It costs three writes to the store per `ttl`, also while nothing is done under
 * it. It does not keep the process alive.
 */
export interface Lease extends AsyncDisposable {
  readonly key: string;
  /** Address of the store that it is of. */
  readonly store: string;
  /** Greater than that of every earlier lease of this key. Hand it to whatever is written to: it can refuse who comes with a smaller one. */
  readonly token: number;
  /** Aborts with a LeaseLostError when the lease is lost, before anybody else can have it, and when it is released. */
  readonly signal: AbortSignal;
  /**
   * Throws LeaseLostError unless the lease is held at this moment. Signals and timers come late in a process that was stopped for a while;
   * this does not.
   */
  check(): void;
  /** Gives it back. Idempotent, and never rejects: what cannot be given back expires. */
  release(): Promise<void>;
}

/** How many times per ttl a lease that is held is written. */
export const renewalsPerTtl = 3;

/** Nobody holds a lease for the last tenth of its ttl: clocks may differ that much in pace. */
const ownShare = 0.9;

const longestReleaseMs = 10_000;

/** The write by which a lease was taken. */
export interface Taken {
  readonly record: LeaseRecord;
  readonly etag: string;
  readonly sentAt: number;
}

export interface LeaseHooks {
  /** It is not held any more. Called once. */
  ended(lease: HeldLease): void;
  /** Nobody acts under these writes any more, and nobody ever will. May be called after `ended`. */
  abandoned(beats: readonly string[]): void;
}

interface End {
  readonly state: string;
  readonly current?: number | undefined;
  readonly cause?: unknown;
}

const released: End = { state: "it was released" };

/** Until when a lease is held at most whose last write was sent then. */
export function deadlineOf(sentAt: number, ttlMs: number): number {
  return sentAt + ttlMs * ownShare;
}

export class HeldLease implements Lease {
  readonly key: string;
  readonly store: string;
  readonly token: number;
  readonly ttlMs: number;
  readonly #slot: LeaseSlot;
  readonly #hooks: LeaseHooks;
  readonly #abort = new AbortController();
  #record: LeaseRecord;
  #etag: string;
  #deadline = 0;
  /** Writes on top of the current etag of which it is not known whether they were, or will be, done. */
  readonly #open = new Map<string, { readonly sentAt: number; readonly holder: string | null }>();
  #end: End | undefined;
  #released: Promise<void> | undefined;
  #renewal: Timer | undefined;
  #expiry: Timer | undefined;
  #failures = 0;
  #failure: unknown;

  constructor(slot: LeaseSlot, { record, etag, sentAt }: Taken, hooks: LeaseHooks) {
    this.#slot = slot;
    this.#hooks = hooks;
    this.key = slot.key;
    this.store = slot.requests.name;
    this.token = record.token;
    this.ttlMs = record.ttl;
    this.#record = record;
    this.#etag = etag;
    this.#confirm(record, etag, sentAt);
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** By the clock, not by what timers have said so far. */
  get held(): boolean {
    if (!this.#end && this.#slot.clock.now() >= this.#deadline)
      this.#lose({ state: "it was not renewed in time, and somebody else may have it by now", cause: this.#failure });
    return this.#end === undefined;
  }

  /** It ended by itself. */
  get lost(): boolean {
    return !this.held && this.#end !== released;
  }

  check(): void {
    if (!this.held) throw this.#error(this.#end!);
  }

  /** Tells who works under it to stop. It stays held until it is released. */
  stop(reason: unknown): void {
    this.#abort.abort(reason);
  }

  release(): Promise<void> {
    return (this.#released ??= this.#release());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  async #release(): Promise<void> {
    if (!this.held) return this.#abandon();
    this.#finish(released);
    await this.#giveBack();
    this.#hooks.ended(this);
  }

  async #giveBack(): Promise<void> {
    const { clock, requests } = this.#slot;
    const endsAt = clock.now() + Math.min(this.ttlMs, longestReleaseMs);
    for (let failures = 1; ; failures++) {
      const leftMs = endsAt - clock.now();
      if (leftMs <= 0) break;
      const outcome = await this.#swap(null, leftMs / 3, true);
      if (outcome.kind === "other") return;
      if (outcome.kind === "done") {
        if (outcome.record.holder === null) return;
        // A renewal that was under way came first.
        this.#etag = outcome.etag;
        continue;
      }
      if (outcome.error !== undefined && !isTransient(outcome.error)) break;
      await requests.pause(Math.min(requests.pauseMs(failures), Math.max(0, endsAt - clock.now())));
    }
    this.#abandon();
  }

  /** What is left in the store expires for others; in this process everybody knows that nobody has it. */
  #abandon(): void {
    this.#hooks.abandoned([this.#record.beat, ...this.#open.keys()]);
  }

  async #renew(): Promise<void> {
    if (!this.held) return;
    const leftMs = this.#deadline - this.#slot.clock.now();
    const outcome = await this.#swap(this.#record.holder, leftMs / 3, false);
    if (!this.held) return;
    switch (outcome.kind) {
      case "done":
        return this.#confirm(outcome.record, outcome.etag, outcome.sentAt);
      case "other": {
        const current = outcome.found?.record.token;
        const state = current === undefined ? "its record was removed" : "somebody else has taken it";
        return this.#lose({ state, current });
      }
      case "open": {
        this.#failure = outcome.error ?? this.#failure;
        const pauses = { initialMs: this.ttlMs / 60, maxMs: this.ttlMs / 10, factor: 2, jitter: true };
        this.#arm(this.#slot.requests.pauseMs(++this.#failures, pauses));
      }
    }
  }

  /** One write. Done is also one that was made before, when that is what is found there. */
  async #swap(
    holder: string | null,
    withinMs: number,
    hold: boolean,
  ): Promise<(Outcome & { kind: "done" } & Taken) | Exclude<Outcome, { kind: "done" }>> {
    const sentAt = this.#slot.clock.now();
    const record = { ...this.#record, holder, beat: newBeat() };
    this.#open.set(record.beat, { sentAt, holder });
    const outcome = await this.#slot.swap(record, this.#etag, { withinMs, hold });
    if (outcome.kind === "done") return { ...outcome, record, sentAt };
    const found = outcome.kind === "other" ? outcome.found : undefined;
    const own = found && this.#open.get(found.record.beat);
    return own ? { kind: "done", etag: found.etag, record: found.record, sentAt: own.sentAt } : outcome;
  }

  #confirm(record: LeaseRecord, etag: string, sentAt: number): void {
    const { clock } = this.#slot;
    this.#record = record;
    this.#etag = etag;
    this.#open.clear();
    this.#failures = 0;
    this.#failure = undefined;
    this.#deadline = deadlineOf(sentAt, this.ttlMs);
    this.#expiry?.cancel();
    this.#expiry = clock.timer(Math.max(0, this.#deadline - clock.now()), () => void this.held);
    this.#arm(sentAt + this.ttlMs / renewalsPerTtl - clock.now());
  }

  #arm(delayMs: number): void {
    this.#renewal?.cancel();
    this.#renewal = this.#slot.clock.timer(Math.max(0, delayMs), () => void this.#renew());
  }

  #lose(end: End): void {
    this.#finish(end);
    this.#hooks.ended(this);
  }

  #finish(end: End): void {
    this.#end = end;
    this.#renewal?.cancel();
    this.#expiry?.cancel();
    this.#abort.abort(this.#error(end));
  }

  #error({ state, current, cause }: End): LeaseLostError {
    const { named, facts } = this.#slot;
    return new LeaseLostError(`Cannot go on under ${named}: ${state}; take it again`, {
      ...facts,
      token: this.token,
      current,
      cause,
    });
  }
}
