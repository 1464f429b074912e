/**
 * The live side of a pool's calls: what a call lends to its executor, what its result has borrowed from there, and when
 * a call whose result is live is over.
 */
import { type CapturedValue, captureFailure, captureValue } from "../closure/capture.ts";
import type { Events } from "../events/index.ts";
import { Collector } from "../live/collect.ts";
import type { Scope } from "../live/scope.ts";
import type { Clock } from "../ports/clock.ts";
import type { Payload } from "../value/port.ts";
import { type Call, joinStack } from "./call.ts";
import type { Deadlines } from "./deadlines.ts";
import { callTimeout, methodTimeout, streamTimeout } from "./failures.ts";
import type { Lane } from "./lane.ts";
import { Patience } from "./patience.ts";

export interface LendingDeps {
  readonly pool: string;
  readonly clock: Clock;
  readonly events: Events;
  live(change: 1 | -1): void;
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

  /** Its time goes on only while somebody waits for an item. A placed object has no end: each of its streams has a time. */
  open(call: Call): void {
    call.clock?.cancel();
    if (call.mode === "place") return;
    const { clock, expired } = this.#deps;
    const leftMs = call.options.timeoutMs - (clock.now() - call.startedAt);
    const { lane } = call;
    call.patience = new Patience(this.#deps, leftMs, () => expired(call, callTimeout(call, lane!.runner)));
    call.clock = call.patience;
  }

  #host(call: Call, lane: Lane): Parameters<Lane["exchange"]["open"]>[1] {
    const { clock, events, pool } = this.#deps;
    const { timeoutMs } = call.options;
    const streams = new Map<number, Patience>();
    return {
      clock,
      send: (message) => lane.send(message),
      encode: (value, root) => {
        if (value instanceof Packed) {
          lane.sendUnits(value.captured.units);
          return value.captured.payload;
        }
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
      limit: (method) => {
        if (!call.opened || timeoutMs === Infinity) return undefined;
        return { ms: timeoutMs, error: () => methodTimeout(call, lane.runner, method) };
      },
      // A function that a caller holds does not keep the process alive; waiting for its answer does.
      asking: (change) => {
        if (call.kept) this.#deps.live(change);
      },
      heard: (error) => joinStack(error, call, lane.runner),
      failed: (error) => events.emit("live.failed", { pool, call: call.id, name: call.options.name, error }),
      idle: () => {
        if (call.opened) this.#deps.over(call);
      },
      released: (reference) => void streams.delete(reference),
      waiting: (waits, reference) => {
        if ((call.settled && !call.kept) || !call.opened) return;
        if (call.mode !== "place" && !call.kept) return call.patience?.wait(waits);
        let patience = streams.get(reference);
        if (!patience) {
          const late = (): void => {
            streams.delete(reference);
            lane.exchange.get(call.id)?.fail(reference, streamTimeout(call, lane.runner));
          };
          streams.set(reference, (patience = new Patience(this.#deps, timeoutMs, late)));
        }
        patience.wait(waits);
      },
    };
  }
}

/** What is to be sent, encoded already: later changes of it do not travel. */
export class Packed {
  readonly captured: CapturedValue;

  constructor(captured: CapturedValue) {
    this.captured = captured;
  }
}

const never = (): boolean => false;
