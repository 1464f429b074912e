/**
 * Calls that closures make on runners. They are calls of the parent's pools like any other; what they send and what comes
 * back is passed on as it is, and nothing of it is made a value here but their options.
 */
import type { Captured } from "../closure/capture.ts";
import { captureFailure } from "../closure/capture.ts";
import { ProtocolError, TinderboxError } from "../errors.ts";
import type { Payload } from "../value/port.ts";
import type { CallMode, Message } from "../wire/messages.ts";
import type { Call, CallRequest } from "./call.ts";
import type { Lane } from "./lane.ts";
import type { Lending } from "./lending.ts";

type NestedMessage = Extract<Message, { type: "nested" }>;

/** A call for a runner: `pool` and `options` are still to be checked. */
export interface NestedCall extends Pick<CallRequest, "captured" | "args" | "resolve" | "reject" | "accepted"> {
  /** The pool whose runner asks. */
  readonly asking: string;
  readonly mode: CallMode;
  /** As the closure has given them; its pool is a name. */
  readonly options: object;
  /** Aborts when nobody can hear of the result any more. */
  readonly ended: AbortSignal;
  readonly depth: number;
  readonly relay: NonNullable<CallRequest["relay"]>;
}

export interface NestingHost {
  readonly pool: string;
  /** Makes the call. Throws what the closure is to be told. */
  readonly nested: (call: NestedCall) => void;
  /** All slots are taken by calls that wait for calls which they have made to this very pool. */
  stuck(): boolean;
}

/** A closure that calls itself must come to an end before all machines are taken. */
const maxNesting = 8;

export class Nesting {
  readonly #host: NestingHost;
  readonly #lending: Lending;

  constructor(host: NestingHost, lending: Lending) {
    this.#host = host;
    this.#lending = lending;
  }

  /** Makes the call that a closure of `outer` asks for, and answers when it is over. Throws `ProtocolError`. */
  begin(outer: Call, lane: Lane, message: NestedMessage): void {
    const scope = this.#lending.scope(outer, lane);
    const { number, mode } = message;
    const reply = (failed: boolean, value: Payload): void => {
      if (scope.over) return;
      lane.send({ type: "ref-result", id: outer.id, number, failed, value: scope.lend(value) });
    };
    const forward = (payload: Payload): Payload => ({
      ...payload,
      live: scope.forward(payload.references),
      references: [],
    });
    const relay: { error?: Payload } = {};
    let waits = 0;
    let over = false;
    const end = (failed: boolean, value: Payload): void => {
      // A cast is over for its caller when it is accepted.
      if (over) return;
      over = true;
      outer.waiting -= waits;
      reply(failed, value);
    };
    const reject = (error: unknown): void =>
      end(true, relay.error ?? captureFailure(error, outer.captured.root).payload);
    try {
      this.#refuse(outer, lane, message);
      const options = lane.decode(message.options, scope.borrow(message.options.references)) as { pool: string };
      if (options.pool === this.#host.pool) outer.waiting += waits = 1;
      if (waits > 0 && this.#host.stuck()) throw stuck(this.#host.pool, outer);
      const captured: Captured = {
        payload: forward(message.value),
        units: message.units,
        root: outer.captured.root,
        modules: lane.modules,
      };
      this.#host.nested({
        asking: this.#host.pool,
        mode,
        options,
        captured,
        args: message.args && { payload: forward(message.args), units: message.units },
        ended: scope.ended,
        depth: outer.nesting + 1,
        relay,
        resolve: (value) => end(false, value as Payload),
        reject,
      });
    } catch (error) {
      if (error instanceof ProtocolError) throw error;
      reject(error);
    }
  }

  #refuse(outer: Call, lane: Lane, { units, mode }: NestedMessage): void {
    if (mode === "each" || mode === "place")
      throw new ProtocolError(`Cannot make a nested call: mode ${mode} is not for runners`);
    for (const unit of units)
      if (!lane.modules.has(unit))
        throw new ProtocolError(`Cannot make a nested call: its unit ${unit} is not one of this executor's`);
    if (outer.nesting >= maxNesting)
      throw new TinderboxError(
        `Cannot call flame: this call is nested ${maxNesting} deep already; return, and let its caller go on`,
        { code: "ERR_TINDERBOX_NESTING", depth: outer.nesting },
      );
  }
}

function stuck(pool: string, outer: Call): TinderboxError {
  return new TinderboxError(
    `Cannot call flame: all slots of pool "${pool}" are taken by calls that wait for calls of their own; raise max, or use another pool for the inner ones`,
    { code: "ERR_TINDERBOX_NESTING", depth: outer.nesting },
  );
}
