/**
 * The workers of a binary and the calls that wait for them. A call is given to an open worker at once, or waits in order. How many
 * workers there should be follows from what there is to do, on every change:
 *
 *   wanted = at least `min`, one for each that is busy and for each `pipeline` calls that wait, at most `size`
 */
import { place } from "../../context.ts";
import { BinaryStartError, PoolClosedError } from "../../errors.ts";
import { formatDuration } from "../../duration.ts";
import type { Program } from "../program.ts";
import { Alarm } from "./alarm.ts";
import type { BinaryDeps } from "./deps.ts";
import { type Encoded, type Framing, framingOf } from "./framing.ts";
import { probe } from "./health.ts";
import { Recycling } from "./recycling.ts";
import { abortError, closedError, fullError, queueTimeoutError, timeoutError } from "./refusals.ts";
import type { Request } from "./request.ts";
import type { ResolvedWorkers } from "./resolve-workers.ts";
import type { ResolvedBinary } from "./resolve.ts";
import { Restarts } from "./restarts.ts";
import { startError } from "./run.ts";
import { listen } from "./signals.ts";
import { Waiting } from "./waiting.ts";
import { type EndReason, Worker, type WorkerHost } from "./worker.ts";

const unwanted: ReadonlySet<EndReason> = new Set(["exited", "protocol", "not ready", "unhealthy"]);

export class Workers implements WorkerHost {
  readonly name: string;
  readonly clock: BinaryDeps["clock"];
  readonly framing: Framing;
  readonly options: ResolvedWorkers;
  readonly graceMs: number;
  readonly start: () => Promise<Program>;
  /** It cannot stay up: told to whoever supervises it. */
  broken: ((error: Error) => void) | undefined;
  readonly #binary: ResolvedBinary;
  readonly #deps: BinaryDeps;
  readonly #workers = new Set<Worker>();
  /** Ends of those that have left, until nothing of them is there any more. */
  readonly #going = new Set<Promise<void>>();
  readonly #queue = new Waiting<Request>();
  readonly #restarts: Restarts;
  readonly #recycling: Recycling;
  readonly #alarm: Alarm;
  #upWaiters: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];
  #idleWaiters: (() => void)[] = [];
  /** Why one could not be started last, or not be kept up. */
  #failure: BinaryStartError | undefined;
  /** No worker is left, and none is started until somebody asks again. */
  #givenUp = false;
  /** Nobody has called yet, or it is closed. */
  #open = false;
  #closed = false;
  completed = 0;
  failedCalls = 0;
  restarts = 0;

  constructor(binary: ResolvedBinary, deps: BinaryDeps, start: () => Promise<Program>) {
    this.name = binary.name;
    this.clock = deps.clock;
    this.options = binary.workers!;
    this.framing = framingOf(this.options.protocol);
    this.graceMs = binary.graceMs;
    this.start = start;
    this.#binary = binary;
    this.#deps = deps;
    this.#restarts = new Restarts(this.options.maxRestarts, this.options.withinMs);
    this.#recycling = new Recycling(this.options);
    this.#alarm = new Alarm(deps.clock, (now) => this.#look(now));
  }

  get queued(): number {
    return this.#queue.size;
  }

  get workers(): ReadonlySet<Worker> {
    return this.#workers;
  }

