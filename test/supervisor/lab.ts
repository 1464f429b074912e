/** Supervisors on a clock that stands still, with children that do what a test says. */
import assert from "node:assert/strict";
import { onTestFinished } from "vitest";
import { type EventMap, type EventName, Events } from "../../src/events/index.ts";
import type { Child, ChildSpec, ExitReason, StartContext } from "../../src/ports/child.ts";
import { type DynamicSupervisor, dynamicSupervisorSpec } from "../../src/supervisor/dynamic.ts";
import type { SupervisorHost } from "../../src/supervisor/host.ts";
import type { DynamicSupervisorOptions, SupervisorOptions } from "../../src/supervisor/options.ts";
import { type Supervisor, supervisorSpec } from "../../src/supervisor/supervisor.ts";
import { type TaskContext, type TaskOptions, taskSpec } from "../../src/supervisor/task.ts";
import { FakeClock } from "../harness/fake-clock.ts";

/** What the next start does; an error or any other thing is thrown or given as it is. */
export type Plan = "ok" | "fail" | "throw" | "hang" | "ignore" | { readonly give: unknown } | Error;

/** Ends when asked; only when killed; never. */
export type Temper = "obedient" | "deaf" | "immortal";

export const abnormal = new Error("abnormal");

/** Lets everything that is due without time passing happen. */
export const turn = () => new Promise<void>((resolve) => void setImmediate(resolve));

/** How a promise ends, as something to compare. */
export const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => ({ value }),
    (error: unknown) => error,
  );

export class Run implements Child {
  readonly exited: Promise<ExitReason>;
  readonly value: unknown;
  readonly program: Program;
  readonly told: string[] = [];
  reason: ExitReason | undefined;
  readonly #resolve: (reason: ExitReason) => void;

  constructor(program: Program) {
    this.program = program;
    const { promise, resolve } = Promise.withResolvers<ExitReason>();
    this.exited = promise;
    this.#resolve = resolve;
    this.value = `${program.id} ${program.runs.length + 1}`;
  }

  exit(reason: ExitReason): void {
    if (this.reason === undefined) this.program.lab.log.push(`end ${this.program.id}`);
    this.reason ??= reason;
    this.#resolve(reason);
  }

  stop(mode: "shutdown" | "kill"): void {
    this.told.push(mode);
    this.program.lab.log.push(`${mode === "kill" ? "kill" : "stop"} ${this.program.id}`);
    const { temper, onStop } = this.program;
    if (mode === "shutdown" && onStop !== undefined) return this.exit(onStop);
    if (temper === "obedient" || (temper === "deaf" && mode === "kill")) {
      this.exit(mode === "kill" ? new Error("killed") : "shutdown");
    }
  }
}

export interface ProgramOptions extends Partial<Omit<ChildSpec, "id" | "start">> {
  readonly plans?: readonly Plan[];
  readonly temper?: Temper;
  /** How it ends when asked to. */
  readonly onStop?: ExitReason;
}

export class Program {
  readonly lab: Lab;
  readonly id: string;
  readonly spec: ChildSpec;
  readonly runs: Run[] = [];
  /** What the next starts do; after these they are "ok". */
  plans: Plan[];
  temper: Temper;
  onStop: ExitReason | undefined;
  starts = 0;
  contexts: StartContext[] = [];
  extra: unknown[][] = [];
  /** Answers the start that hangs. */
  answer: (child: Child | undefined) => void = () => {};
  refuse: (error: unknown) => void = () => {};

