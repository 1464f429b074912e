/**
 * What nested calls will do, without their messages: a closure that is captured on one runner becomes plain data, which
 * another runner makes the function from. Imported by closures on runners.
 */
import { capture } from "../../../src/closure/capture.ts";
import { Linker } from "../../../src/closure/link.ts";
import { firstOfExecutors, numberUnitsFrom, perExecutor } from "../../../src/closure/numbers.ts";
import { ReceiveHooks } from "../../../src/closure/receive.ts";
import { ResultHooks } from "../../../src/closure/result.ts";
import { sent } from "../../../src/closure/sent.ts";
import { type UnitModule, moduleOf, unitByNumber } from "../../../src/closure/units.ts";
import { place } from "../../../src/context.ts";
import { decode } from "../../../src/value/decode.ts";
import { encode } from "../../../src/value/encode.ts";
import { findLoaded, loadModule } from "../../../runners/modules.ts";

export interface Parts {
  readonly bytes: Uint8Array;
  readonly buffers: readonly Uint8Array[];
  readonly modules: readonly { readonly number: number; readonly module: UnitModule }[];
}

export interface Answer {
  readonly value?: unknown;
  readonly error?: { readonly name: string; readonly message: string; readonly stack: string };
  /** The value as a runner sends it, where it is not plain data. */
  readonly bytes?: Uint8Array;
  readonly units: readonly number[];
}

const pools = ["first", "second"];
let numbered = false;

/** Captures `fn` on this runner, which is of the pool `first` or `second`. */
export function pack(fn: (...args: never[]) => unknown): Parts {
  if (!numbered) numberUnitsFrom(firstOfExecutors + pools.indexOf(place.runner!.pool) * perExecutor);
  numbered = true;
  const { payload, units } = capture(fn);
  const modules = [...units].map((number) => ({ number, module: moduleOf(unitByNumber(number)!) }));
  return { bytes: payload.bytes, buffers: payload.buffers, modules };
}

const linker = new Linker(findLoaded);
const known = new Map<number, string>();

/** Makes the function on this runner and calls it. */
export async function run({ bytes, buffers, modules }: Parts, instance = false): Promise<Answer> {
  const units = modules.map(({ number }) => number);
  for (const { number, module } of modules) {
    const text = JSON.stringify(module);
    if (known.has(number) && known.get(number) !== text) throw new Error(`Unit ${number} has changed: ${text}`);
    if (known.has(number)) continue;
    known.set(number, text);
    linker.add(number, module);
    await loadModule(module).then(
      (loaded) => linker.loaded(number, loaded),
      (error: unknown) => linker.failed(number, error),
    );
  }
  const before = sent.linker;
  sent.linker = linker;
  try {
    const value = await (decode({ bytes, buffers }, linker) as () => unknown)();
    return instance
      ? { bytes: encode(value, new ResultHooks(linker, undefined, new Set(units))).bytes, units }
      : { value, units };
  } catch (error) {
    const { name, message, stack = "" } = error as Error;
    return { error: { name, message, stack }, units };
  } finally {
    sent.linker = before;
  }
}

/** Reads, where the closure was captured, what it has returned. */
export function receive({ bytes, units }: Answer): unknown {
  return decode({ bytes: bytes!, buffers: [] }, new ReceiveHooks(new Set(units)));
}
