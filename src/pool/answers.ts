/** Reads what executors answer, as whoever has called wants to have it. */
import type { Message } from "../wire/messages.ts";
import { readOutcomes, restFailed } from "./batch.ts";
import type { Call } from "./call.ts";
import type { Fleet } from "./fleet.ts";
import type { Lane, Read } from "./lane.ts";
import type { Lending } from "./lending.ts";
import type { Outcomes } from "./outcomes.ts";

export type Answer = Extract<Message, { type: "result" | "error" }>;

export class Answers {
  readonly #lending: Lending;
  readonly #fleet: Fleet;

  constructor(lending: Lending, fleet: Fleet) {
    this.#lending = lending;
    this.#fleet = fleet;
  }

  /** A value, with what it has borrowed. An executor that does not speak the protocol is ended. */
  read(lane: Lane, { value: payload }: Pick<Answer, "value">, call: Call): Read {
    const { references } = payload;
    const read = lane.read(payload, references && this.#lending.scope(call, lane).borrow(references));
    if (read.broken) this.#fleet.get(lane.runnerNumber)?.stop(lane, read.broken);
    return read;
  }

  /** The result of a call that a runner has made: it goes there as it is. */
  relayed(lane: Lane, { value: payload }: Answer, call: Call): Pick<Read, "value" | "failed"> {
    const { references } = payload;
    const live = references ? this.#lending.scope(call, lane).forward(references) : [];
    return { value: { ...payload, live, references: [] }, failed: false };
  }

  /** The results of a batch. */
  outcomes(lane: Lane, { type, value }: Answer, call: Call): Outcomes {
    const read = type === "result" ? readOutcomes : restFailed;
    return read(value, call, lane, (payload) => this.read(lane, { value: payload }, call));
  }
}
