/**
 * One runner as its pool sees it: boots it, keeps its executors, listens for its heart, and tells how it ended. Decides
 * nothing about the pool. It is long because whatever is heard of a runner changes the one state that it has.
 */
import { type BootError, type BootPhase, ProtocolError } from "../errors.ts";
import type { Machine, MachineExit } from "../ports/backend.ts";
import type { Branch } from "../ports/child.ts";
import type { Timer } from "../ports/clock.ts";
import { Heart } from "../wire/heart.ts";
import { type Message, hopelessExit, protocolVersion } from "../wire/messages.ts";
import type { Session } from "../wire/session.ts";
import { Arrivals } from "./arrivals.ts";
import { LastWords, type LinkEnd, endOf } from "./exits.ts";
import { Executors } from "./executors.ts";
import { bootFailure, lastOf } from "./failures.ts";
import { runnerBranch } from "./branch.ts";
import type { LinkDeps, LinkOptions } from "./link-options.ts";
import type { Lane } from "./lane.ts";
import { redactError } from "./redact.ts";

export interface LinkHandlers {
  ready(link: RunnerLink): void;
  /** Exactly once instead of `ready`. `wanted` is false when the boot was taken back. */
  bootFailed(link: RunnerLink, error: BootError, wanted: boolean): void;
  /** Exactly once after `ready`: the runner is no more. */
  gone(link: RunnerLink, end: LinkEnd): void;
  /** One of several executors is no more; another one will come for it. */
  executorGone(link: RunnerLink, lane: Lane, end: LinkEnd): void;
  /** It will be gone soon, and takes no more calls. */
  leaving(link: RunnerLink): void;
  /** `slots` is another number. */
  slots(link: RunnerLink): void;
  message(link: RunnerLink, lane: Lane, message: Message): void;
  output(link: RunnerLink, call: number, stream: "stdout" | "stderr", line: string): void;
}

/** What a runner may take to exit after its connection is closed. */
const exitMs = 500;

