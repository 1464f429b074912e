/**
 * How fast requests are made, so that the account's own limits are not met: EC2 keeps a bucket for each group of actions, which fills at
 * a steady rate. Who does not get a turn at once waits in line.
 */
import type { Clock } from "../../ports/clock.ts";

export type RequestKind = "launch" | "terminate" | "change" | "describe";

export interface Budget {
  /** Resolves when such a request may be made; `instances` are those that it asks for. Rejects when `signal` aborts before that. */
  take(kind: RequestKind, instances?: number, signal?: AbortSignal): Promise<void>;
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
const minuteMs = 60_000;

/** `launchesPerMinute`: what we allow ourselves, whatever the account would bear. */
export function accountBudget(clock: Clock, launchesPerMinute = Infinity): Budget {
  const requests = new Map<RequestKind, Line>();
  for (const [kind, rate] of Object.entries(requestRates))
    requests.set(kind as RequestKind, new Line(clock, new Bucket(rate, clock.now())));
  const instances = [
    new Line(clock, new Bucket(instanceRate, clock.now())),
    new Line(clock, new Minute(launchesPerMinute)),
  ];
  return {
    async take(kind, count = 0, signal) {
      if (count > 0) for (const line of instances) await line.take(count, signal);
      await requests.get(kind)!.take(1, signal);
    },
  };
}

/** What may be had, and when. */
interface Meter {
  /** Takes so many and gives 0, or takes nothing and gives the milliseconds after which it is worth asking again. */
  take(count: number, now: number): number;
}

/** Serves in the order of asking. */
class Line {
  readonly #clock: Clock;
  readonly #meter: Meter;
  #last: Promise<void> = Promise.resolve();

  constructor(clock: Clock, meter: Meter) {
    this.#clock = clock;
    this.#meter = meter;
  }

  take(count: number, signal?: AbortSignal): Promise<void> {
    const turn = this.#last.then(() => this.#turn(count, signal));
    // One that has given up does not hold up those behind it.
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #turn(count: number, signal: AbortSignal | undefined): Promise<void> {
    for (;;) {
      signal?.throwIfAborted();
      const waitMs = this.#meter.take(count, this.#clock.now());
      if (waitMs === 0) return;
      await new Promise<void>((resolve) => {
        const go = (): void => {
          timer.cancel();
          signal?.removeEventListener("abort", go);
          resolve();
        };
        const timer = this.#clock.timer(waitMs, go);
        signal?.addEventListener("abort", go);
      });
    }
  }
}

/** What is more than it can ever hold is served when it is full, and leaves it in debt. */
class Bucket implements Meter {
  readonly #rate: Rate;
  #tokens: number;
  #at: number;

  constructor(rate: Rate, now: number) {
    this.#rate = rate;
    this.#tokens = rate.burst;
    this.#at = now;
  }

  take(count: number, now: number): number {
    const { burst, perSecond } = this.#rate;
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#at) * perSecond) / 1000);
    this.#at = now;
    const missing = Math.min(count, burst) - this.#tokens;
    if (missing > 0) return Math.ceil((missing * 1000) / perSecond);
    this.#tokens -= count;
    return 0;
  }
}

/** Never more than so many within a minute, wherever the minute begins; more than that at once only where nothing else was had in it. */
class Minute implements Meter {
  readonly #most: number;
  readonly #had: { readonly at: number; readonly count: number }[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  take(count: number, now: number): number {
    while (this.#had[0] && this.#had[0].at <= now - minuteMs) this.#had.shift();
    const sum = this.#had.reduce((had, one) => had + one.count, count);
    const [first] = this.#had;
    if (first && sum > this.#most) return first.at + minuteMs - now;
    if (this.#most !== Infinity) this.#had.push({ at: now, count });
    return 0;
  }
}
