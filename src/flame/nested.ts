/** `flame` on a runner: the call goes to the parent, whose pools run it. Both ends of that. */
import type { CapturedValue } from "../closure/capture.ts";
import { type NestedRequest, nestedHandle } from "../closure/nested.ts";
import { moduleOf, unitByNumber } from "../closure/units.ts";
import { place } from "../context.ts";
import { TinderboxError } from "../errors.ts";
import { events } from "../events/index.ts";
import { joinStack } from "../pool/call.ts";
import type { NestedCall } from "../pool/nesting.ts";
import { nestedCalls, registry } from "../runtime.ts";
import { type FlameOptions, checkFlameOptions, poolOf, resolveFlameOptions } from "./options.ts";
import type { Prepared, Submission } from "./submission.ts";

/** On a runner: hands the call to the agent, which asks the parent for it. */
export function submitNested(
  { pool, options: { name }, given, captured }: Prepared,
  sent: CapturedValue | undefined,
  { mode, trace, resolve, reject }: Omit<Submission, "args">,
): void {
  if (!place.nested) throw new TinderboxError("Cannot call flame here: this executor takes no calls of its own");
  if (typeof given.retries === "object" && Object.values(given.retries).some((each) => typeof each === "function"))
    throw new TypeError(
      'Cannot use functions in option "retries" of flame on a runner: the parent repeats the call; give a number, or { limit, delay }',
    );
  place.handles.set("class", nestedHandle);
  const request: NestedRequest = {
    mode,
    given: { ...given, name, pool: pool.name },
    captured,
    args: sent,
    module: (number) => moduleOf(unitByNumber(number)!),
    resolve,
    reject: (error) => {
      joinStack(error, { trace, captured }, "of a nested call");
      reject(error);
    },
  };
  place.nested(pool.name, request);
}

/** On the parent: what a runner asks for, under the rules of its pool. */
function runNested({ asking, options, ended, captured, ...call }: NestedCall): void {
  const given = options as FlameOptions;
  checkFlameOptions(given, "flame");
  const pool = poolOf(given, "flame");
  if (pool.name !== asking && !registry.get(asking).options.allow.includes(pool.name))
    throw new TinderboxError(
      `Cannot call pool "${pool.name}" from a runner of pool "${asking}": it is not allowed; declare pool "${asking}" with allow: ["${pool.name}"]`,
      { code: "ERR_TINDERBOX_NESTING" },
    );
  const resolved = resolveFlameOptions({ name: "" }, given, pool, "flame");
  const signal = resolved.signal ? AbortSignal.any([resolved.signal, ended]) : ended;
  let begun = false;
  const accept = (): void => {
    begun = true;
    call.resolve({ bytes: nothing, buffers: [] });
  };
  const accepted = call.mode === "cast" ? accept : undefined;
  const reject = (error: unknown): void => {
    if (begun) events.emit("cast.failed", { pool: pool.name, name: resolved.name, error });
    else call.reject(error);
  };
  // What is cast goes on without the call that has cast it.
  pool.submit({
    ...call,
    captured,
    trace: undefined,
    accepted,
    reject,
    options: { ...resolved, signal: accepted ? undefined : signal },
  });
}

/** `undefined`, encoded. */
const nothing = Buffer.from([0, 0]);

nestedCalls.run = runNested;
/** A handle that a closure has captured: on the runner it stands for the parent's declaration of that name. */
place.handles.set("pool", (name) => registry.handle(String(name)));
