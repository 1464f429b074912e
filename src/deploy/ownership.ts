/**
 * Whose machines are whose: each parent holds a lease for as long as it lives, and names it on what it launches. Whoever can take that
 * lease knows that its parent is gone, and that it will know so, too, should it come back.
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { hostname } from "node:os";
import { StoreConflictError, StoreDataError } from "../errors.ts";
import type { Lease } from "../store/lease.ts";
import type { Store } from "../store/store.ts";

/** What was about to be asked for. */
export interface Intent {
  readonly owner: string;
  readonly count: number;
  readonly pool: string;
  /** The launch template that it adds a version to; none where it makes a whole one. */
  readonly template?: string | undefined;
}

/** One that was begun, and is not known to have been settled. */
export interface OpenIntent extends Intent {
  readonly token: string;
}

const leaseOf = (owner: string): string => `owners/${owner}`;
const intentOf = (token: string): string => `requests/${token}`;

export class Ownership {
  readonly #store: Store;
  /** All names that were ever ours: machines may carry them. */
  readonly #names = new Set<string>();
  readonly #regaining = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  #taking: Promise<Lease> | undefined;
  #lease: Lease | undefined;
  #owner = "";

  constructor(store: Store) {
    this.#store = store;
  }

  /** The name to put on machines. It holds its lease now. */
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

  /** Under a new name: who has taken the lease of another one may be about to end what carries it. */
  async #take(): Promise<Lease> {
    if (this.#closing.signal.aborted) throw new Error("Cannot own machines: this parent is closing");
    const owner = newOwner();
    this.#names.add(owner);
    const lease = await this.#store.lease(leaseOf(owner), { ttl });
    this.#owner = owner;
    this.#lease = lease;
    lease.signal.addEventListener("abort", () => {
      if (this.#closing.signal.aborted) return;
      const regaining = this.#regain(owner).finally(() => this.#regaining.delete(regaining));
      this.#regaining.add(regaining);
    });
    return lease;
  }

  /** Machines that carry the name may run still, and are everybody's for as long as nobody holds its lease. */
  async #regain(owner: string): Promise<void> {
    const { signal } = this.#closing;
    const hold = async (lease: Lease): Promise<void> => {
      if (this.#owner === owner) this.#lease = lease;
      if (!lease.signal.aborted) await once(lease.signal, "abort");
    };
    await this.#store.elect(leaseOf(owner), hold, { ttl, signal }).catch(() => undefined);
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
    if (this.#names.has(owner)) return undefined;
    try {
      if (patient) return await this.#store.lock(leaseOf(owner), { ttl, timeout: patience });
      return await this.#store.lease(leaseOf(owner), { ttl });
    } catch (error) {
      if (error instanceof StoreConflictError && error.reason === "held") return undefined;
      throw error;
    }
  }

  /** What anybody was about to ask for, and has not struck out. What cannot be read is left out. */
  async open(): Promise<readonly OpenIntent[]> {
    const found: OpenIntent[] = [];
    for await (const { key } of this.#store.list(intentOf(""))) {
      const intent = await this.#store
        .cell<Intent | undefined>(key)
        .get()
        .catch((error: unknown) => {
          if (error instanceof StoreDataError) return undefined;
          throw error;
        });
      if (intent) found.push({ ...intent, token: key.slice(intentOf("").length) });
    }
    return found;
  }

  /** Strikes out what a parent that is gone was about to ask for. */
  async forget(owner: string): Promise<void> {
    for (const intent of await this.open())
      if (intent.owner === owner) await this.#store.delete(intentOf(intent.token));
  }

  /** Says that this parent is gone. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#taking?.catch(() => undefined);
    await this.#lease?.release();
    await Promise.all(this.#regaining);
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
