import { PoolCore } from "../../src/pool/core.ts";
import type { Command, CoreOptions, Event } from "../../src/pool/decisions.ts";
import { slots } from "../../src/pool/scale.ts";

export const labOptions: CoreOptions = {
  min: 0,
  max: 10,
  slotsPerRunner: 1,
  spare: 0,
  idleMs: 60_000,
  lifetimeMs: 3_600_000,
  singleUse: false,
  scale: slots(),
  backoffMs: (failures) => 100 * failures,
};

/** A core and a clock that a test moves. Every step gives its commands in words: `boot 1`, `call 7 on 1`. */
export class CoreLab {
  readonly core: PoolCore;
  now = 1_000;
  #nextCall = 1;

  constructor(options: Partial<CoreOptions> = {}) {
    this.core = new PoolCore({ ...labOptions, ...options });
  }

  step(event: Event): string[] {
    const commands: Command[] = [];
    this.core.step(event, this.now, commands);
    return commands.map(words);
  }

  start(): string[] {
    return this.step({ type: "start" });
  }

  /** The next call; the first one is call 1. */
  call(options: { readonly priority?: number; readonly key?: string } = {}): string[] {
    return this.step({ type: "call", call: this.#nextCall++, priority: options.priority ?? 0, key: options.key });
  }

  /** The next call, for one runner only. */
  pin(runner: number): string[] {
    return this.step({ type: "call", call: this.#nextCall++, priority: 0, key: undefined, runner });
  }

  calls(count: number): string[] {
    return Array.from({ length: count }, () => this.call()).flat();
  }

  placed(call: number): string[] {
    return this.step({ type: "placed", call });
  }

  done(...calls: number[]): string[] {
    return calls.flatMap((call) => this.step({ type: "done", call }));
  }

  booted(...runners: number[]): string[] {
    return runners.flatMap((runner) => this.step({ type: "booted", runner }));
  }

  bootFailed(...runners: number[]): string[] {
    return runners.flatMap((runner) => this.step({ type: "bootFailed", runner }));
  }

  gone(...runners: number[]): string[] {
    return runners.flatMap((runner) => this.step({ type: "gone", runner }));
  }

  retire(runner: number): string[] {
    return this.step({ type: "retire", runner });
  }

  slots(runner: number, count: number): string[] {
    return this.step({ type: "slots", runner, slots: count });
  }

  checked(runner: number, idle: boolean): string[] {
    return this.step({ type: "checked", runner, idle });
  }

  resize(min: number, max: number): string[] {
    return this.step({ type: "resize", min, max });
  }

  close(): string[] {
    return this.step({ type: "close" });
  }

  /** Moves time on and ticks exactly when the core asked for it. */
  wait(ms: number): string[] {
    const end = this.now + ms;
    const found: string[] = [];
    while (this.core.tickAt <= end) {
      this.now = Math.max(this.now, this.core.tickAt);
      found.push(...this.step({ type: "tick" }));
    }
    this.now = end;
    return found;
  }

  /** A pool with that many ready runners and nothing to do. */
  static idle(runners: number, options: Partial<CoreOptions> = {}): CoreLab {
    const lab = new CoreLab({ ...options, max: Math.max(runners, options.max ?? labOptions.max) });
    const slotsPerRunner = options.slotsPerRunner ?? labOptions.slotsPerRunner;
    for (let call = 1; call <= runners * slotsPerRunner; call++) {
      lab.step({ type: "call", call: -call, priority: 0, key: undefined });
    }
    for (let runner = 1; runner <= runners; runner++) lab.booted(runner);
    for (let call = 1; call <= runners * slotsPerRunner; call++) lab.done(-call);
    return lab;
  }
}

function words(command: Command): string {
  switch (command.type) {
    case "boot":
    case "cancelBoot":
    case "check":
    case "leave":
      return `${command.type} ${command.runner}`;
    case "dispatch":
      return `call ${command.call} on ${command.runner}`;
    case "reject":
      return `reject ${command.call}`;
    case "drain":
      return `drain ${command.runner} ${command.reason}`;
  }
}
