/** What a runner says of the items of a batch. */
import { ProtocolError } from "../errors.ts";
import type { Payload } from "../value/port.ts";
import { unpackBatch } from "../wire/batch.ts";
import { type Call, joinStack } from "./call.ts";
import type { Lane, Read } from "./lane.ts";
import type { Outcome, Outcomes } from "./outcomes.ts";

type ReadValue = (value: Payload) => Read;

/** Throws `ProtocolError` when the runner is not to be trusted. */
export function readOutcomes(payload: Payload, call: Call, lane: Lane, read: ReadValue): Outcomes {
  if (!call.part) throw new ProtocolError(`Cannot receive results of call ${call.id}: it is no batch`);
  const { spentMs, entries } = unpackBatch(payload);
  const ends = entries.map(({ failed, value }) => end(failed, read(value), call, lane));
  return {
    call: call.id,
    runner: lane.runner,
    spentMs,
    ends,
    live: payload.references !== undefined && ends.at(-1)?.failed === false,
    rest: undefined,
  };
}

export function restFailed(payload: Payload, call: Call, lane: Lane, read: ReadValue): Outcomes {
  const rest = end(true, read(payload), call, lane);
  return { call: call.id, runner: lane.runner, spentMs: 0, ends: [], live: false, rest };
}

function end(failed: boolean, { value, failed: unreadable }: Read, call: Call, lane: Lane): Outcome {
  if (failed || unreadable) joinStack(value, call, lane.runner);
  return { failed: failed || unreadable, value, own: failed && !unreadable };
}
