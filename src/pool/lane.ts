/**
 * One executor of a runner, as its pool sees it: the conversation with it, the code it has, the calls on it. A new
 * process gets a new lane.
 */
import type { Captured, CapturedValue } from "../closure/capture.ts";
import { Linker } from "../closure/link.ts";
import { ReceiveHooks } from "../closure/receive.ts";
import { ResultHooks, encodeFailure } from "../closure/result.ts";
import { perExecutor, takeRange } from "../closure/numbers.ts";
import { moduleOf, unitByNumber } from "../closure/units.ts";
import { ProtocolError } from "../errors.ts";
import type { MachineExit } from "../ports/backend.ts";
import type { Branch } from "../ports/child.ts";
import type { Clock } from "../ports/clock.ts";
import { decode } from "../value/decode.ts";
import { encode } from "../value/encode.ts";
import type { Payload } from "../value/port.ts";
import { Exchange } from "../live/exchange.ts";
import { released } from "../live/failures.ts";
import type { LiveMessage } from "../wire/live-messages.ts";
import { type Message, type ModuleText, ownCall } from "../wire/messages.ts";
import type { Session } from "../wire/session.ts";
import { readBranches } from "../wire/tree.ts";

/** What a runner may take to say what it keeps up: somebody is looking at a screen. */
const lookMs = 1_000;

const textOnly = {
  describe(): never {
    throw new TypeError("Cannot send a reason: only its text travels");
  },
};

/** Errors of the package are known on both sides by their names. */
const ownErrors = new ResultHooks(new Linker(() => undefined));
const none: readonly unknown[] = [];

function isLong({ bytes, buffers }: Payload): boolean {
  return buffers.length > 0 || bytes.length > shortBytes;
}

/** What surely leaves as one piece, in the order in which it was sent. */
const shortBytes = 16 * 1024;

type CallMessage = Extract<Message, { type: "call" }>;

export interface LanePlace {
  /** Id of the runner, and its number in the pool. */
  readonly runner: string;
  readonly runnerNumber: number;
  /** Of the executor on its runner. */
  readonly number: number;
}

export interface Read {
  readonly value: unknown;
  /** `value` is why it cannot be understood. */
  readonly failed: boolean;
  /** It breaks the protocol: whoever sent it is not to be trusted. */
  readonly broken: string | undefined;
}

export class Lane implements LanePlace {
  readonly runner: string;
  readonly runnerNumber: number;
  readonly number: number;
  /** The first of the numbers for units that it makes itself, and the code of those that the parent has been told of. */
  readonly units = takeRange();
  /** Code that it has: what it was sent, and what it has made itself and told of. It may name no other. */
  readonly modules = new Map<number, ModuleText>();
  /** Calls on it, those included that are still to be sent. */
  busy = 0;
  /** It is up, and its setup is done. */
  ready = false;
  /** No more calls: it is to be replaced. */
  retired = false;
  /** How its process ended, and why, when we know better than that. The first reason counts. */
  exit: MachineExit | undefined;
  reason: string | undefined;
  /** The call of which its process has certainly not read all, known after its end. */
  unread: number | undefined;
  /** The call whose last byte was the last byte sent, where that is certain. */
  #tail: number | undefined;
  /** Long messages and others of several calls are under way side by side. */
  #mixed = false;
  readonly #sent = new Set<number>();
  readonly #receive = new ReceiveHooks(this.#sent);
  /** Live references of the calls on it, from the first one on. */
  #exchange: Exchange | undefined;
  #session: Session | undefined;
  /** What it keeps up, when somebody looked last. */
  tree: readonly Branch[] = [];
  #looks = 0;
  #looking: Promise<void> | undefined;
  #seen: ((id: number) => void) | undefined;
  #asked: { resolve(value: unknown): void; reject(error: unknown): void } | undefined;

  constructor({ runner, runnerNumber, number }: LanePlace) {
    this.runner = runner;
    this.runnerNumber = runnerNumber;
    this.number = number;
  }

  /** It takes calls. */
  get usable(): boolean {
    return this.ready && !this.retired && this.open;
  }

  /** Its process has dialled in, and the connection is not over. */
  get attached(): boolean {
    return this.#session !== undefined;
  }

  /** False before and after its conversation. */
  get open(): boolean {
    return this.#session?.open ?? false;
  }

