export type Market = "on-demand" | "spot";

/** Which pools of machines a rule is about; what is not given, matches all. */
export interface PoolPattern {
  readonly type?: string;
  readonly zone?: string;
  readonly market?: Market;
}

export interface Pool {
  readonly type: string;
  readonly zone: string;
  readonly market: Market;
}

/** How many may live at a time; `unsupported`: the zone does not have the type at all. */
export type PoolLimit = number | "unsupported";

function matches(pattern: PoolPattern, pool: Pool): boolean {
  return (
    (pattern.type ?? pool.type) === pool.type &&
    (pattern.zone ?? pool.zone) === pool.zone &&
    (pattern.market ?? pool.market) === pool.market
  );
}

/** How many machines each pool has. Without a rule it has any number. */
export class Capacity {
  readonly #rules: { readonly pattern: PoolPattern; readonly limit: PoolLimit }[] = [];

  /** Says how many instances each pool that fits may have at a time. What was said last counts. */
  set(pattern: PoolPattern, limit: PoolLimit): void {
    this.#rules.unshift({ pattern, limit });
  }

  /** Forgets every rule. */
  clear(): void {
    this.#rules.length = 0;
  }

  of(pool: Pool): PoolLimit {
    return this.#rules.find(({ pattern }) => matches(pattern, pool))?.limit ?? Infinity;
  }
}

/** What an hour costs on the spot market: 30 % of the price on demand, unless set. */
export class Prices {
  readonly #rules: { readonly pattern: PoolPattern; readonly price: number }[] = [];

  /** Sets the price of each pool that fits, in US dollars an hour. */
  set(pattern: Omit<PoolPattern, "market">, price: number): void {
    this.#rules.unshift({ pattern, price });
  }

  spot(type: string, zone: string, onDemand: number): number {
    const pool: Pool = { type, zone, market: "spot" };
    return this.#rules.find(({ pattern }) => matches(pattern, pool))?.price ?? Number((onDemand * 0.3).toFixed(6));
  }
}
