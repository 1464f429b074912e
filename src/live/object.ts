/** The two ends of an object that lives on a runner: its methods, as promises. */
import { mark } from "./kinds.ts";
import type { Exported, Line } from "./reference.ts";

/** What the other side may do with an object. */
export interface ObjectShape {
  readonly name: string;
  readonly methods: readonly string[];
  /** Properties that are no methods: asked for they say why there is none. */
  readonly others: readonly string[];
}

/** Methods of the object and of its classes, own fields and getters apart. */
export function shapeOf(object: object): ObjectShape {
  const methods = new Set<string>();
  const others = new Set<string>();
  for (
    let link: object | null = object;
    link && link !== Object.prototype;
    link = Object.getPrototypeOf(link) as object
  ) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(link))) {
      if (name === "constructor" || methods.has(name) || others.has(name)) continue;
      (typeof value === "function" && !isClass(value as object) ? methods : others).add(name);
    }
  }
  const Class = (object as { constructor?: { name?: unknown } }).constructor?.name;
  return { name: typeof Class === "string" ? Class : "Object", methods: [...methods], others: [...others] };
}

function isClass(value: object): boolean {
  return /^class\b/.test(Function.prototype.toString.call(value));
}

export function exportObject(object: object, run: <T>(act: () => T) => T, end: () => void | Promise<void>): Exported {
  const shape = shapeOf(object);
  const methods = new Set(shape.methods);
  return {
    detail: shape,
    call(method, args) {
      if (!methods.has(method)) throw new TypeError(`Cannot call ${method}: the object has no such method`);
      return run(() => (object as Record<string, (...args: readonly unknown[]) => unknown>)[method]!(...args));
    },
    end,
  };
}

/** As the object itself has it: `Symbol.asyncDispose`, `Symbol.dispose`, or a method `dispose`. */
export async function disposeOf(object: object): Promise<void> {
  const own = object as Partial<AsyncDisposable & Disposable & { dispose(): unknown }>;
  const dispose = own[Symbol.asyncDispose] ?? own[Symbol.dispose] ?? own.dispose;
  if (typeof dispose === "function") await dispose.call(object);
}

/** What stands for the object; `using` lets it go. */
export function remoteObject({ name, methods, others }: ObjectShape, line: Pick<Line, "call" | "release">): object {
  const remote = Object.create(Remote.prototype) as object;
  for (const method of methods) {
    if (method === "then") continue;
    const value = (...args: unknown[]): Promise<unknown> => line.call(method, args);
    Object.defineProperty(remote, method, { value, enumerable: true });
  }
  for (const other of others) {
    const get = (): never => {
      throw new TypeError(
        `Cannot read \`${other}\` of ${name}: it is no method, and the object is on another machine; add a method that returns it`,
      );
    };
    const set = (): never => {
      throw new TypeError(`Cannot set \`${other}\` of ${name}: the object is on another machine; add a method for it`);
    };
    Object.defineProperty(remote, other, { get, set, enumerable: false });
  }
  const release = async (): Promise<void> => line.release();
  Object.defineProperty(remote, Symbol.asyncDispose, { value: release });
  return mark(remote, "object");
}

/** So that an object on another machine is told from a plain one. */
class Remote {}
