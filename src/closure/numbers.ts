/**
 * Numbers of units. Payloads of several processes meet on one connection, so each process has a range of its own: the
 * parent the lowest, each executor one that its parent gives it.
 */
import { TinderboxError } from "../errors.ts";

/** The parent's own numbers are below this one. */
export const firstOfExecutors = 2 ** 20;
/** How many an executor has, from its base on. */
export const perExecutor = 1024;

/** Numbers are 32 bits wide on the wire. */
const mostRanges = 4_000_000;

interface Numbers {
  next: number;
  end: number;
}

const slot = Symbol.for("tinderbox.units");
const realm = globalThis as { [slot]?: Numbers };
/** One for all copies of the package: they share their connections. */
const numbers: Numbers = (realm[slot] ??= { next: 1, end: firstOfExecutors });

let ranges = 0;
/** On a parent: the first number of a range that no executor alive has. */
export function takeRange(): number {
  // Executors of long ago are gone when all numbers have been used.
  return firstOfExecutors + (ranges++ % mostRanges) * perExecutor;
}

/**
 * Units that this process makes from now on have numbers from `base` to `base + perExecutor - 1`.
 *
 * @throws TypeError for a base that belongs to the parent.
 */
export function numberUnitsFrom(base: number): void {
  if (!Number.isSafeInteger(base) || base < firstOfExecutors)
    throw new TypeError(`Cannot number units from ${base}: the parent has the numbers below ${firstOfExecutors}`);
  numbers.next = base;
  numbers.end = base + perExecutor;
}

/** Throws `TinderboxError` when there are none left. */
export function takeNumber(): number {
  if (numbers.next < numbers.end) return numbers.next++;
  throw numbers.end === firstOfExecutors
    ? new TinderboxError(
        `Cannot capture another function: this process has used up its ${firstOfExecutors - 1} numbers for functions; restart it`,
      )
    : new TinderboxError(
        `Cannot capture another function on this runner: it has used up its ${perExecutor} numbers for functions; ` +
          `give its pool a shorter "lifetime", or call flame from fewer different functions`,
      );
}

/** Whether this process gave `number` out after `first`, or with it. */
export function isSince(number: number, first: number): boolean {
  return number >= first && number < numbers.end;
}

/** Takes the numbers from `first` on back: nobody has been told of them. */
export function returnNumbers(first: number): void {
  numbers.next = first;
}
