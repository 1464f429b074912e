/**
 * The executors of a machine that has several, under a supervisor of their own: starts each when the parent says so, notices when one ends or falls
 * silent, cleans up behind it, and says how it ended. Decides nothing about calls.
 */
import { systemClock } from "../src/clock.ts";
import { launch } from "../src/backends/local.ts";
import { events } from "../src/events/index.ts";
import type { Machine } from "../src/ports/backend.ts";
import type { Child, ExitReason } from "../src/ports/child.ts";
import { dynamicSupervisorSpec } from "../src/supervisor/dynamic.ts";
import { Heart } from "../src/wire/heart.ts";
import type { Message } from "../src/wire/messages.ts";
import { endStrays } from "./strays.ts";

export interface CrewOptions {
  readonly agent: string;
  readonly address: string;
  readonly runner: string;
  readonly pool: string;
  readonly onParentLoss: "kill" | "drain";
  send(message: Message): void;
  output(stream: "stdout" | "stderr", line: string): void;
}

interface Member {
  machine: Machine | undefined;
  /** It is to end, perhaps before it has begun. */
  stopped: boolean;
  reason: string | null;
}

export class Crew {
  readonly #options: CrewOptions;
  readonly #members = new Map<number, Member>();
  /** Each is temporary: which of them is started again, and when, the parent says. */
  readonly #tree = dynamicSupervisorSpec({ id: "executors" }, { clock: systemClock, events }).start();
  #drained: (() => void) | undefined;

  constructor(options: CrewOptions) {
    this.#options = options;
  }

  async start(number: number, token: Buffer): Promise<void> {
    const member: Member = { machine: undefined, stopped: false, reason: null };
    this.#members.set(number, member);
    const start = (): Promise<Child> => this.#launch(number, member, token);
    try {
      await (await this.#tree).startChild({ id: `executor ${number}`, restart: "temporary", start });
    } catch (error) {
      const { cause = error } = error as { readonly cause?: unknown };
      this.#ended(number, null, null, cause instanceof Error ? cause.message : String(cause));
    }
  }

  async #launch(number: number, member: Member, token: Buffer): Promise<Child> {
    const { agent, address, runner, pool, onParentLoss, output } = this.#options;
    const heart = new Heart(systemClock, {
      ping: () => member.machine?.ping(),
      lost: (reason) => {
        member.reason = reason;
        member.machine?.kill();
      },
    });
    const env = Object.fromEntries(Object.entries(process.env).filter((entry) => entry[1] !== undefined));
    const where = { runner, pool, address, onParentLoss, bootTimeoutMs: Infinity, lifetimeMs: Infinity };
    const request = { ...where, token, env: env as Record<string, string>, output, phase() {}, leaving() {} };
    const machine = await launch({ ...request, beat: () => heart.beat() }, agent, "executor");
    member.machine = machine;
    if (member.stopped) machine.kill();
    heart.start();
    const exited = machine.exited.then(({ exitCode = null, signal = null }): ExitReason => {
      heart.stop();
      this.#ended(number, exitCode, signal, member.reason);
      return "normal";
    });
    return { exited, stop: () => machine.kill() };
  }

  stop(number: number): void {
    const member = this.#members.get(number);
    if (!member) return;
    member.stopped = true;
    member.machine?.kill();
  }

  /** Calls `done` once the last executor has ended; each is told by the parent itself. */
  drain(done: () => void): void {
    this.#drained = done;
    if (this.#members.size === 0) done();
  }

  #ended(number: number, exitCode: number | null, signal: string | null, reason: string | null): void {
    this.#members.delete(number);
    endStrays();
    this.#options.send({ type: "exited", id: number, exitCode, signal, reason });
    if (this.#members.size === 0) this.#drained?.();
  }
}
