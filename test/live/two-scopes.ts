/** Two scopes that talk to each other in memory, by the bytes that would be on the wire, delivered when a test says so. */
import { encodeFailure } from "../../src/closure/result.ts";
import { Collector } from "../../src/live/collect.ts";
import { Scope } from "../../src/live/scope.ts";
import { decode } from "../../src/value/decode.ts";
import { encode } from "../../src/value/encode.ts";
import type { EncodeHooks, Payload } from "../../src/value/port.ts";
import { type LiveMessage, decodeLive, encodeLive } from "../../src/wire/live-messages.ts";
import { turn } from "./gather.ts";

const call = 7;

/** One side: what it can be given, and what has come. */
export interface Side {
  readonly scope: Scope;
  /** Hands a value to the other side; resolves when it has taken it. */
  give(value: unknown): Promise<unknown>;
  /** What the other side has given. */
  readonly inbox: unknown[];
  /** Messages of the other side that are still on their way. */
  readonly coming: LiveMessage[];
  readonly failures: unknown[];
  idle: number;
}

export interface Pair {
  readonly left: Side;
  readonly right: Side;
  /** Delivers up to `count` messages to a side, with what follows from them here. */
  deliver(to: Side, count: number): Promise<void>;
  /** Delivers until nothing is on its way any more. */
  settle(): Promise<void>;
}

function plainHooks(live: Collector): EncodeHooks {
  return {
    describe(value, path) {
      const found = live.take(value, path) ?? live.takeRest(value);
      if (found) return found;
      throw new TypeError("only plain values and live ones");
    },
  };
}

function encoded(value: unknown, root: string): Payload {
  const live = new Collector({ functions: () => false });
  const payload = encode(value, plainHooks(live), { root });
  return live.found.length > 0 ? { ...payload, live: live.found } : payload;
}

const never = (): never => {
  throw new TypeError("only plain values and live ones");
};

function side(send: (message: LiveMessage) => void, discards: boolean): Omit<Side, "give"> {
  const own: Omit<Side, "give"> = {
    scope: new Scope(call, {
      clock: { now: () => 0, timer: () => ({ cancel() {} }) } as never,
      discards,
      send,
      encode: encoded,
      encodeFailure: (error) => encodeFailure(error, plainHooks(new Collector())),
      decode: (payload, live) =>
        decode(payload, { code: never, named: never, custom: never, handle: (_type, index) => live[index as number] }),
      failed: (error) => own.failures.push(error),
      idle: () => void own.idle++,
    }),
    inbox: [],
    coming: [],
    failures: [],
    idle: 0,
  };
  return own;
}

/** As they leave and come: encoded, copied, decoded. */
function carried(message: LiveMessage): LiveMessage {
  const { id, body, buffers } = encodeLive(message);
  return decodeLive(
    message.type,
    id,
    Buffer.from(body),
    buffers.map((buffer) => Buffer.from(buffer)),
  );
}

export function twoScopes(): Pair {
  const left = side((message) => right.coming.push(carried(message)), false) as Side;
  const right: Side = side((message) => left.coming.push(carried(message)), true) as Side;
  for (const [own, other] of [
    [left, right],
    [right, left],
  ] as const) {
    const lent = own.scope.lend(
      encoded((values: unknown[]) => {
        own.inbox.push(...values);
        return values.length;
      }, "inbox"),
    );
    const [post] = other.scope.borrow(lent.references) as [(values: unknown[]) => Promise<unknown>];
    Object.assign(other, { give: (value: unknown) => post([value]), letGo: post });
  }
  const deliver = async (to: Side, count: number): Promise<void> => {
    for (const message of to.coming.splice(0, count)) {
      to.scope.receive(message);
      await turn();
    }
  };
  const settle = async (): Promise<void> => {
    for (let quiet = 0; quiet < 2;) {
      await turn();
      if (left.coming.length + right.coming.length === 0) quiet++;
      else quiet = 0;
      await deliver(left, Infinity);
      await deliver(right, Infinity);
    }
  };
  return { left, right, deliver, settle };
}
