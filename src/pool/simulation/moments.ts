/** Timestamps of traces, as dates or as numbers. */

export type Unit = "date" | "s" | "ms";

/** As many seconds would be the year 5138; as milliseconds it is 1973. */
const leastEpochMs = 1e11;

const datePattern = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:?\d\d)?$/;

const numberPattern = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** What a timestamp is, by its looks; `undefined` when it is none. */
export function unitOf(text: string): Unit | undefined {
  if (datePattern.test(text)) return "date";
  const value = resolveNumber(text);
  if (value === undefined) return undefined;
  return value >= leastEpochMs ? "ms" : "s";
}

/** Milliseconds; `undefined` when the text is no time of that unit. A date without a zone is in UTC. */
export function momentMs(text: string, unit: Unit): number | undefined {
  if (unit !== "date") {
    const value = resolveNumber(text);
    return value === undefined ? undefined : value * (unit === "s" ? 1_000 : 1);
  }
  const [, date, time, fraction, zone] = datePattern.exec(text) ?? [];
  if (date === undefined) return undefined;
  const ms = Date.parse(`${date}T${time}${zone ?? "Z"}`) + Number(fraction ?? 0) * 1_000;
  return Number.isNaN(ms) ? undefined : ms;
}

/** A finite number; not the empty text, which `Number` takes for 0. */
export function resolveNumber(text: string): number | undefined {
  const value = numberPattern.test(text) ? Number(text) : Number.NaN;
  return Number.isFinite(value) ? value : undefined;
}
