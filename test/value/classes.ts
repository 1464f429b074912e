import type { DecodeHooks, Description, EncodeHooks, PathStep, Payload } from "../../src/value/port.ts";
import { decode, type DecodeLimits } from "../../src/value/decode.ts";
import { encode } from "../../src/value/encode.ts";

/** Classes of every base, and one that writes itself. */
export class Point {
  x: unknown;
  constructor() {
    throw new Error("a constructor must not run");
  }
  set y(_: unknown) {
    throw new Error("a setter must not run");
  }
}
export class Failure extends Error {
  constructor(...parts: [string, ErrorOptions?]) {
    super(...parts);
    this.name = "Failure";
  }
}
export class Registry extends Map<unknown, unknown> {
  override get size(): number {
    return -1;
  }
}
export class Tags extends Set<unknown> {}
export class Stack extends Array<unknown> {}
export class Money {
  static revive(state: unknown): Money {
    return Object.assign(Object.create(Money.prototype) as Money, { made: state });
  }
  readonly #cents: number;
  readonly currency: unknown;
  constructor(cents: number, currency: unknown) {
    this.#cents = cents;
    this.currency = currency;
  }
  serialize(): unknown {
    return { cents: this.#cents, currency: this.currency };
  }
}

const named: Readonly<Record<string, object>> = { Point, Failure, Registry, Tags, Stack, Money };
const bases = { Point: "Object", Failure: "Error", Registry: "Map", Tags: "Set", Stack: "Array" } as const;

/** Functions that are made of a unit and what they reach; `late` can be set afterwards, so that they may reach each other. */
export interface Code {
  (): unknown;
  unit: number;
  early: readonly unknown[];
  late: readonly unknown[];
}
const codes = new WeakMap<object, Code>();
export function code(unit: number, early: readonly unknown[], late: readonly unknown[], name = "f"): Code {
  const made = Object.assign(() => unit, { unit, early, late }) as Code;
  Object.defineProperty(made, "name", { value: name });
  codes.set(made, made);
  return made;
}

export const encodeHooks: EncodeHooks = {
  describe(value: object, path: () => readonly PathStep[]): Description {
    const made = codes.get(value);
    if (made) {
      const names = [...made.early.map((_, index) => `early${index}`), ...made.late.map((_, index) => `late${index}`)];
      return { kind: "code", unit: made.unit, early: made.early, late: made.late, name: made.name, names };
    }
    if (typeof value === "function" && named[value.name] === value) return { kind: "named", name: value.name };
    if (value instanceof Money) return { kind: "custom", class: Money, state: value.serialize() };
    if (value instanceof AbortSignal)
      return { kind: "handle", type: "signal", data: { aborted: value.aborted, path: path() } };
    const Class = Object.getPrototypeOf(value)?.constructor as { name: keyof typeof bases } | undefined;
    if (Class && named[Class.name] === Class) return { kind: "instance", class: Class, base: bases[Class.name] };
    throw new TypeError(`refused by the hook at ${path().join(" / ")}`);
  },
};

export const decodeHooks: DecodeHooks = {
  code(unit, early, name) {
    const value = code(unit, early, [], name);
    return { value, fill: (late) => void (value.late = late) };
  },
  named(name) {
    if (!Object.hasOwn(named, name)) throw new TypeError(`there is no class ${name}`);
    return named[name] as object;
  },
  custom: (Class, state) => {
    if (Class !== Money) throw new TypeError("the class has no revive");
    return Money.revive(state);
  },
  handle: (type, data) => ({ type, data }),
};

export function pass(value: unknown, limits?: DecodeLimits): unknown {
  return decode(encode(value, encodeHooks), decodeHooks, limits);
}

/** What arrives on the other side: neither bytes nor buffers are the sender's. */
export function arrive({ bytes, buffers }: Payload): Payload {
  return { bytes: bytes.slice(), buffers: buffers.map((buffer) => Uint8Array.from(buffer)) };
}
