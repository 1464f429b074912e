/**
 * The other side: makes functions and classes from the modules a runner was sent. A unit that reaches no captured value
 * exists once; groups exist once per distinct captures; everything else is made for the call that brought it.
 */
import { createHash } from "node:crypto";
import { place } from "../context.ts";
import { decode } from "../value/decode.ts";
import type { DecodeHooks } from "../value/port.ts";
import { classByName, reviveInstance } from "./classes.ts";
import { Returned } from "./returned.ts";
import type { UnitModule } from "./units.ts";

/** An import of the unit's file that the unit itself does not use. */
export interface Sibling {
  readonly local: string;
  readonly specifier: string;
  readonly imported: string;
}

/** What a file imports, provided that it is loaded already: looking for a name must not run anything. */
export type FindLoaded = (url: string, sibling: Sibling) => unknown;

interface Made {
  readonly value: object;
  fill(late: Record<string, unknown>): void;
}

export interface LoadedModule {
  readonly default: unknown;
  readonly imports?: () => Record<string, unknown>;
}

interface Origin {
  readonly unit: number;
  readonly local?: string;
  /** Of the namespace that `local`, or the unit itself, imports. */
  readonly member?: string;
}

/** A module that was sent, and what has become of it. */
export interface Entry {
  readonly module: UnitModule;
  readonly loaded?: LoadedModule;
  readonly failure?: { readonly reason: unknown };
  readonly single?: object;
}

/** How a function or class was made: by this unit, from these values. */
export interface Making {
  readonly unit: number;
  readonly values: Readonly<Record<string, unknown>>;
}

class Mark extends Returned {
  #making: Making;

  constructor(object: object, making: Making) {
    super(object);
    this.#making = making;
  }

  static set(object: object, making: Making): void {
    if (#making in object) (object as Mark).#making = making;
    else void new Mark(object, making);
  }

  static get(object: object): Making | undefined {
    return #making in object ? object.#making : undefined;
  }
}

type Factory = (early: Record<string, unknown>) => Made;

/** Groups beyond this many are forgotten, least recently used first: captures that differ each call must not pile up. */
const keptGroups = 256;

export class Linker implements DecodeHooks {
  readonly #modules = new Map<number, { -readonly [Key in keyof Entry]: Entry[Key] }>();
  /** Units whose definition is running, and those that could not be given all their links meanwhile. */
  readonly #making = new Set<number>();
  readonly #unfilled: { readonly made: Made; readonly module: UnitModule }[] = [];
  readonly #groups = new Map<string, readonly object[]>();
  /** Where a class came from, to name it in results. */
  readonly #origins = new WeakMap<object, Origin>();
  /** Units of which groups were made. */
  readonly #grouped = new Set<number>();
  readonly #find: FindLoaded;

  constructor(find: FindLoaded) {
    this.#find = find;
  }

  add(unit: number, module: UnitModule): void {
    this.#modules.set(unit, { module });
  }

  loaded(unit: number, loaded: LoadedModule): void {
    this.#entry(unit).loaded = loaded;
  }

  /** The module could not be loaded: whoever needs the unit gets the reason. */
  failed(unit: number, reason: unknown): void {
    this.#entry(unit).failure = { reason };
  }

