/**
 * Which classes travel, and under what name. A class is nameable when it is declared in a captured file, imported by
 * one, or given to `registerClass`.
 */
import { CaptureError, errorClasses } from "../errors.ts";
import { hasPrivateState } from "./privates.ts";

/** Key of a method that returns what an instance is to be sent as: `[serialize]() { return [this.#x]; }`. */
export const serialize: unique symbol = Symbol.for("tinderbox.serialize") as never;
/** Key of a static method that makes an instance from what `serialize` returned: `static [revive](state) {...}`. */
export const revive: unique symbol = Symbol.for("tinderbox.revive") as never;

type Class = abstract new (...args: never[]) => object;

const slot = Symbol.for("tinderbox.classes");
interface Names {
  readonly byName: Map<string, object>;
  readonly byClass: WeakMap<object, string>;
}
const realm = globalThis as { [slot]?: Names };
const names: Names = (realm[slot] ??= { byName: new Map(), byClass: new WeakMap() });

/**
 * Lets instances of `Class` travel by name. Call it in a module that both the parent and the runner import.
 *
 * @param name Unique name, by default the class's own.
 * @throws TypeError when the name already stands for another class.
 * @example
 * export class Money { constructor(readonly cents: number) {} }
 * registerClass(Money);
 */
export function registerClass<C extends Class>(Class: C, name: string = (Class as { name: string }).name): C {
  if (typeof Class !== "function" || !name)
    throw new TypeError("Cannot register a class: a class and a name are wanted; give anonymous ones a name");
  const known = names.byName.get(name);
  // A module that is evaluated again (watch mode, tests) registers the new version of the same class.
  if (known && known !== Class && Function.prototype.toString.call(known) !== Function.prototype.toString.call(Class)) {
    throw new TypeError(`Cannot register class "${name}": another class has that name; pass a second argument`);
  }
  names.byName.set(name, Class);
  names.byClass.set(Class, name);
  return Class;
}

/**
 * What an error becomes whose class the other side does not know: an `Error` with its name and fields.
 * Stands in for the class on the wire only.
 */
export class ForeignError {
  static [revive](state: unknown): Error {
    const { name, message, stack, fields } = state as { name: string; message: string; stack: string; fields: object };
    const error = Object.assign(new Error(message), fields);
    Object.defineProperty(error, "name", { value: name, writable: true, configurable: true });
    Object.defineProperty(error, "stack", { value: stack, writable: true, configurable: true });
    return error;
  }
}

const own = "tinderbox:";
const builtIn = new Map<object, string>(
  Object.entries({ ...errorClasses, ForeignError }).map(([name, Class]) => [Class, own + name]),
);
const builtInByName = new Map([...builtIn].map(([Class, name]) => [name, Class]));

/** The name under which a class is known on both sides, if it is. */
export function nameOfClass(Class: object): string | undefined {
  return builtIn.get(Class) ?? names.byClass.get(Class);
}

/** Throws `TypeError` for a name that this process does not know: nothing else is ever made from it. */
export function classByName(name: string): object {
  const found = builtInByName.get(name) ?? names.byName.get(name);
  if (found) return found;
  throw new TypeError(
    `Cannot receive an instance of "${name}": no class has that name here; call registerClass in a module that both sides import`,
  );
}

export type Base = "Object" | "Error" | "Map" | "Set" | "Array";

/** The class of an instance by its prototype, not by what it says of itself. */
export function classOf(value: object): object | undefined {
  const prototype = Object.getPrototypeOf(value) as { constructor?: unknown } | null;
  if (!prototype) return undefined;
  const constructor = Object.getOwnPropertyDescriptor(prototype, "constructor")?.value as
    { prototype?: unknown } | undefined;
  return typeof constructor === "function" && constructor.prototype === prototype ? constructor : undefined;
}

export function hasSerialize(value: object): value is { [serialize](): unknown } {
  return typeof (value as { [serialize]?: unknown })[serialize] === "function";
}

const bases = new Map<object, Base>([
  [Error, "Error"],
  [Map, "Map"],
  [Set, "Set"],
  [Array, "Array"],
]);

/**
 * The built-in class under an instance's own ones. Undefined when there is one that cannot be made without its
 * constructor, or private state anywhere in the chain that could be read but not put back.
 */
export function baseOf(Class: object): { readonly base: Base } | { readonly refused: string; readonly fix: string } {
  for (
    let at: object | null = Class;
    at && at !== Function.prototype;
    at = Object.getPrototypeOf(at) as object | null
  ) {
    const base = bases.get(at) ?? (isNative(at) ? builtInBase(at) : undefined);
    if (base) return { base };
    const name = (at as { name?: string }).name || "an anonymous class";
    if (isNative(at))
      return { refused: `it extends the built-in ${name}`, fix: "give its class serialize and revive methods" };
    if (hasPrivateState(at))
      return {
        refused: `${name} has #private members, which cannot be put back`,
        fix: "give the class methods keyed by serialize and revive",
      };
  }
  return { base: "Object" };
}

function builtInBase(Class: object): Base | undefined {
  const { name } = Class as { name: string };
  if (name === "Error" || (Class as { prototype?: object }).prototype instanceof Error) return "Error";
  return undefined;
}

export function isNative(fn: object): boolean {
  return Function.prototype.toString.call(fn).endsWith("{ [native code] }");
}

/** `revive` of a class, or an explanation. */
export function reviveInstance(Class: unknown, state: unknown): object {
  const method = (Class as { [revive]?: unknown } | undefined)?.[revive];
  if (typeof method !== "function") {
    throw new CaptureError(
      `Cannot make an instance of ${String((Class as { name?: unknown })?.name)}: it has serialize but no static revive; add static [revive](state)`,
    );
  }
  return Reflect.apply(method, Class, [state]) as object;
}
