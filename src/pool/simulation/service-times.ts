/** How long the calls of a trace take on a runner, as it is written on a command line. */
import { resolveDuration } from "../../duration.ts";
import { show } from "../../options.ts";
import { type Random, exponential, normal } from "./random.ts";

export interface ServiceTimes {
  readonly text: string;
  /** Columns of the trace that are needed, by name, or by place from 0. */
  readonly columns: readonly (string | number)[];
  /** Milliseconds of one call, from the values of its columns. */
  draw(values: readonly number[], random: Random): number;
}

/** Seconds in the column at a place from 0. */
export function inColumn(place: number, name: string): ServiceTimes {
  return { text: `seconds in ${name}`, columns: [place], draw: ([seconds]) => seconds! * 1_000 };
}

const wanted =
  '"1s" for all, "exp:1s" (exponential of that mean), "lognormal:1s:2" (mean and coefficient of variation) or a sum in ' +
  'seconds with columns of the trace, such as "0.5+0.02*GeneratedTokens"';

/** `1s`, `exp:1s`, `lognormal:1s:2` or `0.5+0.02*Column`, in seconds. Throws `TypeError` that says so. */
export function resolveServiceTimes(text: string, option: string): ServiceTimes {
  const refuse = (): TypeError => new TypeError(`Cannot use ${show(text)} as ${option}: wanted is ${wanted}`);
  const mean = (duration: string): number => {
    const ms = resolveDuration(duration, option);
    if (ms === Infinity) throw refuse();
    return ms;
  };
  if (/^[\d.]+[a-z]+$/.test(text)) {
    const ms = mean(text);
    return { text, columns: [], draw: () => ms };
  }
  const [shape, duration = "", variation, ...more] = text.split(":");
  if (shape === "exp" && variation === undefined) {
    const ms = mean(duration);
    return { text, columns: [], draw: (_, random) => exponential(ms, random) };
  }
  if (shape === "lognormal" && /^\d+(\.\d+)?$/.test(variation ?? "") && more.length === 0) {
    const ms = mean(duration);
    const spread = Math.log(1 + Number(variation) ** 2);
    // So that the mean of the values, not of their logarithms, is the one that was asked for.
    const draw = (random: Random): number => ms * Math.exp(Math.sqrt(spread) * normal(random) - spread / 2);
    return { text, columns: [], draw: (_, random) => draw(random) };
  }
  return resolveSum(text, refuse);
}

/** Terms are numbers, columns, or a number times a column. */
function resolveSum(text: string, refuse: () => TypeError): ServiceTimes {
  let constant = 0;
  const columns: string[] = [];
  const factors: number[] = [];
  for (const term of text.split("+")) {
    const match = /^\s*(?:(\d+(?:\.\d+)?)\s*(?:\*\s*([A-Za-z_]\w*))?|([A-Za-z_]\w*))\s*$/.exec(term);
    if (!match) throw refuse();
    const column = match[2] ?? match[3];
    const factor = Number(match[1] ?? 1);
    if (column === undefined) constant += factor;
    else {
      columns.push(column);
      factors.push(factor);
    }
  }
  const draw = (values: readonly number[]): number =>
    1_000 * factors.reduce((sum, factor, place) => sum + factor * values[place]!, constant);
  return { text, columns, draw };
}
