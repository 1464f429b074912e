/** Traces as people have them: one call a line, its time of arrival first. */
import { show } from "../../options.ts";
import { type Unit, momentMs, resolveNumber, unitOf } from "./moments.ts";
import type { Random } from "./random.ts";
import { type ServiceTimes, inColumn, resolveServiceTimes } from "./service-times.ts";
import type { Trace } from "./simulate.ts";

export interface TraceOptions {
  /** The trace in messages. */
  readonly name: string;
  /** How long calls take; by default what the trace says. */
  readonly service: ServiceTimes | undefined;
  /** Of timestamps that are numbers; `undefined` to guess by their size. */
  readonly unit: "s" | "ms" | undefined;
  readonly random: Random;
}

export interface ReadTrace {
  readonly trace: Trace;
  readonly service: ServiceTimes;
  /** What was assumed or mended, for the user. */
  readonly notes: readonly string[];
}

/** The service times that the Azure LLM traces, which have tokens instead, are usually given. */
export const azureService = "0.5+0.02*GeneratedTokens";

/** Reads CSV: a time first (a date, or a number), columns for `service` after it. Throws `TypeError` with the line. */
export function readTrace(text: string, options: TraceOptions): ReadTrace {
  const lines = text.replace(/^\u{feff}/u, "").split(/\r?\n/);
  const first = lines.findIndex((line) => line.trim() !== "");
  if (first < 0) throw empty(options.name);
  const header = fieldsOf(lines[first]!);
  const hasHeader = /^[A-Za-z_]/.test(header[0]!);
  const start = hasHeader ? first + 1 : first;
  const service = options.service ?? serviceOf(header, hasHeader, options.name);
  const places = service.columns.map((column) => placeOf(column, hasHeader ? header : [], options.name));

  const arrivals: number[] = [];
  const services: number[] = [];
  const notes: string[] = [];
  let unit: Unit | undefined;
  for (let index = start; index < lines.length; index++) {
    const line = lines[index]!;
    if (line.trim() === "") continue;
    const fields = fieldsOf(line);
    const wrong = (what: string): TypeError =>
      new TypeError(`Cannot read line ${index + 1} of ${options.name}: ${what}`);
    if (unit === undefined) {
      unit = unitOf(fields[0]!);
      if (unit !== "date" && unit !== undefined && options.unit !== undefined) unit = options.unit;
      else if (unit === "s" || unit === "ms") notes.push(guessed(unit));
    }
    const at = unit && momentMs(fields[0]!, unit);
    if (at === undefined) throw wrong(`${show(fields[0])} is no time; ${wantedTime(unit)} is wanted`);
    const values = places.map((place) => {
      const value = resolveNumber(fields[place] ?? "");
      if (value !== undefined && value >= 0) return value;
      const column = hasHeader ? header[place] : `column ${place + 1}`;
      throw wrong(`${show(fields[place] ?? "")} as ${column} is no number from 0`);
    });
    arrivals.push(at);
    services.push(service.draw(values, options.random));
  }
  if (arrivals.length === 0) throw empty(options.name);
  return { trace: inOrder(arrivals, services, notes), service, notes };
}

function fieldsOf(line: string): string[] {
  return line.split(",").map((field) => field.trim().replace(/^"(.*)"$/, "$1"));
}

/** What the trace itself says of how long calls take. */
function serviceOf(header: readonly string[], hasHeader: boolean, name: string): ServiceTimes {
  if (hasHeader && header.includes("GeneratedTokens")) return resolveServiceTimes(azureService, "--service");
  if (header.length > 1) return inColumn(1, hasHeader ? header[1]! : "column 2");
  throw new TypeError(
    `Cannot simulate ${name}: it does not say how long calls take; add a second column of seconds, or --service 1s`,
  );
}

function placeOf(column: string | number, header: readonly string[], name: string): number {
  if (typeof column === "number") return column;
  const place = header.indexOf(column);
  if (place >= 0) return place;
  const known = header.length === 0 ? "it has no header" : `its header is ${header.join(",")}`;
  throw new TypeError(`Cannot find the column ${column} of --service in ${name}: ${known}`);
}

function guessed(unit: "s" | "ms"): string {
  const [is, other] = unit === "s" ? ["seconds", "ms"] : ["milliseconds", "s"];
  return `timestamps are numbers and were taken as ${is}; --unit ${other} if they are not`;
}

function wantedTime(unit: Unit | undefined): string {
  if (unit === "date") return "a date such as 2026-01-31T12:00:00.5Z, as before,";
  if (unit === undefined) return "a date such as 2026-01-31T12:00:00.5Z or a number";
  return "a number, as before,";
}

function empty(name: string): TypeError {
  return new TypeError(`Cannot use ${name}: it holds no calls; a line with a timestamp for each call is wanted`);
}

/** From 0 on, in order of time. */
function inOrder(arrivals: readonly number[], services: readonly number[], notes: string[]): Trace {
  let late = 0;
  for (let index = 1; index < arrivals.length; index++) if (arrivals[index]! < arrivals[index - 1]!) late++;
  const order = Array.from(arrivals.keys());
  if (late > 0) {
    order.sort((left, right) => arrivals[left]! - arrivals[right]!);
    notes.push(`${late} of ${arrivals.length} timestamps came before the one above them; all were sorted`);
  }
  const begin = arrivals[order[0]!]!;
  return {
    arrivalsMs: Float64Array.from(order, (index) => arrivals[index]! - begin),
    servicesMs: Float64Array.from(order, (index) => services[index]!),
  };
}
