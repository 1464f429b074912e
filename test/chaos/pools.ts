/** The pools under fire: each differs from the others in what it lets happen at the same time. */
import { type Pool, type PoolOptions, pool } from "tinderbox";
import type { FaultName } from "./faults.ts";
import { prepare } from "./on-runner.ts";

export interface Field {
  readonly pool: Pool;
  /** Calls that wait or run at a time. */
  readonly inFlight: number;
  /** Share of calls that may be repeated. */
  readonly idempotent: number;
  /** Mean time between two accidents. */
  readonly gapMs: number;
  readonly faults: readonly FaultName[];
  /** Mean time between two changes of its bounds, and how far these go. */
  readonly resizes?: { readonly gapMs: number; readonly min: number; readonly max: number };
}

/** Limit of calls that nobody wants to end: long enough for a stopped runner to be noticed first. */
export const timeoutMs = 15_000;

/** As each pool of this run is: runners have to be prepared before their first call. */
export function declare(name: string, options: PoolOptions): Pool {
  return pool(`chaos-${name}`, { timeout: timeoutMs, drainTimeout: "8s", setup: () => prepare(), ...options });
}

/** One runner, one call: no bystander, so each loss has one cause. */
const single: Field = {
  pool: declare("single", { min: 1, max: 4 }),
  inFlight: 50,
  idempotent: 0.5,
  gapMs: 900,
  faults: [
    ...["kill", "kill", "stop", "pause", "kill booting"],
    ...[
      "exit",
      "exit",
      "abort",
      "segfault",
      "suicide",
      "block",
      "spin on",
      "deaf",
      "throw later",
      "reject later",
      "cling",
    ],
  ] as FaultName[],
};

/** Many bystanders of each accident. */
const wide: Field = {
  pool: declare("wide", { min: 2, max: 4, concurrency: 8 }),
  inFlight: 120,
  idempotent: 0.3,
  gapMs: 1_100,
  faults: [
    ...["kill", "kill", "kill", "stop", "pause", "kill booting"],
    ...[
      "exit",
      "exit",
      "abort",
      "segfault",
      "suicide",
      "block",
      "spin on",
      "deaf",
      "throw later",
      "reject later",
      "cling",
    ],
  ] as FaultName[],
};

/** Several processes on each runner: what happens to one of them is not to be felt in the other. */
const crew: Field = {
  pool: declare("crew", { min: 1, max: 2, processes: 2, concurrency: 3 }),
  inFlight: 40,
  idempotent: 0.4,
  gapMs: 1_100,
  faults: [
    ...["kill", "stop", "pause", "kill booting", "kill executor", "kill executor", "stop executor"],
    ...["exit", "exit", "abort", "segfault", "suicide", "block", "spin on", "deaf", "throw later", "reject later"],
  ] as FaultName[],
};

/** A runner per call: boots without end, and callers always queued when one goes. */
const once: Field = {
  pool: declare("once", { max: 2, singleUse: true, queueLimit: 16 }),
  inFlight: 19,
  idempotent: 0.5,
  gapMs: 1_600,
  faults: ["kill", "kill", "stop", "kill booting", "exit", "abort", "segfault", "throw later"],
};

/** A heap that a closure can fill. */
const heap: Field = {
  pool: declare("heap", {
    max: 2,
    concurrency: 4,
    env: { NODE_OPTIONS: "--max-old-space-size=32" },
  }),
  inFlight: 24,
  idempotent: 0,
  gapMs: 2_500,
  faults: ["out of memory", "out of memory", "abort", "kill", "exit"],
};

/** Runners that come and go all the time by themselves. */
const churn: Field = {
  pool: declare("churn", {
    min: 1,
    max: 3,
    concurrency: 3,
    spare: 1,
    idle: "100ms",
    lifetime: "3s",
    idleCheck: () => Math.random() < 0.7,
  }),
  inFlight: 10,
  idempotent: 0.7,
  gapMs: 1_800,
  faults: ["kill", "kill", "stop", "pause", "kill booting", "exit", "suicide", "throw later", "block"],
  resizes: { gapMs: 2_500, min: 1, max: 4 },
};

/** Nothing is done to these runners: what they suffer is the others' fault. */
const calm: Field = {
  pool: declare("calm", { min: 1, max: 2, concurrency: 12 }),
  inFlight: 60,
  idempotent: 0,
  gapMs: Infinity,
  faults: [],
};

export const fields: readonly Field[] = [single, wide, crew, once, heap, churn, calm];
