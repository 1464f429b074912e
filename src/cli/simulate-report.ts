/** What a simulation has shown, for people and for programs. */
import { formatDuration } from "../duration.ts";
import type { Measures } from "../pool/simulation/measure.ts";
import type { Samples } from "../pool/simulation/samples.ts";
import type { Study } from "./simulate-study.ts";
import { type Column, table } from "./table.ts";

export interface Result {
  readonly strategy: string;
  readonly idleMs: number;
  readonly measures: Measures;
  /** For a picture: the pool over time, and the longest wait of the calls that came in each step. */
  readonly samples?: Samples;
  readonly waitsMs?: readonly number[];
}

const whole = (value: number): string => Math.round(value).toLocaleString("en-US");

const columns: readonly Column<Result>[] = [
  { title: "strategy", left: true, text: ({ strategy }) => strategy },
  { title: "idle", text: ({ idleMs }) => formatDuration(idleMs) },
  { title: "launches", text: ({ measures }) => whole(measures.launches) },
  { title: "most", text: ({ measures }) => whole(measures.peakRunners) },
  { title: "runner-s", text: ({ measures }) => whole(measures.runnerSeconds) },
  { title: "no wait", text: ({ measures }) => `${(measures.noWait * 100).toFixed(1)} %` },
  { title: "p50 wait", text: ({ measures }) => measures.waitSeconds.p50.toFixed(2) },
  { title: "p95 wait", text: ({ measures }) => measures.waitSeconds.p95.toFixed(2) },
  { title: "p99 wait", text: ({ measures }) => measures.waitSeconds.p99.toFixed(2) },
  { title: "longest", text: ({ measures }) => measures.waitSeconds.max.toFixed(2) },
];

const cost: Column<Result> = { title: "cost", text: ({ measures }) => measures.cost.toFixed(2) };

const failedBoots: Column<Result> = { title: "failed", text: ({ measures }) => whole(measures.failedBoots) };

const legend = `
launches: boots, each paid for   most: runners at a time   runner-s: seconds paid for, of all runners
no wait: calls that found a free slot   p95 wait: seconds within which 95 % of the calls began; p50, p99 likewise
`;

const flameLegend =
  "flame: FLAME's rule, which is slots, 30 s idle unless it says otherwise, and the emptiest runner first\n";

export function asText(study: Study, results: readonly Result[]): string {
  const { trace, world, tariff } = study;
  const { min, max, slotsPerRunner, spare } = study.cases[0]!.pool;
  const seconds = serviceSeconds(study);
  const calls = trace.calls.arrivalsMs.length;
  const length = formatDuration(trace.calls.arrivalsMs.at(-1) ?? 0);
  const average = formatDuration((1_000 * seconds) / Math.max(1, calls));
  const jitter = world.bootJitter > 0 ? `, ${100 * world.bootJitter} % more or less` : "";
  const failures = world.bootFailures > 0 ? `, ${100 * world.bootFailures} % of them fail` : "";
  const shown = [...columns];
  if (study.priced) shown.splice(5, 0, cost);
  if (world.bootFailures > 0) shown.splice(3, 0, failedBoots);
  return `${[
    `trace   ${trace.name}: ${whole(calls)} calls in ${length}, ${average} each on average (${trace.service})`,
    `pool    ${slotsPerRunner} ${slotsPerRunner === 1 ? "slot" : "slots"} a runner, min ${min}, max ${max}, spare ${spare}`,
    `boots   ${formatDuration(world.bootMs)}${jitter}${failures}; each runner is paid for ${formatDuration(tariff.billingFloorMs)} at least`,
    `ideal   ${whole(seconds / slotsPerRunner)} runner-seconds, if every slot were busy all the time`,
    `seed    ${world.seed}`,
  ].join(
    "\n",
  )}\n\n${table(shown, results)}${legend}${study.cases.some(({ strategy }) => strategy.flameIdleMs !== undefined) ? flameLegend : ""}`;
}

export function asJson(study: Study, results: readonly Result[]): string {
  const { trace, world, tariff, notes } = study;
  const { min, max, slotsPerRunner, spare, lifetimeMs } = study.cases[0]!.pool;
  const { arrivalsMs } = trace.calls;
  const report = {
    trace: {
      name: trace.name,
      calls: arrivalsMs.length,
      lengthMs: arrivalsMs.at(-1) ?? 0,
      service: trace.service,
      serviceSeconds: serviceSeconds(study),
    },
    pool: { min, max, slotsPerRunner, spare, lifetimeMs: finite(lifetimeMs) },
    world,
    tariff,
    notes,
    results: results.map(({ strategy, idleMs, measures }) => ({ strategy, idleMs: finite(idleMs), ...measures })),
  };
  return `${JSON.stringify(report, undefined, 2)}\n`;
}

/** JSON knows no `Infinity`; `null` says "never". */
function finite(ms: number): number | null {
  return ms === Infinity ? null : ms;
}

/** The work of all calls together. */
function serviceSeconds({ trace }: Study): number {
  return trace.calls.servicesMs.reduce((sum, ms) => sum + ms, 0) / 1_000;
}
