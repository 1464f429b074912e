/**
 * Turns a function into a payload, on the side that has the function: finds each function's unit,
 * reads its variables, and refuses what cannot travel, before anything is sent.
 */
import { isBuiltin } from "node:module";
import { encode } from "../value/encode.ts";
import type { Description, EncodeHooks, LiveCollector, PathStep, Payload } from "../value/port.ts";
import { standsFor } from "../value/port.ts";
import { baseOf, classOf, hasSerialize, nameOfClass, serialize } from "./classes.ts";
import { type GroupHost, type Groups, findGroups, needGroups } from "./groups.ts";
import { NotInScope } from "./inspect.ts";
import { type Located, captureMode, locate } from "./locate.ts";
import { explain, refuse } from "./refuse.ts";
import { encodeFailure, foreignError } from "./result.ts";
import { sentImport } from "./sent-units.ts";
import { registry } from "./stamp.ts";
import {
  type SourceFile,
  type Unit,
  type UnitModule,
  bindingOf,
  importInfoOf,
  stampedFile,
  textOf,
  unitByNumber,
} from "./units.ts";

/** An encoded call: what is sent, and the units that the runner must have before it. */
export interface Captured {
  readonly payload: Payload;
  readonly units: Iterable<number>;
  /** The closure's own unit. */
  readonly root: Unit;
  /** Code of units that this process has not made itself. */
  readonly modules?: ReadonlyMap<number, UnitModule>;
}

/**
 * Encodes a closure. Synchronous: later changes of captured variables do not travel.
 *
 * @throws CaptureError naming the path to the first thing that cannot travel.
 */
export function capture(fn: (...args: never[]) => unknown, live?: LiveCollector): Captured {
  const located = locate(fn);
  const hooks = new CaptureHooks(fn, located, live);
  const root = located?.unit ?? importedUnit(fn);
  if (!root) throw explain(refuse(fn, ["closure"]));
  hooks.file = root.file;
  try {
    let payload: Payload;
    try {
      payload = encode(fn, hooks);
    } catch (error) {
      if (error !== needGroups) throw error;
      live?.rewind(0);
      hooks.groups = findGroups(fn);
      payload = encode(fn, hooks);
    }
    // Code that cannot be written is refused now, not when the call is on its way.
    for (const number of hooks.units) textOf(unitByNumber(number)!);
    return { payload: withLive(payload, live), units: hooks.units, root };
  } catch (error) {
    throw explain(error, root);
  }
}

/** An encoded value, and the units that the runner must have before it. */
export type CapturedValue = Pick<Captured, "payload" | "units">;

/**
 * Encodes what is sent to a runner besides closures: arguments, items, results of live functions. `origin` is the unit of
 * the closure that gets it: the imports of its file may name classes.
 *
 * @throws CaptureError naming the path, which begins with `name`, to the first thing that cannot travel.
 */
export function captureValue(value: unknown, name: string, live: LiveCollector, origin: Unit): CapturedValue {
  const hooks = new CaptureHooks(undefined, undefined, live);
  hooks.file = origin.file;
  let payload: Payload;
  try {
    payload = encode(value, hooks, { root: name });
  } catch (error) {
    if (error !== needGroups) throw error;
    live.rewind(0);
    hooks.groups = inPlace;
    payload = encode(value, hooks, { root: name });
  }
  for (const number of hooks.units) textOf(unitByNumber(number)!);
  return { payload: withLive(payload, live), units: hooks.units };
}

/** Encodes what has no closure around it: options that are sent to each runner. `name` begins the path of an error. */
export function captureAlone(value: unknown, name: string): CapturedValue {
  const hooks = new CaptureHooks(undefined, undefined, undefined);
  try {
    hooks.groups = inPlace;
    const payload = encode(value, hooks, { root: name });
    for (const number of hooks.units) textOf(unitByNumber(number)!);
    return { payload, units: hooks.units };
  } catch (error) {
    throw explain(error);
  }
}

/** Encodes what a live function threw: as itself where its class travels, else as an error with its name and fields. */
export function captureFailure(error: unknown, origin: Unit): CapturedValue {
  const hooks = new CaptureHooks(undefined, undefined, undefined);
  hooks.file = origin.file;
  hooks.groups = inPlace;
  const describe = (value: object, path: Path): Description => {
    try {
      return hooks.describe(value, path);
    } catch (refusal) {
      if (value instanceof Error) return foreignError(value);
      throw refusal;
    }
  };
  return { payload: encodeFailure(error, { describe }), units: hooks.units };
}

/** Classes of values that are sent once are made for those values. */
const inPlace: Groups = { handle: () => undefined };

function withLive(payload: Payload, live: LiveCollector | undefined): Payload {
  return live && live.found.length > 0 ? { ...payload, live: live.found } : payload;
}

/** The unit of an import, and the member's name where that import is a namespace. */
interface Imported {
  readonly unit: Unit;
  readonly member?: string;
}

/** Of a function that is from elsewhere, but that a transformed file imports. */
function importedUnit(fn: object): Unit | undefined {
  const received = sentImport(fn);
  if (received) return received.unit;
  if (captureMode() === "runtime") return undefined;
  for (const key of registry.files.keys()) {
    const file = stampedFile(key);
    const index = file ? bindingOfValue(file, fn) : -1;
    if (index >= 0) return bindingOf(file!, index);
  }
  return undefined;
}

/** Index of the import binding that holds this very class or function, -1 if there is none. */
function bindingOfValue(file: SourceFile, fn: object): number {
  const bindings = importsOf(file);
  return file.analysis.imports.findIndex(({ local }) => bindings[local] === fn);
}

