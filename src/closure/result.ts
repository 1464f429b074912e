/** How a runner writes what a call returned or threw: data, and instances of classes that the parent knows. */
import { CaptureError } from "../errors.ts";
import { encode } from "../value/encode.ts";
import { formatPath } from "../value/path.ts";
import {
  type Description,
  type EncodeHooks,
  type LiveCollector,
  type PathStep,
  type Payload,
  standsFor,
} from "../value/port.ts";
import { ForeignError, baseOf, classOf, hasSerialize, nameOfClass, serialize } from "./classes.ts";
import type { Linker } from "./link.ts";

export class ResultHooks implements EncodeHooks {
  readonly #linker: Linker;
  readonly #live: LiveCollector | undefined;
  readonly #units: ReadonlySet<number> | undefined;

  /**
   * `live` finds what stays on the runner; without it such values are refused. `units`: those by which the reader can be
   * told of classes, by default all that this runner was sent.
   */
  constructor(linker: Linker, live?: LiveCollector, units?: ReadonlySet<number>) {
    this.#linker = linker;
    this.#live = live;
    this.#units = units;
  }

  describe(value: object, path: () => readonly PathStep[]): Description {
    const live = this.#live?.take(value, path);
    if (live) return live;
    if (typeof value === "function") return this.#class(value, path());
    const stands = standsFor(value);
    // Whoever reads results opens and starts nothing because a runner says so.
    if (stands?.kind === "handle")
      throw refuse(
        path(),
        `a ${stands.type}, and handles travel to runners only`,
        "return its name or key, and use your own",
      );
    const Class = classOf(value);
    if (Class && hasSerialize(value)) return { kind: "custom", class: Class, state: value[serialize]() };
    const rest = Class && this.#nameable(Class) ? undefined : this.#live?.takeRest(value);
    if (rest) return rest;
    if (!Class) throw refuse(path(), "an object with a prototype of its own", "return plain data");
    const found = baseOf(Class);
    const name = `an instance of ${(Class as { name: string }).name || "an anonymous class"}`;
    if ("refused" in found) throw refuse(path(), `${name}, and ${found.refused}`, found.fix);
    if (this.#nameable(Class)) return { kind: "instance", class: Class, base: found.base };
    if (found.base === "Error") return foreignError(value as Error);
    throw refuse(
      path(),
      `${name}, which the caller does not know`,
      "import its class in the file of the closure, or registerClass it",
    );
  }

  #class(fn: object, path: readonly PathStep[]): Description {
    const name = nameOfClass(fn);
    if (name !== undefined) return { kind: "named", name };
    const origin = this.#linker.originOf(fn, this.#units);
    if (!origin)
      throw refuse(path, "a class, which the caller does not know", "return an instance of a class that it imports");
    return { kind: "handle", type: "class", data: [origin.unit, origin.local ?? null, origin.member ?? null] };
  }

  #nameable(Class: object): boolean {
    return nameOfClass(Class) !== undefined || this.#linker.originOf(Class, this.#units) !== undefined;
  }
}

/** An error whose class the other side does not know. */
export function foreignError(error: Error): Description {
  return { kind: "custom", class: ForeignError, state: foreignState(error) };
}

function foreignState(error: Error): object {
  const { name, message, stack, ...fields } = Object.fromEntries(Object.entries(error)) as Record<string, unknown>;
  void [name, message, stack];
  if (Object.hasOwn(error, "cause")) fields["cause"] = error.cause;
  return { name: String(error.name), message: String(error.message), stack: String(error.stack ?? ""), fields };
}

/** What was thrown, or, where that cannot be sent, an error that says so and keeps the message. */
export function encodeFailure(error: unknown, hooks: EncodeHooks): Payload {
  try {
    if (error instanceof Error) tidyStacks(error);
    const payload = encode(error, hooks, { root: "error" });
    if (!payload.pending) return payload;
    return encode(new TypeError("Cannot send what the closure threw: it holds a Blob"), hooks);
  } catch (failure) {
    try {
      const reason = failure instanceof Error ? failure.message : String(failure);
      return encode(replaceError(error, reason, hooks), hooks);
    } catch {
      return encode(new TypeError("Cannot send what the closure threw: it cannot be read"), hooks);
    }
  }
}

/** Says why the error itself was left behind, and keeps of it what can be kept: message, name, stack, single fields. */
function replaceError(error: unknown, reason: string, hooks: EncodeHooks): Error {
  if (!(error instanceof Error)) return new TypeError(`Cannot send what the closure threw: ${reason}`);
  const bare = new Error(`${error.message} (the error itself was left behind: ${reason})`);
  for (const [key, value] of Object.entries(error)) {
    if (travels(value, hooks)) Object.defineProperty(bare, key, { value, enumerable: true, configurable: true });
  }
  return Object.assign(bare, { name: error.name, stack: error.stack ?? "" });
}

function travels(value: unknown, hooks: EncodeHooks): boolean {
  try {
    return !encode(value, hooks).pending;
  } catch {
    return false;
  }
}

/** Through these files of ours a method or a live function is called. */
const liveFolder = new URL("../live/", import.meta.url).pathname;

/** The user's frames only, with the user's own file names, down the chain of causes. */
function tidyStacks(error: Error, seen = new Set<unknown>()): void {
  if (seen.has(error)) return;
  seen.add(error);
  const { stack, cause } = error;
  if (typeof stack === "string") {
    const lines = stack.split("\n");
    const own = lines.findIndex(
      (line) =>
        line.startsWith("    at ") &&
        (/[\\/]runners[\\/](executor|agent)\.[jt]s|node:internal/.test(line) || line.includes(liveFolder)),
    );
    try {
      error.stack = (own > 0 ? lines.slice(0, own) : lines).join("\n").replace(/[?&]flame=[0-9a-f]+/g, "");
    } catch {
      // A frozen error keeps the frames it has.
    }
  }
  const errors = error instanceof AggregateError ? error.errors : [];
  for (const inner of [cause, ...(errors as unknown[])]) if (inner instanceof Error) tidyStacks(inner, seen);
}

function refuse(path: readonly PathStep[], what: string, fix: string): CaptureError {
  return new CaptureError(
    `Cannot send ${path.length <= 1 ? "the result" : `\`${formatPath(path)}\``} to the caller: it is ${what}; ${fix}`,
    { path },
  );
}
