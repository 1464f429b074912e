/**
 * What the value codec needs from those who know about code and handles. The codec itself knows data only.
 */

/** How a function, or an instance of a class that is not built in, is to be written. */
export type Description =
  /** Code: a function or class made by unit number `unit`. Values in `early` are written before it exists, `late` after. */
  | {
      readonly kind: "code";
      readonly unit: number;
      readonly early: readonly unknown[];
      readonly late: readonly unknown[];
      readonly name: string;
      /** What the early and then the late values are called in paths. */
      readonly names: readonly string[];
    }
  /** An instance whose class travels as a value of its own; `base` is the built-in class it derives from. Own fields follow. */
  | { readonly kind: "instance"; readonly class: unknown; readonly base: "Object" | "Error" | "Map" | "Set" | "Array" }
  /** An instance that its class writes itself (`serialize`) and makes again (`revive`) from `state`. */
  | { readonly kind: "custom"; readonly class: unknown; readonly state: unknown }
  /** A class known on both sides by a name. */
  | { readonly kind: "named"; readonly name: string }
  /** Anything else that the other side makes from `type` and `data`. */
  | { readonly kind: "handle"; readonly type: string; readonly data: unknown };

export interface EncodeHooks {
  /**
   * Called once for each function value (classes too), for each object whose prototype is neither `Object.prototype`,
   * `null` nor a built-in's that the codec carries itself. Throws to refuse; `path()` leads from the root to the value.
   */
  describe(value: object, path: () => readonly PathStep[]): Description;
}

export interface DecodeHooks {
  /** Makes the function or class of a unit; `fill` gets the late values once all of them exist. */
  code(
    unit: number,
    early: readonly unknown[],
    name: string,
  ): { readonly value: object; fill(late: readonly unknown[]): void };
  /** The class known by this name; throws when there is none. */
  named(name: string): object;
  /** Makes the instance of a class that has its own `revive`. */
  custom(Class: unknown, state: unknown): object;
  handle(type: string, data: unknown): unknown;
}

/** One step of a path: a property name, an index, or a label such as `<key>` for the key of a Map. */
export type PathStep = string | number;

/** How a value that stays where it is shows itself on the other side. */
export type LiveKind =
  | "function"
  | "object"
  /** The object itself, on the runner where it lives; whoever uses it has an "object". */
  | "placed"
  | "signal"
  | "iterable"
  | "readable"
  | "writable"
  | "node-readable"
  | "node-writable"
  | "node-duplex";

/** A value that stays where it is: the other side gets something that reaches it. */
export interface LiveValue {
  readonly kind: LiveKind;
  readonly value: object;
  /** Runs what the other side asks of it in the asynchronous context of whoever has sent it. */
  readonly run: <T>(act: () => T) => T;
  /** It was borrowed to be lent: nobody else on this side would let it go. */
  readonly passedOn?: boolean;
}

/** Finds, among what hooks are asked to describe, what stays where it is. */
export interface LiveCollector {
  readonly found: readonly LiveValue[];
  /** Forgets what was found after the first `count`: it will be written again. */
  rewind(count: number): void;
  /** What is live whatever else it may be; undefined when it is to be described in another way. */
  take(value: object, path: () => readonly PathStep[]): Description | undefined;
  /** What is live because there is no other way to send it. */
  takeRest(value: object): Description | undefined;
}

/** What one side tells the other of a live value: its kind, its number, and what else the kind needs. */
export type Reference = readonly [kind: string, number: number, detail: unknown];

/** Encoded form. `buffers` are the caller's own memory, referenced, in the order in which `bytes` names them. */
export interface Payload {
  readonly bytes: Uint8Array;
  readonly buffers: readonly Uint8Array[];
  /** Values that stay behind, in the order in which `bytes` names them; before they are sent they become `references`. */
  readonly live?: readonly LiveValue[];
  readonly references?: readonly Reference[];
  /** Present when a Blob is among the values: `buffers` are complete once this is fulfilled. To be awaited before sending. */
  readonly pending?: Promise<void>;
}

/** Key of what an object is sent as where it is only a handle: `{ type, data }`, from which the other side makes its own. */
export const handleOf: unique symbol = Symbol.for("tinderbox.handle") as never;

/** How a value that travels as a handle is written, whatever it is here. */
export function standsFor(value: object): Description | undefined {
  const stands = (value as { [handleOf]?: { readonly type: string; readonly data: unknown } })[handleOf];
  return stands && { kind: "handle", ...stands };
}

/** Makes a function travel as a handle, of which the other side makes its own. Returns it. */
export function standFor<F extends object>(fn: F, type: string, data: unknown): F {
  return Object.defineProperty(fn, handleOf, { value: { type, data } });
}
