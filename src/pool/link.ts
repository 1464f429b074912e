/**
 * One runner as its pool sees it: boots it, holds the conversation with it, listens for its heart, and tells how it
 * ended. Decides nothing about the pool.
 */
import { randomBytes } from "node:crypto";
import { ReceiveHooks } from "../closure/receive.ts";
import { siblingsOf, textOf, unitByNumber } from "../closure/units.ts";
import { BootError, ProtocolError } from "../errors.ts";
import type { Events } from "../events/index.ts";
import type { Backend, Machine, MachineExit } from "../ports/backend.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import { encode } from "../value/encode.ts";
import type { Payload } from "../value/port.ts";
import type { Dock } from "../wire/dock.ts";
import { type Message, hopelessExit, protocolVersion } from "../wire/messages.ts";
import type { Session } from "../wire/session.ts";

export interface LinkOptions {
  readonly pool: string;
  readonly id: string;
  readonly number: number;
  readonly env: Readonly<Record<string, string>>;
  readonly onParentLoss: "kill" | "drain";
  readonly concurrency: number;
  readonly bootTimeoutMs: number;
  readonly entry: string | null;
}

export interface LinkHandlers {
  ready(link: RunnerLink): void;
  /** Exactly once instead of `ready`. `wanted` is false when the boot was taken back. */
  bootFailed(link: RunnerLink, error: BootError, wanted: boolean): void;
  /** Exactly once after `ready`: the runner is no more. */
  gone(link: RunnerLink, end: LinkEnd): void;
  message(link: RunnerLink, message: Message): void;
  output(link: RunnerLink, stream: "stdout" | "stderr", line: string): void;
}

export interface LinkEnd extends MachineExit {
  readonly reason: string;
  readonly stderr: readonly string[];
}

export interface LinkDeps {
  readonly backend: Backend;
  readonly dock: Dock;
  readonly clock: Clock;
  readonly events: Events;
}

const textOnly = {
  describe(): never {
    throw new TypeError("Cannot send a reason: only its text travels");
  },
};
const beatMs = 1_000;
const missedBeats = 3;
/** Beats that the guard has for its start, on a machine that is busy. */
const firstBeat = 15;
const keptLines = 20;
/** What a runner may take to exit after its connection is closed. */
const exitMs = 500;

