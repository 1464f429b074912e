/** How the parent reads what a runner sent: data, and instances of classes that it named itself. Never code. */
import { ProtocolError } from "../errors.ts";
import type { DecodeHooks } from "../value/port.ts";
import { classByName, reviveInstance } from "./classes.ts";
import { unitByNumber } from "./units.ts";

export class ReceiveHooks implements DecodeHooks {
  readonly #sent: ReadonlySet<number>;
  readonly #live: readonly unknown[];

  /** `sent`: the units that this runner was given; it may name no others. `live`: what its references stand for. */
  constructor(sent: ReadonlySet<number>, live: readonly unknown[] = []) {
    this.#sent = sent;
    this.#live = live;
  }

  /** The same for a message with references. */
  with(live: readonly unknown[]): ReceiveHooks {
    return live.length === 0 ? this : new ReceiveHooks(this.#sent, live);
  }

  code(): never {
    throw new ProtocolError("Cannot receive code: a runner does not send any");
  }

  named(name: string): object {
    return classByName(name);
  }

  custom(Class: unknown, state: unknown): object {
    return reviveInstance(Class, state);
  }

  handle(type: string, data: unknown): unknown {
    if (type === "live") return this.#liveValue(data);
    if (type !== "class" || !Array.isArray(data))
      throw new ProtocolError("Cannot receive a handle: its type is unknown");
    const [number, local, member] = data as unknown[];
    if (typeof number !== "number" || !this.#sent.has(number))
      throw new ProtocolError("Cannot receive an instance: its class was not sent to this runner");
    const unit = unitByNumber(number);
    // Passed on from one runner to another.
    if (!unit) throw new TypeError("Cannot receive an instance: its class is known to runners only");
    const { file, info } = unit;
    const index = info ? file.analysis.units.indexOf(info) : -1;
    const binding = info ? undefined : [...file.bindings].find(([, candidate]) => candidate === unit)?.[0];
    const name =
      typeof local === "string" ? local : binding === undefined ? undefined : file.analysis.imports[binding]!.local;
    const known =
      name === undefined
        ? (file.classes.get(index) ?? unit.made?.() ?? file.lookup?.(info!.name))
        : file.imports?.()[name];
    const found = typeof member === "string" ? (known as Record<string, unknown> | undefined)?.[member] : known;
    if (typeof found === "function") return found;
    throw new TypeError(
      `Cannot receive an instance of ${name ?? info?.name ?? "a class"}: the class is not at hand any more`,
    );
  }

  #liveValue(index: unknown): unknown {
    if (typeof index === "number" && index in this.#live) return this.#live[index];
    throw new ProtocolError("Cannot receive a live value: it has no reference");
  }
}
