/**
 * Whether anybody is at the other end of a resumable connection: asks when nothing was heard, suspects a link that does not
 * answer, and gives up what has been without one for too long.
 *
 * Counts ticks, not time: while this process was blocked nobody could be heard, and all of that counts for one tick.
 */
import type { Clock, Timer } from "../ports/clock.ts";

export interface VigilOptions {
  readonly clock: Clock;
  /** How long it may be without a link. */
  readonly windowMs: number;
  /**
   * What a silent peer means. `"redial"`: a new link is tried beside the old one; `"drop"`: the link is broken, the other side makes a
   * new one; `"wait"`: the peer may be busy, its kernel tells when the network is gone.
   */
  readonly silence: "redial" | "drop" | "wait";
  /** After how long without a word a ping asks whether anybody is there. @default 3000 */
  readonly idleMs?: number;
  /** After how long without a word a peer is given up though its machine answers: it may be busy. @default 30000 */
  readonly patienceMs?: number;
}

/** The connection that is watched. */
export interface Watched {
  /** `"none"`: without a link; `"asked"`: the other side owes a sign of life; `"idle"`: it does not. */
  state(): "none" | "asked" | "idle";
  ping(): void;
  /** The link there is counts as broken. */
  drop(): void;
  /** A link is wanted, or one beside a silent one. */
  wanted(): void;
  /** The link has spoken again. */
  unwanted(): void;
  giveUp(): void;
}

const longestTickMs = 1_000;
const shortestTickMs = 10;
/** Ticks without a word after which an unanswered link is suspected. Two, since one may be a time in which this process was blocked. */
const suspectTicks = 2;

export class Vigil {
  readonly #options: VigilOptions;
  readonly #watched: Watched;
  #windowMs: number;
  #timer: Timer | undefined;
  #held = false;
  #stopped = false;
  #heard = false;
  /** Ticks since a word came, and since anything showed that the other machine is there. */
  #silent = 0;
  #absent = 0;
  #present = false;

  constructor(options: VigilOptions, watched: Watched) {
    this.#options = options;
    this.#watched = watched;
    this.#windowMs = options.windowMs;
    this.#arm();
  }

  get windowMs(): number {
    return this.#windowMs;
  }

  set windowMs(windowMs: number) {
    this.#windowMs = windowMs;
    this.#arm();
  }

  heard(): void {
    this.#heard = true;
  }

  /** Whether the other machine has answered a dial, though not in words yet: it may be busy, and its window stands still. */
  set present(present: boolean) {
    this.#present = present;
  }

  /** A new link: everything begins anew. */
  renew(): void {
    this.#silent = this.#absent = 0;
    this.#present = false;
    this.#heard = true;
  }

  hold(alive: boolean): void {
    this.#held = alive;
    this.#timer?.hold(alive);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  get #tickMs(): number {
    return Math.min(longestTickMs, Math.max(shortestTickMs, this.#windowMs / 5));
  }

  #arm(): void {
    this.#timer?.cancel();
    if (this.#stopped) return;
    this.#timer = this.#options.clock.timer(this.#tickMs, () => this.#tick());
    this.#timer.hold(this.#held);
  }

  #tick(): void {
    this.#arm();
    if (this.#heard) {
      this.#heard = false;
      if (this.#silent >= suspectTicks) this.#watched.unwanted();
      this.#silent = this.#absent = 0;
      return;
    }
    this.#silent++;
    this.#judge();
    if (this.#stopped) return;
    const { patienceMs = 30_000 } = this.#options;
    const absent = this.#absent * this.#tickMs >= this.#windowMs;
    if (absent || this.#silent * this.#tickMs >= Math.max(patienceMs, this.#windowMs)) this.#watched.giveUp();
  }

  #judge(): void {
    const { silence, idleMs = 3_000 } = this.#options;
    const state = this.#watched.state();
    if (state === "idle") {
      if (this.#silent * this.#tickMs < idleMs) return;
      this.#silent = 0;
      return this.#watched.ping();
    }
    if (state === "asked") {
      if (this.#silent < suspectTicks || silence === "wait") return;
      if (silence === "drop") return this.#watched.drop();
    }
    if (!this.#present) this.#absent++;
    this.#watched.wanted();
  }
}