export class RunnerLink {
  readonly options: LinkOptions;
  readonly #deps: LinkDeps;
  readonly #handlers: LinkHandlers;
  readonly #bornAt: number;
  readonly #sent = new Set<number>();
  readonly receive = new ReceiveHooks(this.#sent);
  #machine: Machine | undefined;
  #session: Session | undefined;
  #state: "booting" | "ready" | "gone" = "booting";
  #phase = "requested";
  #forget: (() => void) | undefined;
  #bootTimer: Timer | undefined;
  #heart: Timer | undefined;
  #missed = 0;
  #patience = firstBeat;
  #exit: MachineExit | undefined;
  /** Why it ends, when we know better than its exit status. The first reason counts. */
  #reason: string | undefined;
  #killed = false;
  calls = 0;
  /** Last lines of standard error, of the process and of its calls. */
  readonly #stderr: string[] = [];

  constructor(options: LinkOptions, deps: LinkDeps, handlers: LinkHandlers) {
    this.options = options;
    this.#deps = deps;
    this.#handlers = handlers;
    this.#bornAt = deps.clock.now();
  }

  get id(): string {
    return this.options.id;
  }

  get ageMs(): number {
    return this.#deps.clock.now() - this.#bornAt;
  }

  /** False once the conversation is over, though the machine may still be ending. */
  get open(): boolean {
    return this.#session?.open ?? false;
  }

  async boot(): Promise<void> {
    const { dock, backend, clock } = this.#deps;
    this.#bootTimer = clock.timer(this.options.bootTimeoutMs, () => {
      this.#fail(`it did not connect within ${this.options.bootTimeoutMs} ms`);
    });
    try {
      const address = await dock.address();
      const token = randomBytes(32);
      this.#forget = dock.expect(token, (session) => {
        this.#session = session;
        return { message: (message) => this.#message(message), closed: (error) => this.#closed(error) };
      });
      const { id, pool, env, onParentLoss } = this.options;
      this.#machine = await backend.boot({
        runner: id,
        pool,
        address,
        token,
        env,
        onParentLoss,
        phase: (name) => this.#enter(name),
        output: (stream, line) => this.#output(stream, line),
        beat: () => this.#beat(),
      });
    } catch (error) {
      this.#fail(error instanceof Error ? error.message : String(error), error);
      return;
    }
    if (this.#killed) this.#machine.kill();
    void this.#machine.exited.then((exit) => this.#exited(exit));
  }

  /** Sends a call, preceded by the units that this runner does not have yet. False when the runner is gone. */
  dispatch(id: number, attempt: number, value: Payload, units: Iterable<number>): boolean {
    if (!this.open) return false;
    for (const number of units) {
      if (this.#sent.has(number)) continue;
      this.#sent.add(number);
      this.#sendModule(number);
    }
    this.calls++;
    this.#session!.send({ type: "call", id, attempt, value });
    return true;
  }

  send(message: Message): void {
    this.#session?.send(message);
  }

  /** Aborts the signal of a call; the reason is a courtesy. */
  cancel(id: number, reason: string): void {
    this.send({ type: "cancel", id, value: encode(reason, textOnly) });
  }

  /** Asks the runner to end by itself; whatever has not ended in time is killed. */
  drain(timeoutMs: number): void {
    this.#reason ??= "drained";
    this.#session?.send({ type: "drain" });
    const timer = this.#deps.clock.timer(timeoutMs, () => this.kill());
    void this.#machine?.exited.then(() => timer.cancel());
  }

  kill(reason?: string): void {
    this.#reason ??= reason;
    this.#killed = true;
    this.#machine?.kill();
  }

  /** While the parent's process exits. */
  exitNow(): void {
    this.#machine?.exitNow();
  }

  #sendModule(number: number): void {
    const unit = unitByNumber(number)!;
    const text = textOf(unit);
    this.#session!.send({
      type: "module",
      id: number,
      module: {
        ...text,
        path: unit.info?.path ?? "",
        siblings: unit.file.chunks ? [] : siblingsOf(unit),
        single: unit.single,
        early: unit.early,
        late: unit.late,
        binding: !unit.info,
        links: unit.links.map((link) => ({ name: link.name, unit: link.unit.number, early: link.early })),
      },
    });
  }

  #message(message: Message): void {
    switch (message.type) {
      case "hello":
        if (message.protocol !== protocolVersion) {
          throw new ProtocolError(
            `Cannot talk to runner ${this.id}: it speaks protocol ${message.protocol}, ${protocolVersion} is wanted`,
          );
        }
        this.#enter("connected");
        this.#session!.send({
          type: "welcome",
          pool: this.options.pool,
          entry: this.options.entry,
          concurrency: this.options.concurrency,
        });
        this.#session!.flush();
        break;
      case "ready":
        if (this.#state !== "booting") break;
        this.#state = "ready";
        this.#listen(this.#deps.clock.now());
        this.#bootTimer?.cancel();
        this.#enter("ready");
        this.#deps.events.emit("runner.ready", {
          pool: this.options.pool,
          runner: this.id,
          machine: this.#machine?.id ?? "",
          ms: this.ageMs,
        });
        this.#handlers.ready(this);
        break;
      case "log":
        if (message.stream === "stderr") this.#keep(message.line);
        this.#handlers.message(this, message);
        break;
      default:
        this.#handlers.message(this, message);
    }
  }

  #output(stream: "stdout" | "stderr", line: string): void {
    if (stream === "stderr") this.#keep(line);
    this.#handlers.output(this, stream, line);
  }

  #keep(line: string): void {
    this.#stderr.push(line);
    if (this.#stderr.length > keptLines) this.#stderr.shift();
  }

  #enter(phase: string): void {
    this.#phase = phase;
    this.#deps.events.emit("boot.phase", { pool: this.options.pool, runner: this.id, phase, ms: this.ageMs });
  }

  /** Without its connection a runner is of no use; one that exits closes it by that. */
  #closed(error?: Error): void {
    // What the system says of a broken pipe is less than how the process ended.
    if (error && !("syscall" in error)) this.#reason ??= error.message;
    this.#session = undefined;
    if (this.#exit) this.#gone(this.#exit);
    else this.#deps.clock.timer(exitMs, () => this.kill());
  }

  #exited(exit: MachineExit): void {
    this.#heart?.cancel();
    this.#forget?.();
    this.#exit = exit;
    if (this.#state === "booting") {
      this.#session?.destroy();
      this.#fail(`it ended with ${describeExit(exit)}`, undefined, exit.exitCode === hopelessExit);
    } else if (!this.#session) this.#gone(exit);
    // Otherwise its last words are still in the socket, whose end follows them.
  }

  #gone(exit: MachineExit): void {
    if (this.#state !== "ready") return;
    this.#state = "gone";
    const reason = this.#reason ?? describeExit(exit);
    this.#deps.events.emit("runner.gone", {
      pool: this.options.pool,
      runner: this.id,
      reason,
      ...exit,
      calls: this.calls,
      ms: this.ageMs,
    });
    this.#handlers.gone(this, { ...exit, reason, stderr: [...this.#stderr] });
  }

  #fail(reason: string, cause?: unknown, hopeless = false): void {
    if (this.#state !== "booting") return;
    this.#state = "gone";
    this.#bootTimer?.cancel();
    this.#forget?.();
    this.kill();
    const stderr = [...this.#stderr];
    const tail = stderr.length > 0 ? `\n${stderr.map((line) => `  | ${line}`).join("\n")}` : "";
    const error = new BootError(`Cannot boot runner ${this.id}: ${reason} (phase ${this.#phase})${tail}`, {
      cause,
      phase: this.#phase,
      stderr,
      permanent: hopeless || (cause as { permanent?: unknown } | undefined)?.permanent === true,
    });
    if (!this.#cancelled) this.#deps.events.emit("boot.failed", { pool: this.options.pool, runner: this.id, error });
    this.#handlers.bootFailed(this, error, !this.#cancelled);
  }

  #cancelled = false;

  /** Ends a boot that nobody needs any more. */
  cancelBoot(): void {
    this.#cancelled = true;
    this.#fail("it is not needed any more");
  }

  #beat(): void {
    this.#missed = 0;
    this.#patience = missedBeats;
  }

  /** From `ready` on; the guard is a thread that starts beside the first call, so its first beat may take longer. */
  #listen(since: number): void {
    const { clock } = this.#deps;
    this.#machine?.ping();
    this.#heart = clock.timer(beatMs, () => {
      const now = clock.now();
      // Late ourselves: what the runner may have missed meanwhile proves nothing.
      const late = now - since > beatMs * 1.5;
      if (!late && ++this.#missed >= this.#patience)
        this.kill(`heartbeat lost: no sign of life for ${this.#patience} s`);
      else if (this.#state === "ready") this.#listen(now);
    });
  }
}

function describeExit(exit: MachineExit): string {
  return exit.signal ? `signal ${exit.signal}` : `exit code ${exit.exitCode ?? "unknown"}`;
}
