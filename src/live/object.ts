/** The two ends of an object that lives on a runner: its methods, as promises. */
import { inspect } from "node:util";
import { ProtocolError } from "../errors.ts";
import { mark } from "./kinds.ts";
import { IterablePromise } from "./promise.ts";
import type { Exported, Line } from "./reference.ts";

/** What the other side may do with an object. */
export interface ObjectShape {
  readonly name: string;
  readonly methods: readonly string[];
  /** Properties that are no methods: asked for they say why there is none. */
  readonly others: readonly string[];
}

/** What the owner of a placed object hears when it is to run its own dispose; no method has this name. */
export const disposeMethod = "";
/** A method of that name would make a promise of the object wherever it is awaited. */
const hidden: ReadonlySet<string> = new Set(["constructor", "then", disposeMethod]);
/** Of the name of a method, in bytes: more does not fit into a message. */
const longestName = 255;

const shapes = new WeakMap<object, ObjectShape>();

/** Methods of the object and of its classes, own fields and getters apart. */
function shapeOf(object: object): ObjectShape {
  const known = shapes.get(object);
  if (known) return known;
  const methods = new Set<string>();
  const others = new Set<string>();
  for (
    let link: object | null = object;
    link && link !== Object.prototype;
    link = Object.getPrototypeOf(link) as object
  ) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(link))) {
      if (hidden.has(name) || Buffer.byteLength(name) > longestName || methods.has(name) || others.has(name)) continue;
      (typeof value === "function" && !isClass(value as object) ? methods : others).add(name);
    }
  }
  const Class = (object as { constructor?: { name?: unknown } }).constructor?.name;
  const name = typeof Class === "string" && Class !== "" ? Class : "Object";
  return { name, methods: [...methods], others: [...others] };
}

function isClass(value: object): boolean {
  return /^class\b/.test(Function.prototype.toString.call(value));
}

export function exportObject(object: object, run: <T>(act: () => T) => T): Exported & { readonly detail: ObjectShape } {
  const shape = shapeOf(object);
  const methods = new Set(shape.methods);
  return {
    detail: shape,
    call(method, args) {
      if (!methods.has(method))
        throw new TypeError(`Cannot call \`${method}\` of ${shape.name}: there was no such method when it was placed`);
      return run(() => (object as Record<string, (...args: readonly unknown[]) => unknown>)[method]!(...args));
    },
    end() {},
  };
}

/** The object itself: it is disposed once, when its owner asks for it or else when nothing needs it any more. */
export function exportPlaced(object: object, run: <T>(act: () => T) => T): Exported {
  const exported = exportObject(object, run);
  let disposed: Promise<void> | undefined;
  const dispose = (): Promise<void> => (disposed ??= run(() => disposeOf(object)));
  return {
    ...exported,
    call: (method, args) => (method === disposeMethod ? dispose() : exported.call!(method, args)),
    async end() {
      if (disposed) return void (await disposed.catch(() => {}));
      // Nobody asks any more: what it fails with is told on the runner's standard error.
      await dispose().catch((error: unknown) =>
        run(() => void process.stderr.write(`Cannot dispose ${exported.detail.name}: ${inspect(error)}\n`)),
      );
    },
  };
}

/** As the object itself has it: `Symbol.asyncDispose`, `Symbol.dispose`, or a method `dispose`. */
async function disposeOf(object: object): Promise<void> {
  const own = object as Partial<AsyncDisposable & Disposable & { dispose(): unknown }>;
  const dispose = own[Symbol.asyncDispose] ?? own[Symbol.dispose] ?? own.dispose;
  if (typeof dispose === "function") await dispose.call(object);
}

/** How the object behind a remote one is reached. */
export interface ObjectLine extends Pick<Line, "call" | "release"> {
  readonly shape: ObjectShape;
}

const lines = new WeakMap<object, ObjectLine>();

/** Undefined for anything but what `importObject` has made. */
export function lineOf(remote: object): ObjectLine | undefined {
  return lines.get(remote);
}

/** What stands for the object; `using` lets it go. What comes from there is checked: `detail` is whatever the peer has sent. */
export function importObject(detail: unknown, line: Pick<Line, "call" | "release">): object {
  const shape = readShape(detail);
  const remote = remoteObject(shape, {
    call: (method, args) => IterablePromise.of(line.call(method, args)),
    dispose: async () => line.release(),
  });
  lines.set(remote, { shape, call: line.call, release: line.release });
  return remote;
}

function readShape(detail: unknown): ObjectShape {
  const { name, methods, others } = (detail ?? {}) as Partial<ObjectShape>;
  const isList = (list: unknown): boolean => Array.isArray(list) && list.every((entry) => typeof entry === "string");
  if (typeof name === "string" && isList(methods) && isList(others)) return detail as ObjectShape;
  throw new ProtocolError("Cannot receive an object: its methods are not told");
}

export interface RemoteActions {
  /** `below` is the method as its caller knows it. */
  call(method: string, args: readonly unknown[], below: (...args: never[]) => unknown): Promise<unknown>;
  dispose(): Promise<void>;
}

/** An object with the methods of another one. Wherever it is sent, its methods are called here. */
export function remoteObject(shape: ObjectShape, { call, dispose }: RemoteActions): object {
  const { name, methods, others } = shape;
  const remote = Object.create(Remote.prototype) as object;
  for (const method of methods) {
    if (hidden.has(method)) continue;
    const value = (...args: unknown[]): Promise<unknown> => call(method, args, value);
    Object.defineProperty(value, "name", { value: method });
    Object.defineProperty(remote, method, { value, enumerable: true });
  }
  for (const other of others) {
    if (hidden.has(other)) continue;
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
  Object.defineProperty(remote, Symbol.asyncDispose, { value: dispose });
  Object.defineProperty(remote, Symbol.toStringTag, { value: name });
  shapes.set(remote, shape);
  return mark(remote, "object");
}

/** So that an object on another machine is told from a plain one. */
class Remote {}
