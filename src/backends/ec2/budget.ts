/**
 * How fast requests are made, so that the account's own limits are not met: EC2 keeps a bucket for each group of actions, which fills at
 * a steady rate. Who does not get a turn at once waits in line.
 */
import type { Clock } from "../../ports/clock.ts";

export type RequestKind = "launch" | "terminate" | "change" | "describe";

export interface Budget {
  /** Resolves when such a request may be made; `instances` are those that it asks for. */
  take(kind: RequestKind, instances?: number): Promise<void>;
}

interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

/** What EC2 documents for an account and region, with room for others: launches have a bucket of their own. */
const requestRates: Readonly<Record<RequestKind, Rate>> = {
  launch: { burst: 5, perSecond: 2 },
  terminate: { burst: 50, perSecond: 5 },
  change: { burst: 50, perSecond: 5 },
  describe: { burst: 50, perSecond: 10 },
};
/** Instances, besides the requests for them. */
const instanceRate: Rate = { burst: 1000, perSecond: 2 };

/** `launchesPerMinute`: what we allow ourselves, whatever the account would bear. */
export function accountBudget(clock: Clock, launchesPerMinute = Infinity): Budget {
  const requests = new Map<RequestKind, Bucket>();
  for (const [kind, rate] of Object.entries(requestRates)) requests.set(kind as RequestKind, new Bucket(clock, rate));
  const instances = [new Bucket(clock, instanceRate)];
  if (launchesPerMinute !== Infinity)
    instances.push(new Bucket(clock, { burst: launchesPerMinute, perSecond: launchesPerMinute / 60 }));
  return {
    async take(kind, count = 0) {
      if (count > 0) for (const bucket of instances) await bucket.take(count);
      await requests.get(kind)!.take(1);
    },
  };
}

/** Serves in the order of asking. What is more than it can ever hold is served when it is full, and leaves it in debt. */
export class Bucket {
  readonly #clock: Clock;
  readonly #rate: Rate;
  #tokens: number;
  #at: number;
  #line: Promise<void> = Promise.resolve();

  constructor(clock: Clock, rate: Rate) {
    this.#clock = clock;
    this.#rate = rate;
    this.#tokens = rate.burst;
    this.#at = clock.now();
  }

  take(count: number): Promise<void> {
    this.#line = this.#line.then(() => this.#turn(count));
    return this.#line;
  }

  async #turn(count: number): Promise<void> {
    const { burst, perSecond } = this.#rate;
    const needed = Math.min(count, burst);
    for (;;) {
      const now = this.#clock.now();
      this.#tokens = Math.min(burst, this.#tokens + ((now - this.#at) * perSecond) / 1000);
      this.#at = now;
      if (this.#tokens >= needed) break;
      const waitMs = Math.ceil(((needed - this.#tokens) * 1000) / perSecond);
      await new Promise<void>((resolve) => void this.#clock.timer(waitMs, resolve));
    }
    this.#tokens -= count;
  }
}
