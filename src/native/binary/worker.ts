/**
 * One worker: a program that answers requests in the order in which it gets them. It takes what it is given, tells its host
 * what becomes of it, and never decides about calls that it was not given.
 *
 * It ends once, for one reason, the first: by itself ("exited"), because it did wrong, or because it is told to. Whatever
 * is in flight then gets the error that belongs to the reason.
 */
import { BinaryExitError, BinaryProtocolError, BinaryStartError } from "../../errors.ts";
import { formatDuration } from "../../duration.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import type { Program, ProgramExit } from "../program.ts";
import type { Decoder, Encoded, Framing } from "./framing.ts";
import { NoAnswer } from "./no-answer.ts";
import { Readiness } from "./readiness.ts";
import type { Request } from "./request.ts";
import type { ResolvedWorkers } from "./resolve-workers.ts";
import { describeExit, lastWords } from "./result.ts";
import { Tail } from "./tail.ts";

export type EndReason =
  | "exited"
  | "protocol"
  | "not ready"
  | "unhealthy"
  | "aborted"
  | "timeout"
  | "maxCalls"
  | "maxMemory"
  | "maxAge"
  | "idle"
  | "closed";

export interface WorkerHost {
  readonly name: string;
  readonly clock: Clock;
  readonly framing: Framing;
  readonly options: ResolvedWorkers;
  /** What a stop may take. */
  readonly graceMs: number;
  start(): Promise<Program>;
  ready(worker: Worker): void;
  /** It can take another request. */
  free(worker: Worker): void;
  answered(request: Request, answer: unknown): void;
  failed(request: Request, error: unknown): void;
  /** It could not be started at all. */
  unstarted(worker: Worker, error: unknown): void;
  /** It takes no more; what was in flight has been told. `error`: why, when that was not wanted. */
  ended(worker: Worker, reason: EndReason, error: Error | undefined): void;
  log(worker: Worker, line: string): void;
}

/** Between the end of its output and its own end there is no more than this, or it goes on without an output. */
const outputGraceMs = 500;

export class Worker {
  readonly #host: WorkerHost;
  readonly #inFlight: Request[] = [];
  readonly #tail: Tail;
  readonly startedAt: number;
  #program: Program | undefined;
  #decoder: Decoder | undefined;
  #readiness: Readiness | undefined;
  #timer: Timer | undefined;
  /** Its stdin is full: it takes no more until it has read. */
  #full = false;
  state: "starting" | "ready" | "ended" = "starting";
  calls = 0;
  /** Since when it has had nothing to do. */
  idleSince: number;
  /** When a probe found it well, and when its memory was looked at. */
  provenAt = -Infinity;
  lookedAt: number;
  #answers = 0;
  /** It is asked whether it is well: no calls meanwhile. */
  probed = false;
  /** It is to end once it has answered what it has. */
  leaving: EndReason | undefined;
  /** It goes on until another one has taken its place. */
  replacedFor: EndReason | undefined;
  readonly gone: Promise<void>;

  constructor(host: WorkerHost) {
    this.#host = host;
    this.#tail = new Tail((line) => this.#line(line));
    this.startedAt = this.idleSince = this.lookedAt = host.clock.now();
    this.gone = this.#live();
  }

  get pid(): number | undefined {
    return this.#program?.pid;
  }

  get busy(): number {
    return this.#inFlight.length;
  }

  get inFlight(): readonly Request[] {
    return this.#inFlight;
  }

  /** It would take a request now. */
  get open(): boolean {
    const { pipeline } = this.#host.options;
    return (
      this.state === "ready" &&
      this.#inFlight.length < pipeline &&
      !this.#full &&
      !this.probed &&
      this.leaving === undefined
    );
  }

  /** It has answered nothing so far. */
  get useless(): boolean {
    return this.#answers === 0;
  }

