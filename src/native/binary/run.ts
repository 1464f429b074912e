/** One run of a one-shot binary: starts it, feeds it, ends it when its time is over or nobody wants it any more. */
import {
  AbortError,
  BinaryExitError,
  BinaryStartError,
  CallTimeoutError,
  PoolClosedError,
  TinderboxError,
} from "../../errors.ts";
import { formatDuration } from "../../duration.ts";
import type { Timer } from "../../ports/clock.ts";
import type { Program, ProgramExit } from "../program.ts";
import type { BinaryDeps } from "./deps.ts";
import { type Feeding, feed } from "./input.ts";
import { Output } from "./output.ts";
import type { ResolvedBinary, ResolvedRun } from "./resolve.ts";
import { type RunFacts, type RunResult, describeExit, lastWords, resultOf, shortCommand } from "./result.ts";
import { InputStream } from "./run-input.ts";

export type AnyResult = RunResult<Uint8Array | string>;
type Ending = NonNullable<RunFacts["ended"]>;

/** What is kept of stderr. */
const keptErrors = 1024 ** 2;
/** What is left in a pipe when nothing holds it open any more is read in less. */
const pipeGraceMs = 1_000;

export class Run {
  readonly options: ResolvedRun;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly #binary: ResolvedBinary;
  readonly #deps: BinaryDeps;
  readonly #resolve: (result: AnyResult) => void;
  readonly #reject: (error: unknown) => void;
  #input: InputStream | undefined;
  #program: Program | undefined;
  #startedAt = 0;
  /** What it was started with. */
  #where = { command: "", cwd: "" };
  #ended: Ending | undefined;
  #settled = false;
  readonly #over = Promise.withResolvers<void>();
  begun = false;

