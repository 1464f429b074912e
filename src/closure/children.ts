/** What an object holds, for walks that need no more than that. */
import { types } from "node:util";

export function childrenOf(value: object): unknown[] {
  const found: unknown[] = [];
  const prototype = Object.getPrototypeOf(value) as { constructor?: unknown } | null;
  if (prototype && prototype !== Object.prototype && prototype !== Array.prototype) {
    const constructor = Object.getOwnPropertyDescriptor(prototype, "constructor")?.value as unknown;
    if (typeof constructor === "function") found.push(constructor);
  }
  if (types.isProxy(value) || ArrayBuffer.isView(value)) return found;
  if (types.isMap(value)) for (const [key, item] of Map.prototype.entries.call(value)) found.push(key, item);
  else if (types.isSet(value)) found.push(...(Set.prototype.values.call(value) as Iterable<unknown>));
  for (const key of Reflect.ownKeys(value)) {
    const descriptor = Object.getOwnPropertyDescriptor(value, key);
    if (descriptor && "value" in descriptor) found.push(descriptor.value);
  }
  return found;
}
