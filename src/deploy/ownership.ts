/**
 * Whose machines are whose: each parent holds a lease for as long as it lives, and names it on what it launches. Whoever can take that
 * lease knows that its parent is gone, and that it will know so, too, should it come back.
 */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { StoreConflictError } from "../errors.ts";
import type { Lease } from "../store/lease.ts";
import type { Store } from "../store/store.ts";

/** What was about to be asked for. */
export interface Intent {
  readonly owner: string;
  readonly count: number;
  readonly pool: string;
}

const leaseOf = (owner: string): string => `owners/${owner}`;
const intentOf = (token: string): string => `requests/${token}`;

export class Ownership {
  readonly #store: Store;
  #taking: Promise<Lease> | undefined;
  #lease: Lease | undefined;
  #owner = newOwner();
  #closed = false;

  constructor(store: Store) {
    this.#store = store;
  }

  /** The name to put on machines. It holds its lease now; one that was lost in favour of somebody else is never used again. */
  async name(): Promise<string> {
    if (!this.#lease || this.#lease.signal.aborted) {
      const taking = (this.#taking ??= this.#take());
      try {
        await taking;
      } finally {
        if (this.#taking === taking) this.#taking = undefined;
      }
    }
    return this.#owner;
  }

  /** The name, when there is one by now. */
  get held(): string | undefined {
    return this.#lease && this.#owner;
  }

  async #take(): Promise<Lease> {
    for (;;) {
      if (this.#closed) throw new Error("Cannot own machines: this parent is closing");
      try {
        // Also the one that was lost: it may only have been late, and nobody has taken it.
        const lease = await this.#store.lease(leaseOf(this.#owner), { ttl });
        lease.signal.addEventListener("abort", () => this.#closed || void this.name().catch(() => undefined));
        return (this.#lease = lease);
      } catch (error) {
        if (!(error instanceof StoreConflictError) || error.reason !== "held") throw error;
        this.#owner = newOwner();
      }
    }
  }

  /** Writes down what is about to be asked for; what it gives strikes it out. */
  async intend(token: string, facts: Omit<Intent, "owner">): Promise<() => Promise<void>> {
    const owner = await this.name();
    await this.#store.cell<Intent>(intentOf(token)).set({ ...facts, owner });
    return async () => void (await this.#store.delete(intentOf(token)));
  }

  /**
   * Takes the place of a parent that is gone; undefined when it lives, or has lived a moment ago. `patient` waits for as long as it takes to
   * be sure of that.
   */
  async claim(owner: string, patient: boolean): Promise<Lease | undefined> {
    try {
      if (patient) return await this.#store.lock(leaseOf(owner), { ttl, timeout: patience });
      return await this.#store.lease(leaseOf(owner), { ttl });
    } catch (error) {
      if (error instanceof StoreConflictError && error.reason === "held") return undefined;
      throw error;
    }
  }

  /** Strikes out what a parent that is gone was about to ask for. */
  async forget(owner: string): Promise<void> {
    for await (const { key } of this.#store.list("requests/")) {
      const intent = await this.#store.cell<Intent | undefined>(key).get();
      if (intent?.owner === owner) await this.#store.delete(key);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#taking?.catch(() => undefined);
    await this.#lease?.release();
  }
}

const ttl = "30s";
/** A lease that has not changed for its ttl is free; a little more, for looks that come late. */
const patience = "40s";

/** Says to people where it runs. */
function newOwner(): string {
  const host = hostname()
    .replace(/[^\w-]/g, "-")
    .slice(0, 40);
  return `${host}-${process.pid}-${randomBytes(6).toString("hex")}`;
}
