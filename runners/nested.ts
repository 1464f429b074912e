/** Calls that closures make: this runner asks the parent for them, under the call that makes them. */
import type { NestedRequest } from "../src/closure/nested.ts";
import { firstOfExecutors, perExecutor } from "../src/closure/numbers.ts";
import { TinderboxError } from "../src/errors.ts";
import type { Scope } from "../src/live/scope.ts";
import type { Payload } from "../src/value/port.ts";
import { type CallMode, type Message, callModes } from "../src/wire/messages.ts";
import type { Call } from "./call.ts";

export interface NestedHost {
  /** The first number of the units that this executor makes. */
  readonly units: number;
  /** The call that this code belongs to, while it runs. */
  call(): Call | undefined;
  scope(call: Call): Scope;
  encode(value: unknown, root: string, call: Call): Payload;
  send(message: Message): void;
}

export function nestedCalls(host: NestedHost): (pool: string, request: object) => void {
  const told = new Set<number>();
  return (_pool, request) => {
    const { mode, given, captured, args, module, resolve, reject } = request as NestedRequest;
    const call = host.call();
    if (!call)
      throw new TinderboxError(
        "Cannot call flame here: the call that this code belongs to has ended, or there was none; await it inside of the closure",
      );
    call.signalNow?.throwIfAborted();
    const scope = host.scope(call);
    const options = host.encode(given, "options", call);
    const units = [...new Set([...captured.units, ...(args?.units ?? [])])];
    const payloads = [options, captured.payload, args?.payload];
    const ask = (number: number): void => {
      // Not before it leaves: others may leave first, and this one may never.
      const fresh = units.filter((unit) => isOwn(unit, host.units) && !told.has(unit));
      for (const unit of fresh) told.add(unit);
      const modules = fresh.map((id) => ({ id, module: module(id) }));
      host.send({
        type: "nested",
        id: call.id,
        number,
        mode: callModes.find((each) => each === mode) as CallMode,
        modules,
        units,
        options: scope.lend(options),
        value: scope.lend(captured.payload),
        args: args && scope.lend(args.payload),
      });
    };
    const answer = scope.question((number) => {
      if (!payloads.some((payload) => payload?.pending)) return void ask(number);
      return Promise.all(payloads.map((payload) => payload?.pending)).then(() => ask(number));
    });
    answer.then(resolve, reject);
  };
}

function isOwn(unit: number, first: number): boolean {
  return unit >= firstOfExecutors && unit >= first && unit < first + perExecutor;
}
