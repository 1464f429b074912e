/**
 * The items of one call of `flame.map`, one after another. Nobody waits for a result behind a slow item: what takes longer
 * than the batch may has the results so far sent at once, and the items that have not begun given back.
 */
import type { Clock, Timer } from "../src/ports/clock.ts";
import type { Payload } from "../src/value/port.ts";
import { type Entry, batchBytes, batchMs, packBatch, travelsAlone } from "../src/wire/batch.ts";
import type { Call } from "./call.ts";

/** What the executor does for a batch. */
export interface BatchHost {
  readonly clock: Clock;
  /** The context of the item that comes next. */
  context(): Call;
  /** Decodes the item and calls the closure with it, in its context. */
  run(call: Call, item: Payload): unknown;
  encode(call: Call, result: unknown): Payload;
  encodeFailure(error: unknown): Payload;
  /** Results so far. `returned`: items that have not begun by now never will here. */
  part(value: Payload, returned: boolean): void;
  /** The last results. What has none was not begun. */
  finish(call: Call, value: Payload): void;
}

export class Batch {
  readonly #host: BatchHost;
  #items: readonly Payload[];
  #next = 0;
  #call: Call;
  readonly #begunAt: number;
  #timer: Timer | undefined;
  #outcomes: Entry[] = [];
  #bytes = 0;

  constructor(items: readonly Payload[], first: Call, host: BatchHost) {
    this.#items = items;
    this.#call = first;
    this.#host = host;
    this.#begunAt = host.clock.now();
  }

  get #spentMs(): number {
    return this.#host.clock.now() - this.#begunAt;
  }

  /** Runs until an item has to be waited for, or none is left. */
  run(): void {
    while (this.#next < this.#items.length) {
      if (this.#next > 0) {
        if (this.#call.signalNow?.aborted || this.#spentMs > batchMs) break;
        this.#call = this.#host.context();
      }
      if (!this.#begin(this.#items[this.#next++]!)) return;
    }
    this.#finish();
  }

  /** False when the item goes on by itself, or was the last one. */
  #begin(item: Payload): boolean {
    let result: unknown;
    let waits: boolean;
    try {
      result = this.#host.run(this.#call, item);
      // In here as well: a result may throw when it is looked at.
      waits = isThenable(result);
    } catch (error) {
      return this.#settle(this.#host.encodeFailure(error), true);
    }
    if (!waits) return this.#succeed(result);
    this.#wait(result);
    return false;
  }

  #wait(result: unknown): void {
    if (!this.#timer && this.#items.length > 1)
      this.#timer = this.#host.clock.timer(Math.max(0, batchMs - this.#spentMs), () => this.#giveBack());
    Promise.resolve(result).then(
      (value) => this.#resume(() => this.#succeed(value)),
      (error: unknown) => this.#resume(() => this.#settle(this.#host.encodeFailure(error), true)),
    );
  }

  /** `settle` comes after something that was waited for. */
  #resume(settle: () => boolean): void {
    if (settle()) this.run();
  }

  #succeed(result: unknown): boolean {
    let value: Payload;
    try {
      value = this.#host.encode(this.#call, result);
    } catch (error) {
      return this.#settle(this.#host.encodeFailure(error), true);
    }
    if (!value.pending) return this.#settle(value, false);
    value.pending.then(
      () => this.#resume(() => this.#settle(value, false)),
      (error: unknown) => this.#resume(() => this.#settle(this.#host.encodeFailure(error), true)),
    );
    return false;
  }

  /** The item is over. False when the batch is, too, or goes on later. */
  #settle(value: Payload, failed: boolean): boolean {
    const alone = travelsAlone(value);
    if (alone || this.#bytes + value.bytes.length > batchBytes) this.#tell(false);
    this.#outcomes.push({ failed, value });
    this.#bytes += value.bytes.length;
    if (value.live) {
      // It keeps the call, and with it the slot: whatever comes next runs elsewhere.
      this.#finish();
      return false;
    }
    if (alone && this.#next < this.#items.length) this.#tell(false);
    const left = this.#next < this.#items.length ? this.#call.cleanUp() : undefined;
    if (!left) return true;
    const go = (): void => this.run();
    left.then(go, go);
    return false;
  }

  #giveBack(): void {
    this.#items = this.#items.slice(0, this.#next);
    this.#tell(true);
  }

  #tell(returned: boolean): void {
    if (this.#outcomes.length > 0 || returned) this.#host.part(this.#take(), returned);
  }

  #finish(): void {
    this.#timer?.cancel();
    this.#host.finish(this.#call, this.#take());
  }

  #take(): Payload {
    const outcomes = this.#outcomes;
    this.#outcomes = [];
    this.#bytes = 0;
    return packBatch(outcomes, this.#spentMs);
  }
}

function isThenable(value: unknown): boolean {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}
