/** Calls whose callers have the result, and that go on because it is live; and how those end that have to be told. */
import type { Call, LeaveReason, OpenCall } from "./call.ts";
import type { Deadlines } from "./deadlines.ts";
import type { Event } from "./decisions.ts";
import { drained, title } from "./failures.ts";
import type { Lane } from "./lane.ts";
import type { Ledger } from "./ledger.ts";
import type { Lending } from "./lending.ts";
import type { Replacing } from "./replacing.ts";

/** How long a cancelled call may go on before its executor is given up. */
const graceMs = 5_000;

export interface OpeningsDeps {
  live(change: 1 | -1): void;
  readonly ledger: Ledger;
  readonly lending: Lending;
  readonly replacing: Replacing;
  readonly deadlines: Deadlines;
  step(event: Event): void;
  closed(): boolean;
  /** One thing less to wait for. */
  ended(): void;
  /** Nothing of a call is left. */
  release(call: Call): void;
}

export class Openings {
  readonly #deps: OpeningsDeps;

  constructor(deps: OpeningsDeps) {
    this.#deps = deps;
  }

  /** The result is live: the call goes on until nobody needs it. */
  open(call: Call, value: unknown): void {
    const { lane, watch } = call;
    this.#deps.lending.open(call);
    const open: OpenCall = {
      runner: lane!.runner,
      get borrowed() {
        return lane!.exchange.get(call.id)?.borrowed ?? 0;
      },
      use: (change) => {
        this.#deps.ledger.use(change);
        if (change < 0) this.#deps.ended();
      },
      close: (error) => this.over(call, error),
    };
    watch?.opened(open);
    this.#deps.ledger.open(call, value);
    if (call.mode === "place") this.#deps.step({ type: "placed", call: call.id });
    if (this.#deps.closed()) watch?.leave("closed");
    this.#deps.ended();
    // A placed object has its own end. What other results hold may be nothing but the caller's own.
    if (call.mode !== "place") lane!.exchange.get(call.id)?.open(value);
    if (call.mode !== "place" && !call.settled && lane!.exchange.get(call.id)?.resting) this.#keep(call, lane!);
  }

  /** Functions take no slot until they are called: one that is forgotten must not hold up others. */
  #keep(call: Call, lane: Lane): void {
    this.#deps.ledger.keep(call);
    // What is being asked already holds the process from now on.
    const asked = lane.exchange.get(call.id)?.asked ?? 0;
    for (let n = 0; n < asked; n++) this.#deps.live(1);
    lane.busy--;
    this.#deps.step({ type: "kept", call: call.id });
    this.#deps.replacing.look(lane);
    this.#deps.ended();
  }

  /** Calls that have no end of their own are to be ended by whoever watches them: all, those of a runner, or of an executor. */
  leave(reason: LeaveReason, on?: number | Lane): void {
    for (const call of this.#deps.ledger.all()) {
      if (!call.opened || call.settled) continue;
      if (on === undefined || call.lane === on || call.lane?.runnerNumber === on) call.watch?.leave(reason);
    }
  }

  /** A runner is to go, and functions of it that callers hold go with it. */
  letGo(runner: number, reason: string): void {
    for (const call of this.#deps.ledger.all()) {
      const { lane } = call;
      if (!call.kept || lane?.runnerNumber !== runner) continue;
      const what = `a function that ${title(call)} returned`;
      this.close(
        call,
        lane,
        drained(what, lane.runner, reason, {
          fix: "call flame again for another",
          started: (lane.exchange.get(call.id)?.asked ?? 0) > 0,
        }),
      );
    }
  }

  /** The runner must confirm that nothing of the call is left: its generator may have a long `finally`. */
  over(call: Call, error?: Error): void {
    if ((call.settled && !call.kept) || !call.lane) return;
    const { lane } = call;
    this.#deps.ledger.resolve(call, undefined);
    this.close(call, lane, error);
  }

  close(call: Call, lane: Lane, error?: Error): void {
    lane.endLive(call.id, error);
    lane.send({ type: "close", id: call.id });
    this.grace(call, lane);
  }

  closedByRunner(lane: Lane, id: number): void {
    const call = this.#deps.ledger.get(id);
    if (call?.lane === lane && call.settled) this.#deps.release(call);
  }

  grace(call: Call, lane: Lane): void {
    this.#deps.replacing.look(lane);
    call.clock?.cancel();
    call.clock = this.#deps.deadlines.add(graceMs, () => this.#deps.replacing.stuck(lane));
  }
}
