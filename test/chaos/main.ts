/**
 * The chaos run: hundreds of calls at a time on several pools, while their runners are killed, stopped, blocked, filled
 * up and made to fail at random. Each call must end, once, with its value or with the error that names what was done to
 * it; each pool must go on; and in the end nothing may be left. A seed gives the same calls and faults again, as far as
 * the order in which processes run allows.
 *
 * node --conditions=tinderbox-source --expose-gc test/chaos/main.ts [--seconds 60] [--seed N]
 */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Pool, flame } from "tinderbox";
import { testRun } from "../harness/run.ts";
import { until } from "../harness/until.ts";
import { Book } from "./book.ts";
import { Callers } from "./callers.ts";
import { Follower } from "./follow.ts";
import { closeUnderFire } from "./close.ts";
import { hush } from "./hush.ts";
import { checkJournal } from "./journal.ts";
import { type Before, before, descriptors, findLeaks } from "./leaks.ts";
import { Memory } from "./memory.ts";
import { declare, fields } from "./pools.ts";
import { random } from "./random.ts";
import { Storm } from "./storm.ts";
import { type Report, print } from "./table.ts";
import { Tally } from "./tally.ts";
import { Watch } from "./watch.ts";

const { values } = parseArgs({ options: { seconds: { type: "string" }, seed: { type: "string" } } });
const seconds = Number(values.seconds ?? 60);
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
if (!(seconds > 0) || !Number.isSafeInteger(seed)) throw new TypeError("Cannot run: numbers are wanted");
console.log(`chaos: ${seconds} s, seed ${seed}`);

/** Waits are ended by what is waited for; these are for the case that it never comes. */
const patience = { settle: 45_000, all: seconds * 1_000 + 160_000 };

const journal = join(testRun.folder, "journal");
writeFileSync(journal, "");
const quiet = hush();
// What is opened at the first use of all stays open: that is no leak.
const first = declare("first", { max: 1 });
await flame(() => 1, { pool: first });
await first.close();
const start: Before = before();
const book = new Book();
new Follower(book, fields).listen();
const tally = new Tally();
const source = random(seed);
const callers = new Callers(book, tally, journal, source.fork());
const storm = new Storm(book, callers, source.fork());
const watch = new Watch(book, fields);
const memory = new Memory();

process.on("unhandledRejection", (error) => book.violate(`unhandled rejection in the parent: ${stackOf(error)}`));
process.on("uncaughtException", (error) => book.violate(`uncaught exception in the parent: ${stackOf(error)}`));
process.on("warning", ({ name, message }) => {
  if (name !== "ExperimentalWarning") book.violate(`warning in the parent: ${name}: ${message}`);
});

let phase = "the storm";
const deadline = setTimeout(() => {
  book.violate(`the run does not end; it is at ${phase}: ${watch.unfinished().slice(0, 10).join("; ")}`);
  finish();
}, patience.all);

const over = new AbortController();
const began = performance.now();
const loads = Promise.all(fields.map((field) => callers.load(field, over.signal)));
const rage = storm.rage(fields, over.signal);
const looks = setInterval(() => {
  watch.look();
  if (!over.signal.aborted) memory.sample();
}, 1_000);
await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
over.abort();
const stormSeconds = (performance.now() - began) / 1_000;
const inStorm = tally.calls;
// Long enough for each pool to have had its whole deck, several times.
if (seconds >= 60) storm.missing(fields).forEach((name) => book.violate(`fault "${name}" was never done`));

phase = "the last calls, and the ends of runners that were harmed";
await allEnds();
if (book.calls.size === 0) await Promise.all([loads, rage]);

phase = "the return of the minimum";
storm.massacre(fields);
await allEnds();

phase = "a last volley";
await Promise.all(fields.map(({ pool, inFlight }) => callers.volley(pool, inFlight)));
for (const { pool } of fields) await checkAccount(pool);

phase = "closing";
await closeUnderFire(book, callers);
const boots = fields.reduce((sum, { pool }) => sum + pool.stats().boots.ok, 0);
await Promise.all(fields.map(({ pool }) => pool.close()));
clearInterval(looks);
clearTimeout(deadline);
phase = "looking for what is left";
const leaks = await findLeaks(start);
leaks.forEach((text) => book.violate(text));
checkJournal(journal, book);
const { missed, unnoticed } = book.hearts;
if (unnoticed > missed)
  book.violate(`of ${missed + unnoticed} stopped processes only ${missed} went because their heart was missed`);
finish(boots);

function finish(booted = 0): void {
  const trend = memory.trend();
  trend.wrong.forEach((text) => book.violate(text));
  quiet.stop();
  const report: Report = {
    seed,
    seconds: stormSeconds,
    inStorm,
    boots: booted,
    trend,
    tally,
    storm,
    book,
    lines: quiet.lines,
    descriptors: { before: start.descriptors, after: descriptors().length },
  };
  print(report);
  rmSync(testRun.folder, { recursive: true, force: true });
  // Takes along what is left.
  if (book.violations.length > 0) process.exit(1);
  setTimeout(() => {
    console.error("VIOLATION: the process does not end by itself");
    process.exit(1);
  }, 10_000).unref();
}

/** What a pool says of itself when nothing is under way. */
async function checkAccount(pool: Pool): Promise<void> {
  const { completed, failed, queued } = pool.stats();
  const taken = book.taken.get(pool.name) ?? 0;
  if (completed + failed !== taken)
    book.violate(`pool ${pool.name} has ended ${completed + failed} calls, and took ${taken}`);
  if (queued > 0) book.violate(`pool ${pool.name} holds ${queued} waiting calls that nobody made`);
  await until("free slots", () => pool.stats().slots.busy === 0).catch(({ message }: Error) =>
    book.violate(`pool ${pool.name} holds slots for calls that have ended: ${message}`),
  );
}

async function allEnds(): Promise<void> {
  const done = (): boolean => watch.unfinished().length === 0;
  await until("the end of all", done, { within: patience.settle, every: 200 }).catch(() =>
    watch.unfinished().forEach((text) => book.violate(`after ${patience.settle} ms: ${text}`)),
  );
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
