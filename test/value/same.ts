import { types } from "node:util";

/**
 * The first difference between two values, if any: kind, prototype, own keys in order, attributes, integrity, contents,
 * holes, -0, and which of the objects in one graph are the same object in the other.
 */
export function difference(actual: unknown, expected: unknown): string | undefined {
  try {
    new Comparison().compare(actual, expected, "value");
    return undefined;
  } catch (error) {
    if (error instanceof Difference) return error.message;
    throw error;
  }
}

class Difference extends Error {}

/** Both may be functions or prototypes that the two sides have in common. */
const shared = (a: unknown, b: unknown) => a === b;

class Comparison {
  readonly #there = new Map<object, object>();
  readonly #back = new Map<object, object>();
  readonly #queue: [object, object, string][] = [];

  compare(a: unknown, b: unknown, path: string): void {
    this.#pair(a, b, path);
    for (let next = this.#queue.pop(); next; next = this.#queue.pop()) this.#objects(...next);
  }

  #pair(a: unknown, b: unknown, path: string): void {
    if (!isObject(a) || !isObject(b)) {
      if (!Object.is(a, b)) fail(path, a, b);
      return;
    }
    if (this.#there.has(a) || this.#back.has(b)) {
      if (this.#there.get(a) !== b || this.#back.get(b) !== a)
        throw new Difference(`${path}: another object is shared here`);
      return;
    }
    if (a === b && typeof a !== "function") throw new Difference(`${path}: the object itself, not a copy`);
    this.#there.set(a, b);
    this.#back.set(b, a);
    this.#queue.push([a, b, path]);
  }

  #objects(a: object, b: object, path: string): void {
    if (shared(a, b)) return;
    if (kind(a) !== kind(b)) fail(`${path} (kind)`, kind(a), kind(b));
    if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) throw new Difference(`${path}: another prototype`);
    if (integrity(a) !== integrity(b)) fail(`${path} (integrity)`, integrity(a), integrity(b));
    this.#contents(a, b, path);
    this.#properties(a, b, path);
  }

  #properties(a: object, b: object, path: string): void {
    const [keys, others] = [keysOf(a), keysOf(b)];
    if (keys.length !== others.length || keys.some((key, i) => key !== others[i])) fail(`${path} (keys)`, keys, others);
    for (const key of keys) {
      const at = `${path}[${String(key)}]`;
      const [one, other] = [describe(a, key), describe(b, key)];
      for (const flag of ["writable", "enumerable", "configurable"] as const) {
        if (one[flag] !== other[flag]) fail(`${at} (${flag})`, one[flag], other[flag]);
      }
      this.#pair(one.value, other.value, at);
    }
  }

  #contents(a: object, b: object, path: string): void {
    if (types.isMap(a))
      this.#list([...Map.prototype.entries.call(a)].flat(), [...Map.prototype.entries.call(b)].flat(), `${path}{}`);
    else if (types.isSet(a))
      this.#list([...Set.prototype.values.call(a)], [...Set.prototype.values.call(b)], `${path}{}`);
    else if (types.isDate(a)) this.#pair(a.getTime(), (b as Date).getTime(), path);
    else if (types.isRegExp(a)) this.#list([a.source, a.flags], [(b as RegExp).source, (b as RegExp).flags], path);
    else if (types.isBoxedPrimitive(a)) this.#pair(a.valueOf(), b.valueOf(), path);
    else if (types.isArrayBuffer(a)) this.#buffers(a, b as ArrayBuffer, path);
    else if (ArrayBuffer.isView(a)) this.#views(a, b as ArrayBufferView, path);
    else if (a instanceof URL) this.#pair(a.href, (b as URL).href, path);
    else if (a instanceof URLSearchParams || a instanceof Headers) {
      this.#list([...a].flat(), [...(b as Headers)].flat(), path);
    } else if (a instanceof DOMException) {
      this.#list(
        [a.name, a.message, a.code],
        [(b as DOMException).name, (b as DOMException).message, (b as DOMException).code],
        path,
      );
    }
  }

  #list(a: readonly unknown[], b: readonly unknown[], path: string): void {
    this.#pair(a.length, b.length, `${path}.size`);
    a.forEach((item, i) => this.#pair(item, b[i], `${path}${i}`));
  }

  #buffers(a: ArrayBuffer, b: ArrayBuffer, path: string): void {
    this.#pair(a.resizable, b.resizable, `${path}.resizable`);
    this.#pair(a.maxByteLength, b.maxByteLength, `${path}.maxByteLength`);
    if (!Buffer.from(a).equals(Buffer.from(b))) throw new Difference(`${path}: other bytes`);
  }

  #views(a: ArrayBufferView, b: ArrayBufferView, path: string): void {
    this.#pair(a.byteLength, b.byteLength, `${path}.byteLength`);
    const bytes = (view: ArrayBufferView) => Buffer.from(view.buffer, view.byteOffset, view.byteLength);
    if (!bytes(a).equals(bytes(b))) throw new Difference(`${path}: other bytes`);
    // A view of everything keeps its buffer, so that sharing can be seen through it.
    if (b.byteLength === b.buffer.byteLength && b.byteLength > 0) this.#pair(a.buffer, b.buffer, `${path}.buffer`);
  }
}

function isObject(value: unknown): value is object {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

function kind(value: object): string {
  if (ArrayBuffer.isView(value)) return `view ${Buffer.isBuffer(value)} ${Object.prototype.toString.call(value)}`;
  const names = ["Map", "Set", "Date", "RegExp", "NativeError", "BoxedPrimitive", "ArrayBuffer", "Promise"] as const;
  const name = names.find((each) => types[`is${each}`](value));
  return name ?? (Array.isArray(value) ? "Array" : typeof value);
}

function integrity(value: object): string {
  if (Object.isExtensible(value)) return "extensible";
  return Object.isFrozen(value) ? "frozen" : Object.isSealed(value) ? "sealed" : "not extensible";
}

function keysOf(value: object): (string | symbol)[] {
  const keys = Reflect.ownKeys(value);
  if (ArrayBuffer.isView(value)) return keys.filter((key) => typeof key === "symbol" || String(Number(key)) !== key);
  return value instanceof Blob ? keys.filter((key) => typeof key === "string") : keys;
}

/** The engine shows `stack` as an accessor, which is no concern of a copy. */
function describe(value: object, key: string | symbol): PropertyDescriptor {
  const descriptor = Object.getOwnPropertyDescriptor(value, key) as PropertyDescriptor;
  if (key !== "stack" || !descriptor.get) return descriptor;
  const { enumerable = false, configurable = false } = descriptor;
  return { value: (value as Error).stack, writable: !Object.isFrozen(value), enumerable, configurable };
}

function fail(path: string, actual: unknown, expected: unknown): never {
  const show = (value: unknown) =>
    Array.isArray(value) ? value.map(String).join() : `${typeof value} ${Object.is(value, -0) ? "-0" : String(value)}`;
  throw new Difference(`${path}: got ${show(actual)}, expected ${show(expected)}`);
}
