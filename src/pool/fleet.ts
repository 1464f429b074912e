/** The runners of a pool: boots them as the core says, counts how that went, and passes on what they say. */
import { type Captured, type CapturedValue, capture } from "../closure/capture.ts";
import { type BootError, ProtocolError } from "../errors.ts";
import type { Events } from "../events/index.ts";
import type { Branch } from "../ports/child.ts";
import type { Clock } from "../ports/clock.ts";
import { Waiters } from "../waiters.ts";
import { Dock } from "../wire/dock.ts";
import type { Event } from "./decisions.ts";
import { type LinkHandlers, RunnerLink } from "./link.ts";
import type { ResolvedPoolOptions } from "./options.ts";
import { redactor } from "./redact.ts";
import { prepareSetup } from "./setup.ts";

export interface FleetDeps {
  readonly clock: Clock;
  readonly events: Events;
  /** URL of the application's entry file, which runners must not import. */
  readonly entry: string | null;
}

export interface FleetHandlers extends Pick<LinkHandlers, "gone" | "executorGone" | "message" | "output"> {
  step(event: Event): void;
  /** A boot that was wanted has failed, and trying again cannot help. */
  hopeless(error: BootError): void;
  /** A machine less, whatever the reason. */
  fewer(): void;
}

/** What a runner may take to say whether it may go. */
const checkMs = 5_000;
/** What a boot that has failed may take to say why: a little more than what asking its machine may take. */
const lastWordMs = 6_000;

export class Fleet {
  readonly boots = { ok: 0, failed: 0 };
  #lastBootError: BootError | undefined;
  readonly #failures = new Waiters();
  readonly redact: (text: string) => string;
  readonly #pool: string;
  readonly #options: ResolvedPoolOptions;
  readonly #deps: FleetDeps;
  readonly #handlers: FleetHandlers;
  readonly #dock: Dock;
  readonly #links = new Map<number, RunnerLink>();
  #machines = 0;
  readonly #setup: (executor: number) => readonly CapturedValue[];
  readonly #idleCheck: Captured | undefined;

  /** Throws `CaptureError` when `binaries`, `children`, `setup` or `idleCheck` reach what cannot travel. */
  constructor(pool: string, options: ResolvedPoolOptions, deps: FleetDeps, handlers: FleetHandlers) {
    this.#pool = pool;
    this.#options = options;
    this.#deps = deps;
    this.#handlers = handlers;
    this.#setup = prepareSetup(options);
    this.#idleCheck = options.idleCheck && capture(options.idleCheck);
    this.#dock = new Dock(options.backend.listen, deps.clock);
    this.redact = redactor(options.secrets);
  }

  /** Nothing is left: also no machine whose boot has failed, and whose end is not known yet. */
  get empty(): boolean {
    return this.#links.size === 0 && this.#machines === 0;
  }

  get(number: number): RunnerLink | undefined {
    return this.#links.get(number);
  }

  boot(number: number): void {
    const { lifetimeMs, drainTimeoutMs } = this.#options;
    const link = new RunnerLink(
      {
        ...this.#options,
        pool: this.#pool,
        id: `${this.#pool}-${number}`,
        number,
        entry: this.#deps.entry,
        setup: this.#setup,
        // Its pool drains it at that age; what follows is for a pool that cannot.
        lifetimeMs: lifetimeMs + drainTimeoutMs,
      },
      { ...this.#deps, backend: this.#options.backend, dock: this.#dock, redact: this.redact },
      this.#linkHandlers,
    );
    this.#links.set(number, link);
    this.#machines++;
    void link.boot().finally(() => {
      this.#machines--;
      this.#handlers.fewer();
    });
  }

  drain(number: number, reason: string): void {
    const link = this.#links.get(number)!;
    this.#deps.events.emit("runner.draining", { pool: this.#pool, runner: link.id, reason });
    link.drain(this.#options.drainTimeoutMs);
  }

  /** Asks the runner's `idleCheck`. One that throws or does not answer is an event, and does not keep a machine alive. */
  async check(number: number): Promise<void> {
    const link = this.#links.get(number)!;
    let idle = true;
    let timer;
    try {
      const late = new Promise<never>((_, reject) => {
        timer = this.#deps.clock.timer(checkMs, () =>
          reject(new Error(`Cannot wait for idleCheck of runner ${link.id}: no answer within ${checkMs} ms`)),
        );
      });
      idle = await Promise.race([link.executors.ask(this.#idleCheck!), late]);
    } catch (error) {
      // A runner that ended meanwhile is told of elsewhere.
      if (!(error instanceof ProtocolError)) this.#deps.events.emit("hook.failed", { event: "idleCheck", error });
    } finally {
      (timer as { cancel(): void } | undefined)?.cancel();
    }
    this.#handlers.step({ type: "checked", runner: number, idle });
  }

  branches(): Branch[] {
    return [...this.#links.values()].map((link) => link.branch);
  }

  /** Why boots lead to nothing; when the time of one is over just now, it is asked first. */
  async lastWord(): Promise<BootError | undefined> {
    const told = (): boolean => !!this.#lastBootError || ![...this.#links.values()].some(({ late }) => late);
    await this.#failures.until(told, lastWordMs, this.#deps.clock);
    return this.#lastBootError;
  }

  async look(): Promise<void> {
    await Promise.all([...this.#links.values()].map((link) => link.look()));
  }

  killAll(reason: string): void {
    for (const link of this.#links.values()) link.kill(reason);
  }

  /** While the parent's process exits: nothing may be left. */
  exitNow(): void {
    for (const link of this.#links.values()) link.exitNow();
  }

  /** Once the last runner has gone. */
  async close(): Promise<void> {
    await this.#dock.close();
  }

  readonly #linkHandlers: LinkHandlers = {
    ready: (link) => {
      this.boots.ok++;
      this.#handlers.step({ type: "booted", runner: link.options.number });
    },
    bootFailed: (link, error, wanted) => {
      if (wanted) {
        this.boots.failed++;
        this.#lastBootError = error;
      }
      this.#links.delete(link.options.number);
      this.#handlers.step({ type: "bootFailed", runner: link.options.number });
      this.#failures.wake();
      if (wanted && error.permanent) this.#handlers.hopeless(error);
      this.#handlers.fewer();
    },
    gone: (link, end) => {
      this.#links.delete(link.options.number);
      this.#handlers.gone(link, end);
      this.#handlers.fewer();
    },
    executorGone: (link, lane, end) => this.#handlers.executorGone(link, lane, end),
    leaving: (link) => this.#handlers.step({ type: "retire", runner: link.options.number }),
    slots: (link) => this.#handlers.step({ type: "slots", runner: link.options.number, slots: link.executors.slots }),
    message: (link, lane, message) => this.#handlers.message(link, lane, message),
    output: (link, call, stream, line) => this.#handlers.output(link, call, stream, line),
  };
}
