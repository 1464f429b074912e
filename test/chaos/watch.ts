/** Looks at everything once a second while it goes on: calls that hang, pools beyond their bounds, stray processes. */
import type { Pool } from "tinderbox";
import { type Book, type CallRecord, faultsOf } from "./book.ts";
import { type FoundProcess, processesOf } from "../harness/processes.ts";
import type { Field } from "./pools.ts";

/** Beyond a call's own limit: the pool keeps that clock, so it may be late, and not more. */
const graceMs = 15_000;
/** Any wait for a slot: every pool frees them all the time. */
const longestWaitMs = 120_000;
const scanEvery = 5;

export class Watch {
  readonly #book: Book;
  readonly #fields: readonly Field[];
  readonly #hanging = new Set<string>();
  readonly #completed = new Map<string, number>();
  /** Processes that had no business here at the last look; one that is just ending is seen once. */
  #strays: readonly number[] = [];
  #looks = 0;

  constructor(book: Book, fields: readonly Field[]) {
    this.#book = book;
    this.#fields = fields;
  }

  look(): void {
    const now = performance.now();
    for (const call of this.#book.calls.values()) this.#hangs(call, now);
    for (const field of this.#fields) this.#bounds(field);
    if (++this.#looks % scanEvery === 0) this.#scan();
  }

  /** What has not come to its end: calls, runners that were harmed, runners that are missing. Empty when all is well. */
  unfinished(): string[] {
    const calls = [...this.#book.calls.values()].map(
      (call) => `call ${call.name} of ${call.pool} ${whereabouts(call)}`,
    );
    const runners = [...this.#book.runners.values()]
      .filter(({ gone, pid, faults }) => !gone && pid !== undefined && faults.some((one) => one.runner !== "stays"))
      .map((runner) => `runner ${runner.id} was given ${faultsOf(runner)} and is still there`);
    return [...calls, ...runners, ...this.#fields.flatMap(({ pool }) => missing(pool))];
  }

  #hangs(call: CallRecord, now: number): void {
    const late = call.runner
      ? now - call.startedAt > call.timeoutMs + graceMs
      : now - call.madeAt > longestWaitMs && now - call.startedAt > longestWaitMs;
    if (!late || this.#hanging.has(call.name)) return;
    this.#hanging.add(call.name);
    this.#book.violate(`call ${call.name} of ${call.pool} hangs ${whereabouts(call)}`);
  }

  #bounds({ pool, resizes }: Field): void {
    const { runners, slots, completed, failed } = pool.stats();
    const { processes, concurrency, max } = pool.options;
    const most = Math.max(max, resizes?.max ?? 0);
    const count = runners.booting + runners.ready + runners.draining;
    if (count > most) this.#book.violate(`pool ${pool.name} has ${count} runners, and ${most} are its maximum`);
    if (slots.busy > most * processes * concurrency)
      this.#book.violate(`pool ${pool.name} runs ${slots.busy} calls in ${most} runners`);
    const before = this.#completed.get(pool.name) ?? 0;
    if (completed + failed < before) this.#book.violate(`pool ${pool.name} has forgotten its past: it began anew`);
    this.#completed.set(pool.name, completed + failed);
  }

  /** Each process of ours is a live runner, one that boots, or stands in the group of one of them. */
  #scan(): void {
    const gone = new Map<number, string>();
    for (const { pid, id, gone: end } of this.#book.runners.values()) if (pid !== undefined && end) gone.set(pid, id);
    for (const { pid, gone: end } of this.#book.runners.values()) if (pid !== undefined && !end) gone.delete(pid);
    const strays = processesOf().filter(({ pid, parent }) => gone.has(pid) || (parent !== process.pid && parent === 1));
    for (const stray of strays) if (this.#strays.includes(stray.pid)) this.#stray(stray, gone.get(stray.pid));
    this.#strays = strays.map(({ pid }) => pid);
  }

  #stray({ pid, parent, command }: FoundProcess, runner: string | undefined): void {
    const whose = runner === undefined ? "whose runner is gone" : `which is runner ${runner} and said to be gone`;
    this.#book.violate(`process ${pid} is left, ${whose} (child of ${parent}): ${command}`);
  }
}

/** What a pool at rest has to have again. */
function missing(pool: Pool): string[] {
  const { runners, slots } = pool.stats();
  const { min, processes, concurrency } = pool.options;
  const all = runners.ready * processes * concurrency;
  const found = slots.free + slots.busy;
  return [
    ...(runners.ready < min ? [`pool ${pool.name} has ${runners.ready} runners, and ${min} are its minimum`] : []),
    ...(found < all ? [`pool ${pool.name} has ${found} slots, and ${all} are on its runners`] : []),
  ];
}

function whereabouts({ runner, starts }: CallRecord): string {
  return runner ? `on ${runner.id} (${faultsOf(runner)}), start ${starts}` : `in the queue, after ${starts} starts`;
}
