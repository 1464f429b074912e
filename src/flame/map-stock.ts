/** The items of a map that wait to be sent: taken from their source as far as there is room, or given back. */
import { captureValue } from "../closure/capture.ts";
import { systemClock } from "../clock.ts";
import { Collector } from "../live/collect.ts";
import { batchBytes } from "../wire/batch.ts";
import { type Item, goesAlone } from "./map-item.ts";
import { type MapJob, windowOf } from "./map-job.ts";
import { Queue } from "./map-queue.ts";
import type { Sizing } from "./map-sizing.ts";
import { Source } from "./map-source.ts";

export interface StockHost {
  /** The map has ended: nothing more is taken. */
  over(): boolean;
  begun(item: Item): void;
  /** It cannot be sent. */
  failed(item: Item, error: unknown): void;
  /** There is something new to decide: now, or once nothing is ready without waiting. */
  soon(): void;
  later(): void;
  sourceFailed(reason: unknown): void;
}

/** A source is not asked for longer than that while something could be sent. */
const fillMs = 1;

const never = (): boolean => false;

export class Stock {
  readonly #job: MapJob;
  readonly #sizing: Sizing;
  readonly #host: StockHost;
  readonly #source: Source;
  readonly #fresh = new Queue<Item>();
  /** Given back, or to be tried again: in order, before anything new. */
  readonly #again = new Queue<Item>();
  #taken = 0;
  /** Taken and not delivered. */
  #inside = 0;
  /** There was no room for more: delivering makes some. */
  #blocked = false;

  constructor(job: MapJob, sizing: Sizing, host: StockHost) {
    this.#job = job;
    this.#sizing = sizing;
    this.#host = host;
    this.#source = new Source(job.items, {
      arrived: (item) => this.#arrived(item),
      ended: () => host.soon(),
      failed: (reason) => host.sourceFailed(reason),
    });
  }

  /** Nothing is left, nor will there be. */
  get spent(): boolean {
    return this.#source.over && this.#inside === 0;
  }

  /** Asks an asynchronous source, as far as there is room. */
  ask(): void {
    if (!this.#source.isAsync) return;
    this.#blocked = this.#inside >= this.#window;
    if (!this.#blocked) this.#source.ask();
  }

  /** The items of the next batch, none when there are none or it is too early. */
  gather(): Item[] {
    const { size } = this.#sizing;
    const window = this.#window;
    const begunAt = systemClock.now();
    // A consumer that takes one result at a time must not make batches of one item.
    const first = this.#inside > 0 ? window - size + 1 : window;
    const items: Item[] = [];
    let bytes = 0;
    this.#blocked = false;
    while (items.length < size) {
      const line = this.#again.size > 0 ? this.#again : this.#fresh;
      while (!line.first) if (!this.#pull(items.length === 0 ? first : window)) break;
      const item = line.first;
      if (!item || this.#host.over()) break;
      const alone = goesAlone(item);
      bytes += item.sent!.payload.bytes.length;
      if (items.length > 0 && (alone || bytes > batchBytes)) break;
      items.push(line.shift()!);
      if (alone || systemClock.now() - begunAt > fillMs) break;
    }
    return items;
  }

  back(items: readonly Item[]): void {
    const all = [...this.#again.clear(), ...items].toSorted((left, right) => left.index - right.index);
    for (const item of all) this.#again.push(item);
  }

  delivered(): void {
    this.#inside--;
    if (!this.#blocked) return;
    this.#blocked = false;
    this.#host.soon();
  }

  /** Nothing of it is needed any more. Rejects with what the source throws when it is closed. */
  async close(): Promise<void> {
    this.#fresh.clear();
    this.#again.clear();
    await this.#source.close();
  }

  get #window(): number {
    return windowOf(this.#job, this.#sizing.size);
  }

  /** Takes an item from a synchronous source, when there are fewer than `most` inside. */
  #pull(most: number): boolean {
    if (this.#source.isAsync || this.#source.over || this.#host.over()) return false;
    if (this.#inside >= most) {
      this.#blocked = true;
      return false;
    }
    return this.#source.pull(this.#take);
  }

  readonly #take = (value: unknown): void => {
    const { settle, prepared } = this.#job;
    const item: Item = {
      index: this.#taken++,
      item: settle ? value : undefined,
      sent: undefined,
      attempt: 0,
      retried: 0,
      repeated: 0,
      done: false,
      result: undefined,
      close: undefined,
    };
    this.#inside++;
    this.#host.begun(item);
    try {
      // Now: a source may give the same object, changed, each time.
      item.sent = captureValue(value, "item", new Collector({ functions: never }), prepared.captured.root);
    } catch (error) {
      return this.#host.failed(item, error);
    }
    this.#fresh.push(item);
  };

  #arrived(value: unknown): void {
    this.#take(value);
    if (this.#host.over()) return;
    this.ask();
    // Whatever else is ready at once comes along.
    if (this.#fresh.size >= this.#sizing.size) this.#host.soon();
    else this.#host.later();
  }
}