  /** For messages: what it has said last. */
  get lastWords(): string {
    return lastWords(this.#tail.text);
  }

  memory(): number | undefined {
    return this.#program?.memory();
  }

  give(request: Request): void {
    this.#inFlight.push(request);
    if (++this.calls >= this.#host.options.maxCalls) this.leaving ??= "maxCalls";
    this.#full = !write(this.#program!, request.encoded);
  }

  /** Ends it. What is in flight gets `error`. Does nothing the second time. */
  end(reason: EndReason, error?: Error): void {
    if (this.state === "ended") return;
    this.#leave(reason, error);
    this.#timer?.cancel();
    void this.#program?.stop();
  }

  /** It takes no more, and ends when it has answered what it has. */
  leave(reason: EndReason): void {
    this.leaving ??= reason;
    if (this.#unsettled() === 0) this.end(this.leaving);
  }

  /**
   * The caller of one request is told already. Others that share the worker have until the grace is over to be answered: whether it
   * has begun with them cannot be known.
   */
  abandon(reason: "aborted" | "timeout"): void {
    this.leave(reason);
    if (this.state === "ended") return;
    const why = reason === "aborted" ? "was aborted" : "ran into its timeout";
    this.#timer ??= this.#host.clock.timer(this.#host.graceMs, () => this.end(reason, this.#sharedError(why)));
  }

  kill(): void {
    this.end("closed");
    this.#program?.kill();
  }

  /** For errors about this worker. */
  facts(): {
    readonly binary: string;
    readonly pid: number | undefined;
    readonly stderr: string;
    readonly oom: boolean;
  } {
    return { binary: this.#host.name, pid: this.pid, stderr: this.#tail.text, oom: false };
  }

  /** What those get who shared it with a call that it was ended for. */
  #sharedError(why: string): BinaryExitError {
    return new BinaryExitError(
      `Cannot finish a call of binary "${this.#host.name}": its worker was ended because another call on it ${why}; it may have been done, use pipeline: 1 where that matters`,
      this.facts(),
    );
  }

  async #live(): Promise<void> {
    let program: Program;
    try {
      program = await this.#host.start();
    } catch (error) {
      if (this.state === "ended") return;
      this.state = "ended";
      this.#host.unstarted(this, error);
      return;
    }
    this.#program = program;
    program.hold(false);
    if (this.state !== "starting") void program.stop();
    else this.#listen(program);
    const exit = await program.exited;
    if (this.state !== "ended") await this.#outputsOf(program);
    this.#exited(exit);
    await program.gone;
  }

  #listen(program: Program): void {
    const { framing, options, clock } = this.#host;
    program.stdout.on("error", () => {});
    program.stderr.on("error", () => {});
    program.stdin.on("drain", () => {
      this.#full = false;
      if (this.open) this.#host.free(this);
    });
    program.stderr.on("data", (chunk: Buffer) => this.#tail.push(chunk));
    program.stdout.once("end", () => this.#outputEnded(program));
    this.#decoder = framing.decoder(options.maxAnswer, (answer) => this.#answer(answer));
    if (options.ready === undefined) {
      program.stdout.on("data", (chunk: Buffer) => this.#receive(chunk));
      this.#ready();
      return;
    }
    const { ready } = options;
    this.#readiness = new Readiness(ready, (rest) => {
      this.#ready();
      if (rest.length > 0) this.#receive(rest);
    });
    program.stdout.on("data", (chunk: Buffer) => this.#receive(chunk));
    this.#timer = clock.timer(options.readyTimeoutMs, () => {
      const { name } = this.#host;
      const message = `Cannot start binary "${name}": its worker was not ready within ${formatDuration(options.readyTimeoutMs)}; raise "readyTimeout"`;
      this.end("not ready", new BinaryStartError(message + lastWords(this.#tail.text), { binary: name }));
    });
  }

  #line(line: string): void {
    this.#host.log(this, line);
    if (this.state === "starting") this.#readiness?.line(line);
  }

  #receive(chunk: Uint8Array): void {
    if (this.state === "ended") return;
    if (this.state === "starting" && this.#readiness!.gathers) return this.#readiness!.push(chunk);
    try {
      this.#decoder!.push(chunk);
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      this.end("protocol", this.#wrong(error.message));
    }
  }

  #ready(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#readiness = undefined;
    this.state = "ready";
    this.idleSince = this.#host.clock.now();
    this.#host.ready(this);
  }

  #answer(answer: unknown): void {
    // The rest of what came with the end of it.
    if (this.state === "ended") return;
    if (this.state === "starting") return this.#ready();
    const request = this.#inFlight.shift();
    if (!request) throw new NoAnswer("answered without being asked");
    this.#answers++;
    if (!request.settled) this.#host.answered(request, answer);
    if (this.leaving !== undefined) return this.leave(this.leaving);
    if (this.#inFlight.length === 0) this.idleSince = this.#host.clock.now();
    this.#host.free(this);
  }

  /** One that goes on without an output will never answer. */
  #outputEnded(program: Program): void {
    const timer = this.#host.clock.timer(outputGraceMs, () => this.end("protocol", this.#wrong("closed its stdout")));
    void program.exited.then(() => timer.cancel());
  }

  /** Its last answers, and its last words, may still be in the pipes. */
  async #outputsOf(program: Program): Promise<void> {
    const outputs = [program.stdout, program.stderr].filter((each) => !each.readableEnded && !each.destroyed);
    if (outputs.length === 0) return;
    let timer: Timer | undefined;
    const late = program.gone.then(
      () => new Promise<void>((resolve) => (timer = this.#host.clock.timer(outputGraceMs, resolve))),
    );
    const ends = outputs.map((output) => new Promise((resolve) => output.once("end", resolve).once("close", resolve)));
    await Promise.race([Promise.all(ends), late]);
    timer?.cancel();
    for (const output of outputs) output.destroy();
  }

  #exited(exit: ProgramExit): void {
    if (this.state === "ended") return;
    this.#timer?.cancel();
    if (this.leaving && this.#inFlight.length === 0) return this.#leave(this.leaving);
    const half = this.#decoder?.pending ? `, in the middle of an answer (${this.#decoder.pending} bytes of it)` : "";
    const said = this.#tail.text;
    const message = `Cannot finish a call of binary "${this.#host.name}": its worker ${describeExit(exit)}${half}${lastWords(said)}`;
    const { status, exitCode, signal, oom } = exit;
    this.#leave("exited", new BinaryExitError(message, { ...this.facts(), status, exitCode, signal, oom }));
  }

  #leave(reason: EndReason, error?: Error): void {
    this.state = "ended";
    for (const request of this.#inFlight.splice(0)) {
      if (!request.settled) this.#host.failed(request, error ?? this.#sharedError("ended"));
    }
    this.#host.ended(this, reason, error);
  }

  #unsettled(): number {
    let count = 0;
    for (const { settled } of this.#inFlight) if (!settled) count++;
    return count;
  }

  #wrong(what: string): BinaryProtocolError {
    const { oom: _, ...facts } = this.facts();
    return new BinaryProtocolError(
      `Cannot go on with a worker of binary "${this.#host.name}": it ${what}; it is replaced${lastWords(facts.stderr)}`,
      facts,
    );
  }
}

/** False when the program does not read as fast as it is given. */
function write({ stdin }: Program, encoded: Encoded): boolean {
  if (typeof encoded === "string" || encoded instanceof Uint8Array) return stdin.write(encoded);
  stdin.cork();
  stdin.write(encoded[0]);
  const more = stdin.write(encoded[1]);
  stdin.uncork();
  return more;
}
