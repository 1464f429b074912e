/** `flame.place`: an object that lives on a runner. */
import { systemClock } from "../clock.ts";
import type { Context } from "../context.ts";
import { events } from "../events/index.ts";
import type { Pool } from "../pool/handle.ts";
import { show } from "../options.ts";
import { takeTrace } from "../trace.ts";
import { FlameCall } from "./call.ts";
import { poolOf, resolveFlameOptions } from "./options.ts";
import { type PlaceOptions, resolvePlaceOptions } from "./place-options.ts";
import { PlacementUse } from "./placement-use.ts";
import { Placement } from "./placement.ts";
import type { Remote } from "./remote.ts";
import { prepare } from "./submit.ts";

/** Objects with a key, by their pools. */
const keyed = new WeakMap<Pool, Map<string, Placement>>();

/**
 * Makes an object on a runner, where it stays, and gives what its methods are called by: each call runs there and gives a
 * promise, which can be iterated when the method's result can. Arguments and results travel as they do for closures;
 * functions among them are live.
 *
 * It keeps a slot of its pool, and this process alive, until it is disposed: by `await using`, by
 * `await object[Symbol.asyncDispose]()`, by its `signal`, or when nobody has it any more. Its own `Symbol.asyncDispose`,
 * `Symbol.dispose` or method `dispose` is then run, after the calls that were made before.
 *
 * @throws CaptureError, TypeError when the factory does not give an object, what the factory throws, and as `flame`.
 * @example
 * const encoder = await flame.place(() => new Encoder("fast"), { restart: "transient" });
 * await encoder.push(new Uint8Array(16));
 * await encoder[Symbol.asyncDispose]();
 */
export function place<T extends object>(
  factory: (context: Context) => T | Promise<T>,
  options: PlaceOptions = {},
): Promise<Remote<T>> {
  const trace = takeTrace(place);
  const placing = FlameCall.begin((resolve, reject) => {
    if (typeof factory !== "function")
      throw new TypeError(`Cannot place ${show(factory)}: a function that makes an object is wanted`);
    const resolved = resolvePlaceOptions(options);
    const { key, signal } = options;
    const pool = poolOf(options, "flame.place");
    resolveFlameOptions(factory, options, pool, "flame.place");
    const make = (): Placement =>
      new Placement(prepare(factory, options, "flame.place"), resolved, { clock: systemClock, events }, trace);
    const use = new PlacementUse(signal, reject);
    const fail = (error: unknown): void => {
      use.failed();
      reject(error);
    };
    const begin = (): void => {
      if (use.over) return;
      const found = key === undefined ? undefined : keyed.get(pool)?.get(key);
      // One that goes has the name until it is gone: there are never two of them.
      if (found && !found.usable) return void found.gone.then(begin).catch(fail);
      const placement = found ?? make();
      if (!found && key !== undefined) keep(pool, key, placement);
      use.join(placement);
      placement.placed.then((shape) => resolve(use.handle(shape)), fail);
    };
    begin();
  }, place);
  return placing as Promise<unknown> as Promise<Remote<T>>;
}

function keep(pool: Pool, key: string, placement: Placement): void {
  let objects = keyed.get(pool);
  if (!objects) keyed.set(pool, (objects = new Map()));
  const found = objects;
  found.set(key, placement);
  void placement.gone.then(() => found.get(key) === placement && found.delete(key));
}