  get exchange(): Exchange {
    return (this.#exchange ??= new Exchange({
      send: (message) => this.send(message),
      encodeFailure: (error) => encodeFailure(error, ownErrors),
    }));
  }

  /** Hears what concerns a live reference. */
  live(message: LiveMessage): void {
    this.exchange.receive(message);
  }

  /** Answers a question whose call is over. */
  refuse(call: number, number: number): void {
    const value = encodeFailure(released(), ownErrors);
    this.send({ type: "ref-result", id: call, number, failed: true, value });
  }

  /** Nothing live of that call is needed any more. */
  endLive(call: number, error?: Error, again?: boolean): void {
    void this.#exchange?.end(call, error, again);
  }

  attach(session: Session): void {
    this.#session = session;
  }

  /** The conversation is over. */
  detach(error?: Error): void {
    if ((error as { unread?: unknown } | undefined)?.unread === true) this.unread = this.#tail;
    this.#session?.destroy();
    this.#session = undefined;
    this.#asked?.reject(new ProtocolError("Cannot ask: the executor has ended"));
    this.#asked = undefined;
  }

  /** Sends a call, preceded by the units that this executor does not have yet. False when it is gone. */
  dispatch(call: CallMessage, { units, modules }: Pick<Captured, "units" | "modules">): boolean {
    if (!this.open) return false;
    this.sendUnits(units, modules);
    const { id, value, args } = call;
    const long = isLong(value) || (args !== undefined && isLong(args));
    const alone = this.busy <= 1 && !this.#asked;
    this.#mixed = long || (this.#mixed && !alone);
    this.#session!.send(call);
    this.#tail = alone || !this.#mixed ? id : undefined;
    return true;
  }

  /** Sends the units among `units` that this executor does not have yet. `modules`: of units of other runners. */
  sendUnits(units: Iterable<number>, modules?: Captured["modules"]): void {
    for (const number of units) {
      if (this.#sent.has(number)) continue;
      this.#sent.add(number);
      const module = modules?.get(number) ?? moduleOf(unitByNumber(number)!);
      this.modules.set(number, module);
      // Whoever still speaks to one that has gone is told so in another way.
      this.#session?.send({ type: "module", id: number, module });
    }
  }

  /** Keeps the code of a unit that this executor has made. Throws `ProtocolError` for a number that is not its own. */
  keep(number: number, module: ModuleText): void {
    if (number < this.units || number >= this.units + perExecutor || this.modules.has(number))
      throw new ProtocolError(`Cannot keep unit ${number}: it is not of this executor, or known already`);
    this.modules.set(number, module);
  }

  send(message: Message): void {
    this.#tail = undefined;
    this.#session?.send(message);
  }

  /** Aborts the signal of a call; the reason is a courtesy. */
  cancel(id: number, reason: string): void {
    this.send({ type: "cancel", id, value: encode(reason, textOnly) });
  }

  /** Runs a closure of the pool's own; one at a time. Rejects with what it throws, and when the executor ends. */
  async ask({ payload, units }: CapturedValue): Promise<unknown> {
    await payload.pending;
    return new Promise((resolve, reject) => {
      this.#asked = { resolve, reject };
      const call = { type: "call", id: ownCall, attempt: 0, mode: "plain", value: payload, args: undefined } as const;
      if (!this.dispatch(call, { units })) this.detach();
    });
  }

  /** True when the message was the answer to `ask`. */
  answered(message: Extract<Message, { type: "result" | "error" }>): boolean {
    if (message.id !== ownCall) return false;
    const asked = this.#asked;
    this.#asked = undefined;
    const { value, failed } = this.read(message.value);
    if (message.type === "result" && !failed) asked?.resolve(value);
    else asked?.reject(value);
    return true;
  }

  /** Asks what it keeps up besides calls. One that does not answer in time keeps the tree that was seen last. */
  look(clock: Clock): Promise<void> {
    if (!this.ready || !this.open) return Promise.resolve();
    return (this.#looking ??= this.#look(clock).finally(() => (this.#looking = undefined)));
  }

  async #look(clock: Clock): Promise<void> {
    const number = (this.#looks = (this.#looks + 1) % 2 ** 31);
    this.send({ type: "tree", id: number, text: "" });
    await new Promise<void>((resolve) => {
      const timer = clock.timer(lookMs, resolve);
      timer.hold(true);
      this.#seen = (id) => {
        if (id !== number) return;
        timer.cancel();
        resolve();
      };
    });
  }

  /** The answer. Throws `ProtocolError` for one that is no tree. */
  saw(id: number, text: string): void {
    this.tree = readBranches(text);
    this.#seen?.(id);
  }

  /** What it says, or why that cannot be understood. */
  read(payload: Payload, live: readonly unknown[] = none): Read {
    try {
      return { value: this.decode(payload, live), failed: false, broken: undefined };
    } catch (error) {
      return { value: error, failed: true, broken: error instanceof ProtocolError ? error.message : undefined };
    }
  }

  decode(payload: Payload, live: readonly unknown[]): unknown {
    return decode(payload, this.#receive.with(live));
  }
}
