import type { Captured } from "../../src/closure/capture.ts";
import { Events } from "../../src/events/index.ts";
import type { CallOptions, CallRequest } from "../../src/pool/call.ts";
import type { PoolHost } from "../../src/pool/handle.ts";
import type { PoolOptions } from "../../src/pool/options.ts";
import { resolveRetries } from "../../src/pool/retries.ts";
import type { Backend, BootRequest, Machine, MachineExit } from "../../src/ports/backend.ts";
import { encode } from "../../src/value/encode.ts";
import { type Message, protocolVersion } from "../../src/wire/messages.ts";
import { Session } from "../../src/wire/session.ts";
import { memoryTransport } from "../conformance/memory-transport.ts";
import { FakeClock } from "../harness/fake-clock.ts";

const noHooks = {
  describe: (): never => {
    throw new TypeError("Cannot send code in this test");
  },
};

/** A machine within this process, whose runner answers each call with the call's number, unless it is told not to. */
export class FakeMachine implements Machine {
  readonly id: string;
  readonly exited: Promise<MachineExit>;
  readonly calls: number[] = [];
  alive = true;
  kills = 0;
  session: Session | undefined;
  #exit!: (exit: MachineExit) => void;

  constructor(id: string) {
    this.id = id;
    this.exited = new Promise((resolve) => (this.#exit = resolve));
  }

  ping(): void {}

  kill(): void {
    this.kills++;
    this.end({ signal: "SIGKILL" });
  }

  exitNow(): void {
    this.kill();
  }

  end(exit: MachineExit): void {
    this.alive = false;
    this.session?.destroy();
    this.#exit(exit);
  }

  answer(call: number): void {
    this.session?.send({ type: "result", id: call, value: encode(call, noHooks) });
  }
}

export class FakeBackend implements Backend {
  readonly name = "fake";
  readonly defaults = { max: 4, processes: 1, concurrency: 1, idleMs: 1_000, onParentLoss: "kill" as const };
  readonly machines: FakeMachine[] = [];
  /** Boots that fail from now on. */
  failing = 0;
  /** Whether runners answer at once. */
  answers = true;
  readonly #transport = memoryTransport();
  readonly listen: Backend["listen"] = (accept) => this.#transport.listen(accept);

  get alive(): FakeMachine[] {
    return this.machines.filter((machine) => machine.alive);
  }

  async boot(wanted: BootRequest): Promise<Machine> {
    if (this.failing > 0) {
      this.failing--;
      throw new Error("no machine to be had");
    }
    const machine = new FakeMachine(wanted.runner);
    this.machines.push(machine);
    const connection = await this.#transport.dial(wanted.address);
    machine.session = new Session(connection, {
      message: (message) => this.#answer(machine, message),
      closed: () => machine.end({ exitCode: 0 }),
    });
    const { runner, token } = wanted;
    machine.session.send({
      type: "hello",
      token,
      protocol: protocolVersion,
      runner,
      node: process.version,
      release: "",
    });
    return machine;
  }

  #answer(machine: FakeMachine, message: Message): void {
    switch (message.type) {
      case "welcome":
        machine.session!.send({ type: "ready" });
        break;
      case "call":
        machine.calls.push(message.id);
        if (this.answers) machine.answer(message.id);
        break;
      case "drain":
        machine.session!.send({ type: "drain" });
        break;
      case "ack":
        machine.end({ exitCode: 0 });
        break;
      default:
        break;
    }
  }
}

export interface FakeHost extends PoolHost {
  readonly clock: FakeClock;
  readonly events: Events;
  readonly backend: FakeBackend;
  readonly startedPools: string[];
  liveCalls: number;
  options: PoolOptions;
}

/** What pools of a process share, all of it in the test's hands. */
export function fakeHost(): FakeHost {
  const backend = new FakeBackend();
  const host: FakeHost = {
    clock: new FakeClock(),
    events: new Events(),
    backend,
    entry: null,
    startedPools: [],
    liveCalls: 0,
    options: {},
    running: () => {},
    live: (change) => void (host.liveCalls += change),
    defaults: () => host.options,
    fallback: () => backend,
    override: () => undefined,
    nested: () => undefined,
    started: (pool) => void host.startedPools.push(pool.name),
  };
  return host;
}

/** A call of a closure that the fake runner does not look at, and what became of it. */
export function request(options: Partial<CallOptions> = {}): {
  readonly made: CallRequest;
  readonly end: Promise<unknown>;
} {
  let settle!: Pick<CallRequest, "resolve" | "reject">;
  const end = new Promise<unknown>((resolve, reject) => (settle = { resolve, reject }));
  end.catch(() => undefined);
  const captured = { payload: encode("closure", noHooks), units: [] } as unknown as Captured;
  const all: CallOptions = {
    name: "",
    timeoutMs: 30_000,
    queueTimeoutMs: Infinity,
    signal: undefined,
    idempotent: false,
    retries: resolveRetries(undefined, () => ""),
    priority: 0,
    key: undefined,
    node: undefined,
    onProgress: undefined,
    ...options,
  };
  return {
    made: { captured, mode: "plain", args: undefined, options: all, trace: { stack: "Error\n    at test" }, ...settle },
    end,
  };
}
