import { until } from "../until.ts";
import type { Operation } from "./operations.ts";

/**
 * What goes wrong. "Before" means that nothing was done yet, "after" that the operation has been carried out; if that
 * was refused on its own account, the refusal is what is answered.
 */
export type Effect =
  | {
      readonly kind:
        /** 409 ConditionalRequestConflict, before. */
        | "conflict"
        /** 412 PreconditionFailed, after: what a client's own retry of a write that had landed meets. */
        | "conditionAfterSuccess"
        /** 503 SlowDown. */
        | "unavailableBefore"
        | "unavailableAfter"
        /** 500 InternalError. */
        | "internalBefore"
        | "internalAfter"
        /** The connection is destroyed instead of an answer, after. */
        | "lostReply"
        /** The connection is destroyed before anything is read. */
        | "droppedRequest"
        /**
         * The request is taken in whole, then nothing happens until `release()`. Only then is it carried out, also when
         * the client has long given up: a write that was delayed on its way.
         */
        | "hang"
        /** The connection is destroyed when half of the answer's body is out. */
        | "cutBody"
        /** One bit of the answer's body is wrong; the checksum headers are those of the true content. */
        | "corruptBody";
    }
  /** The answer's body trickles. */
  | { readonly kind: "slowBody"; readonly bytesPerSecond: number }
  /** The server's clock is off for this request: in the Date of its answer and in its judgement of the signature. */
  | { readonly kind: "staleClock"; readonly offsetMs: number };

export type FaultKind = Effect["kind"];

/** Which requests it strikes, and what happens to them. */
export type Fault = Effect & {
  readonly operation?: Operation;
  readonly key?: string | RegExp;
  /** How many requests it strikes at most. @default 1 */
  readonly times?: number;
  /** Chance that it strikes a request that fits, drawn from the server's seeded random numbers. @default 1 */
  readonly probability?: number;
};

/** A fault that was added. */
export interface ActiveFault {
  readonly fault: Fault;
  /** How many requests it has struck, counted as they arrive. One that hangs counts when the server has all of it. */
  readonly struck: number;
  /** Resolves when it has struck that many requests. */
  strikes(count?: number): Promise<void>;
  /** Lets go on what hangs on it, and lets it strike no more. */
  release(): void;
}

/** A fault as it strikes one request. */
export interface Strike {
  readonly fault: Fault;
  /** For `hang`: says that a request is being held, and resolves when it is to go on. */
  hold(): Promise<void>;
}

class Entry implements ActiveFault {
  readonly fault: Fault;
  /** Requests it was drawn for. */
  taken = 0;
  over = false;
  #held = 0;
  readonly #release = Promise.withResolvers<void>();

  constructor(fault: Fault) {
    this.fault = fault;
  }

  get struck(): number {
    return this.fault.kind === "hang" ? this.#held : this.taken;
  }

  hold(): Promise<void> {
    this.#held++;
    return this.#release.promise;
  }

  async strikes(count = 1): Promise<void> {
    await until(`fault ${this.fault.kind} strike ${count} times`, () => this.struck >= count, { every: 2 });
  }

  release(): void {
    this.over = true;
    this.#release.resolve();
  }

  fits(operation: Operation, key: string): boolean {
    const { fault } = this;
    if (this.over || this.taken >= (fault.times ?? 1)) return false;
    if (fault.operation !== undefined && fault.operation !== operation) return false;
    return typeof fault.key === "object" ? fault.key.test(key) : fault.key === undefined || fault.key === key;
  }
}

/** The faults of one server. Each request is struck by the first that fits, in the order they were added. */
export class Faults {
  readonly #entries: Entry[] = [];
  readonly #struck = new Map<FaultKind, number>();
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = randomNumbers(seed);
  }

  add(fault: Fault): ActiveFault {
    const entry = new Entry(fault);
    this.#entries.push(entry);
    return entry;
  }

  /** Removes all faults and lets go on what hangs. The counts stay. */
  clear(): void {
    for (const entry of this.#entries.splice(0)) entry.release();
  }

  /** How often faults of a kind, or any, have struck. */
  struck(kind?: FaultKind): number {
    return kind ? (this.#struck.get(kind) ?? 0) : [...this.#struck.values()].reduce((sum, count) => sum + count, 0);
  }

  strike(operation: Operation, key: string): Strike | undefined {
    const entry = this.#entries.find(
      (one) => one.fits(operation, key) && this.#random() < (one.fault.probability ?? 1),
    );
    if (!entry) return undefined;
    entry.taken++;
    this.#struck.set(entry.fault.kind, this.struck(entry.fault.kind) + 1);
    return entry;
  }
}

/** Mulberry32: the same seed gives the same numbers in [0, 1). */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
