/** What stands behind a declaration: its options, resolved, and the runs or workers that it has in this process. */
import { type Duration, resolveDuration } from "../../duration.ts";
import { refuseUnknown } from "../../options.ts";
import type { Branch, ExitReason } from "../../ports/child.ts";
import type { Program } from "../program.ts";
import type { BinaryData } from "./data.ts";
import type { BinaryDeps } from "./deps.ts";
import { checkInput } from "./input.ts";
import { findCommand } from "../command.ts";
import { commandIn, pathIn } from "./location.ts";
import type { CallOptions, RunOptions } from "./options.ts";
import { type ResolvedBinary, checkSignal, resolveBinary, resolveRun } from "./resolve.ts";
import { type AnyResult, Run, startError } from "./run.ts";
import { BinaryRun } from "./run-call.ts";
import { Runs } from "./runs.ts";
import { Workers } from "./workers.ts";

export interface BinaryStats {
  /** Workers that come up, that have nothing to do, and that have. */
  readonly workers: { readonly starting: number; readonly ready: number; readonly busy: number };
  /** Runs of a one-shot binary. */
  readonly running: number;
  readonly queued: number;
  /** Calls that have ended well, and in another way. */
  readonly completed: number;
  readonly failed: number;
  /** Workers that were started again after one had ended by itself, or had to be ended. */
  readonly restarts: number;
}

export class Engine {
  readonly #options: ResolvedBinary;
  readonly #release: string;
  readonly #deps: BinaryDeps;
  readonly #runs: Runs;
  readonly #workers: Workers | undefined;
  /** Who has started it, and waits for its end. */
  #starters: ((reason: ExitReason) => void)[] = [];

  constructor({ name, options, release }: Omit<BinaryData, "serial">, deps: BinaryDeps) {
    this.#options = resolveBinary(name, options);
    this.#release = release;
    this.#deps = deps;
    this.#runs = new Runs(this.#options, deps);
    this.#workers = this.#options.workers && new Workers(this.#options, deps, () => this.#startWorker());
  }

  /** Errors show where `below` was called. */
  run(
    args: readonly string[],
    options: RunOptions,
    below: (...args: never[]) => unknown,
  ): BinaryRun<Uint8Array | string> {
    const { name, workers } = this.#options;
    if (workers) throw new TypeError(`Cannot run binary "${name}": it has a protocol; use call()`);
    const resolved = resolveRun(this.#options, args, options);
    checkInput(resolved.input);
    // Against what it costs to start a program, reading the stack is nothing.
    const trace: { readonly stack?: string } = {};
    Error.captureStackTrace(trace, below);
    let made!: Run;
    const call = BinaryRun.begin((resolve, reject) => {
      made = new Run(this.#options, resolved, this.#deps, resolve as (result: AnyResult) => void, (error) => {
        reject(traced(error, trace.stack));
      });
      return made;
    });
    this.#runs.add(made, () => this.#where(resolved.cwd), call);
    return call;
  }

  call(request: unknown, options: CallOptions | undefined): Promise<unknown> {
    const { name, timeoutMs, queueTimeoutMs } = this.#options;
    const workers = this.#workers;
    try {
      if (!workers)
        throw new TypeError(`Cannot call binary "${name}": it has no protocol; use run(), or declare it with protocol`);
      const encoded = workers.framing.encode(request);
      if (!options) return workers.call(encoded, timeoutMs, queueTimeoutMs, undefined);
      const owner = `call() of binary "${name}"`;
      refuseUnknown(options, ["signal", "timeout", "queueTimeout"], owner);
      const { signal, timeout, queueTimeout } = options;
      if (signal !== undefined) checkSignal(signal, `option "signal" of ${owner}`);
      const own = (value: Duration | undefined, option: string, otherwise: number): number =>
        value === undefined ? otherwise : resolveDuration(value, `option "${option}" of ${owner}`);
      return workers.call(
        encoded,
        own(timeout, "timeout", timeoutMs),
        own(queueTimeout, "queueTimeout", queueTimeoutMs),
        signal,
      );
    } catch (error) {
      return Promise.reject(error as TypeError);
    }
  }

  async start(ended: (reason: ExitReason) => void): Promise<void> {
    this.#runs.open();
    // Who waits for this is as alive as who waits for a call.
    this.#deps.live(1);
    try {
      if (this.#workers) {
        this.#workers.broken = (error) => this.#over(error);
        await this.#workers.up();
      } else await this.#find();
    } finally {
      this.#deps.live(-1);
    }
    this.#starters.push(ended);
  }

  async close(timeout: Duration): Promise<void> {
    const timeoutMs = resolveDuration(timeout, `"timeout" of close()`);
    await Promise.all([this.#runs.close(timeoutMs), this.#workers?.close(timeoutMs)]);
    this.#over("shutdown");
  }

  kill(): void {
    this.#workers?.kill();
    void this.close(0);
  }

  stats(): BinaryStats {
    const { queued, running, completed, failed } = this.#runs;
    const all = [...(this.#workers?.workers ?? [])];
    const up = all.filter(({ state }) => state === "ready");
    const busy = up.filter((worker) => worker.busy > 0).length;
    return {
      workers: { starting: all.length - up.length, ready: up.length - busy, busy },
      running,
      queued: queued + (this.#workers?.queued ?? 0),
      completed: completed + (this.#workers?.completed ?? 0),
      failed: failed + (this.#workers?.failedCalls ?? 0),
      restarts: this.#workers?.restarts ?? 0,
    };
  }

  describe(): { readonly detail: string; readonly children: readonly Branch[] } {
    const { queued, running, completed } = this.stats();
    const since = this.#deps.clock.wall() - this.#deps.clock.now();
    const children = [...(this.#workers?.workers ?? [])].map((worker): Branch => ({
      id: `${this.#options.name} ${worker.pid ?? ""}`.trim(),
      type: "worker",
      status: worker.state === "starting" ? "starting" : worker.leaving ? "stopping" : "running",
      restarts: 0,
      since: since + worker.startedAt,
      detail: `${worker.calls} calls, ${worker.busy} in flight`,
    }));
    return { detail: `${running} running, ${queued} queued, ${completed} completed`, children };
  }

  #over(reason: ExitReason): void {
    for (const tell of this.#starters.splice(0)) tell(reason);
  }

  /** Gets the program of a one-shot binary, or says what is missing before anybody runs it. */
  async #find(): Promise<void> {
    const { name, env, cwd: own } = this.#options;
    const { command, cwd } = await this.#where(own);
    try {
      findCommand(command, { ...process.env, ...env }["PATH"], cwd);
    } catch (cause) {
      throw startError(name, cause);
    }
  }

  async #where(cwd: string | undefined): Promise<{ readonly command: string; readonly cwd: string }> {
    const { name, command, source } = this.#options;
    return {
      command: source ? await this.#deps.sources.program(name, source) : commandIn(this.#release, command!),
      cwd: cwd === undefined ? process.cwd() : pathIn(this.#release, cwd),
    };
  }

  async #startWorker(): Promise<Program> {
    const { name, args, env, cwd, limits, stopSignal, graceMs } = this.#options;
    return this.#deps.startProgram({
      name,
      ...(await this.#where(cwd)),
      args,
      env: { ...process.env, ...env },
      ...(limits && { limits }),
      stopSignal,
      graceMs,
    });
  }
}

/** With the caller's frames in place of ours. */
function traced(error: unknown, stack: string | undefined): unknown {
  const frames = stack?.indexOf("\n") ?? -1;
  if (error instanceof Error && frames >= 0) error.stack = `${error.name}: ${error.message}${stack!.slice(frames)}`;
  return error;
}
