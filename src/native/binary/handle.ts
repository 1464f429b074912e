/** A binary as an application has it: what `binary(name, options)` returns. */
import { handleOf } from "../../value/port.ts";
import { type Duration, resolveDuration } from "../../duration.ts";
import { refuseUnknown } from "../../options.ts";
import type { Branch, Child, ExitReason, StartContext } from "../../ports/child.ts";
import type { BinaryData } from "./data.ts";
import type { BinaryDeps } from "./deps.ts";
import { Engine, type BinaryStats } from "./engine.ts";
import type { CallOptions, RunOptions } from "./options.ts";
import type { BinaryRun } from "./run-call.ts";

export interface BinaryCloseOptions {
  /** What calls may still take. @default "30s" */
  readonly timeout?: Duration;
}

let declared = 0;

export class Binary {
  readonly #name: string;
  readonly #deps: BinaryDeps;
  #data: BinaryData;
  #engine: Engine;

  constructor(data: Omit<BinaryData, "serial"> & { readonly serial?: number }, deps: BinaryDeps) {
    this.#name = data.name;
    this.#deps = deps;
    this.#data = { ...data, serial: data.serial ?? ++declared };
    this.#engine = new Engine(this.#data, deps);
  }

  get name(): string {
    return this.#name;
  }

  /** For supervisors, to whom it is a child spec: they know an `id` and a `start` that they may take off, and nothing else. */
  get id(): string {
    return this.#name;
  }

  /** A closure may capture it: on the runner it is a pool of that machine's own. */
  get [handleOf](): { readonly type: string; readonly data: BinaryData } {
    return { type: "binary", data: this.#data };
  }

  get serial(): number {
    return this.#data.serial;
  }

  run(args: readonly string[] = [], options: RunOptions = {}): BinaryRun<Uint8Array | string> {
    return this.#engine.run(args, options, this.run);
  }

  call(request: unknown, options?: CallOptions): Promise<unknown> {
    return this.#engine.call(request, options);
  }

  /**
   * Makes it ready before its first call: gets the program, starts the workers and waits until they are up. Opens one that was
   * closed. What it returns is for supervisors; it need not be kept.
   */
  get start(): (context?: StartContext) => Promise<Child> {
    return (context) => this.#start(context);
  }

  stats(): BinaryStats {
    return this.#engine.stats();
  }

  describe(): { readonly detail: string; readonly children: readonly Branch[] } {
    return this.#engine.describe();
  }

  /** Refuses new calls, lets the others finish, ends the programs. Calls that have not finished in time get a `PoolClosedError`. */
  async close(options: BinaryCloseOptions = {}): Promise<void> {
    refuseUnknown(options, ["timeout"], `close() of binary "${this.name}"`);
    const { timeout = "30s" } = options;
    resolveDuration(timeout, `"timeout" of close()`);
    await this.#engine.close(timeout);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #start(context?: StartContext): Promise<Child> {
    context?.signal.throwIfAborted();
    const exited = Promise.withResolvers<ExitReason>();
    const engine = this.#engine;
    const child: Child = {
      exited: exited.promise,
      stop: (mode) => (mode === "kill" ? engine.kill() : void engine.close(this.#data.options.stop?.grace ?? "5s")),
      value: this,
      describe: () => engine.describe(),
    };
    const abort = (): void => engine.kill();
    context?.signal.addEventListener("abort", abort, { once: true });
    try {
      await engine.start((reason) => exited.resolve(reason));
      return child;
    } finally {
      context?.signal.removeEventListener("abort", abort);
    }
  }

  /** Another declaration takes the place of this one: calls that run finish where they are. */
  become(data: Omit<BinaryData, "serial"> & { readonly serial?: number }): void {
    const next = { ...data, serial: data.serial ?? ++declared };
    const engine = new Engine(next, this.#deps);
    void this.#engine.close("30s");
    this.#data = next;
    this.#engine = engine;
  }
}
