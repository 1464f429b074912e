/**
 * Machines that are none: a runner is a part of this very process, behind the same protocol as any other. Nothing is isolated and
 * nothing can be killed for certain; all else is as it is anywhere, and the end of a machine, or its silence, is a method.
 */
import { resolveCount } from "../options.ts";
import type { Backend, BackendDefaults, BootRequest, Machine, MachineExit } from "../ports/backend.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import type { Connection, Listener } from "../ports/transport.ts";

export interface MemoryOptions {
  /** What a boot takes, in milliseconds. @default 0 */
  readonly bootMs?: number;
  /**
   * Called with the number of each boot, from 1: the error that it gives is what that boot fails with. `permanent: true` on it
   * means that trying again cannot help. @default no boot fails
   */
  readonly failure?: (boot: number) => Error | undefined;
  /** Instead of the backend's own. */
  readonly defaults?: Partial<BackendDefaults>;
}

/** A machine as its test sees it. */
export interface MemoryMachine {
  /** As in events: `memory-1`, `memory-2`, ... */
  readonly id: string;
  readonly runner: string;
  readonly pool: string;
  /** What it was asked for with. Its calls see the environment of this process. */
  readonly env: Readonly<Record<string, string>>;
  /** Whether it has not ended. */
  readonly up: boolean;
  /** Ends it as a machine ends that nobody has asked to; calls that it runs have their signals aborted. @default { signal: "SIGKILL" } */
  crash(exit?: MachineExit): void;
  /** It gives no sign of life and answers nothing any more, and does not end. Its pool gives it up after three beats. */
  freeze(): void;
  /** Prints a line past its connection. */
  print(stream: "stdout" | "stderr", line: string): void;
  /** It is going to be taken away soon, as by a notice of a market. */
  leave(reason: string): void;
}

export interface MemoryBackend extends Backend {
  /** All machines that were asked for, the oldest first. */
  readonly machines: readonly MemoryMachine[];
}

/** What runs on a machine. */
export interface MemoryAgent {
  /** Ends it; whatever it runs is told, and what that says is not heard any more. */
  end(): void;
  /** Nothing of it leaves, or arrives. */
  freeze(): void;
}

export interface MemoryWiring {
  readonly name: string;
  readonly clock: Clock;
  readonly listen: (accept: (connection: Connection) => void) => Promise<Listener>;
  /** Starts what dials the parent. `exited` is called when it has ended by itself. */
  readonly start: (request: BootRequest, exited: (exit: MachineExit) => void) => MemoryAgent;
}

const ownDefaults: BackendDefaults = { max: 4, processes: 1, concurrency: 1, idleMs: 60_000, onParentLoss: "kill" };

export function memoryBackend(wiring: MemoryWiring, options: MemoryOptions = {}): MemoryBackend {
  const bootMs = resolveCount(options.bootMs ?? 0, `option "bootMs" of ${wiring.name}`, 0);
  const machines: Running[] = [];
  return {
    name: wiring.name,
    defaults: { ...ownDefaults, ...options.defaults },
    machines,
    listen: wiring.listen,
    async boot(request) {
      request.phase("requested");
      const number = machines.length + 1;
      const error = options.failure?.(number);
      const machine = new Running(`${wiring.name}-${number}`, request, wiring);
      machines.push(machine);
      if (error) {
        machine.crash();
        throw error;
      }
      machine.start(bootMs);
      return machine;
    },
  };
}

class Running implements Machine, MemoryMachine {
  readonly id: string;
  readonly exited: Promise<MachineExit>;
  readonly #request: BootRequest;
  readonly #wiring: MemoryWiring;
  readonly #timers: Timer[] = [];
  #agent: MemoryAgent | undefined;
  #end: ((exit: MachineExit) => void) | undefined;
  #frozen = false;

  constructor(id: string, request: BootRequest, wiring: MemoryWiring) {
    this.id = id;
    this.#request = request;
    this.#wiring = wiring;
    this.exited = new Promise((resolve) => (this.#end = resolve));
    // A pool takes them off.
    this.kill = this.kill.bind(this);
  }

  get runner(): string {
    return this.#request.runner;
  }

  get pool(): string {
    return this.#request.pool;
  }

  get env(): Readonly<Record<string, string>> {
    return this.#request.env;
  }

  get up(): boolean {
    return this.#end !== undefined;
  }

  start(bootMs: number): void {
    const { clock, start } = this.#wiring;
    const { lifetimeMs } = this.#request;
    if (Number.isFinite(lifetimeMs)) this.#timers.push(clock.timer(lifetimeMs, () => this.kill()));
    const launch = (): void => {
      this.#request.phase("launched");
      this.#agent = start(this.#request, (exit) => this.crash(exit));
    };
    this.#timers.push(clock.timer(bootMs, launch));
  }

  ping(): void {
    if (this.#agent && !this.#frozen) setImmediate(() => this.up && this.#request.beat());
  }

  kill(): void {
    this.crash();
  }

  /** It ends with the process that it is a part of. */
  exitNow(): void {
    if (this.#request.onParentLoss === "kill") this.crash();
  }

  crash(exit: MachineExit = { signal: "SIGKILL" }): void {
    const end = this.#end;
    if (!end) return;
    this.#end = undefined;
    for (const timer of this.#timers) timer.cancel();
    this.#agent?.end();
    end(exit);
  }

  freeze(): void {
    this.#frozen = true;
    this.#agent?.freeze();
  }

  print(stream: "stdout" | "stderr", line: string): void {
    if (this.up) this.#request.output(stream, line);
  }

  leave(reason: string): void {
    if (this.up) this.#request.leaving(reason);
  }
}