  constructor(lab: Lab, id: string, { plans = [], temper = "obedient", onStop, ...spec }: ProgramOptions) {
    this.lab = lab;
    this.id = id;
    this.plans = [...plans];
    this.temper = temper;
    this.onStop = onStop;
    this.spec = { ...spec, id, start: (context, ...extra) => this.#start(context, extra) };
  }

  get run(): Run {
    return this.runs.at(-1)!;
  }

  get alive(): boolean {
    return this.runs.some(({ reason }) => reason === undefined);
  }

  newRun(): Run {
    assert(this.temper === "immortal" || !this.alive, `two of ${this.id} are alive`);
    const run = new Run(this);
    this.runs.push(run);
    return run;
  }

  async exit(reason: ExitReason): Promise<void> {
    this.run.exit(reason);
    await turn();
  }

  #start(context: StartContext, extra: unknown[]): Child | undefined | Promise<Child | undefined> {
    this.starts++;
    this.contexts.push(context);
    this.extra.push(extra);
    this.lab.log.push(`start ${this.id}`);
    const plan = this.plans.shift() ?? "ok";
    if (plan === "throw") throw new Error(`${this.id} threw`);
    if (plan === "ok") return Promise.resolve(this.newRun());
    if (plan === "fail") return Promise.reject(new Error(`${this.id} failed`));
    if (plan === "ignore") return undefined;
    if (plan instanceof Error) return Promise.reject(plan);
    if (plan !== "hang") return plan.give as Child;
    const { promise, resolve, reject } = Promise.withResolvers<Child | undefined>();
    this.answer = resolve;
    this.refuse = reject;
    return promise;
  }
}

export class Lab {
  readonly clock = new FakeClock();
  readonly events = new Events();
  readonly log: string[] = [];
  readonly host: SupervisorHost = { clock: this.clock, events: this.events, random: () => 1 };
  readonly programs: Program[] = [];
  readonly #tops: (Supervisor | DynamicSupervisor)[] = [];

  constructor() {
    onTestFinished(async () => {
      for (const top of this.#tops) {
        top.exited.catch(() => undefined);
        void top.stop("kill");
      }
      await turn();
      this.clock.advance(10_000);
      await turn();
      const alive = this.programs.filter(({ temper, alive: left }) => left && temper !== "immortal");
      assert.deepEqual(
        alive.map(({ id }) => id),
        [],
      );
      assert.equal(this.clock.pending({ held: true }), 0, "timers keep the process alive");
    });
  }

  program(id: string, options: ProgramOptions = {}): Program {
    const program = new Program(this, id, options);
    this.programs.push(program);
    return program;
  }

  /** Several with the same options. */
  some(ids: string, options: ProgramOptions = {}): Program[] {
    return ids.split(" ").map((id) => this.program(id, options));
  }

  async supervise(options: SupervisorOptions, ...programs: Program[]): Promise<Supervisor> {
    const children = [...programs.map(({ spec }) => spec), ...(options.children ?? [])];
    const supervisor = await supervisorSpec({ id: "root", ...options, children }, this.host).start();
    this.#tops.push(supervisor);
    return supervisor;
  }

  async dynamic(options: DynamicSupervisorOptions = {}): Promise<DynamicSupervisor> {
    const supervisor = await dynamicSupervisorSpec({ id: "root", ...options }, this.host).start();
    this.#tops.push(supervisor);
    return supervisor;
  }

  task(id: string, run: (context: TaskContext) => unknown, options: TaskOptions = {}): ChildSpec {
    return taskSpec(id, run, options, this.host);
  }

  /** Time passes, and what follows from it happens. */
  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    await turn();
  }

  /** What has happened since the last look. */
  seen(): string {
    return this.log.splice(0).join(", ");
  }

  record<N extends EventName>(name: N): EventMap[N][] {
    const seen: EventMap[N][] = [];
    this.events.on(name, (event) => void seen.push(event));
    return seen;
  }
}

/** The children of a supervisor with their status. */
export const who = (supervisor: Supervisor | DynamicSupervisor): string =>
  supervisor
    .children()
    .map(({ id, status }) => (status === "running" ? id : `${id} ${status}`))
    .join(", ");

/** OTP's four numbers. */
export function counts(supervisor: Supervisor | DynamicSupervisor): number[] {
  const { specs, active, supervisors, workers } = supervisor.count();
  return [specs, active, supervisors, workers];
}
