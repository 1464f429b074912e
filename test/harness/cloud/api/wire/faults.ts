import { until } from "../../../until.ts";

/**
 * What goes wrong with a request. "Before" means that nothing was done yet, "after" that the action has been carried out;
 * if that was refused on its own account, the refusal is what is answered.
 */
export type Effect =
  | {
      readonly kind:
        /** The connection is destroyed instead of an answer, after. */
        | "lostReply"
        /** The connection is destroyed, before. */
        | "droppedRequest"
        /** 500 InternalError. */
        | "internalBefore"
        | "internalAfter"
        /** 503 Unavailable. */
        | "unavailableBefore"
        | "unavailableAfter"
        /** 503 RequestLimitExceeded, before. */
        | "throttle"
        /** Nothing happens until `release()`; only then is it carried out, also when the client has long given up. */
        | "hang";
    }
  /** The answer is held back for so long, after. */
  | { readonly kind: "slow"; readonly ms: number }
  /** Any refusal, before. */
  | { readonly kind: "error"; readonly code: string; readonly message?: string; readonly status?: number };

/** Which requests it strikes, and what happens to them. */
export type CloudFault = Effect & {
  /** Name of an action. @default every action */
  readonly action?: string;
  /** Strikes from the n-th request that fits on, counted from 1 since the fault was added. @default 1 */
  readonly nth?: number;
  /** How many requests it strikes at most. @default 1 */
  readonly times?: number;
};

/** A fault that was added. */
export interface ActiveFault {
  readonly fault: CloudFault;
  /** How many requests it has struck. */
  readonly struck: number;
  /** Resolves when it has struck that many requests. */
  strikes(count?: number): Promise<void>;
  /** Lets go on what hangs on it, and lets it strike no more. */
  release(): void;
}

/** A fault as it strikes one request. */
export interface Strike {
  readonly fault: CloudFault;
  /** For `hang`: resolves when the request is to go on. */
  readonly released: Promise<void>;
}

class Entry implements ActiveFault, Strike {
  readonly fault: CloudFault;
  struck = 0;
  #seen = 0;
  #over = false;
  readonly #release = Promise.withResolvers<void>();

  constructor(fault: CloudFault) {
    this.fault = fault;
  }

  get released(): Promise<void> {
    return this.#release.promise;
  }

  async strikes(count = 1): Promise<void> {
    await until(`fault ${this.fault.kind} strike ${count} times`, () => this.struck >= count, { every: 2 });
  }

  release(): void {
    this.#over = true;
    this.#release.resolve();
  }

  /** Counts a request, and says whether it is struck. */
  takes(action: string): boolean {
    const { action: wanted, nth = 1, times = 1 } = this.fault;
    if (this.#over || (wanted ?? action) !== action) return false;
    if (++this.#seen < nth || this.struck >= times) return false;
    this.struck++;
    return true;
  }
}

/** The faults of one endpoint. Each request is struck by the first that fits, in the order they were added. */
export class CloudFaults {
  readonly #entries: Entry[] = [];

  add(fault: CloudFault): ActiveFault {
    const entry = new Entry(fault);
    this.#entries.push(entry);
    return entry;
  }

  /** Removes all faults and lets go on what hangs. */
  clear(): void {
    for (const entry of this.#entries.splice(0)) entry.release();
  }

  strike(action: string): Strike | undefined {
    return this.#entries.find((one) => one.takes(action));
  }
}
