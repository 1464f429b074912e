/** Makes calls, gives some of them up, and hands each end to the verdict. */
import { setTimeout as sleep } from "node:timers/promises";
import { CallTimeoutError, type FlameOptions, type Pool, RunnerLostError } from "tinderbox";
import type { Book, CallRecord } from "./book.ts";
import type { Job } from "./job.ts";
import { nameOf } from "./journal.ts";
import { culprits } from "./culprits.ts";
import { type InnerFault, exitCodes, fault } from "./faults.ts";
import type { Slip } from "./on-runner.ts";
import { type Field, timeoutMs } from "./pools.ts";
import { Quitters } from "./quitters.ts";
import type { Random } from "./random.ts";
import type { Tally } from "./tally.ts";
import { judgeError, judgeValue, mostRuns } from "./verdict.ts";
import { flaky } from "./refusals.ts";
import { anyJob, endless, plain } from "./workload.ts";

interface Wish extends Pick<CallRecord, "idempotent" | "wants" | "fault"> {
  readonly retries?: number;
  readonly timeoutMs?: number;
  readonly queueTimeoutMs?: number;
  readonly priority?: number;
  readonly key?: string;
}

type Begin = (slip: Slip, options: FlameOptions) => Job;

export class Callers {
  readonly #book: Book;
  readonly #tally: Tally;
  readonly #journal: string;
  readonly #random: Random;
  readonly #quitters: Quitters;
  #next = 1;

  constructor(book: Book, tally: Tally, journal: string, random: Random) {
    this.#book = book;
    this.#tally = tally;
    this.#journal = journal;
    this.#random = random;
    this.#quitters = new Quitters(book, random);
  }

  /** Keeps `inFlight` calls under way until `over`. Resolves when the last of them has ended. */
  async load({ pool, inFlight, idempotent }: Field, over: AbortSignal): Promise<void> {
    const client = async (): Promise<void> => {
      while (!over.aborted) {
        await this.#any(pool, this.#random.chance(idempotent));
        // One that is refused comes back at once.
        await sleep(this.#random.between(0, 20));
      }
    };
    await Promise.all(Array.from({ length: inFlight }, client));
  }

  /** Calls that nothing is done to. */
  async volley(pool: Pool, count: number): Promise<void> {
    const one = (): Promise<void> =>
      this.#make("plain", pool, { idempotent: false, wants: "value", fault: undefined }, (slip, options) =>
        plain(slip, options, this.#random),
      );
    await Promise.all(Array.from({ length: count }, one));
  }

  /** Calls that the pool is closed around. */
  async doomed(pool: Pool, count: number): Promise<void> {
    const one = (_: unknown, index: number): Promise<void> =>
      this.#make("doomed", pool, { idempotent: index % 3 === 0, wants: "any", fault: undefined }, (slip, options) =>
        (index % 2 === 0 ? endless : plain)(slip, options, this.#random),
      );
    await Promise.all(Array.from({ length: count }, one));
  }

  /** A call that harms its runner. */
  async culprit({ pool, idempotent }: Field, name: InnerFault): Promise<void> {
    const { start, ends, late = false } = culprits[name];
    const exitCode = this.#random.pick(exitCodes);
    const busyMs = this.#random.chance(0.5) ? this.#random.between(20, 150) : 0;
    const wish: Wish = {
      idempotent: ends === "lost" && this.#random.chance(idempotent / 4),
      wants: ends,
      fault: fault(name, exitCode),
      ...(ends === "limit" ? { timeoutMs: this.#random.between(100, 400) } : {}),
    };
    await this.#make(name.replaceAll(" ", "-"), pool, wish, (slip, options) => ({
      result: start(slip, options, { exitCode, busyMs }),
      rightValue: (value) => (ends === "value" || late) && value === undefined,
    }));
  }

