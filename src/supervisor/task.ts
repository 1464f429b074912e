/** A function as a child. */
import { AbortError } from "../errors.ts";
import { refuseUnknown, resolveBoolean, show } from "../options.ts";
import type { Child, ChildSpec, ExitReason, StartContext } from "../ports/child.ts";
import { type Path, type SupervisorHost, whereOf } from "./host.ts";
import { exitError, killed } from "./life.ts";
import { checkSpec } from "./spec.ts";

export interface TaskContext {
  /** Aborts when the task is to stop. */
  readonly signal: AbortSignal;
  /** Says that the task is up, and gives what others use of it: `value` of the child. Only the first call counts. */
  readonly ready: (value?: unknown) => void;
}

export interface TaskOptions extends Pick<ChildSpec, "restart" | "shutdown" | "significant"> {
  /**
   * Whether the task is up only when it has called `ready`, rather than as soon as it has begun.
   *
   * @default true for a function that takes `ready` before it first waits, as `({ ready }) => ...` does
   */
  readonly waitForReady?: boolean;
}

const keys = ["restart", "shutdown", "significant", "waitForReady"] as const;

/** @throws TypeError for options that make no sense. */
export function taskSpec(
  id: string,
  run: (context: TaskContext) => unknown,
  options: TaskOptions,
  host: Pick<SupervisorHost, "events">,
): ChildSpec {
  if (typeof id !== "string" || id === "") {
    throw new TypeError(`Cannot use ${show(id)} as name of a task: a text that is not empty is wanted`);
  }
  if (typeof run !== "function") {
    throw new TypeError(`Cannot use ${show(run)} as task ${show(id)}: a function is wanted`);
  }
  refuseUnknown(options, keys, `task ${show(id)}`);
  const { waitForReady, ...spec } = options;
  if (waitForReady !== undefined) resolveBoolean(waitForReady, `"waitForReady" of task ${show(id)}`);
  const task: ChildSpec = { ...spec, id, start: (context) => new Task(id, run, waitForReady, context, host).up };
  checkSpec(task);
  return task;
}

class Task implements Child {
  value: unknown;
  readonly exited: Promise<ExitReason>;
  /** Resolves with the task when it is up; rejects when it fails before that. */
  readonly up: Promise<Child>;
  readonly #path: Path;
  readonly #host: Pick<SupervisorHost, "events">;
  readonly #abort = new AbortController();
  readonly #end: (reason: ExitReason) => void;
  readonly #isUp: (child: Child) => void;
  #over = false;
  #ready = false;

  constructor(
    id: string,
    run: (context: TaskContext) => unknown,
    waitForReady: boolean | undefined,
    { signal, path = [id] }: StartContext,
    host: Pick<SupervisorHost, "events">,
  ) {
    this.#path = path;
    this.#host = host;
    const exit = Promise.withResolvers<ExitReason>();
    const up = Promise.withResolvers<Child>();
    this.exited = exit.promise;
    this.up = up.promise;
    this.#end = exit.resolve;
    this.#isUp = up.resolve;

    const abort = (): void => this.stop("shutdown");
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();

    let asked = false;
    const ready = (value?: unknown): void => this.#becomesReady(value);
    const context: TaskContext = {
      signal: this.#abort.signal,
      get ready() {
        asked = true;
        return ready;
      },
    };
    const running = begin(run, context);
    if (!(waitForReady ?? asked)) this.#becomesReady(undefined);
    running.then(
      () => this.#ended(this.#abort.signal.aborted ? "shutdown" : "normal"),
      (error: unknown) => {
        const reason = this.#reasonOf(error);
        // One that was told to stop has ended as it should, also before it was up.
        if (!this.#ready && reason !== "shutdown") up.reject(error);
        this.#ended(reason);
      },
    );
    const off = (): void => signal.removeEventListener("abort", abort);
    this.up.then(off, off);
  }

  stop(mode: "shutdown" | "kill"): void {
    if (this.#over) return;
    this.#abort.abort(new AbortError(`Cannot go on with task ${show(this.#path.at(-1))}: it was told to stop`));
    if (mode === "shutdown") return;
    const why = "it is a function, which cannot be ended from outside";
    this.#over = true;
    this.#host.events.emit("child.forgotten", { ...whereOf(this.#path), why });
    this.#end(killed(this.#path, why));
    this.#isUp(this);
  }

  #becomesReady(value: unknown): void {
    if (this.#ready || this.#over) return;
    this.#ready = true;
    this.value = value;
    this.#isUp(this);
  }

  #ended(reason: ExitReason): void {
    this.#over = true;
    this.#end(reason);
    this.#isUp(this);
  }

  #reasonOf(error: unknown): ExitReason {
    const { signal } = this.#abort;
    if (signal.aborted && (error === signal.reason || (error as Error | undefined)?.name === "AbortError")) {
      return "shutdown";
    }
    return exitError(error);
  }
}

/** What it throws at once is a rejection like any other. */
async function begin(run: (context: TaskContext) => unknown, context: TaskContext): Promise<void> {
  await run(context);
}
