import { broken } from "./reader.ts";
import type { FillBody, Rebuild } from "./rebuild.ts";
import { FIXED, FROZEN, HIDDEN, READ_ONLY, SEALED, errorNames, type Base } from "./tags.ts";

/** An empty object with the slots of `base`, made without any user's constructor. Without a prototype it is an ordinary one. */
export function makeShell(base: Base, prototype: object | null | undefined): object {
  if (base === "Error") return bareError(prototype === undefined ? Error.prototype : prototype);
  if (base === "Object" && prototype) return Object.create(prototype) as object;
  const shell = base === "Map" ? new Map() : base === "Set" ? new Set() : base === "Array" ? [] : {};
  if (prototype !== undefined) Object.setPrototypeOf(shell, prototype);
  return shell;
}

export function makeError(index: number): Error {
  const name = errorNames[index];
  const Class = name && (globalThis as unknown as Record<string, ErrorConstructor | undefined>)[name];
  if (!Class) throw broken(`it holds an error of a class that this version of Node does not have`);
  return bareError(Class.prototype);
}

/** An error without any property of its own, the stack included. */
function bareError(prototype: object | null): Error {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  // With a message, even an empty one, it would have a property of that name.
  const error = Reflect.construct(Error, []) as Error;
  Error.stackTraceLimit = limit;
  delete (error as { stack?: string }).stack;
  Object.setPrototypeOf(error, prototype);
  return error;
}

/** Counterparts of the bodies in `builtins.ts`. */
export const bodies: Readonly<Record<Base, FillBody>> = {
  Object: readProperties,
  Error: readProperties,
  Map(decoder, value, depth) {
    decoder.enter(depth);
    for (let left = decoder.reader.count(2); left > 0; left--) {
      const key = decoder.value(depth + 1);
      setOfMap.call(value, key, decoder.value(depth + 1));
    }
    readProperties(decoder, value, depth);
  },
  Set(decoder, value, depth) {
    decoder.enter(depth);
    for (let left = decoder.reader.count(1); left > 0; left--) addOfSet.call(value, decoder.value(depth + 1));
    readProperties(decoder, value, depth);
  },
  Array(decoder, value, depth) {
    const length = decoder.reader.varint();
    if (length > 0xffffffff) throw broken("an array is too long");
    decoder.elements(value as unknown[], length, depth);
    readProperties(decoder, value, depth);
  },
};

// A subclass may define its own `set` and `add`.
const setOfMap = Map.prototype.set as (this: object, key: unknown, value: unknown) => void;
const addOfSet = Set.prototype.add as (this: object, value: unknown) => void;

export function readProperties(decoder: Rebuild, object: object, depth: number): void {
  const { reader } = decoder;
  const header = reader.varint();
  if (header === 0) return;
  decoder.enter(depth);
  const integrity = header & 3;
  const special = (header & 4) !== 0;
  const count = Math.floor(header / 8);
  if (count * 2 > reader.end - reader.position) throw broken("it ends too early");
  for (let i = 0; i < count; i++) {
    const key = decoder.key();
    const bits = special ? reader.byte() : 0;
    const value = decoder.value(depth + 1);
    if (key === "length" && Array.isArray(object)) throw broken("it sets the length of an array");
    // Only a name that nothing inherits is certain to become an own property, without any setter's help.
    if (bits === 0 && !(key in object)) (object as Record<string | symbol, unknown>)[key] = value;
    else {
      const [writable, enumerable, configurable] = [!(bits & READ_ONLY), !(bits & HIDDEN), !(bits & FIXED)];
      Object.defineProperty(object, key, { value, writable, enumerable, configurable });
    }
  }
  if (integrity === FROZEN) Object.freeze(object);
  else if (integrity === SEALED) Object.seal(object);
  else if (integrity) Object.preventExtensions(object);
}
