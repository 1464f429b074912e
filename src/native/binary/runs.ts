/** The runs of a one-shot binary: as many at a time as it may have, the others in order of arrival. */
import { place } from "../../context.ts";
import { Alarm } from "./alarm.ts";
import type { BinaryDeps } from "./deps.ts";
import { closedError, fullError, queueTimeoutError } from "./refusals.ts";
import type { ResolvedBinary } from "./resolve.ts";
import type { AnyResult, Run } from "./run.ts";
import { listen } from "./signals.ts";
import { Waiting } from "./waiting.ts";

type Where = () => Promise<{ readonly command: string; readonly cwd: string }>;

export class Runs {
  readonly #binary: ResolvedBinary;
  readonly #deps: BinaryDeps;
  readonly #queue = new Waiting<Entry>();
  readonly #running = new Set<Run>();
  readonly #alarm: Alarm;
  #closed = false;
  #idle: (() => void)[] = [];
  completed = 0;
  failed = 0;

  constructor(binary: ResolvedBinary, deps: BinaryDeps) {
    this.#binary = binary;
    this.#deps = deps;
    this.#alarm = new Alarm(deps.clock, (now) => this.#look(now));
  }

  get running(): number {
    return this.#running.size;
  }

  get queued(): number {
    return this.#queue.size;
  }

  /** Takes a run over; `result` is what its caller is told. */
  add(run: Run, where: Where, result: Promise<AnyResult>): void {
    this.#deps.live(1);
    const signals = [run.options.signal, place.calls.getStore()?.signal];
    const off = listen(signals, (signal) => this.#abort(entry, signal));
    const entry: Entry = { run, where, expiresAt: Infinity };
    const over = (): void => {
      off();
      this.#deps.live(-1);
      this.#wake();
    };
    result.then(
      ({ failed }) => {
        if (failed) this.failed++;
        else this.completed++;
        over();
      },
      () => {
        this.failed++;
        over();
      },
    );
    const aborted = signals.find((signal) => signal?.aborted);
    if (this.#closed) run.fail(closedError(this.#binary.name));
    else if (aborted) this.#abort(entry, aborted);
    else if (this.#running.size < this.#binary.size) this.#start(entry);
    else this.#enqueue(entry);
  }

  /** Resolves when no run is left; those that still run after that time are ended. */
  async close(timeoutMs: number): Promise<void> {
    this.#closed = true;
    if (timeoutMs === 0) this.#endAll();
    const timer = this.#deps.clock.timer(timeoutMs, () => this.#endAll());
    while (this.#queue.size + this.#running.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
    timer.cancel();
    this.#alarm.close();
  }

  #endAll(): void {
    for (const entry of this.#queue.all()) {
      this.#queue.delete(entry);
      entry.run.fail(closedError(this.#binary.name));
    }
    for (const run of this.#running) run.close();
  }

  open(): void {
    this.#closed = false;
  }

  #enqueue(entry: Entry): void {
    const { name, queueLimit } = this.#binary;
    const { run } = entry;
    if (this.#queue.size >= queueLimit) return run.fail(fullError(name, queueLimit));
    this.#queue.add(entry);
    const { queueTimeoutMs } = run.options;
    if (queueTimeoutMs === Infinity) return;
    entry.expiresAt = this.#deps.clock.now() + queueTimeoutMs;
    this.#alarm.at(entry.expiresAt);
  }

  #start({ run, where }: Entry): void {
    // A moment later: who has made the call may still take its streams.
    this.#running.add(run);
    void Promise.resolve()
      .then(() => run.start(where))
      .catch((error: unknown) => run.fail(error))
      .finally(() => {
        this.#running.delete(run);
        const entry = this.#queue.take();
        if (entry) this.#start(entry);
        this.#wake();
      });
  }

  #abort(entry: Entry, signal: AbortSignal): void {
    this.#queue.delete(entry);
    entry.run.abort(signal.reason);
  }

  #look(now: number): number {
    let next = Infinity;
    for (const entry of this.#queue.all()) {
      if (entry.expiresAt <= now) {
        this.#queue.delete(entry);
        entry.run.fail(queueTimeoutError(this.#binary.name, entry.run.options.queueTimeoutMs));
      } else next = Math.min(next, entry.expiresAt);
    }
    return next;
  }

  #wake(): void {
    for (const wake of this.#idle.splice(0)) wake();
  }
}

interface Entry {
  readonly run: Run;
  readonly where: Where;
  expiresAt: number;
}
