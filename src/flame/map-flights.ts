/** The batches of a map that are with its pool, and what comes of them. */
import { AbortError, ProtocolError, QueueFullError } from "../errors.ts";
import { type CallOptions, ownStack } from "../pool/call.ts";
import type { Outcome, Outcomes } from "../pool/outcomes.ts";
import { resolveRetries } from "../pool/retries.ts";
import { packBatch } from "../wire/batch.ts";
import type { Item } from "./map-item.ts";
import type { MapJob } from "./map-job.ts";
import { OpenResults } from "./map-open.ts";
import type { Sizing } from "./map-sizing.ts";

/** Which call of which runner an outcome is from. */
export type Origin = Pick<Outcomes, "call" | "runner">;

export interface FlightsHost {
  over(): boolean;
  /** There is something new to decide. */
  soon(): void;
  ended(item: Item, end: Outcome, origin: Origin): void;
  /** It could not be run. */
  failed(item: Item, error: unknown): void;
  /** It may have begun, and nobody knows how it ended. */
  lost(item: Item, error: unknown): void;
  /** They have not begun. */
  returned(items: readonly Item[]): void;
}

/** Items from `ended` on have no outcome yet. */
interface Flight {
  readonly items: Item[];
  ended: number;
  readonly controller: AbortController;
}

const unbegun = "Cannot run a batch: its runner has begun none of its items";
const noRetries = resolveRetries(undefined, () => "");

export class Flights {
  readonly #job: MapJob;
  readonly #sizing: Sizing;
  readonly #host: FlightsHost;
  readonly #options: CallOptions;
  readonly #flights = new Set<Flight>();
  readonly #open: OpenResults | undefined;
  /** The pool's queue takes no more for now. */
  #full = false;

  constructor(job: MapJob, sizing: Sizing, host: FlightsHost) {
    this.#job = job;
    this.#sizing = sizing;
    this.#host = host;
    this.#open = job.signal && new OpenResults(job.signal);
    // Which items of a batch are made again is decided by the map.
    this.#options = { ...job.prepared.options, idempotent: false, retries: noRetries };
  }

  /** Whether there is room for another one. */
  roomFor(slots: number): boolean {
    return this.#flights.size < slots && !this.#full;
  }

  send(items: Item[]): void {
    const { prepared, trace } = this.#job;
    const { pool, captured } = prepared;
    const controller = new AbortController();
    const flight: Flight = { items, ended: 0, controller };
    const units = items.length === 1 ? items[0]!.sent!.units : new Set(items.flatMap(({ sent }) => [...sent!.units]));
    const entries = items.map(({ sent }) => ({ failed: false, value: sent!.payload }));
    this.#flights.add(flight);
    try {
      pool.submit({
        captured,
        args: { payload: packBatch(entries, 0), units },
        attempt: items[0]!.attempt,
        mode: "each",
        options: { ...this.#options, signal: controller.signal },
        trace,
        part: (outcomes, returned) => this.#heard(flight, outcomes, returned),
        resolve: (outcomes) => this.#landed(flight, outcomes as Outcomes),
        reject: (error) => this.#lost(flight, error),
      });
    } catch (error) {
      this.#flights.delete(flight);
      // The queue is full of our own: each that ends makes room.
      this.#full = error instanceof QueueFullError && this.#flights.size > 0;
      if (this.#full) return this.#host.returned(items);
      if (error instanceof Error) ownStack(error, { trace, captured });
      for (const item of items) this.#host.failed(item, error);
    }
  }

  cancel(): void {
    const flights = [...this.#flights];
    this.#flights.clear();
    for (const { controller } of flights) controller.abort(new AbortError("the map has ended"));
  }

  /** Results that came first; one item goes on, and those behind it may have been returned. */
  #heard(flight: Flight, outcomes: Outcomes, returned: boolean): void {
    if (this.#host.over()) return;
    this.#tell(flight, outcomes);
    if (returned && !this.#host.over()) {
      this.#host.returned(flight.items.splice(flight.ended + 1));
      this.#sizing.learn(outcomes.spentMs, flight.ended + 1);
    }
    this.#host.soon();
  }

  /** A batch is over: what has no end now was not begun. */
  #landed(flight: Flight, outcomes: Outcomes): void {
    if (this.#host.over()) return;
    this.#leave(flight);
    this.#tell(flight, outcomes);
    const { rest, spentMs } = outcomes;
    const left = flight.items.slice(flight.ended);
    if (rest) for (const item of left) this.#host.ended(item, rest, outcomes);
    else if (flight.ended > 0) this.#host.returned(left);
    else for (const item of left) this.#host.failed(item, new ProtocolError(unbegun));
    if (flight.ended > 0) this.#sizing.learn(spentMs, flight.ended);
  }

  /** The pool has given a batch up. Of what has not come back any may have begun. */
  #lost(flight: Flight, error: unknown): void {
    if (this.#host.over()) return;
    this.#leave(flight);
    for (const item of flight.items.slice(flight.ended)) this.#host.lost(item, error);
  }

  #tell(flight: Flight, outcomes: Outcomes): void {
    for (const end of outcomes.ends) {
      const item = flight.items[flight.ended];
      if (!item) return;
      flight.ended++;
      if (outcomes.live) {
        item.close = outcomes.close;
        this.#open?.add(flight.controller);
      }
      this.#host.ended(item, end, outcomes);
    }
  }

  #leave(flight: Flight): void {
    this.#flights.delete(flight);
    this.#full = false;
    this.#host.soon();
  }
}
