/**
 * A native program as a supervised child: started, watched until it is ready, logged line by line, asked for its health, and
 * ended with all that it has started.
 */
import { BinaryExitError, BinaryStartError } from "../../errors.ts";
import type { Events } from "../../events/index.ts";
import type { Child, ChildSpec, ExitReason, StartContext } from "../../ports/child.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import { standFor } from "../../value/port.ts";
import type { Program, ProgramExit, StartProgram } from "../program.ts";
import { Health, type HealthDeps } from "./health.ts";
import { type Endpoint, type ResolvedService, type ServiceOptions, resolveService } from "./options.ts";
import { type Output, type Printer, follow } from "./output.ts";

export interface ServiceDeps extends HealthDeps {
  readonly clock: Clock;
  readonly start: StartProgram;
  readonly events: Events;
  /** Where lines go that no function of the user takes. */
  readonly printer: (name: string) => Printer;
  readonly environment: () => Readonly<Record<string, string | undefined>>;
}

/** What a running service is to others. */
export interface Service {
  readonly name: string;
  readonly pid: number;
  /** Resident memory of it and all that it has started, in bytes; undefined when it cannot be told. */
  memory(): number | undefined;
}

/** Longer than the service takes to end itself: what is left then is killed by whoever supervises it. */
const slackMs = 15_000;

/** The child spec of a service. Throws TypeError for options that make no sense. */
export function serviceSpec(name: string, options: ServiceOptions, deps: ServiceDeps): ChildSpec {
  const resolved = resolveService(name, options);
  const { restart, significant } = options;
  const start = (context: StartContext): Promise<Child> => startService(resolved, context, deps);
  // On a runner it is made again there: its program is to run where its supervisor is.
  standFor(start, "service", { name, options });
  return {
    id: name,
    ...(restart === undefined ? {} : { restart }),
    ...(significant === undefined ? {} : { significant }),
    shutdown: resolved.stop.graceMs + slackMs,
    start,
  };
}

async function startService(options: ResolvedService, { signal }: StartContext, deps: ServiceDeps): Promise<Child> {
  const { name, command, args, cwd, stop, limits } = options;
  signal.throwIfAborted();
  const program = await deps.start({
    name,
    command,
    args,
    env: { ...deps.environment(), ...options.env },
    ...(cwd === undefined ? {} : { cwd }),
    ...(limits === undefined ? {} : { limits }),
    stopSignal: stop.signal,
    graceMs: stop.graceMs,
    ...(options.again ? { standby: options } : {}),
  });
  // It is what this process is there for.
  program.hold(true);
  const running = new RunningService(program, options, deps);
  try {
    await running.ready(signal);
    return running;
  } catch (error) {
    running.stop("shutdown");
    await program.gone;
    throw error;
  }
}

class RunningService implements Child {
  readonly exited: Promise<ExitReason>;
  readonly value: Service;
  readonly #program: Program;
  readonly #options: ResolvedService;
  readonly #deps: ServiceDeps;
  readonly #output: Output;
  #health: Health | undefined;
  /** The first reason to end it wins. */
  #ended: "shutdown" | Error | undefined;

  constructor(program: Program, options: ResolvedService, deps: ServiceDeps) {
    const { name } = options;
    this.#program = program;
    this.#options = options;
    this.#deps = deps;
    this.value = { name, pid: program.pid, memory: () => program.memory() };
    this.#output = follow(program, printerOf(options, deps));
    this.exited = this.#end();
  }

  describe(): { readonly detail: string } {
    return { detail: `pid ${this.#program.pid}` };
  }

  stop(mode: "shutdown" | "kill"): void {
    this.#stop("shutdown", mode);
  }