  #any(pool: Pool, idempotent: boolean): Promise<void> {
    const random = this.#random;
    const common = {
      idempotent,
      fault: undefined,
      priority: random.chance(0.1) ? 1 : 0,
      key: `key ${random.between(0, 9)}`,
    };
    if (random.chance(0.04)) {
      const wish: Wish = { ...common, wants: "limit", timeoutMs: random.between(20, 300) };
      return this.#make("endless", pool, wish, (slip, options) => endless(slip, options, random));
    }
    // What was repeated has begun, however long it waits for its next runner: no limit of that for those.
    const start = anyJob(random);
    const impatient = !idempotent && start !== flaky && random.chance(0.04);
    const wish: Wish = { ...common, wants: "value", ...(impatient ? { queueTimeoutMs: random.between(5, 100) } : {}) };
    const begin: Begin = (slip, options) => start(slip, options, random);
    return this.#make(start.name, pool, start === flaky ? { ...wish, retries: 2 } : wish, begin);
  }

  async #make(kind: string, pool: Pool, wish: Wish, begin: Begin): Promise<void> {
    const { wants, idempotent, fault: harm, retries = 0, priority, key, queueTimeoutMs = Infinity } = wish;
    const call: CallRecord = {
      name: nameOf(kind, this.#next++, (idempotent ? mostRuns : 1) + retries),
      pool: pool.name,
      idempotent,
      timeoutMs: wish.timeoutMs ?? timeoutMs,
      queueTimeoutMs,
      fault: harm,
      wants,
      madeAt: performance.now(),
      startedAt: 0,
      starts: 0,
      attempt: -1,
      retried: 0,
      runner: undefined,
      queued: false,
      abortedBy: undefined,
      ended: undefined,
      settled: false,
    };
    this.#book.calls.set(call.name, call);
    this.#tally.made();
    const slip: Slip = {
      ...{ name: call.name, journal: this.#journal, slots: pool.options.concurrency },
      harm: harm && harm.runner !== "stays" ? harm.name.replaceAll(" ", "-") : "",
    };
    const signal = wants === "value" ? this.#quitters.signalFor(call) : undefined;
    const job = begin(slip, {
      pool,
      name: call.name,
      idempotent,
      timeout: call.timeoutMs,
      queueTimeout: queueTimeoutMs,
      ...(retries > 0 ? { retries: { limit: retries, delay: this.#random.pick([0, 30]) } } : {}),
      ...(signal ? { signal } : {}),
      ...(priority === undefined ? {} : { priority }),
      ...(key === undefined ? {} : { key }),
    });
    await job.result.then(
      (receipt) => this.#settle(call, undefined, judgeValue(call, receipt, job)),
      (error: unknown) => this.#settle(call, { error }, judgeError(call, error, job)),
    );
  }

  #settle(call: CallRecord, end: { readonly error: unknown } | undefined, wrong: string | undefined): void {
    call.settled = true;
    this.#book.calls.delete(call.name);
    const denied = (end?.error as { readonly started?: unknown } | undefined)?.started === false;
    if (call.attempt < 0 || (call.attempt === 0 && denied)) this.#book.unbegun.push(call.name);
    this.#tally.settled(call, end);
    this.#suffered(call, end?.error);
    if (wrong !== undefined) this.#book.violate(`call ${call.name} of ${call.pool} got ${wrong}`);
    if (call.queued !== (call.ended !== undefined)) this.#book.violate(`the end of ${call.name} is no event`);
    if (call.ended && call.ended.error !== end?.error)
      this.#book.violate(`call ${call.name} got ${String(end?.error)}, and its event says ${String(call.ended.error)}`);
  }

  #suffered({ name, attempt, runner, wants }: CallRecord, error: unknown): void {
    const inProcess = error instanceof RunnerLostError && error.scope === "process";
    const several =
      runner !== undefined && runner.executorFaults.length > 0 && !runner.faults.some((one) => one.delays);
    const delayed = error instanceof CallTimeoutError && wants !== "limit" && several;
    if (inProcess || delayed) this.#book.suffered.push({ name, attempt, error: (error as Error).message });
  }
}
