/** Traces for who has none. */
import { resolveDuration } from "../../duration.ts";
import { show } from "../../options.ts";
import { type Random, exponential } from "./random.ts";
import type { ServiceTimes } from "./service-times.ts";
import type { Trace } from "./simulate.ts";

/** A rate of arrivals over time. */
export interface Generator {
  /** Calls per millisecond, on average. */
  readonly rate: number;
  readonly lengthMs: number;
  /** How much higher than the average the rate is during a burst; 1 for none. */
  readonly factor: number;
}

/** How long a burst lasts on average. */
const burstMs = 20_000;

const mostCalls = 10_000_000;

const perMs: Record<string, number> = { s: 1 / 1_000, m: 1 / 60_000, h: 1 / 3_600_000 };

const pattern = /^(poisson|bursty):(\d+(?:\.\d+)?)\/([smh]):([^:]+)(?::(\d+(?:\.\d+)?))?$/;

/** Whether a trace is to be made, not read. */
export function isGenerated(text: string): boolean {
  return /^(poisson|bursty):/.test(text);
}

/**
 * `poisson:10/s:1h`: calls that know nothing of each other. `bursty:10/s:1h:8`: the same number, in bursts of 20 s on
 * average, eight times the average rate, with nothing in between.
 */
export function resolveGenerator(text: string, option: string): Generator {
  const [, kind, rate, unit, length, factor] = pattern.exec(text) ?? [];
  const wrong = (what: string): TypeError => new TypeError(`Cannot use ${show(text)} as ${option}: ${what}`);
  if (kind === undefined || (kind === "poisson" && factor !== undefined)) {
    throw wrong(
      '"poisson:10/s:1h" or "bursty:10/s:1h:8" is wanted: a rate per s, m or h, a length, a factor of bursts',
    );
  }
  const generator = {
    rate: Number(rate) * perMs[unit!]!,
    lengthMs: resolveDuration(length, `the length in ${option}`),
    factor: kind === "poisson" ? 1 : Number(factor ?? 10),
  };
  if (kind === "bursty" && generator.factor <= 1) throw wrong("the factor of bursts must be above 1");
  const calls = generator.rate * generator.lengthMs;
  if (!(calls >= 1 && calls <= mostCalls)) throw wrong(`it means ${calls} calls; 1 to ${mostCalls} are possible`);
  return generator;
}

export function generate({ rate, lengthMs, factor }: Generator, service: ServiceTimes, random: Random): Trace {
  const arrivals: number[] = [];
  const meanGap = 1 / (rate * factor);
  let burstEnd = factor === 1 ? Infinity : 0;
  for (let at = 0; ;) {
    const next = at + exponential(meanGap, random);
    if (next < burstEnd) {
      if (next >= lengthMs) break;
      arrivals.push(next);
      at = next;
      continue;
    }
    // A process without memory may be begun anew at any time, so also at the next burst.
    at = Math.max(at, burstEnd) + exponential(burstMs * (factor - 1), random);
    burstEnd = at + exponential(burstMs, random);
    if (at >= lengthMs) break;
  }
  return {
    arrivalsMs: Float64Array.from(arrivals),
    servicesMs: Float64Array.from(arrivals, () => service.draw([], random)),
  };
}
