/**
 * The other side: makes functions and classes from the modules a runner was sent. A unit that reaches no captured value
 * exists once; groups exist once per distinct captures; everything else is made for the call that brought it.
 */
import { createHash } from "node:crypto";
import { decode } from "../value/decode.ts";
import type { DecodeHooks } from "../value/port.ts";
import { classByName, reviveInstance } from "./classes.ts";

/** A unit's module as it was sent, and how to load it. */
export interface LinkModule {
  readonly url: string;
  readonly siblings: readonly Sibling[];
  readonly single: boolean;
  readonly early: readonly string[];
  readonly late: readonly string[];
  readonly links: readonly { readonly name: string; readonly unit: number; readonly early: boolean }[];
  readonly binding: boolean;
}

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

type Factory = (early: Record<string, unknown>) => Made;

/** Groups beyond this many are forgotten, least recently used first: captures that differ each call must not pile up. */
const keptGroups = 256;

export class Linker implements DecodeHooks {
  readonly #modules = new Map<
    number,
    { readonly module: LinkModule; loaded?: LoadedModule; failure?: { readonly reason: unknown }; single?: object }
  >();
  /** Units whose definition is running, and those that could not be given all their links meanwhile. */
  readonly #making = new Set<number>();
  readonly #unfilled: { readonly made: Made; readonly module: LinkModule }[] = [];
  readonly #groups = new Map<string, readonly object[]>();
  /** Where a class came from, to name it in results. */
  readonly #origins = new WeakMap<object, Origin>();
  readonly #find: FindLoaded;

  constructor(find: FindLoaded) {
    this.#find = find;
  }

  add(unit: number, module: LinkModule): void {
    this.#modules.set(unit, { module });
  }

  loaded(unit: number, loaded: LoadedModule): void {
    this.#entry(unit).loaded = loaded;
  }

  /** The module could not be loaded: whoever needs the unit gets the reason. */
  failed(unit: number, reason: unknown): void {
    this.#entry(unit).failure = { reason };
  }

  /** The unit that made a class, or the unit whose file imports it and the name it has there. */
  originOf(Class: object): Origin | undefined {
    const known = this.#origins.get(Class);
    if (known) return known;
    for (const [unit, { module, loaded }] of this.#modules) {
      const imports = readImports(loaded);
      const local =
        nameIn(imports, Class) ?? module.siblings.find((sibling) => this.#find(module.url, sibling) === Class)?.local;
      const origin = local === undefined ? originInNamespaces(unit, imports, Class) : { unit, local };
      if (!origin) continue;
      this.#origins.set(Class, origin);
      return origin;
    }
    return undefined;
  }

  code(
    unit: number,
    early: readonly unknown[],
    _name: string,
  ): { readonly value: object; fill(late: readonly unknown[]): void } {
    const { module } = this.#entry(unit);
    if (module.single) return { value: this.#single(unit), fill() {} };
    const made = this.#make(unit, record(module.early, early));
    return {
      value: made.value,
      fill: (late) => {
        const values = record(module.late, late);
        made.fill(module.links.length === 0 ? values : Object.assign(values, this.#lateLinks(module).found));
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
    if (type !== "group") throw new TypeError(`Cannot receive a handle of type "${type}": it is not known here`);
    const [bytes, member, ...buffers] = data as [Uint8Array, number, ...Uint8Array[]];
    const hash = createHash("sha256").update(bytes);
    for (const buffer of buffers) hash.update(buffer);
    const key = hash.digest("base64");
    const members = this.#groups.get(key) ?? (decode({ bytes, buffers }, this) as object[]);
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

  #fill(made: Made, module: LinkModule): void {
    const { found, complete } = this.#lateLinks(module);
    made.fill(found);
    if (!complete) this.#unfilled.push({ made, module });
  }

  /** What is being defined right now, further up, cannot be linked yet: its maker comes back to it. */
  #lateLinks(module: LinkModule): { readonly found: Record<string, unknown>; readonly complete: boolean } {
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
