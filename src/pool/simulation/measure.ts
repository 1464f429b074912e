/** What a simulated pool has cost, and how long its calls have waited. */
import type { Outcome } from "./simulate.ts";

export interface Tariff {
  /** Least time that is paid for each launch. */
  readonly billingFloorMs: number;
  /** Of one runner for one hour. */
  readonly pricePerHour: number;
}

export interface Measures {
  readonly launches: number;
  readonly failedBoots: number;
  readonly peakRunners: number;
  readonly runnerSeconds: number;
  readonly cost: number;
  /** Share of calls that found a free slot when they came; 1 when there were none. */
  readonly noWait: number;
  readonly waitSeconds: Waits;
}

export interface Waits {
  readonly mean: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

export function measure(outcome: Outcome, tariff: Tariff): Measures {
  let billedMs = 0;
  for (const lifeMs of outcome.livesMs) billedMs += Math.max(lifeMs, tariff.billingFloorMs);
  const waits = outcome.waitsMs.toSorted();
  const waited = waits.length - firstAbove(waits, 0);
  const at = (share: number): number => percentile(waits, share) / 1_000;
  return {
    launches: outcome.livesMs.length,
    failedBoots: outcome.failedBoots,
    peakRunners: outcome.peakRunners,
    runnerSeconds: billedMs / 1_000,
    cost: (billedMs / 3_600_000) * tariff.pricePerHour,
    noWait: waits.length === 0 ? 1 : 1 - waited / waits.length,
    waitSeconds: { mean: mean(waits) / 1_000, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) },
  };
}

/** The least value that the given share of all does not exceed; 0 of nothing. */
export function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}

function mean(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return values.length === 0 ? 0 : sum / values.length;
}

function firstAbove(sorted: Float64Array, limit: number): number {
  const place = sorted.findIndex((value) => value > limit);
  return place < 0 ? sorted.length : place;
}
