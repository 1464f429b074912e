/**
 * The live side of a pool's calls: what a call lends to its executor, what its result has borrowed from there, and when
 * a call whose result is live is over.
 */
import { captureFailure, captureValue } from "../closure/capture.ts";
import type { Events } from "../events/index.ts";
import { Collector } from "../live/collect.ts";
import type { Scope } from "../live/scope.ts";
import type { Clock } from "../ports/clock.ts";
import type { Payload } from "../value/port.ts";
import type { Call } from "./call.ts";
import type { Deadlines } from "./deadlines.ts";
import { callTimeout, methodTimeout } from "./failures.ts";
import type { Lane } from "./lane.ts";

export interface LendingDeps {
  readonly pool: string;
  readonly clock: Clock;
  readonly events: Events;
  readonly deadlines: Deadlines;
  /** Nobody needs the live result of a call any more. */
  over(call: Call): void;
  expired(call: Call, error: Error): void;
}

export class Lending {
  readonly #deps: LendingDeps;

  constructor(deps: LendingDeps) {
    this.#deps = deps;
  }

  /** The closure or the arguments of a call, as they are sent to `lane`. */
  lend(call: Call, lane: Lane, payload: Payload): Payload {
    return payload.live ? this.scope(call, lane).lend(payload) : payload;
  }

  scope(call: Call, lane: Lane): Scope {
    return lane.exchange.get(call.id) ?? lane.exchange.open(call.id, this.#host(call, lane));
  }

  /** Its time goes on only while somebody waits for an item. */
  open(call: Call): void {
    const { clock } = this.#deps;
    call.clock?.cancel();
    call.leftMs = call.options.timeoutMs - (clock.now() - call.startedAt);
  }

  #host(call: Call, lane: Lane): Parameters<Lane["exchange"]["open"]>[1] {
    const { clock, events, pool } = this.#deps;
    const { timeoutMs } = call.options;
    return {
      clock,
      send: (message) => lane.send(message),
      encode: (value, root) => {
        const { payload, units } = captureValue(value, root, new Collector({ functions: never }), call.captured.root);
        lane.sendUnits(units);
        return payload;
      },
      encodeFailure: (error) => {
        const { payload, units } = captureFailure(error, call.captured.root);
        lane.sendUnits(units);
        return payload;
      },
      decode: (payload, live) => lane.decode(payload, live),
      limit: () => {
        if (!call.opened || timeoutMs === Infinity) return undefined;
        return { ms: timeoutMs, error: () => methodTimeout(call, lane.runner) };
      },
      failed: (error) => events.emit("live.failed", { pool, call: call.id, name: call.options.name, error }),
      idle: () => {
        if (call.opened) this.#deps.over(call);
      },
      waiting: (waits) => this.#wait(call, lane, waits),
    };
  }

  #wait(call: Call, lane: Lane, waits: boolean): void {
    if (!call.opened || call.settled) return;
    const { clock, deadlines, expired } = this.#deps;
    call.clock?.cancel();
    if (!waits) {
      call.leftMs -= clock.now() - call.waitingSince;
      return;
    }
    call.waitingSince = clock.now();
    call.clock = deadlines.add(Math.max(0, call.leftMs), () => expired(call, callTimeout(call, lane.runner)));
  }
}

const never = (): boolean => false;
