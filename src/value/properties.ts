import { types } from "node:util";
import { nodeErrorBase } from "./kinds.ts";
import { PROPERTY } from "./path.ts";
import { refusals } from "./refuse.ts";
import { FIXED, FROZEN, HIDDEN, READ_ONLY, SEALED } from "./tags.ts";
import type { Walk } from "./walk.ts";

/** Writes all own properties but those that `skip` names. */
export function writeProperties(
  walk: Walk,
  object: object,
  depth: number,
  skip?: (key: string | symbol) => boolean,
): void {
  const all = Reflect.ownKeys(object);
  writeKeys(walk, object, skip ? all.filter((key) => !skip(key)) : all, depth);
}

/**
 * Writes the properties that a built-in object does not have by itself; `usual` is the number of own string keys that it
 * has, which lets the common case end before any list of keys is made.
 */
export function writeExtras(
  walk: Walk,
  object: object,
  depth: number,
  usual: number,
  skip?: (key: string | symbol) => boolean,
): void {
  if (
    Object.getOwnPropertyNames(object).length === usual &&
    Object.getOwnPropertySymbols(object).length === 0 &&
    Object.isExtensible(object)
  ) {
    walk.writer.byte(0);
  } else writeProperties(walk, object, depth, skip);
}

/** Varint of count * 8 + (attributes ? 4 : 0) + integrity, then key, [attributes], value of each. */
export function writeKeys(walk: Walk, object: object, keys: readonly (string | symbol)[], depth: number): void {
  const { writer, trail } = walk;
  const integrity = integrityOf(object);
  const isError = types.isNativeError(object);
  const descriptors: PropertyDescriptor[] = [];
  const attributes: number[] = [];
  let special = false;
  for (const key of keys) {
    let descriptor = Object.getOwnPropertyDescriptor(object, key) as PropertyDescriptor;
    if (isError && descriptor.get) descriptor = ownDataOfError(object as Error, key, descriptor);
    const bits = attributesOf(descriptor, integrity);
    special ||= bits !== 0;
    descriptors.push(descriptor);
    attributes.push(bits);
  }
  writer.varint(keys.length * 8 + (special ? 4 : 0) + integrity);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as string | symbol;
    const descriptor = descriptors[i] as PropertyDescriptor;
    trail.step(depth + 1, PROPERTY, key);
    if (descriptor.get || descriptor.set) walk.refuse(depth + 1, refusals.accessor);
    walk.key(key, depth + 1);
    if (special) writer.byte(attributes[i] as number);
    walk.value(descriptor.value, depth + 1);
  }
}

/** The engine shows the stack, and Node some fields of its own errors, through accessors that no user wrote. */
function ownDataOfError(error: Error, key: string | symbol, descriptor: PropertyDescriptor): PropertyDescriptor {
  const native = key === "stack" && Function.prototype.toString.call(descriptor.get).endsWith("{ [native code] }");
  if (!native && !nodeErrorBase(Object.getPrototypeOf(error) as object)) return descriptor;
  const value = (error as unknown as Record<string | symbol, unknown>)[key];
  const { enumerable = false, configurable = false } = descriptor;
  const shown = key === "stack" && typeof value !== "string" ? undefined : value;
  return { value: shown, writable: true, enumerable, configurable };
}

/** 0 extensible, 1 not, 2 sealed, 3 frozen. */
export function integrityOf(object: object): number {
  if (Object.isExtensible(object)) return 0;
  if (Object.isFrozen(object) && !hasWritableLength(object)) return FROZEN;
  return Object.isSealed(object) ? SEALED : 1;
}

/** V8 calls an empty array frozen that is only sealed. */
function hasWritableLength(object: object): boolean {
  return Array.isArray(object) && Object.getOwnPropertyDescriptor(object, "length")?.writable === true;
}

function attributesOf(descriptor: PropertyDescriptor, integrity: number): number {
  // Freezing and sealing at the other end bring these by themselves.
  const readOnly = !descriptor.writable && integrity !== FROZEN ? READ_ONLY : 0;
  const fixed = !descriptor.configurable && integrity < SEALED ? FIXED : 0;
  return readOnly | fixed | (descriptor.enumerable ? 0 : HIDDEN);
}