export class RunnerLink {
  readonly options: LinkOptions;
  readonly #deps: LinkDeps;
  readonly #handlers: LinkHandlers;
  readonly #bornAt: number;
  readonly #heart: Heart;
  readonly #executors: Executors;
  readonly #arrivals: Arrivals;
  #machine: Machine | undefined;
  #agent: Session | undefined;
  #state: "booting" | "ready" | "gone" = "booting";
  readonly #phases: BootPhase[] = [];
  #bootTimer: Timer | undefined;
  #exit: MachineExit | undefined;
  /** Why it ends, when we know better than its exit status. The first reason counts. */
  #reason: string | undefined;
  #killed = false;
  #draining = false;
  #cancelled = false;
  readonly #stderr = new LastWords();
  /** Calls that it was given. */
  calls = 0;
  constructor(options: LinkOptions, deps: LinkDeps, handlers: LinkHandlers) {
    this.options = options;
    this.#deps = deps;
    this.#handlers = handlers;
    this.#bornAt = deps.clock.now();
    this.#heart = new Heart(deps.clock, {
      ping: () => this.#machine?.ping(),
      lost: (reason) => this.kill(reason),
    });
    this.#arrivals = new Arrivals(deps.dock);
    this.#executors = new Executors({ ...options, runner: options.id, runnerNumber: options.number });
  }

  get id(): string {
    return this.options.id;
  }

  get ageMs(): number {
    return this.#deps.clock.now() - this.#bornAt;
  }

  /** The time of its boot is as good as over, and its backend may know why. */
  get late(): boolean {
    return this.#state === "booting" && this.ageMs >= 0.9 * this.options.bootTimeoutMs && !!this.#machine?.lastWords;
  }

  get executors(): Executors {
    return this.#executors;
  }

  /** Asks what its executors keep up besides calls. */
  async look(): Promise<void> {
    await Promise.all(this.#executors.all.map((lane) => lane.look(this.#deps.clock)));
  }

  /** For people who look: itself, and what it keeps up. */
  get branch(): Branch {
    const state = this.#draining ? "draining" : this.#state === "booting" ? lastOf(this.#phases) : "ready";
    const since = this.#deps.clock.wall() - this.ageMs;
    const { calls } = this;
    return runnerBranch({ id: this.id, state, machine: this.#machine?.id, since, calls, lanes: this.#executors.all });
  }

  /** Resolves when its machine is known to be gone, or was never to be had. */
  async boot(): Promise<void> {
    const { backend, clock } = this.#deps;
    const { id, pool, env, onParentLoss, bootTimeoutMs } = this.options;
    this.#bootTimer = clock.timer(bootTimeoutMs, () => {
      const what = lastOf(this.#phases) === "setup" ? "its setup did not end" : "it did not connect";
      void this.#failWithWords(`${what} within ${bootTimeoutMs} ms`);
    });
    try {
      const address = await this.#deps.dock.address();
      const token = this.#arrivals.expect({
        arrived: (session) => (this.#agent = session),
        hear: (message) => this.#hear(message),
        closed: (error) => this.#closed(error),
      });
      this.#machine = await backend.boot({
        runner: id,
        pool,
        address,
        token,
        env,
        onParentLoss,
        phase: (name, agoMs) => this.#enter(name, agoMs),
        output: (stream, line) => this.#output(0, stream, line),
        beat: () => this.#heart.beat(),
        bootTimeoutMs,
        lifetimeMs: this.options.lifetimeMs,
        leaving: (reason) => this.#leaving(reason),
      });
    } catch (error) {
      return this.#fail(error instanceof Error ? error.message : String(error), error);
    }
    if (this.#killed) this.#machine.kill();
    this.#exited(await this.#machine.exited);
  }

  /** The executor takes no more calls; `stop` ends it when those that it has are of no interest any more. */
  retire(lane: Lane): void {
    lane.retired = true;
    this.#slotsChanged();
  }

  /** Ends one executor, which is the whole runner where there is only one. */
  stop(lane: Lane, reason: string): void {
    if (this.options.processes === 1) return this.kill(reason);
    if (!this.#executors.has(lane)) return;
    lane.reason ??= reason;
    this.#agent?.send({ type: "stop", id: lane.number });
  }

  /** Asks the runner to end by itself; whatever has not ended in time is killed. */
  drain(timeoutMs: number): void {
    this.#reason ??= "drained";
    this.#draining = true;
    if (this.options.processes > 1) for (const lane of this.#executors.all) this.#drainLane(lane);
    this.#agent?.send({ type: "drain" });
    const timer = this.#deps.clock.timer(timeoutMs, () => this.kill());
    void this.#machine?.exited.then(() => timer.cancel());
  }

  /** One that is still on its way up would never hear of it. */
  #drainLane(lane: Lane): void {
    if (lane.open) lane.send({ type: "drain" });
    else this.#agent?.send({ type: "stop", id: lane.number });
  }

  kill(reason?: string): void {
    this.#reason ??= reason;
    this.#killed = true;
    this.#machine?.kill();
  }

  exitNow(): void {
    this.#machine?.exitNow();
  }

  /** Nobody needs it any more. */
  cancelBoot(): void {
    this.#cancelled = true;
    this.#fail("it is not needed any more");
  }

  #slotsChanged(): void {
    if (this.#state === "ready") this.#handlers.slots(this);
  }

  /** What the machine's own process says; with one executor it is that executor, too. */
  #hear(message: Message): void {
    const only = this.options.processes === 1;
    switch (message.type) {
      case "hello":
        this.#welcome(message.protocol, this.#agent!, only ? 0 : this.options.processes, this.#executors.first);
        this.#enter("connected");
        break;
      case "ready":
        if (only) this.#executors.first.attach(this.#agent!);
        this.#heart.start();
        if (only) void this.#setUp(this.#executors.first);
        else for (const lane of this.#executors.all) this.#start(lane);
        break;
      case "exited":
        this.#executorExited(message);
        break;
      case "drain":
        this.#agent?.send({ type: "ack" });
        break;
      default:
        this.#hearLane(this.#executors.first, message);
    }
  }

  #welcome(protocol: number, session: Session, executors: number, { units }: Lane): void {
    if (protocol !== protocolVersion) {
      throw new ProtocolError(
        `Cannot talk to runner ${this.id}: it speaks protocol ${protocol}, ${protocolVersion} is wanted`,
      );
    }
    const { pool, entry, lifetimeMs } = this.options;
    session.send({
      type: "welcome",
      pool,
      entry,
      executors,
      lifetimeMs: lifetimeMs === Infinity ? 0 : Math.ceil(lifetimeMs),
      units,
      secrets: executors > 0 ? [] : Object.entries(this.options.secrets).map(([name, value]) => ({ name, value })),
    });
    session.flush();
  }

  #hearLane(lane: Lane, message: Message): void {
    switch (message.type) {
      case "log":
        this.#output(message.id, message.stream, message.line);
        break;
      case "drain":
        lane.send({ type: "ack" });
        break;
      case "tree":
        lane.saw(message.id, message.text);
        break;
      case "result":
      case "error":
        if (!lane.answered(message)) this.#handlers.message(this, lane, message);
        break;
      default:
        this.#handlers.message(this, lane, message);
    }
  }

  /** Starts the process of one of several executors. */
  #start(lane: Lane): void {
    const hear = (message: Message): void => {
      if (message.type === "hello") this.#welcome(message.protocol, session!, 0, lane);
      else if (message.type === "ready") void this.#setUp(lane);
      else this.#hearLane(lane, message);
    };
    let session: Session | undefined;
    const token = this.#arrivals.expect({
      arrived: (found) => lane.attach((session = found)),
      hear,
      closed: (error) => this.#laneClosed(lane, error),
    });
    this.#agent?.send({ type: "start", id: lane.number, token });
  }

  async #setUp(lane: Lane): Promise<void> {
    const steps = this.options.setup(lane.number);
    try {
      if (steps.length > 0 && this.#state === "booting") this.#enter("setup");
      for (const step of steps) await lane.ask(step);
    } catch (error) {
      // It has ended meanwhile, and how will be told.
      if (!lane.open) return;
      const reason = `its setup failed: ${error instanceof Error ? error.message : String(error)}`;
      if (this.#state === "booting") this.#fail(reason, error, true);
      else this.stop(lane, reason);
      return;
    }
    this.#executors.up(lane);
    if (this.#state === "ready") this.#slotsChanged();
    else if (this.#state === "booting" && this.#executors.ready) this.#ready();
  }

  #ready(): void {
    this.#state = "ready";
    this.#bootTimer?.cancel();
    this.#enter("ready");
    const { pool } = this.options;
    this.#deps.events.emit("runner.ready", { pool, runner: this.id, machine: this.#machine?.id ?? "", ms: this.ageMs });
    this.#handlers.ready(this);
  }

  /** The news of an executor's end come on two ways: what it said itself must have been heard before it is judged. */
  #laneClosed(lane: Lane, error?: Error): void {
    lane.detach(error);
    this.#slotsChanged();
    if (this.#exit) this.#goneOnceHeard();
    else if (lane.exit) this.#laneEnded(lane, lane.exit);
    else this.#deps.clock.timer(exitMs, () => this.stop(lane, "it closed its connection"));
  }

  #executorExited({ id, exitCode, signal, reason }: Extract<Message, { type: "exited" }>): void {
    const lane = this.#executors.all[id];
    if (!lane) return this.kill(`protocol error: it has no executor ${id}`);
    lane.reason ??= reason ?? undefined;
    lane.exit = { ...(exitCode === null ? {} : { exitCode }), ...(signal === null ? {} : { signal }) };
    if (!lane.attached) this.#laneEnded(lane, lane.exit);
  }

  #laneEnded(lane: Lane, exit: MachineExit): void {
    const end = endOf(exit, lane.reason, this.#stderr);
    this.#stderr.outOfMemory = false;
    if (this.#state === "booting") return this.#fail(`its executor ${lane.number} ended: ${end.reason}`);
    if (this.#state === "gone") return;
    if (this.#draining) return;
    const next = this.#executors.replace(lane);
    this.#deps.events.emit("executor.exited", {
      pool: this.options.pool,
      runner: this.id,
      executor: lane.number,
      reason: end.reason,
      ...exit,
    });
    this.#handlers.executorGone(this, lane, end);
    if (next) this.#start(next);
    else this.kill(`its executor ${lane.number} does not come up again: ${end.reason}`);
  }

  #output(call: number, stream: "stdout" | "stderr", text: string): void {
    const line = this.#deps.redact(text);
    if (stream === "stderr") this.#stderr.add(line);
    this.#handlers.output(this, call, stream, line);
  }

  #enter(phase: string, agoMs = 0): void {
    const ms = this.ageMs - agoMs;
    this.#phases.push({ phase, ms });
    this.#deps.events.emit("boot.phase", { pool: this.options.pool, runner: this.id, phase, ms });
  }

  /** Without its connection a runner is of no use; one that exits closes it by that. */
  #closed(error?: Error): void {
    // What the system says of a broken pipe is less than how the process ended; and what is said of a connection, less than of its machine.
    if (error && !this.#exit && !("syscall" in error)) this.#reason ??= error.message;
    this.#agent = undefined;
    if (this.options.processes === 1) this.#executors.first.detach(error);
    this.#slotsChanged();
    if (this.#exit) this.#goneOnceHeard();
    else this.#deps.clock.timer(exitMs, () => this.kill());
  }

  #exited(exit: MachineExit): void {
    this.#heart.stop();
    this.#arrivals.forget();
    this.#exit = exit;
    if (this.#state === "booting") {
      this.#arrivals.destroy();
      const { reason } = endOf(exit, this.#reason, this.#stderr);
      void this.#failWithWords(`it ended with ${reason}`, exit.exitCode === hopelessExit);
    } else this.#goneOnceHeard();
  }

  /** Last words are still in the sockets, whose ends follow them. */
  #goneOnceHeard(): void {
    if (this.#state !== "ready" || !this.#exit || this.#arrivals.open > 0) return;
    this.#state = "gone";
    const end = endOf(this.#exit, this.#reason, this.#stderr);
    const { calls, ageMs: ms } = this;
    const { reason } = end;
    const { pool } = this.options;
    this.#deps.events.emit("runner.gone", { ...this.#exit, pool, runner: this.id, reason, calls, ms });
    this.#handlers.gone(this, end);
  }

  #leaving(reason: string): void {
    this.#reason ??= reason;
    if (this.#state !== "gone") this.#handlers.leaving(this);
  }

  /** With what the machine said where only its backend can look. */
  async #failWithWords(reason: string, hopeless = false): Promise<void> {
    if (this.#machine?.lastWords) await this.#stderr.ask(this.#machine, this.#deps.clock, this.#deps.redact);
    this.#fail(reason, undefined, hopeless);
  }

  #fail(reason: string, cause?: unknown, hopeless = false): void {
    if (this.#state !== "booting") return;
    this.#state = "gone";
    this.#bootTimer?.cancel();
    this.#heart.stop();
    this.#arrivals.forget();
    this.kill();
    const permanent = hopeless || (cause as { permanent?: unknown } | undefined)?.permanent === true;
    redactError(cause, this.#deps.redact);
    const facts = { phases: this.#phases, permanent, stderr: [...this.#stderr.lines] };
    const error = bootFailure(this.id, this.#deps.redact(reason), cause, facts);
    if (!this.#cancelled) this.#deps.events.emit("boot.failed", { pool: this.options.pool, runner: this.id, error });
    this.#handlers.bootFailed(this, error, !this.#cancelled);
  }
}
