/** One machine of the backend under test, and all that it and its runner say. Plays the pool's part with no opinion of its own. */
import assert from "node:assert/strict";
import { ReceiveHooks } from "../../closure/receive.ts";
import type { BootRequest, Machine, MachineExit } from "../../ports/backend.ts";
import { decode } from "../../value/decode.ts";
import type { Message } from "../../wire/messages.ts";
import type { Session, SessionHandlers } from "../../wire/session.ts";
import { settled, until } from "../until.ts";
import { codeOf } from "./code.ts";

export interface Limits {
  /** What a machine may take from `boot` to being ready, in milliseconds. */
  readonly bootMs: number;
  /** What it may take to be gone, once it is to go, and what news of it may take. */
  readonly endMs: number;
}

/** What a run of code has said so far, and how it ends. */
export interface Run {
  /** What it passed to `context.progress`. */
  readonly progress: readonly unknown[];
  /** What it printed through its connection. */
  readonly lines: readonly string[];
  readonly result: Promise<unknown>;
}

interface Running {
  readonly progress: unknown[];
  readonly lines: string[];
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

export type Wanted = Pick<BootRequest, "runner" | "address" | "token" | "env" | "onParentLoss" | "lifetimeMs">;

export class Guest implements BootRequest, SessionHandlers {
  readonly pool = "conformance";
  readonly runner: string;
  readonly address: string;
  readonly token: Buffer;
  readonly env: Readonly<Record<string, string>>;
  readonly onParentLoss: "kill" | "drain";
  readonly lifetimeMs: number;
  readonly bootTimeoutMs: number;

  readonly phases: string[] = [];
  readonly printed: { readonly stream: "stdout" | "stderr"; readonly line: string }[] = [];
  readonly leavings: string[] = [];
  /** What came after the news of its end. */
  readonly late: string[] = [];
  beats = 0;
  machine!: Machine;
  session: Session | undefined;
  hello: Extract<Message, { type: "hello" }> | undefined;
  /** Not answered, it never becomes ready. */
  welcomes = true;
  ready = false;
  /** Its connection is over. */
  left = false;
  drains = 0;
  exit: MachineExit | undefined;
  readonly #limits: Limits;
  readonly #running = new Map<number, Running>();
  #calls = 0;

  constructor(wanted: Wanted, limits: Limits) {
    this.runner = wanted.runner;
    this.address = wanted.address;
    this.token = wanted.token;
    this.env = wanted.env;
    this.onParentLoss = wanted.onParentLoss;
    this.lifetimeMs = wanted.lifetimeMs;
    this.bootTimeoutMs = limits.bootMs;
    this.#limits = limits;
    // As a pool passes them on: backends may take them off the request.
    this.phase = this.phase.bind(this);
    this.output = this.output.bind(this);
    this.beat = this.beat.bind(this);
    this.leaving = this.leaving.bind(this);
  }

  phase(name: string): void {
    this.#note(`phase ${name}`);
    this.phases.push(name);
  }

  output(stream: "stdout" | "stderr", line: string): void {
    this.printed.push({ stream, line });
  }

  beat(): void {
    this.#note("beat");
    this.beats++;
  }

  leaving(reason: string): void {
    this.leavings.push(reason);
  }

  /** Follows the machine that `boot` gave. */
  follow(machine: Machine): this {
    assert.ok(machine.id.length > 0, "the machine has no id");
    this.machine = machine;
    machine.exited.then(
      (exit) => (this.exit = exit),
      () => undefined,
    );
    return this;
  }

  message(message: Message): void {
    const { type } = message;
    const running = "id" in message ? this.#running.get(message.id) : undefined;
    if (type === "hello") {
      this.hello = message;
      if (this.welcomes) this.welcome();
    } else if (type === "ready") this.ready = true;
    else if (type === "drain") {
      this.drains++;
      this.session!.send({ type: "ack" });
    } else if (type === "progress") running?.progress.push(decode(message.value, plain));
    else if (type === "log") running?.lines.push(message.line);
    else if (type === "result") running?.resolve(decode(message.value, plain));
    else if (type === "error") running?.reject(decode(message.value, plain));
  }

  closed(): void {
    this.left = true;
    for (const { reject } of this.#running.values()) reject(new Error("its runner has left"));
  }

  welcome(): void {
    const lifetimeMs = this.lifetimeMs === Infinity ? 0 : this.lifetimeMs;
    const fixed = { executors: 0, units: 2 ** 20, secrets: [] };
    this.session!.send({ type: "welcome", pool: this.pool, entry: null, lifetimeMs, ...fixed });
    this.session!.flush();
  }

  /** Waits until calls may be sent. */
  async up(): Promise<this> {
    await until(`runner ${this.runner} ready`, this.#limits.bootMs, () => this.ready || this.exit);
    if (!this.ready) {
      const said = [this.exit, this.printed, this.phases, (await this.machine.lastWords?.()) ?? []];
      assert.fail(`it ended before it was ready: ${JSON.stringify(said, undefined, 1)}`);
    }
    return this;
  }

  /** Starts `text`, the JavaScript of a function of the context, on the runner. */
  start(text: string): Run {
    const { payload, modules } = codeOf(text);
    const id = ++this.#calls;
    for (const [number, module] of modules!) this.session!.send({ type: "module", id: number, module });
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    // Many are ended with their runner, and nobody asks.
    promise.catch(() => undefined);
    const running: Running = { progress: [], lines: [], resolve, reject };
    this.#running.set(id, running);
    this.session!.send({ type: "call", id, attempt: 0, mode: "plain", value: payload, args: undefined });
    this.session!.flush();
    return { progress: running.progress, lines: running.lines, result: promise };
  }

  run(text: string): Promise<unknown> {
    return settled("the result of a call", this.#limits.endMs, this.start(text).result);
  }

  /** Starts what says `context.progress(value)` once, and gives that value. */
  async word(text: string): Promise<unknown> {
    const run = this.start(text);
    await until("a word of a call", this.#limits.endMs, () => run.progress.length > 0);
    return run.progress[0];
  }

  drain(): void {
    this.session!.send({ type: "drain" });
    this.session!.flush();
  }

  /** Waits for the news of its end. */
  gone(withinMs = this.#limits.endMs): Promise<MachineExit> {
    return settled(`the end of machine ${this.machine.id}`, withinMs, this.machine.exited);
  }

  /** Waits for a line that was printed past the connection. */
  async sees(line: string): Promise<"stdout" | "stderr"> {
    const found = await until(`the line "${line}" among ${JSON.stringify(this.printed)}`, this.#limits.endMs, () =>
      this.printed.find((each) => each.line === line),
    );
    return found.stream;
  }

  #note(what: string): void {
    if (this.exit) this.late.push(what);
  }
}

const plain = new ReceiveHooks(new Set());
