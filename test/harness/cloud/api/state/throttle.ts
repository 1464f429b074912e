import { Ec2Error } from "../wire/errors.ts";

/** A bucket of tokens: `burst` at first, `perSecond` more each second until it is full again. */
export interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

export interface Limits {
  /** Requests for RunInstances. @default 5 and 2 a second */
  readonly runInstances: Rate;
  /** Instances that are launched, by whatever action. @default 1000 and 2 a second */
  readonly instances: Rate;
  /** Requests for each other action. @default 100 and 20 a second */
  readonly others: Rate;
  /** Requests for single actions, before the above. @default none */
  readonly actions?: Readonly<Record<string, Rate>>;
}

export const defaultLimits: Limits = {
  runInstances: { burst: 5, perSecond: 2 },
  instances: { burst: 1000, perSecond: 2 },
  others: { burst: 100, perSecond: 20 },
};

class Bucket {
  readonly rate: Rate;
  #tokens: number;
  #atMs: number;

  constructor(rate: Rate, nowMs: number) {
    this.rate = rate;
    this.#tokens = rate.burst;
    this.#atMs = nowMs;
  }

  level(nowMs: number): number {
    const { burst, perSecond } = this.rate;
    this.#tokens = Math.min(burst, this.#tokens + (Math.max(0, nowMs - this.#atMs) / 1000) * perSecond);
    this.#atMs = nowMs;
    return Math.floor(this.#tokens + 1e-9);
  }

  take(count: number): void {
    this.#tokens -= count;
  }
}

/** The token buckets of one account and region. */
export class Throttle {
  #limits: Limits;
  readonly #buckets = new Map<string, Bucket>();
  readonly #now: () => number;

  constructor(limits: Limits, now: () => number) {
    this.#limits = limits;
    this.#now = now;
  }

  /** Replaces limits at run time; every bucket is full again. */
  set(limits: Partial<Limits>): void {
    this.#limits = { ...this.#limits, ...limits };
    this.#buckets.clear();
  }

  #bucket(name: string, rate: Rate): Bucket {
    const bucket = this.#buckets.get(name) ?? new Bucket(rate, this.#now());
    this.#buckets.set(name, bucket);
    return bucket;
  }

  /** Counts a request. Throws RequestLimitExceeded when its bucket is empty. */
  request(action: string): void {
    const { runInstances, others, actions } = this.#limits;
    const bucket = this.#bucket(action, actions?.[action] ?? (action === "RunInstances" ? runInstances : others));
    if (bucket.level(this.#now()) < 1) throw exceeded();
    bucket.take(1);
  }

  /** How many instances may be launched now. */
  launchable(): number {
    return this.#bucket("(instances)", this.#limits.instances).level(this.#now());
  }

  launched(count: number): void {
    this.#bucket("(instances)", this.#limits.instances).take(count);
  }
}

export function exceeded(): Ec2Error {
  return new Ec2Error("RequestLimitExceeded", "Request limit exceeded.");
}
