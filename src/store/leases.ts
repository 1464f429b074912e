/** The leases of one store. */
import { elect } from "./elect.ts";
import { type Lease, renewalsPerTtl } from "./lease.ts";
import { LeaseSite } from "./lease-site.ts";
import { acquire } from "./lease-take.ts";
import { type LeaseOptions, type LockOptions, resolveTerms } from "./lease-terms.ts";
import { Lines, lock } from "./lock.ts";
import type { Requests } from "./requests.ts";

export type { LeaseOptions, LockOptions } from "./lease-terms.ts";
export type { Lease } from "./lease.ts";

/**
 * At most one lease of a key is held at any time, as far as clocks run at the same pace; where that is not enough, its token is. A lease
 * that is held costs three writes per ttl: at the default of 30 s, 360 in an hour.
 */
export class Leases {
  readonly #site: LeaseSite;
  readonly #lines = new Lines();

  /** `holder` names this process in what others are told. */
  constructor(requests: Requests, options: { readonly holder?: string | undefined } = {}) {
    this.#site = new LeaseSite(requests, options.holder);
  }

  /**
   * Takes the lease, or refuses with StoreConflictError, reason "held". At once, unless its holder may be dead: that is watched for one ttl
   * of the holder.
   */
  async lease(key: string, options: LeaseOptions = {}): Promise<Lease> {
    const terms = resolveTerms(options, ["ttl", "signal", "timeout"], "a lease");
    return acquire(this.#site, this.#site.slot(key), terms);
  }

  /** Waits for the lease. Those of one process get it in the order in which they have asked. */
  async lock(key: string, options: LockOptions = {}): Promise<Lease> {
    const terms = resolveTerms(options, ["ttl", "signal", "timeout"], "a lock");
    return lock(this.#site, this.#lines, this.#site.slot(key), terms);
  }

  /**
   * Waits for the lease, calls `run` with it, and releases it when `run` has settled, as which it settles then. When `run` fails because the
   * lease was lost, it waits for the lease again. Losing the lease, and `signal`, abort `lease.signal`: `run` is to end then.
   */
  async elect<T>(
    key: string,
    run: (lease: Lease) => T | PromiseLike<T>,
    options: Omit<LockOptions, "timeout"> = {},
  ): Promise<T> {
    const terms = resolveTerms(options, ["ttl", "signal"], "an election");
    return elect(this.#site, this.#lines, this.#site.slot(key), run, terms);
  }

  /** How many are held now. */
  get held(): number {
    return this.#site.leases.length;
  }

  get all(): readonly Lease[] {
    return this.#site.leases;
  }

  /** What holding them costs: writes to the store. */
  get requestsPerHour(): number {
    return this.#site.leases.reduce((sum, { ttlMs }) => sum + (renewalsPerTtl * 3_600_000) / ttlMs, 0);
  }

  /** Releases all, refuses who waits and whoever comes later. */
  close(): Promise<void> {
    return this.#site.close();
  }
}