  constructor(
    binary: ResolvedBinary,
    options: ResolvedRun,
    deps: BinaryDeps,
    resolve: (result: AnyResult) => void,
    reject: (error: unknown) => void,
  ) {
    this.#binary = binary;
    this.options = options;
    this.#deps = deps;
    this.#resolve = resolve;
    this.#reject = reject;
    const cut = (output: string) => (): Error =>
      new TinderboxError(
        `Cannot read ${output} of ${this.#named} to its end: somebody out of our reach kept it open after the program had ended, and was no longer waited for`,
        { code: "ERR_TINDERBOX_BINARY_OUTPUT", binary: binary.name },
      );
    const live = (change: 1 | -1): void => deps.live(change);
    this.stdout = new Output({ most: options.maxBuffer, overflow: () => this.#overflow(), cut: cut("stdout"), live });
    this.stderr = new Output({ most: keptErrors, cut: cut("stderr"), live });
  }

  /** To be asked for before the program starts: without it the program's input is empty. */
  get stdin(): WritableStream<Uint8Array | string> {
    if (this.#input) return this.#input.stream;
    const name = `stdin of a run of binary "${this.#binary.name}"`;
    if (this.options.input !== undefined)
      throw new TypeError(`Cannot use ${name}: it has option input; use one of them`);
    if (this.begun)
      throw new TypeError(`Cannot use ${name}: it began without; take stdin at once, before anything is awaited`);
    return (this.#input = new InputStream()).stream;
  }

  get pid(): number | undefined {
    return this.#program?.pid;
  }

  /** Fulfilled when nothing of it is left. */
  async start(where: () => Promise<{ readonly command: string; readonly cwd: string }>): Promise<void> {
    this.begun = true;
    const { env, args } = this.options;
    try {
      // A download goes on for others, and for the next time; this one may be over before.
      const found = await Promise.race([where(), this.#over.promise]);
      if (!found || this.#settled) return;
      this.#where = found;
      this.#startedAt = this.#deps.clock.now();
      this.#program = await this.#deps.startProgram({
        name: this.#binary.name,
        ...found,
        args,
        env: { ...process.env, ...env },
        ...(this.#binary.limits && { limits: this.#binary.limits }),
        stopSignal: this.#binary.stopSignal,
        graceMs: this.#binary.graceMs,
      });
    } catch (cause) {
      this.fail(startError(this.#binary.name, cause));
      return;
    }
    await this.#follow(this.#program);
  }

  async #follow(program: Program): Promise<void> {
    const { options } = this;
    this.stdout.attach(program.stdout);
    this.stderr.attach(program.stderr);
    let feeding: Feeding | undefined;
    if (this.#settled) void program.stop();
    else if (this.#input) this.#input.attach(program.stdin);
    else feeding = feed(options.input, program.stdin, (error) => this.#inputFailed(error));
    const timer = this.#deps.clock.timer(options.timeoutMs, () => this.#timeout());
    const exit = await program.exited;
    feeding?.stop();
    this.#input?.fail(new TypeError(`Cannot write to binary "${this.#binary.name}": it has ended`));
    const late = this.#awaitOutputs(program);
    await Promise.all([this.stdout, this.stderr].map((output) => output.taken || output.ended));
    late.cancel();
    timer.cancel();
    this.#finish(exit);
    await program.gone;
  }

  /** A pipe that somebody keeps open though nothing is left of the program is not waited for. */
  #awaitOutputs(program: Program): Pick<Timer, "cancel"> {
    let timer: Timer | undefined;
    let over = false;
    const outputs = [this.stdout, this.stderr];
    const received = (): number => outputs.reduce((sum, output) => sum + output.received, 0);
    // Twice the same: between two looks there was time to read, also when this process was busy for longer than the pause.
    const look = (seen: number): void => {
      if (over) return;
      const now = received();
      if (now !== seen) timer = this.#deps.clock.timer(pipeGraceMs / 2, () => look(now));
      else for (const output of outputs) if (!output.taken) output.abandon();
    };
    void program.gone.then(() => {
      if (!over) timer = this.#deps.clock.timer(pipeGraceMs / 2, () => look(-1));
    });
    return {
      cancel() {
        over = true;
        timer?.cancel();
      },
    };
  }

  /** Ends it for this reason; the caller is told at once, the program has its grace. */
  end(ended: Ending, make: (result: AnyResult) => Error): void {
    if (this.#settled) return;
    this.#ended = ended;
    this.#settle(undefined, make);
    void this.#program?.stop();
  }

  abort(reason: unknown): void {
    this.end(
      "abort",
      (result) => new AbortError(`Cannot finish ${this.#named}: it was aborted`, { ...result, cause: reason }),
    );
  }

  close(): void {
    this.end(
      "closed",
      (result) =>
        new PoolClosedError(`Cannot finish ${this.#named}: its binary was closed`, { ...result, started: this.begun }),
    );
  }

  /** It never began, or not as far as a program. */
  fail(error: unknown): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#over.resolve();
    this.#closeStreams(error, error);
    this.#reject(error);
  }

  #timeout(): void {
    const { timeoutMs } = this.options;
    this.end(
      "timeout",
      (result) =>
        new CallTimeoutError(
          `Cannot finish ${this.#named}: it ran longer than ${formatDuration(timeoutMs)}; raise "timeout"${lastWords(result.stderr)}`,
          { ...result, timeoutMs },
        ),
    );
  }

  #overflow(): void {
    this.end(
      "maxBuffer",
      (result) =>
        new BinaryExitError(
          `Cannot finish ${this.#named}: it wrote more than ${this.options.maxBuffer} bytes to stdout; raise "maxBuffer", or read stdout of the call as a stream`,
          { ...result },
        ),
    );
  }

  #inputFailed(cause: unknown): void {
    const reason = cause instanceof Error ? cause.message : String(cause);
    this.end(
      "input",
      (result) =>
        new TinderboxError(`Cannot finish ${this.#named}: its input has failed (${reason})`, {
          ...result,
          cause,
          code: "ERR_TINDERBOX_BINARY_INPUT",
        }),
    );
  }

  #finish(exit: ProgramExit): void {
    this.#settle(
      exit,
      (result) =>
        new BinaryExitError(`Cannot finish ${this.#named}: it ${describeExit(exit)}${lastWords(result.stderr)}`, {
          ...result,
        }),
    );
  }

  get #named(): string {
    return `binary "${this.#binary.name}"${this.#where.command && ` (${shortCommand([this.#where.command, ...this.options.args].join(" "))})`}`;
  }

  #settle(exit: ProgramExit | undefined, make: (result: AnyResult) => Error): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#over.resolve();
    const { text, args } = this.options;
    const result = resultOf({
      binary: this.#binary.name,
      ...this.#where,
      args,
      pid: this.pid,
      durationMs: this.pid === undefined ? 0 : this.#deps.clock.now() - this.#startedAt,
      exit,
      stdout: text ? this.stdout.text() : this.stdout.bytes(),
      stderr: this.stderr.text(),
      ended: this.#ended,
    });
    const error = result.failed ? make(result) : undefined;
    this.#closeStreams(this.options.reject ? error : undefined, error);
    if (error && this.options.reject) this.#reject(error);
    else this.#resolve(result);
  }

  /** What is written has nowhere to go any more, whatever the caller wants to be told of the run. */
  #closeStreams(outputs: unknown, input: unknown): void {
    this.stdout.settle(outputs);
    this.stderr.settle(outputs);
    if (input !== undefined) this.#input?.fail(input);
  }
}

export function startError(name: string, cause: unknown): BinaryStartError {
  if (BinaryStartError.is(cause)) return cause as BinaryStartError;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new BinaryStartError(`Cannot start binary "${name}": ${reason.replace(/^Cannot start /, "")}`, {
    binary: name,
    cause,
  });
}
