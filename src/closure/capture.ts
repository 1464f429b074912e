/**
 * Turns a function and its arguments into a payload, on the side that has the function: finds each function's unit,
 * reads its variables, and refuses what cannot travel, before anything is sent.
 */
import { CaptureError } from "../errors.ts";
import { encode } from "../value/encode.ts";
import type { Description, EncodeHooks, PathStep, Payload } from "../value/port.ts";
import { baseOf, classOf, hasSerialize, nameOfClass, serialize } from "./classes.ts";
import { type GroupHost, type Groups, findGroups, needGroups } from "./groups.ts";
import { type Located, locate } from "./locate.ts";
import { explain, refuse } from "./refuse.ts";
import { registry } from "./stamp.ts";
import { type SourceFile, type Unit, bindingOf } from "./units.ts";

/** An encoded call: what is sent, and the units that the runner must have before it. */
export interface Captured {
  readonly payload: Payload;
  readonly units: Iterable<number>;
  /** The closure's own unit. */
  readonly root: Unit;
}

/**
 * Encodes a call of `fn(...args)`. Synchronous: later changes of captured variables do not travel.
 *
 * @throws CaptureError naming the path to the first thing that cannot travel.
 */
export function capture(fn: (...args: never[]) => unknown, args: readonly unknown[]): Captured {
  const hooks = new CaptureHooks();
  const root = locate(fn);
  if (!root) throw refuse(fn, []);
  hooks.file = root.unit.file;
  const value = [fn, ...args];
  try {
    try {
      return { payload: encode(value, hooks), units: hooks.units, root: root.unit };
    } catch (error) {
      if (error !== needGroups) throw error;
      hooks.groups = findGroups(value);
      return { payload: encode(value, hooks), units: hooks.units, root: root.unit };
    }
  } catch (error) {
    throw explain(error, root.unit);
  }
}

class CaptureHooks implements EncodeHooks, GroupHost {
  readonly units: Set<number>;
  groups: Groups | undefined;
  /** Whose imports may name a class: the file of the closure. */
  file: SourceFile | undefined;

  constructor(units = new Set<number>()) {
    this.units = units;
  }

  within(groups: Groups): CaptureHooks {
    const hooks = new CaptureHooks(this.units);
    hooks.groups = groups;
    hooks.file = this.file;
    return hooks;
  }

  describe(value: object, path: readonly PathStep[]): Description {
    return typeof value === "function" ? this.#code(value, path) : this.#instance(value, path);
  }

  #code(fn: object, path: readonly PathStep[]): Description {
    const name = nameOfClass(fn);
    if (name !== undefined) return { kind: "named", name };
    const imported = this.#imported(fn);
    if (imported) return this.#unit(imported, undefined);
    const located = locate(fn);
    if (!located) throw refuse(fn, path);
    const { unit } = located;
    const issue = unit.info?.issues[0];
    if (issue) throw refuse(fn, path, unit, issue);
    this.file ??= unit.file;
    if (unit.info?.declared && !unit.pure && path.length > 1) {
      if (!this.groups) throw needGroups;
      const handle = this.groups.handle(fn, this);
      if (handle) return handle;
    }
    return this.#unit(unit, located);
  }

  #unit(unit: Unit, located: Located | undefined): Description {
    for (const number of unit.needs) this.units.add(number);
    const read = (name: string): unknown => located!.read(name);
    return { kind: "code", unit: unit.number, early: unit.early.map(read), late: unit.late.map(read), name: unit.info?.name ?? "" };
  }

  #instance(value: object, path: readonly PathStep[]): Description {
    const Class = classOf(value);
    if (!Class) throw refuse(value, path);
    if (hasSerialize(value)) return { kind: "custom", class: Class, state: value[serialize]() };
    const found = baseOf(Class);
    if ("refused" in found) throw refuse(value, path, undefined, undefined, found);
    return { kind: "instance", class: Class, base: found.base };
  }

  /** An import binding of the closure's own file that holds this very class or function. */
  #imported(fn: object): Unit | undefined {
    const { file } = this;
    if (!file?.imports || registry.get(fn)) return undefined;
    const bindings = file.imports();
    const index = file.analysis.imports.findIndex(({ local }) => bindings[local] === fn);
    return index < 0 ? undefined : bindingOf(file, index);
  }
}