  /** Rejects when it ends before it is ready, or does not become so in its time, or `signal` aborts. */
  async ready(signal: AbortSignal): Promise<void> {
    const { name, ready, readyMs, health } = this.#options;
    const { clock } = this.#deps;
    const done = new AbortController();
    let timer: Timer | undefined;
    try {
      await Promise.race([
        this.#sign(ready, done.signal),
        new Promise<never>((_resolve, reject) => {
          if (ready !== undefined)
            timer = clock.timer(readyMs, () => reject(this.#refused(`it was not ready within ${readyMs} ms`)));
          timer?.hold(true);
          const callOff = (): void => reject(signal.reason as Error);
          if (signal.aborted) callOff();
          signal.addEventListener("abort", callOff, { once: true, signal: done.signal });
        }),
        this.#program.exited.then((exit) => {
          throw this.#refused(`it exited with status ${exit.status} before it was ready`, this.#failure(exit));
        }),
      ]);
    } finally {
      timer?.cancel();
      done.abort();
    }
    if (health && this.#ended === undefined) {
      this.#health = new Health(health, this.#deps, (reason) => {
        this.#stop(new BinaryExitError(`Cannot keep ${name}: ${reason}; it is ended`, this.#facts()), "shutdown");
      });
      this.#health.start();
    }
  }

  async #sign(ready: ResolvedService["ready"], done: AbortSignal): Promise<void> {
    if (ready === undefined) return;
    if (typeof ready === "function" || ready instanceof RegExp) {
      const seen = typeof ready === "function" ? ready : (line: string) => line.search(ready) >= 0;
      await new Promise<void>((resolve, reject) => {
        this.#output.watch((line) => {
          try {
            if (done.aborted) return true;
            if (!seen(line)) return false;
            resolve();
          } catch (error) {
            reject(error instanceof Error ? error : new Error(String(error)));
          }
          return true;
        });
      });
      return;
    }
    await listens(ready, this.#deps, done);
  }

  async #end(): Promise<ExitReason> {
    const { name } = this.#options;
    const exit = await this.#program.exited;
    this.#health?.stop();
    const told = this.#ended;
    // Who is to be started again does not wait for the last look around.
    if (told !== undefined) await this.#program.gone;
    await this.#output.ended;
    const { status, signal, oom } = exit;
    this.#deps.events.emit("program.exited", {
      name,
      pid: this.#program.pid,
      status,
      wanted: told === "shutdown",
      ...(signal === undefined ? {} : { signal }),
      oom,
    });
    if (told !== undefined) return told;
    return exit.exitCode === 0 ? "normal" : this.#failure(exit);
  }

  #stop(reason: "shutdown" | Error, mode: "shutdown" | "kill"): void {
    this.#ended ??= reason;
    this.#health?.stop();
    if (mode === "kill") this.#program.kill();
    else void this.#program.stop();
  }

  #failure({ status, exitCode, signal, oom }: ProgramExit): BinaryExitError {
    const why = oom ? ", out of memory" : "";
    return new BinaryExitError(`${this.#options.name} exited with status ${status}${why}`, {
      ...this.#facts(),
      status,
      exitCode,
      signal,
      oom,
    });
  }

  #refused(what: string, cause?: Error): BinaryStartError {
    const { name } = this.#options;
    const last = this.#output.tail.at(-1);
    return new BinaryStartError(`Cannot start ${name}: ${what}${last === undefined ? "" : `; it said: ${last}`}`, {
      binary: name,
      cause,
    });
  }

  #facts(): { readonly binary: string; readonly pid: number; readonly stderr: string; readonly oom: boolean } {
    const { name } = this.#options;
    return { binary: name, pid: this.#program.pid, stderr: this.#output.tail.join("\n"), oom: false };
  }
}

const lookMs = 20;

async function listens(endpoint: Endpoint, { clock, connects }: HealthDeps, done: AbortSignal): Promise<void> {
  while (!done.aborted) {
    if (await connects(endpoint, 1_000)) return;
    await new Promise<void>((resolve) => clock.timer(lookMs, resolve).hold(true));
  }
}

function printerOf({ name, log }: ResolvedService, deps: ServiceDeps): Printer {
  if (log === true) return deps.printer(name);
  const resume = (): Promise<void> => Promise.resolve();
  if (log === false) return { print: () => true, resume };
  return {
    print(line, stream) {
      try {
        log(line, stream);
      } catch (error) {
        deps.events.emit("hook.failed", { event: `log of service ${name}`, error });
      }
      return true;
    },
    resume,
  };
}
