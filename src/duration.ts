/** Durations and sizes as people write them. Everything below the options works in milliseconds and bytes. */

import { show } from "./options.ts";

/** `"250ms" | "30s" | "5m" | "2h"`, a number of milliseconds, or `Infinity` for "never". */
export type Duration = number | `${number}ms` | `${number}s` | `${number}m` | `${number}h`;

/** `"64kb" | "64mb" | "1gb"` (1 kb is 1024 bytes) or a number of bytes. */
export type Size = number | `${number}b` | `${number}kb` | `${number}mb` | `${number}gb`;

const durationUnits: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const sizeUnits: Record<string, number> = { b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 };

/** Milliseconds of a duration. Throws `TypeError` that names the option when it is not one. */
export function resolveDuration(value: unknown, option: string): number {
  const ms = parse(value, /^(\d+(?:\.\d+)?)(ms|s|m|h)$/, durationUnits);
  if (ms !== undefined) return ms;
  throw new TypeError(
    `Cannot use ${show(value)} as ${option}: a duration is "250ms", "30s", "5m", "2h", a number of milliseconds from 0, or Infinity`,
  );
}

/** Bytes of a size. Throws `TypeError` that names the option when it is not one. */
export function resolveSize(value: unknown, option: string): number {
  const bytes = parse(value, /^(\d+(?:\.\d+)?)(b|kb|mb|gb)$/i, sizeUnits);
  if (bytes !== undefined) return Math.floor(bytes);
  throw new TypeError(
    `Cannot use ${show(value)} as ${option}: a size is "64kb", "64mb", "1gb" or a number of bytes from 0`,
  );
}

/** A duration for humans: `950 ms`, `1.2 s`, `3 m 20 s`. */
export function formatDuration(ms: number): string {
  if (ms === Infinity) return "for ever";
  // Rounded before it is split, so that there are never 60 seconds next to the minutes.
  if (Math.round(ms) < 1_000) return `${Math.round(ms)} ms`;
  if (Math.round(ms / 100) < 600) return `${(ms / 1_000).toFixed(1).replace(/\.0$/, "")} s`;
  const all = Math.round(ms / 1_000);
  const minutes = Math.floor(all / 60);
  const seconds = all % 60;
  return seconds === 0 ? `${minutes} m` : `${minutes} m ${seconds} s`;
}

function parse(value: unknown, pattern: RegExp, units: Record<string, number>): number | undefined {
  if (typeof value === "number") return value >= 0 ? value : undefined;
  const match = typeof value === "string" ? pattern.exec(value) : null;
  if (!match) return undefined;
  return Number(match[1]) * (units[match[2]!.toLowerCase()] ?? Number.NaN);
}