  call(encoded: Encoded, timeoutMs: number, queueTimeoutMs: number, signal: AbortSignal | undefined): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const request: Request = {
        encoded,
        timeoutMs,
        queueTimeoutMs,
        resolve,
        reject,
        probe: false,
        expiresAt: Infinity,
        settled: false,
        off: undefined,
      };
      this.#deps.live(1);
      const own = place.calls.getStore()?.signal;
      if (signal || own) {
        const signals = [signal, own];
        const aborted = signals.find((each) => each?.aborted);
        if (aborted) return this.failed(request, abortError(this.name, aborted.reason));
        request.off = listen(signals, ({ reason }) => this.#drop(request, "aborted", abortError(this.name, reason)));
      }
      if (this.#closed) return this.failed(request, closedError(this.name));
      const worker = this.#queue.size === 0 ? this.#openWorker() : undefined;
      if (worker) this.#give(worker, request);
      else this.#enqueue(request);
    });
  }

  /** Resolves when as many as are to be kept are up, at least one. */
  async up(): Promise<void> {
    this.#closed = false;
    this.#open = true;
    this.#givenUp = false;
    this.#restarts.again();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#upWaiters.push({ resolve, reject });
    this.#fill();
    this.#tellUp();
    await promise;
  }

  /** Refuses new calls; those that have not ended after this time are told so. Resolves when nothing of it is left. */
  async close(timeoutMs: number): Promise<void> {
    this.#closed = true;
    if (timeoutMs === 0) this.#refuseAll();
    const timer = this.clock.timer(timeoutMs, () => this.#refuseAll());
    while (this.#queue.size > 0 || [...this.#workers].some(({ busy, probed }) => busy > 0 && !probed))
      await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
    timer.cancel();
    this.#open = false;
    this.#tellWaiters(closedError(this.name));
    for (const worker of [...this.#workers]) worker.end("closed");
    await Promise.all(this.#going);
    this.#alarm.close();
  }

  kill(): void {
    this.#closed = true;
    this.#open = false;
    this.#refuseAll();
    for (const worker of [...this.#workers]) worker.kill();
  }

  ready(worker: Worker): void {
    this.#deps.events.emit("binary.started", {
      binary: this.name,
      pid: worker.pid!,
      ms: this.clock.now() - worker.startedAt,
    });
    this.#restarts.started();
    this.free(worker);
    this.#tellUp();
    this.#fill();
    this.#replaceOld();
    this.#alarm.at(this.#recycling.nextLook(worker, this.clock.now()));
  }

  free(worker: Worker): void {
    while (this.#queue.size > 0 && worker.open) this.#give(worker, this.#queue.take()!);
    if (this.#idleWaiters.length > 0) this.#wake();
  }

  answered(request: Request, answer: unknown): void {
    request.settled = true;
    if (!request.probe) {
      this.completed++;
      request.off?.();
      this.#deps.live(-1);
    }
    this.#restarts.worked();
    request.resolve(answer);
  }

  failed(request: Request, error: unknown): void {
    request.settled = true;
    if (!request.probe) {
      this.failedCalls++;
      request.off?.();
      this.#deps.live(-1);
    }
    request.reject(error);
    if (this.#idleWaiters.length > 0) this.#wake();
  }

  unstarted(worker: Worker, cause: unknown): void {
    this.#workers.delete(worker);
    this.#restarts.unstarted(this.clock.now());
    this.#fail(startError(this.name, cause));
    this.#fill();
    this.#wake();
  }

  ended(worker: Worker, reason: EndReason, error: Error | undefined): void {
    const now = this.clock.now();
    this.#workers.delete(worker);
    const gone = worker.gone.finally(() => this.#going.delete(gone));
    this.#going.add(gone);
    this.#deps.events.emit("binary.exited", {
      binary: this.name,
      pid: worker.pid,
      reason,
      ...(error && unwanted.has(reason) && { error }),
      calls: worker.calls,
      ms: now - worker.startedAt,
    });
    if (unwanted.has(reason) && this.#open) {
      if (this.#restarts.count(now, worker.useless)) this.restarts++;
      else this.#fail(this.#tooMany(error));
    }
    // The last one has gone, for whatever reason, while no other may be started: those who wait would wait for nobody.
    if (this.#open && !this.#givenUp && this.#shut(now) && this.#missing() > 0) this.#giveUp(this.#failure!);
    this.#fill();
    this.#replaceOld();
    this.#wake();
  }

  log(worker: Worker, line: string): void {
    const { events } = this.#deps;
    if (events.has("binary.log")) events.emit("binary.log", { binary: this.name, pid: worker.pid!, line });
  }

  #give(worker: Worker, request: Request): void {
    const { timeoutMs } = request;
    if (timeoutMs === Infinity) request.expiresAt = Infinity;
    else this.#alarm.at((request.expiresAt = this.clock.now() + timeoutMs));
    worker.give(request);
    if (worker.leaving) this.#fill();
  }

  /** The one with the least to do; the older one of two. */
  #openWorker(): Worker | undefined {
    let best: Worker | undefined;
    for (const worker of this.#workers) {
      if (!worker.open) continue;
      if (worker.busy === 0 && worker.replacedFor === undefined) return worker;
      if (!best || worker.busy < best.busy) best = worker;
    }
    return best;
  }

  #enqueue(request: Request): void {
    const { queueLimit } = this.#binary;
    if (this.#shut(this.clock.now())) return this.failed(request, this.#failure);
    if (this.#queue.size >= queueLimit) return this.failed(request, fullError(this.name, queueLimit));
    this.#queue.add(request);
    if (request.queueTimeoutMs !== Infinity)
      this.#alarm.at((request.expiresAt = this.clock.now() + request.queueTimeoutMs));
    this.#open = true;
    this.#givenUp = false;
    this.#fill();
  }

  /** Too many have ended: none is there, and none is started for now. */
  #shut(now: number): boolean {
    return this.#workers.size === 0 && this.#restarts.exceeded && now < this.#restarts.notBefore;
  }

  /** A call that has to end before its answer. */
  #drop(request: Request, reason: "aborted" | "timeout", error: Error): void {
    if (request.settled) return;
    this.#queue.delete(request);
    this.failed(request, error);
    for (const worker of this.#workers) if (worker.inFlight.includes(request)) return worker.abandon(reason);
  }

  /** Starts as many as are missing, when they may be started. */
  #fill(): void {
    if (!this.#open || this.#givenUp) return;
    let missing = this.#missing();
    if (missing <= 0) return;
    const now = this.clock.now();
    const { notBefore, notBesides } = this.#restarts;
    const from = this.#workers.size > 0 ? Math.max(notBefore, notBesides) : notBefore;
    if (now < from) return this.#alarm.at(from);
    if (this.#restarts.exceeded) this.#restarts.again();
    for (; missing > 0; missing--) this.#workers.add(new Worker(this));
  }

  #missing(): number {
    const { min, pipeline } = this.options;
    let busy = 0;
    let there = 0;
    for (const worker of this.#workers) {
      if (worker.leaving !== undefined || worker.replacedFor !== undefined) continue;
      there++;
      if (worker.busy > 0) busy++;
    }
    const waiting = Math.ceil(this.#queue.size / pipeline);
    const kept = this.#closed ? 0 : Math.max(min, this.#upWaiters.length > 0 ? 1 : 0);
    return Math.min(this.#binary.size, Math.max(kept, busy + waiting)) - there;
  }

  /** Those whose time is over go as soon as nobody has to wait for that. */
  #replaceOld(): void {
    const workers = [...this.#workers];
    if (workers.some(({ state }) => state === "starting") || this.#missing() > 0) return;
    for (const worker of workers) if (worker.replacedFor !== undefined) worker.leave(worker.replacedFor);
  }

  /** One is missing. Who waits for a call is told only when nobody is there to serve it; who waits for all to be up, at once. */
  #fail(error: BinaryStartError): void {
    this.#failure = error;
    this.#deps.events.emit("binary.failed", { binary: this.name, error });
    if (this.#workers.size === 0) this.#giveUp(error);
    else this.#tellWaiters(error);
  }

  #giveUp(error: BinaryStartError): void {
    this.#givenUp = true;
    for (const request of this.#queue.all()) {
      this.#queue.delete(request);
      this.failed(request, error);
    }
    this.#tellWaiters(error);
    this.broken?.(error);
  }

  #tooMany(cause: Error | undefined): BinaryStartError {
    const { maxRestarts, withinMs } = this.options;
    const why = cause?.message.replace(/^Cannot [^:]*: /, "") ?? "";
    return new BinaryStartError(
      `Cannot keep binary "${this.name}" up: ${maxRestarts + 1} workers ended within ${formatDuration(withinMs)}, and none is started for as long; the last: ${why}`,
      { binary: this.name, retryAfterMs: withinMs, cause },
    );
  }

  #refuseAll(): void {
    for (const request of this.#queue.all()) {
      this.#queue.delete(request);
      this.failed(request, closedError(this.name));
    }
    const error = new PoolClosedError(`Cannot finish a call of binary "${this.name}": it was closed`, {
      started: true,
    });
    for (const worker of [...this.#workers]) if (worker.busy > 0) worker.end("closed", error);
  }

  #look(now: number): number {
    let next = Infinity;
    for (const request of this.#queue.all()) {
      if (request.expiresAt > now) next = Math.min(next, request.expiresAt);
      else this.#drop(request, "timeout", queueTimeoutError(this.name, request.queueTimeoutMs));
    }
    for (const worker of [...this.#workers]) {
      for (const request of [...worker.inFlight]) {
        if (request.expiresAt > now) next = Math.min(next, request.expiresAt);
        else this.#drop(request, "timeout", timeoutError(this.name, request.timeoutMs, worker.lastWords));
      }
      const staying = [...this.#workers].filter((each) => each.leaving === undefined && each.replacedFor === undefined);
      const due = this.#recycling.due(worker, now, this.#queue.size === 0 && staying.length > this.options.min);
      if (due === "probe") void probe(worker, this);
      else if (due === "idle") worker.end("idle");
      else if (due) worker.replacedFor = due;
      next = Math.min(next, this.#recycling.nextLook(worker, now));
    }
    this.#fill();
    this.#replaceOld();
    return next;
  }

  #tellUp(): void {
    const ready = [...this.#workers].filter(({ state }) => state === "ready").length;
    if (ready < Math.max(1, this.options.min)) return;
    for (const { resolve } of this.#upWaiters.splice(0)) resolve();
  }

  #tellWaiters(error: Error): void {
    for (const { reject } of this.#upWaiters.splice(0)) reject(error);
  }

  #wake(): void {
    for (const wake of this.#idleWaiters.splice(0)) wake();
  }
}