  /**
   * The unit that made a class, or the unit whose file imports it and the name it has there; of `among`, where the
   * reader does not know all units of this runner.
   */
  originOf(Class: object, among?: ReadonlySet<number>): Origin | undefined {
    const known = this.#origins.get(Class);
    if (known && among?.has(known.unit) !== false) return known;
    for (const [unit, { module, loaded }] of this.#modules) {
      if (among?.has(unit) === false) continue;
      const imports = readImports(loaded);
      const local =
        nameIn(imports, Class) ?? module.siblings.find((sibling) => this.#find(module.url, sibling) === Class)?.local;
      const origin = local === undefined ? originInNamespaces(unit, imports, Class) : { unit, local };
      if (!origin) continue;
      if (!known) this.#origins.set(Class, origin);
      return origin;
    }
    return undefined;
  }

  /** How a function or class was made here of what was sent. */
  makingOf(value: object): Making | undefined {
    return Mark.get(value);
  }

  /** Of a function or class that came as an import made by itself. */
  importOf(value: object): Pick<Origin, "unit" | "member"> | undefined {
    const origin = this.#origins.get(value);
    return origin && origin.local === undefined && this.#modules.get(origin.unit)?.module.binding ? origin : undefined;
  }

  entry(unit: number): Entry | undefined {
    return this.#modules.get(unit);
  }

  entries(): Iterable<readonly [unit: number, entry: Entry]> {
    return this.#modules;
  }

  /** Whether it is evaluated once for each set of values, so that it has state of its own. */
  isGrouped(unit: number): boolean {
    return this.#grouped.has(unit);
  }

  /** By local name, as far as they are loaded. */
  siblingsOf({ url, siblings }: UnitModule): Record<string, unknown> {
    return Object.fromEntries(siblings.map((sibling) => [sibling.local, this.#find(url, sibling)]));
  }

  code(
    unit: number,
    early: readonly unknown[],
    _name: string,
  ): { readonly value: object; fill(late: readonly unknown[]): void } {
    const { module } = this.#entry(unit);
    if (module.single) return { value: this.#single(unit), fill() {} };
    const values = record(module.early, early);
    const made = this.#make(unit, values);
    Mark.set(made.value, { unit, values });
    return {
      value: made.value,
      fill: (late) => {
        Object.assign(values, record(module.late, late));
        if (module.links.length > 0) Object.assign(values, this.#lateLinks(module).found);
        made.fill(values);
      },
    };
  }

  named(name: string): object {
    return classByName(name);
  }

  custom(Class: unknown, state: unknown): object {
    return reviveInstance(Class, state);
  }

  handle(type: string, data: unknown): unknown {
    if (type === "member") {
      const [unit, member] = data as [number, string];
      const value = (this.#single(unit) as Record<string, object>)[member]!;
      this.#origins.set(value, { unit, member });
      return value;
    }
    const make = place.handles.get(type);
    if (make) return make(data);
    if (type !== "group") throw new TypeError(`Cannot receive a handle of type "${type}": it is not known here`);
    const [bytes, member, ...buffers] = data as [Uint8Array, number, ...Uint8Array[]];
    const hash = createHash("sha256").update(bytes);
    for (const buffer of buffers) hash.update(buffer);
    const key = hash.digest("base64");
    let members = this.#groups.get(key);
    if (!members) {
      members = decode({ bytes, buffers }, this) as object[];
      for (const each of members) this.#grouped.add(Mark.get(each)!.unit);
    }
    this.#groups.delete(key);
    this.#groups.set(key, members);
    if (this.#groups.size > keptGroups) this.#groups.delete(this.#groups.keys().next().value!);
    return members[member];
  }

  #entry(unit: number) {
    const entry = this.#modules.get(unit);
    if (!entry) throw new TypeError(`Cannot make unit ${unit}: its module was not sent`);
    return entry;
  }

  #single(unit: number): object {
    const entry = this.#entry(unit);
    if (entry.single) return entry.single;
    if (entry.module.binding) {
      if (entry.failure) throw entry.failure.reason;
      const value = entry.loaded!.default as object;
      if (typeof value === "function") this.#origins.set(value, { unit });
      return (entry.single = value);
    }
    this.#making.add(unit);
    const made = this.#make(unit, {});
    Mark.set(made.value, { unit, values: {} });
    this.#making.delete(unit);
    entry.single = made.value;
    this.#fill(made, entry.module);
    if (this.#making.size === 0)
      for (const unfilled of this.#unfilled.splice(0)) this.#fill(unfilled.made, unfilled.module);
    return made.value;
  }

  #make(unit: number, early: Record<string, unknown>): Made {
    const { module, loaded, failure } = this.#entry(unit);
    if (failure) throw failure.reason;
    if (!loaded) throw new TypeError(`Cannot make unit ${unit}: its module is not loaded`);
    for (const link of module.links) if (link.early) early[link.name] = this.#single(link.unit);
    const made = (loaded.default as Factory)(early);
    // Only what can have instances needs to be found again.
    if ("prototype" in made.value) this.#origins.set(made.value, { unit });
    return made;
  }

  #fill(made: Made, module: UnitModule): void {
    const { found, complete } = this.#lateLinks(module);
    made.fill(found);
    if (!complete) this.#unfilled.push({ made, module });
  }

  /** What is being defined right now, further up, cannot be linked yet: its maker comes back to it. */
  #lateLinks(module: UnitModule): { readonly found: Record<string, unknown>; readonly complete: boolean } {
    const found: Record<string, unknown> = {};
    let complete = true;
    for (const link of module.links) {
      if (link.early) continue;
      if (this.#making.has(link.unit)) complete = false;
      else found[link.name] = this.#single(link.unit);
    }
    return { found, complete };
  }
}

/** For one message: as the linker, and live values are what its references stand for. */
export class LiveLinks implements DecodeHooks {
  readonly #linker: Linker;
  readonly #live: readonly unknown[];

  constructor(linker: Linker, live: readonly unknown[]) {
    this.#linker = linker;
    this.#live = live;
  }

  code(unit: number, early: readonly unknown[], name: string): ReturnType<Linker["code"]> {
    return this.#linker.code(unit, early, name);
  }

  named(name: string): object {
    return this.#linker.named(name);
  }

  custom(Class: unknown, state: unknown): object {
    return this.#linker.custom(Class, state);
  }

  handle(type: string, data: unknown): unknown {
    return type === "live" ? this.#live[data as number] : this.#linker.handle(type, data);
  }
}

/** A cyclic import may not be initialised yet. */
function readImports(loaded: LoadedModule | undefined): Record<string, unknown> {
  try {
    return loaded?.imports?.() ?? {};
  } catch {
    return {};
  }
}

function nameIn(values: Record<string, unknown>, wanted: object): string | undefined {
  return Object.keys(values).find((name) => values[name] === wanted);
}

function originInNamespaces(unit: number, imports: Record<string, unknown>, Class: object): Origin | undefined {
  for (const [local, value] of Object.entries(imports)) {
    if (typeof value !== "object" || value === null) continue;
    const member = nameIn(value as Record<string, unknown>, Class);
    if (member !== undefined) return { unit, local, member };
  }
  return undefined;
}

function record(names: readonly string[], values: readonly unknown[]): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (let index = 0; index < names.length; index++) found[names[index]!] = values[index];
  return found;
}
