/** Ends instances, many with one request, again and again until EC2 says of each that it is ending. */
import type { Ec2Error } from "../../errors.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import type { Ec2Api } from "./api.ts";

const mergeMs = 50;
const mostAtOnce = 500;
const firstPauseMs = 1_000;
const longestPauseMs = 30_000;
/** One that EC2 does not know so long after its launch has never been, or has been gone for long. */
const unknownMs = 120_000;
/** What confirmations may take once nobody else can wait for them. */
const closeMs = 10_000;

interface Condemned {
  readonly since: number;
  readonly ended: () => void;
  pauseMs: number;
}

export class Terminator {
  readonly #clock: Clock;
  readonly #api: Ec2Api;
  readonly #trouble: (error: unknown) => void;
  readonly #all = new Map<string, Condemned & { readonly promise: Promise<void> }>();
  #due = new Set<string>();
  readonly #timers = new Set<Timer>();
  #empty: (() => void) | undefined;
  #closed = false;

  constructor(clock: Clock, api: Ec2Api, trouble: (error: unknown) => void) {
    this.#clock = clock;
    this.#api = api;
    this.#trouble = trouble;
  }

  /** Resolves when EC2 has confirmed it, however long that takes. */
  end(id: string): Promise<void> {
    const known = this.#all.get(id);
    if (known) return known.promise;
    const { promise, resolve } = Promise.withResolvers<void>();
    if (this.#closed) return promise;
    this.#all.set(id, { since: this.#clock.now(), pauseMs: firstPauseMs, promise, ended: resolve });
    this.#add(id);
    return promise;
  }

  /** It is known to be ending by another way. */
  ended(id: string): void {
    this.#all.get(id)?.ended();
    this.#all.delete(id);
    this.#due.delete(id);
    if (this.#all.size === 0) this.#empty?.();
  }

  /** Waits for confirmations, but not for long: EC2 has been asked, or cannot be. What is unconfirmed by then never resolves. */
  async close(): Promise<void> {
    if (this.#all.size > 0 && !this.#closed) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#empty = resolve;
      const late = this.#clock.timer(closeMs, resolve);
      await promise;
      late.cancel();
    }
    this.#closed = true;
    this.#all.clear();
    this.#due.clear();
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }

  get pending(): readonly string[] {
    return [...this.#all.keys()];
  }

  #add(id: string): void {
    this.#due.add(id);
    if (this.#due.size === 1) this.#after(mergeMs, () => void this.#flush());
  }

  async #flush(): Promise<void> {
    const ids = [...this.#due];
    this.#due = new Set();
    for (let at = 0; at < ids.length; at += mostAtOnce) await this.#ask(ids.slice(at, at + mostAtOnce));
  }

  async #ask(ids: readonly string[]): Promise<void> {
    try {
      const states = await this.#api.terminate(ids);
      for (const [id, state] of states) if (state === "shutting-down" || state === "terminated") this.ended(id);
    } catch (error) {
      if (this.#closed) return;
      // One that is unknown fails the request for all; its message names it.
      const { reason, message } = error as Ec2Error;
      if (reason !== "InvalidInstanceID.NotFound") this.#trouble(error);
      else {
        const unknown = ids.filter((id) => message.includes(id));
        if (unknown.length === 0) this.#trouble(error);
        for (const id of unknown) {
          // It may have been seen to end while the request was under way.
          const condemned = this.#all.get(id);
          if (condemned && this.#clock.now() - condemned.since > unknownMs) this.ended(id);
        }
        const others = ids.filter((id) => !unknown.includes(id));
        if (unknown.length > 0 && others.length > 0) {
          for (const id of unknown) this.#again(id);
          return this.#ask(others);
        }
      }
    }
    for (const id of ids) this.#again(id);
  }

  #again(id: string): void {
    const condemned = this.#all.get(id);
    if (!condemned) return;
    this.#after(condemned.pauseMs * (0.5 + Math.random()), () => this.#all.has(id) && this.#add(id));
    condemned.pauseMs = Math.min(longestPauseMs, condemned.pauseMs * 2);
  }

  #after(delayMs: number, fire: () => void): void {
    const timer = this.#clock.timer(delayMs, () => {
      this.#timers.delete(timer);
      fire();
    });
    this.#timers.add(timer);
  }
}
