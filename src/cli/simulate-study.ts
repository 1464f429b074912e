/** What is to be simulated, resolved from the options of the command. */
import { readFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { slots } from "../pool/scale.ts";
import { generate, isGenerated, resolveGenerator } from "../pool/simulation/generate.ts";
import type { Tariff } from "../pool/simulation/measure.ts";
import { type Random, seeded } from "../pool/simulation/random.ts";
import { type ServiceTimes, resolveServiceTimes } from "../pool/simulation/service-times.ts";
import type { SimulatedPool, Trace, World } from "../pool/simulation/simulate.ts";
import { type Strategy, resolveStrategy } from "../pool/simulation/strategies.ts";
import { readTrace } from "../pool/simulation/trace.ts";
import type { Arguments } from "./arguments.ts";

export interface Study {
  readonly trace: { readonly name: string; readonly service: string; readonly calls: Trace };
  readonly cases: readonly { readonly strategy: Strategy; readonly pool: SimulatedPool }[];
  readonly world: World;
  readonly tariff: Tariff;
  readonly priced: boolean;
  readonly notes: readonly string[];
}

export async function resolveStudy(given: Arguments): Promise<Study> {
  const min = given.count("min", 0);
  const max = given.count("max", 1);
  if (min > max) throw new TypeError(`Cannot use ${min} as --min: it is above --max, which is ${max}`);
  const pool: SimulatedPool = {
    min,
    max,
    slotsPerRunner: given.count("slots", 1),
    spare: given.count("spare", 0),
    lifetimeMs: given.duration("lifetime"),
    idleMs: 0,
    singleUse: false,
    scale: slots(),
  };
  const world: World = {
    bootMs: given.duration("boot"),
    bootJitter: given.number("boot-jitter", 1),
    bootFailures: given.number("boot-failures", 1),
    seed: given.count("seed", 0),
  };
  const idles = given.durations("idle");
  const strategies = await Promise.all(given.list("strategy").map(strategyOf));
  const cases = strategies.flatMap((strategy) => {
    const { scale, flameIdleMs } = strategy;
    // FLAME knows no spare slots.
    if (flameIdleMs !== undefined)
      return [{ strategy, pool: { ...pool, scale, idleMs: flameIdleMs, spare: 0, spread: true } }];
    return idles.map((idleMs) => ({ strategy, pool: { ...pool, scale, idleMs } }));
  });
  const tariff = { billingFloorMs: given.duration("billing-floor"), pricePerHour: 0 };
  const priced = given.text("price") !== undefined;
  if (priced) tariff.pricePerHour = given.number("price");
  return { ...traceOf(given, seeded(world.seed)), cases, world, tariff, priced };
}

function traceOf(given: Arguments, random: Random): Pick<Study, "trace" | "notes"> {
  const source = given.text("trace");
  if (source === undefined)
    throw new TypeError("Cannot simulate without calls: --trace calls.csv or --trace poisson:10/s:1h is wanted");
  const unit = unitOf(given);
  const text = given.text("service");
  const service = text === undefined ? undefined : resolveServiceTimes(text, "--service");
  if (isGenerated(source)) {
    const generator = resolveGenerator(source, "--trace");
    const times = service ?? resolveServiceTimes("exp:1s", "--service");
    refuseColumns(times);
    return { trace: { name: source, service: times.text, calls: generate(generator, times, random) }, notes: [] };
  }
  const name = basename(source);
  const read = readTrace(contents(source), { name, service, unit, random });
  return { trace: { name, service: read.service.text, calls: read.trace }, notes: read.notes };
}

function refuseColumns({ text, columns }: ServiceTimes): void {
  if (columns.length === 0) return;
  throw new TypeError(`Cannot use "${text}" as --service: a trace that is made up has no column ${columns[0]}`);
}

function contents(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new Error(`Cannot read the trace: ${(error as Error).message}`, { cause: error });
  }
}

function unitOf(given: Arguments): "s" | "ms" | undefined {
  const unit = given.text("unit");
  if (unit === undefined || unit === "s" || unit === "ms") return unit;
  throw new TypeError(`Cannot use "${unit}" as --unit: s or ms is wanted`);
}

/** A path is a strategy of the user's own. */
async function strategyOf(name: string): Promise<Strategy> {
  if (!/[/\\]|\.[cm]?[jt]s$/.test(name)) return resolveStrategy(name, "--strategy");
  const { default: scale } = (await import(pathToFileURL(resolve(name)).href).catch((error: Error) => {
    throw new Error(`Cannot load the strategy ${name}: ${error.message}`, { cause: error });
  })) as { default?: unknown };
  if (typeof scale !== "function")
    throw new TypeError(`Cannot use ${name} as --strategy: its default export is no function of a snapshot`);
  return { name: basename(name), scale: scale as Strategy["scale"] };
}
