/** Native programs of this process (see program.ts for what holds): starts them, and ends them with all that they start. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { statSync } from "node:fs";
import { constants } from "node:os";
import type { Readable, Writable } from "node:stream";
import { CommandError } from "../errors.ts";
import { markVariable, newMark } from "../mark.ts";
import { show } from "../options.ts";
import type { Clock } from "../ports/clock.ts";
import type { Cgroup } from "./cgroup.ts";
import { findCommand } from "./command.ts";
import { Family } from "./family.ts";
import { resolveLimits } from "./limits.ts";
import { Owner, type OwnerDeps } from "./owner.ts";
import { Standby } from "./standby.ts";
import { defaultGraceMs } from "./stop.ts";
import { wrapperOf } from "./wrapper.ts";
import type { Program, ProgramExit, ProgramOptions } from "./program.ts";

export interface ProgramDeps extends OwnerDeps {
  readonly clock: Clock;
}

export class Programs {
  readonly #deps: ProgramDeps;
  readonly #owner: Owner;
  readonly #running = new Set<NativeProgram>();
  readonly #standby: Standby;

  constructor(deps: ProgramDeps) {
    this.#deps = deps;
    this.#owner = new Owner(deps);
    this.#standby = new Standby(deps.clock);
  }

  /** Process number of the watchdog, while there is one. */
  get watchdog(): number | undefined {
    return this.#owner.watchdog.pid;
  }

  /** All that run, by their own stop contract. */
  async stop(): Promise<void> {
    this.#standby.close();
    await Promise.all([...this.#running].map((program) => program.stop()));
  }

  /** @throws CommandError when there is no such program, it must not be executed, or a limit cannot be kept with `strict`. */
  readonly start = async (options: ProgramOptions): Promise<Program> => {
    const { command, args = [], env = process.env, cwd = process.cwd(), standby } = options;
    if (!statSync(cwd, { throwIfNoEntry: false })?.isDirectory()) {
      throw new CommandError(`Cannot start ${show(command)}: its working folder ${cwd} does not exist; check "cwd"`, {
        command,
      });
    }
    const file = findCommand(command, env["PATH"], cwd);
    if (!standby) return (await this.#launch(options, file)).program;
    const program = this.#standby.take(standby, file, args, env) ?? (await this.#launch(options, file)).program;
    this.#standby.provide(standby, program, async () => {
      const { program: next, door } = await this.#launch(options, undefined);
      return { program: next, door: door!, env: { ...env } };
    });
    return program;
  };

  /** Without a file it waits for what it is to become, which its door takes. */
  async #launch(options: ProgramOptions, file: string | undefined): Promise<{ program: Program; door?: Writable }> {
    const { name, command, args = [], env = process.env, cwd, standby } = options;
    const { stopSignal = "SIGTERM", graceMs = defaultGraceMs } = options;
    const limits = resolveLimits(options.limits, name);
    const { mark, value } = newMark(env, "program");
    const leave = this.#owner.enter(command);
    let cgroup: Cgroup | undefined;
    let child: Spawned | undefined;
    try {
      cgroup = this.#owner.cgroup(limits, name);
      const wrapper = wrapperOf(limits, cgroup, file === undefined);
      const words = file === undefined ? [] : [file, ...args];
      child = spawn(wrapper ? "/bin/sh" : words[0]!, wrapper ? [...wrapper, ...words] : words.slice(1), {
        stdio: file === undefined ? ["pipe", "pipe", "pipe", "pipe"] : ["pipe", "pipe", "pipe"],
        cwd,
        env: { ...env, [markVariable]: value },
        // A session of its own: a terminal's signals are not for it, and ours reach its whole group.
        detached: true,
      }) as Spawned;
      // Without a process there are no pipes either.
      if (child.pid === undefined) throw ((await once(child, "error")) as [Error])[0];
      const { pid } = child;
      child.stdin.on("error", () => {});
      this.#owner.watchdog.add({ pid, stopSignal, graceMs });
      const family = new Family({ pid, mark, cgroup, clock: this.#deps.clock });
      const told = (): void => void (standby && this.#standby.discard(standby));
      const program = new NativeProgram(child, family, {
        ...this.#deps,
        stopSignal,
        graceMs,
        name,
        standby: standby !== undefined,
        told,
      });
      this.#running.add(program);
      void program.gone.then(() => {
        this.#running.delete(program);
        this.#owner.watchdog.remove(pid);
        leave();
      });
      const door = child.stdio[3] as Writable | undefined;
      if (!door) return { program };
      door.on("error", () => {});
      (door as unknown as { unref(): void }).unref();
      return { program, door };
    } catch (error) {
      child?.kill("SIGKILL");
      cgroup?.remove();
      leave();
      if (error instanceof CommandError) throw error;
      throw new CommandError(`Cannot start ${show(command)}: ${reasonOf(error as Error)}`, { command, cause: error });
    }
  }
}

/** Waits, and is no reason for this process to stay. */
function quietly(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.timer(ms, resolve));
}

function reasonOf({ code, message }: NodeJS.ErrnoException): string {
  if (code === "EMFILE" || code === "ENFILE")
    return "no file descriptor is left for its pipes; see ulimit -n, or run fewer at a time";
  if (code === "ENOEXEC") return "it is no program of this system; a script needs a first line such as #!/bin/sh";
  if (code === "E2BIG")
    return "its arguments and environment are too long for the system; pass them by stdin or a file";
  if (code === "EAGAIN") return "the system has no process left for it; see ulimit -u and pids limits";
  return message;
}

/** How long a pipe may be silent after the end of the program, and how long it may go on in all. */
const restMs = 250;
const longestRestMs = 60_000;

type Spawned = ChildProcessByStdio<Writable, Readable, Readable>;

interface StopDeps extends ProgramDeps {
  readonly name: string;
  readonly stopSignal: NodeJS.Signals;
  readonly graceMs: number;
  /** It is to be started again as soon as it has ended. */
  readonly standby: boolean;
  /** It was told to end. */
  readonly told: () => void;
}

/** Longer than it takes its successor to say its first words. */
const sweepMs = 50;

/** A closed stdin is the first that a program hears; those that do not listen to it are signalled this much later. */
const hintMs = 250;

class NativeProgram implements Program {
  readonly pid: number;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly exited: Promise<ProgramExit>;
  readonly gone: Promise<void>;
  readonly #child: Spawned;
  readonly #family: Family;
  readonly #deps: StopDeps;
  /** Set once it was told to end: until then what it leaves behind has time. */
  #deadline: number | undefined;
  #left = false;
  #told = false;

  constructor(child: Spawned, family: Family, deps: StopDeps) {
    this.#child = child;
    this.#family = family;
    this.#deps = deps;
    this.pid = child.pid!;
    this.stdin = child.stdin;
    this.stdout = child.stdout;
    this.stderr = child.stderr;
    const ended = new Promise<ProgramExit>((resolve) => {
      child.once("exit", (code, signal) => {
        this.#left = true;
        family.ended();
        const status = code ?? 128 + constants.signals[signal!];
        const oom = signal === "SIGKILL" && family.oom;
        resolve({ status, exitCode: code ?? undefined, signal: signal ?? undefined, oom });
      });
    });
    this.exited = this.#endOf(ended);
    this.gone = this.#goneAfter(this.exited);
    this.hold(false);
  }

  memory(): number | undefined {
    return this.#left ? undefined : this.#family.memory();
  }

  async stop(graceMs = this.#deps.graceMs): Promise<void> {
    const { clock } = this.#deps;
    const deadline = clock.now() + graceMs;
    const first = this.#deadline === undefined;
    this.#deps.told();
    this.#deadline = Math.min(this.#deadline ?? Infinity, deadline);
    this.hold(true);
    try {
      if (first && !this.#left) {
        this.stdin.end();
        await this.#family.over(clock.now() + Math.min(hintMs, graceMs / 4), () => !this.#left);
        if (!this.#left) this.#tell();
      }
      await this.#family.over(this.#deadline, () => !this.#left);
      if (!this.#left) this.kill();
      await this.gone;
    } finally {
      this.hold(false);
    }
  }

  /** Once: a second signal would end what a program does to end well. */
  #tell(): void {
    if (this.#told) return;
    this.#told = true;
    this.#family.signal(this.#deps.stopSignal);
  }

  kill(): void {
    this.#deps.told();
    this.#deadline = this.#deps.clock.now();
    this.#family.signal("SIGKILL");
    // Not before: its end would be the program's own then.
    this.stdin.destroy();
  }

  hold(alive: boolean): void {
    const act = alive ? "ref" : "unref";
    this.#child[act]();
    for (const stream of [this.stdin, this.stdout, this.stderr]) {
      (stream as unknown as { ref?(): void; unref?(): void })[act]?.();
    }
  }

  /** A pipe that a descendant holds comes to its end with that. */
  async #endOf(ended: Promise<ProgramExit>): Promise<ProgramExit> {
    const exit = await ended;
    const { clock } = this.#deps;
    if (this.#deadline !== undefined && this.#deadline > clock.now()) {
      this.#tell();
      await this.#family.over(this.#deadline);
    }
    await this.#family.end();
    return exit;
  }

  async #goneAfter(exited: Promise<ProgramExit>): Promise<void> {
    await exited;
    // Whoever is to be started again at once comes first; nobody waits for the end of one that was not told to.
    const restarts = this.#deps.standby && this.#deadline === undefined;
    const left = await this.#family.sweep(restarts ? sweepMs : 1);
    if (left.length > 0) this.#deps.stray(this.#deps.name, left);
    for (const stream of [this.stdout, this.stderr]) void this.#finish(stream);
  }

  /** A pipe that somebody out of our reach holds open would keep its readers waiting for ever. */
  async #finish(stream: Readable): Promise<void> {
    const { clock } = this.#deps;
    const counted = stream as Readable & { readonly bytesRead: number };
    let end = clock.now() + longestRestMs;
    for (let seen = -1; !stream.destroyed && clock.now() < end; await quietly(clock, restMs)) {
      // What is there already is still to be read, however slowly.
      if (stream.readableLength > 0 || stream.isPaused()) end = clock.now() + longestRestMs;
      else if (counted.bytesRead === seen) break;
      seen = counted.bytesRead;
    }
    // Not an end: whoever reads may learn that there could have been more.
    stream.destroy();
  }
}
