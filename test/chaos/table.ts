/** What is printed at the end: a table, and what is wrong. */
import type { Book } from "./book.ts";
import { type Trend, mb } from "./memory.ts";
import type { Storm } from "./storm.ts";
import type { Tally } from "./tally.ts";

export interface Report {
  readonly seed: number;
  readonly seconds: number;
  /** Calls made in that time. */
  readonly inStorm: number;
  readonly boots: number;
  readonly lines: number;
  readonly descriptors: { readonly before: number; readonly after: number };
  readonly trend: Trend;
  readonly tally: Tally;
  readonly storm: Storm;
  readonly book: Book;
}

const shownViolations = 40;

export function print({ book, tally, storm, trend, ...report }: Report): void {
  const { first, last } = trend;
  const rows: [string, string][] = [
    ["seed", String(report.seed)],
    [
      "calls",
      `${tally.calls}, at most ${tally.most} at a time, ${(report.inStorm / report.seconds).toFixed(0)} a second`,
    ],
    ["values", String(tally.values)],
    ...byNumber(tally.errors).map(([cause, count]): [string, string] => [cause, String(count)]),
    ["repeated after own errors", String(tally.retried)],
    ["repeated on another runner", String(tally.repeated)],
    ["moved on, as nobody had read them", String(tally.returned)],
    ...byNumber(book.faults).map(([name, count]): [string, string] => [`fault: ${name}`, String(count)]),
    ["faults in all", String([...book.faults.values()].reduce((sum, count) => sum + count, 0))],
    ["parent blocked", `${storm.parentBlocks} times`],
    ["pool resized", `${storm.resizes} times`],
    ["boots", String(report.boots)],
    ["runners lost", String([...book.runners.values()].filter(({ gone }) => gone && gone.reason !== "drained").length)],
    ["lines printed by runners", String(report.lines)],
    ["heap, first and last third", `${mb(first.heap)}, ${mb(last.heap)}`],
    ["external memory", `${mb(first.external)}, ${mb(last.external)}`],
    ["resident", `${mb(first.rss)}, ${mb(last.rss)}`],
    ["descriptors, before and after", `${report.descriptors.before}, ${report.descriptors.after}`],
    ["violations", String(book.violations.length)],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  for (const [name, text] of rows) console.log(`  ${name.padEnd(width)}  ${text}`);
  for (const text of book.violations.slice(0, shownViolations)) console.error(`VIOLATION: ${text}`);
  const more = book.violations.length - shownViolations;
  if (more > 0) console.error(`VIOLATION: and ${more} more`);
  console.log(
    book.violations.length === 0 ? "chaos: nothing is wrong" : `chaos: FAILED; again with --seed ${report.seed}`,
  );
}

function byNumber(counts: ReadonlyMap<string, number>): [string, number][] {
  return [...counts].toSorted(([, left], [, right]) => right - left);
}
