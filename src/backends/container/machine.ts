/** One container: what its pool knows as a machine. */
import type { Duplex } from "node:stream";
import type { BootRequest, Machine, MachineExit } from "../../ports/backend.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Admission, Claim, Guest } from "../../ports/gate.ts";
import type { Connection } from "../../ports/transport.ts";
import { admissionOf, lostConnection } from "../remote/admission.ts";
import type { EngineApi } from "./api.ts";
import { Console, type Stream } from "./console.ts";
import { bootLine, connectedLine, endingLine, endLine } from "./init.ts";

export interface ContainerDeps {
  readonly clock: Clock;
  readonly api: Pick<EngineApi, "remove" | "state">;
  readonly request: BootRequest;
  readonly flags: readonly string[];
  readonly windowMs: number;
  /** In words. */
  readonly memory: string | undefined;
  accept(connection: Connection): void;
  /** It is of no interest any more. */
  forget(container: Container): void;
  /** It could not be removed; it is tried again. */
  trouble(error: unknown): void;
}

/** What of its output is shown: the end of it, which is where the trouble is. */
const keptLines = 20;
/** What its first process may take to say how it has ended. */
const partingMs = 2_000;
/** Between two looks at one that has to go, and may be going. */
const firstPauseMs = 25;
const longestPauseMs = 2_000;

export class Container implements Machine {
  readonly id: string;
  readonly exited: Promise<MachineExit>;
  readonly #deps: ContainerDeps;
  readonly #console: Duplex;
  readonly #gone = Promise.withResolvers<MachineExit>();
  readonly #silent = Promise.withResolvers<void>();
  readonly #tail: string[] = [];
  readonly #phases = new Set<string>();
  #guest: Guest | undefined;
  #exit: MachineExit | undefined;
  #end: { readonly status: number; readonly killed: number } | undefined;
  #ending = false;
  #connected = false;
  #isOver = false;

  constructor(id: string, console: Duplex, deps: ContainerDeps) {
    this.id = id;
    this.#deps = deps;
    this.#console = console;
    this.exited = this.#gone.promise;
    const lines = new Console((stream, line) => this.#said(stream, line));
    console.on("data", (chunk: Buffer) => lines.push(chunk));
    console.on("error", () => undefined);
    console.once("close", () => {
      lines.flush();
      this.#silent.resolve();
      void this.#fellSilent();
    });
    // The other side has ended it; ours would stay open.
    console.once("end", () => console.destroy());
  }

  /** What its first process waits for, on its input. */
  tell(parameters: object): void {
    this.#console.write(`${JSON.stringify(parameters)}\n`);
  }

  /** It has come in and has proven who it is. */
  admit({ phases }: Claim): Admission | undefined {
    if (this.#ending || this.#connected) return undefined;
    this.#connected = true;
    const { clock, request, flags, windowMs, accept } = this.#deps;
    for (const phase of ["booted", "started", ...Object.keys(phases)]) this.#reached(phase);
    return admissionOf({
      clock,
      request,
      flags,
      windowMs,
      accept,
      attached: (guest) => {
        this.#guest = guest;
        if (!this.#ending) this.#console.write(connectedLine);
      },
      over: () => this.#isOver,
      exited: (exit) => {
        this.#exit = exit;
        void this.#finish(partingMs);
      },
      closed: (error) => {
        this.#guest = undefined;
        if (error) this.#exit ??= lostConnection(error);
        void this.#finish(partingMs);
      },
    });
  }

  ping(): void {
    this.#guest?.ping();
  }

  kill(): void {
    // The request may not get out any more where this process exits; this does.
    if (!this.#ending) this.#console.write(endingLine);
    this.#guest?.kill();
    void this.#finish(0);
  }

  exitNow(): void {
    if (this.#deps.request.onParentLoss === "kill") this.kill();
  }

  lastWords(): Promise<readonly string[]> {
    return Promise.resolve(this.#connected ? [] : [...this.#tail]);
  }

  #said(stream: Stream, line: string): void {
    const [, phase] = bootLine.exec(line) ?? [];
    const end = endLine.exec(line);
    if (phase !== undefined) this.#reached(phase);
    else if (end) this.#end = { status: Number(end[1]), killed: Number(end[2]) };
    else if (this.#connected) this.#deps.request.output(stream, line);
    else {
      this.#tail.push(line);
      if (this.#tail.length > keptLines) this.#tail.shift();
    }
  }

  #reached(phase: string): void {
    if (this.#phases.has(phase) || this.#ending) return;
    this.#phases.add(phase);
    this.#deps.request.phase(phase);
  }

  /** Its output has ended: with it, or because the engine has let go of us. */
  async #fellSilent(): Promise<void> {
    const { api } = this.#deps;
    for (let pauseMs = firstPauseMs; !this.#ending; pauseMs = Math.min(longestPauseMs, pauseMs * 2)) {
      const state = await api.state(this.id).catch(() => "unknown" as const);
      if (state !== "unknown" && !(state?.running ?? false)) {
        if (state?.oom === true) this.#end ??= { status: state.exitCode, killed: 1 };
        // One that is just removed says 0, whatever it was.
        if (state && state.exitCode !== 0) this.#end ??= { status: state.exitCode, killed: 0 };
        return this.#finish(0);
      }
      await this.#pause(pauseMs, false);
    }
  }

  /** Whatever it says itself, the engine is told to end it, and is asked until there is no such container. */
  async #finish(graceMs: number): Promise<void> {
    if (this.#ending) return;
    this.#ending = true;
    const { api, trouble } = this.#deps;
    if (graceMs > 0) await Promise.race([this.#silent.promise, this.#pause(graceMs, true)]);
    let told = false;
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(longestPauseMs, pauseMs * 2)) {
      try {
        if (!(await api.remove(this.id))) break;
      } catch (error) {
        if (!told) trouble(error);
        told = true;
      }
      await this.#pause(pauseMs, !told);
    }
    this.#over();
  }

  #over(): void {
    this.#isOver = true;
    this.#console.destroy();
    this.#deps.forget(this);
    this.#gone.resolve(this.#told());
    this.#guest?.gone();
  }

  /** How it has ended, by what is known of it from both sides. */
  #told(): MachineExit {
    const { memory } = this.#deps;
    const { status, killed } = this.#end ?? { status: 0, killed: 0 };
    const { exitCode, signal } = this.#exit ?? {};
    if (killed > 0 && (signal === "SIGKILL" || exitCode === 137 || status === 137)) {
      const limit = memory === undefined ? "" : `, of which its container may have ${memory}`;
      return { ...this.#exit, oom: true, reason: `out of memory${limit} (OOMKilled)` };
    }
    if (this.#exit) return this.#exit;
    return { reason: this.#end ? `status ${status} of its container` : "the end of its container" };
  }

  #pause(ms: number, hold: boolean): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#deps.clock.timer(ms, resolve).hold(hold);
    return promise;
  }
}
