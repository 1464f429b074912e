/** `tinderbox simulate`: which strategy would have cost how much, and made whom wait. */
import { writeFileSync } from "node:fs";
import { type ArgsDef, defineCommand } from "citty";
import { measure } from "../pool/simulation/measure.ts";
import { Samples, longestWaits } from "../pool/simulation/samples.ts";
import { simulate } from "../pool/simulation/simulate.ts";
import { Arguments } from "./arguments.ts";
import { explained } from "./explain.ts";
import { plot } from "./plot.ts";
import { type Study, resolveStudy } from "./simulate-study.ts";
import { type Result, asJson, asText } from "./simulate-report.ts";

const args = {
  trace: {
    type: "string",
    valueHint: "file",
    description:
      "Calls to replay: a CSV file, a timestamp a line, with seconds of service in a second column, or one of " +
      "Azure's LLM traces; or made up: poisson:10/s:1h, bursty:10/s:1h:8 (in bursts of 8 times that rate)",
  },
  service: {
    type: "string",
    valueHint: "time",
    description:
      "How long calls take: 1s, exp:1s, lognormal:1s:2 (mean, coefficient of variation) or a sum in seconds of " +
      "columns, 0.5+0.02*GeneratedTokens (Default: what the trace says, exp:1s for one that is made up)",
  },
  unit: { type: "string", valueHint: "s|ms", description: "Of timestamps that are numbers (Default: by their size)" },
  strategy: {
    type: "string",
    valueHint: "list",
    default: "flame,slots,drain:5s",
    description:
      "Strategies to compare: slots, drain:5s, fixed:10, flame (FLAME's rule; flame:5m with another keep-alive), " +
      "./mine.ts (a module whose default export is a strategy)",
  },
  idle: { type: "string", valueHint: "list", default: "5m", description: "Keep-alives to compare; Infinity for ever" },
  slots: { type: "string", valueHint: "count", default: "1", description: "Calls that a runner runs at a time" },
  min: { type: "string", valueHint: "count", default: "0", description: "Runners kept at all times" },
  max: { type: "string", valueHint: "count", default: "100", description: "Most runners at a time" },
  spare: { type: "string", valueHint: "count", default: "0", description: "Idle slots kept ready ahead of demand" },
  lifetime: { type: "string", valueHint: "time", default: "6h", description: "Age at which a runner is replaced" },
  boot: { type: "string", valueHint: "time", default: "20s", description: "What a boot takes" },
  "boot-jitter": { type: "string", valueHint: "share", default: "0", description: "0.2: boots differ by up to 20 %" },
  "boot-failures": { type: "string", valueHint: "share", default: "0", description: "0.1: one boot in ten fails" },
  "billing-floor": { type: "string", valueHint: "time", default: "60s", description: "Least time paid for a launch" },
  price: { type: "string", valueHint: "number", description: "Of one runner for one hour; adds the column cost" },
  seed: { type: "string", valueHint: "number", default: "1", description: "For all that is random" },
  json: { type: "boolean", description: "Print JSON" },
  plot: { type: "string", valueHint: "file.svg", description: "Draw queue, runners and waits over time" },
} satisfies ArgsDef;

export const simulateCommand = defineCommand({
  meta: {
    name: "simulate",
    description: "Replays a trace of calls through the pool on a virtual clock, and compares strategies",
  },
  args,
  run: ({ args: parsed, rawArgs }) =>
    explained("simulate", async () => {
      const given = new Arguments("tinderbox simulate", parsed, rawArgs, Object.keys(args));
      const study = await resolveStudy(given);
      const file = given.text("plot");
      const results = carryOut(study, file !== undefined);
      if (file !== undefined) write(file, plot(study.trace.name, results));
      for (const note of study.notes) process.stderr.write(`note: ${note}\n`);
      process.stdout.write(parsed.json ? asJson(study, results) : asText(study, results));
    }),
});

/** Points of a picture, from its left to its right. */
const steps = 300;

function carryOut(study: Study, sampled: boolean): Result[] {
  const { calls } = study.trace;
  const stepMs = Math.max(1, (calls.arrivalsMs.at(-1) ?? 0) / steps);
  return study.cases.map(({ strategy, pool }) => {
    const samples = sampled ? new Samples(stepMs) : undefined;
    const outcome = simulate(calls, pool, study.world, samples?.watch);
    const measures = measure(outcome, study.tariff);
    const base = { strategy: strategy.name, idleMs: pool.idleMs, measures };
    if (!samples) return base;
    return { ...base, samples, waitsMs: longestWaits(calls, outcome, stepMs) };
  });
}

function write(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (error) {
    throw new Error(`Cannot write the plot: ${(error as Error).message}`, { cause: error });
  }
}