/** The member of an imported namespace that is this very class or function. */
function memberOf(file: SourceFile, fn: object): Imported | undefined {
  const bindings = importsOf(file);
  for (const [index, { local, imported }] of file.analysis.imports.entries()) {
    const namespace = bindings[local];
    if (imported !== "*" || typeof namespace !== "object" || namespace === null) continue;
    const member = Object.keys(namespace).find((name) => (namespace as Record<string, unknown>)[name] === fn);
    if (member !== undefined) return { unit: bindingOf(file, index), member };
  }
  return undefined;
}

function importsOf({ imports }: SourceFile): Record<string, unknown> {
  try {
    return imports?.() ?? {};
  } catch {
    // Modules that import each other: one of them is not initialised yet.
    return {};
  }
}

type Path = () => readonly PathStep[];

class CaptureHooks implements EncodeHooks, GroupHost {
  readonly units: Set<number>;
  groups: Groups | undefined;
  /** Whose imports may name a class: the file of the closure. */
  file: SourceFile | undefined;

  /** The closure itself is made anew for each call. */
  readonly #root: object | undefined;
  readonly #located: Located | undefined;
  /** What stays on this side; where there is none, it is refused. */
  readonly live: LiveCollector | undefined;
  #known: Map<object, boolean> | undefined;

  constructor(
    root: object | undefined,
    located: Located | undefined,
    live: LiveCollector | undefined,
    units = new Set<number>(),
  ) {
    this.#root = root;
    this.#located = located;
    this.live = live;
    this.units = units;
  }

  within(groups: Groups): CaptureHooks {
    const hooks = new CaptureHooks(this.#root, this.#located, this.live, this.units);
    hooks.groups = groups;
    hooks.file = this.file;
    return hooks;
  }

  describe(value: object, path: () => readonly PathStep[]): Description {
    const live = value === this.#root ? undefined : this.live?.take(value, path);
    return live ?? (typeof value === "function" ? this.#code(value, path) : this.#instance(value, path));
  }

  #code(fn: object, path: Path): Description {
    const located = fn === this.#root ? this.#located : undefined;
    return located ? this.#written(fn, located, path) : this.#found(fn, path);
  }

  #found(fn: object, path: Path): Description {
    const name = nameOfClass(fn);
    if (name !== undefined) return { kind: "named", name };
    const stands = standsFor(fn);
    if (stands) return stands;
    const imported = this.#imported(fn);
    if (imported?.member !== undefined) {
      this.units.add(imported.unit.number);
      return { kind: "handle", type: "member", data: [imported.unit.number, imported.member] };
    }
    if (imported) return this.#unit(imported.unit, undefined);
    const located = locate(fn);
    if (!located) throw refuse(fn, path());
    return this.#written(fn, located, path);
  }

  /** A function or class whose text is at hand. */
  #written(fn: object, located: Located, path: Path): Description {
    const { unit } = located;
    const issue = unit.info?.issues[0];
    if (issue) throw refuse(fn, path(), unit, issue);
    this.file ??= unit.file;
    if (unit.info?.declared && !unit.pure && fn !== this.#root) {
      if (!this.groups) throw needGroups;
      const handle = this.groups.handle(fn, this, path);
      if (handle) return handle;
    }
    try {
      return this.#unit(unit, located);
    } catch (error) {
      if (!(error instanceof NotInScope)) throw error;
      throw refuse(fn, path(), undefined, undefined, error);
    }
  }

  #unit(unit: Unit, located: Located | undefined): Description {
    for (const number of unit.needs) this.units.add(number);
    const read = (name: string): unknown => located!.read(name);
    return {
      kind: "code",
      unit: unit.number,
      early: unit.early.map(read),
      late: unit.late.map(read),
      name: unit.info?.name ?? "",
      names: unit.names,
    };
  }

  #instance(value: object, path: Path): Description {
    const stands = standsFor(value);
    if (stands) return stands;
    const Class = classOf(value);
    if (Class && hasSerialize(value)) return { kind: "custom", class: Class, state: value[serialize]() };
    if (!Class || !this.#travels(Class)) {
      const rest = this.live?.takeRest(value);
      if (rest) return rest;
      throw refuse(value, path());
    }
    const found = baseOf(Class);
    if ("refused" in found) throw refuse(value, path(), undefined, undefined, found);
    return { kind: "instance", class: Class, base: found.base };
  }

  /**
   * Asked before the fields are looked at, so that the error names the instance and not something inside of it. Instances
   * of Node's own classes hold on to this process, whatever their fields look like.
   */
  #travels(Class: object): boolean {
    this.#known ??= new Map();
    let known = this.#known.get(Class);
    if (known === undefined) {
      const imported = this.#imported(Class);
      known =
        nameOfClass(Class) !== undefined ||
        (imported ? !isBuiltin(importInfoOf(imported.unit).specifier) : locate(Class) !== undefined);
      this.#known.set(Class, known);
    }
    return known;
  }

  /** The import of the closure's own file that gives this very class or function. */
  #imported(fn: object): Imported | undefined {
    const received = sentImport(fn);
    if (received) return received;
    const { file } = this;
    if (!file?.imports) return undefined;
    const stamp = registry.get(fn);
    if (stamp && stampedFile(stamp.key) === file) return undefined;
    const index = bindingOfValue(file, fn);
    return index < 0 ? memberOf(file, fn) : { unit: bindingOf(file, index) };
  }
}
