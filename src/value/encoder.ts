import { types } from "node:util";
import { writeBuiltIn } from "./builtins.ts";
import { writeArray, writeSpecial, writeWithoutPrototype } from "./containers.ts";
import { writeDescribed } from "./described.ts";
import { Identities } from "./identity.ts";
import { kindOf } from "./kinds.ts";
import { Memories } from "./memory.ts";
import { MAX_SHAPE_KEYS, Names } from "./names.ts";
import { LABEL, PROPERTY, Trail } from "./path.ts";
import type { Description, EncodeHooks, PathStep } from "./port.ts";
import { Places, type PutOff } from "./put-off.ts";
import { refusals, refuse, type Refusal } from "./refuse.ts";
import {
  AFTER,
  CODE,
  FALSE,
  KNOTTED_CODE,
  LATER,
  MAX_DEPTH,
  NULL,
  PUT_OFF_DEPTH,
  REFERENCE,
  TRUE,
  UNDEFINED,
} from "./tags.ts";
import { writeSymbol } from "./symbols.ts";
import type { Body, Labels, Walk } from "./walk.ts";
import { Writer } from "./writer.ts";

export interface Filling {
  readonly blob: Blob;
  readonly bytes: Uint8Array;
  readonly path: readonly PathStep[];
}

const noHooks: EncodeHooks = {
  describe() {
    throw new TypeError("the encoder is idle");
  },
};

/** Thrown to write a code object again whose early values lead back to it. */
class Knot extends Error {
  readonly number: number;
  constructor(number: number) {
    super("knot");
    this.number = number;
  }
}

/** Walker and writer at once: whatever it cannot write as it is, it refuses. */
export class Encoder implements Walk {
  readonly writer = new Writer();
  readonly trail = new Trail();
  readonly identities = new Identities();
  #hooks: EncodeHooks = noHooks;
  /** Each object is described once, also when it is written a second time. */
  #descriptions: Map<object, Description> | undefined;
  #memories: Memories | undefined;
  fillings: Filling[] = [];
  readonly #names = new Names();
  readonly #putOff: PutOff[] = [];
  readonly #places = new Places(this.trail);
  /** Numbers of objects that are made only from what is being written. */
  readonly #unfinished: number[] = [];
  /** Those of them that are code and may be written again as knotted. */
  readonly #knots: number[] = [];
  /** Bodies of code that wait for a knotted one to exist; undefined outside of one. */
  #after: PutOff[] | undefined;
  /** Values of the records that are being written, on a stack of their own. */
  readonly #values: unknown[] = [];
  #top = 0;

  root(value: unknown, hooks: EncodeHooks, name: string): void {
    this.#hooks = hooks;
    this.trail.step(0, LABEL, name);
    this.value(value, 0);
    if (this.#putOff.length > 0) this.#places.write(this, this.#putOff, 0, 0);
  }

  /** Forgets the message, so that the next one can use the same memory. */
  clear(): void {
    this.identities.clear();
    this.#names.clear();
    this.#hooks = noHooks;
    this.#descriptions = undefined;
    this.#memories = undefined;
    if (this.fillings.length > 0) this.fillings = [];
  }

  memories(): Memories {
    return (this.#memories ??= new Memories());
  }

  get hasMemories(): boolean {
    return this.#memories !== undefined;
  }

  value(value: unknown, depth: number): void {
    switch (typeof value) {
      case "string":
        return this.writer.string(value);
      case "number":
        return this.writer.number(value);
      case "boolean":
        return this.writer.byte(value ? TRUE : FALSE);
      case "undefined":
        return this.writer.byte(UNDEFINED);
      case "object":
        return value === null ? this.writer.byte(NULL) : this.#object(value, depth);
      case "bigint":
        return this.writer.bigint(value);
      case "symbol":
        return writeSymbol(this, value, depth);
      case "function":
        if (!this.#enter(value, depth)) return;
        return writeDescribed(this, value, depth);
    }
  }

  describe(value: object, depth: number): Description {
    const known = this.#descriptions?.get(value);
    if (known) return known;
    const description = this.#hooks.describe(value, () => this.trail.path(depth));
    (this.#descriptions ??= new Map()).set(value, description);
    return description;
  }

  key(key: string | symbol, depth: number): void {
    this.#names.key(this.writer, key, (symbol) => writeSymbol(this, symbol, depth));
  }

  list(list: readonly unknown[], name: Labels, depth: number): void {
    for (let i = 0; i < list.length; i++) {
      if (typeof name !== "string") this.trail.step(depth + 1, PROPERTY, name[i]);
      else this.trail.step(depth + 1, LABEL, list.length === 1 ? `<${name}>` : `<${name} ${i}>`);
      this.value(list[i], depth + 1);
    }
  }

  refuse(depth: number, refusal: Refusal): never {
    refuse(this.trail.path(depth), refusal);
  }

  before(number: number, list: readonly unknown[], name: Labels, depth: number): void {
    const mark = this.#putOff.length;
    this.#unfinished.push(number);
    this.writer.varint(list.length);
    this.list(list, name, depth);
    if (this.#putOff.length > mark) this.#places.write(this, this.#putOff, mark, depth);
    this.#unfinished.pop();
  }

  putOff(value: object, depth: number, body: Body): boolean {
    if (depth < PUT_OFF_DEPTH) return false;
    this.#putOff.push(this.#places.take(value, depth, body));
    this.writer.byte(LATER);
    return true;
  }

  code(
    number: number,
    late: readonly unknown[],
    early: readonly unknown[],
    names: Labels,
    depth: number,
    body: Body,
    shell: () => void,
  ): void {
    const { writer } = this;
    if (this.#after) {
      this.#after.push(this.#places.take(late, depth, body));
      writer.byte(AFTER);
      writer.byte(CODE);
      shell();
      return this.before(number, early, names, depth);
    }
    const rewind = early.length > 0 ? this.#mark() : undefined;
    const later = this.putOff(late, depth, body);
    writer.byte(CODE);
    shell();
    this.#knots.push(number);
    try {
      this.before(number, early, names, depth);
    } catch (error) {
      if (!rewind || !(error instanceof Knot) || error.number !== number) throw error;
      rewind();
      return this.#knotted(number, late, early, names, depth, body, shell);
    }
    this.#knots.pop();
    if (!later) body(this, late, depth);
  }

  #knotted(
    number: number,
    late: readonly unknown[],
    early: readonly unknown[],
    names: Labels,
    depth: number,
    body: Body,
    shell: () => void,
  ): void {
    const after: PutOff[] = (this.#after = []);
    const later = this.putOff(late, depth, body);
    this.writer.byte(KNOTTED_CODE);
    shell();
    this.before(number, early, names, depth);
    this.#after = undefined;
    this.#places.write(this, after, 0, depth);
    if (!later) body(this, late, depth);
  }

  /** Remembers how far everything is; the result goes back there. */
  #mark(): () => void {
    const { writer, identities, trail, fillings } = this;
    const [position, count, names, top] = [writer.position, identities.latest + 1, this.#names.mark(), this.#top];
    const [putOff, unfinished, blobs, ranges] = [
      this.#putOff.length,
      this.#unfinished.length,
      fillings.length,
      this.#memories?.count,
    ];
    const knots = this.#knots.length;
    const { prefix, base } = trail;
    const [steps, kinds] = [[...trail.steps], [...trail.kinds]];
    return () => {
      writer.position = position;
      identities.rewind(count);
      this.#names.rewind(names);
      this.#values.length = this.#top = top;
      this.#knots.length = knots;
      this.#putOff.length = putOff;
      this.#unfinished.length = unfinished;
      fillings.length = blobs;
      if (ranges === undefined) this.#memories = undefined;
      else this.#memories?.rewind(ranges);
      Object.assign(trail, { prefix, base });
      for (const [i, kind] of kinds.entries()) trail.step(i, kind, steps[i]);
    };
  }

  fill(blob: Blob, depth: number): void {
    const bytes = this.memories().addUnread(blob.size);
    if (blob.size > 0) this.fillings.push({ blob, bytes, path: this.trail.path(depth) });
  }

  /** False when the object was met before: then it is written as a reference. */
  #enter(value: object, depth: number): boolean {
    const known = this.identities.claim(value);
    if (known >= 0) {
      if (this.#unfinished.length > 0 && this.#unfinished.includes(known)) this.#untie(known, depth);
      this.writer.byte(REFERENCE);
      this.writer.varint(known);
      return false;
    }
    if (types.isProxy(value)) this.refuse(depth, refusals.proxy);
    if (depth > MAX_DEPTH) this.refuse(depth, refusals.deep);
    if (depth === PUT_OFF_DEPTH - 1) this.#places.forget();
    return true;
  }

  /** Something that does not exist yet is needed: by what code captures, which can come later, or else by a state. */
  #untie(number: number, depth: number): never {
    if (this.#knots.includes(number) && !this.#after) throw new Knot(number);
    this.refuse(depth, refusals.unfinished);
  }

  #object(value: object, depth: number): void {
    if (!this.#enter(value, depth)) return;
    const prototype = Object.getPrototypeOf(value) as object | null;
    if (prototype === Object.prototype) return this.#plain(value, depth);
    if (prototype === null) return writeWithoutPrototype(this, value, depth);
    if (prototype === Array.prototype && Array.isArray(value)) return writeArray(this, value, depth);
    const kind = kindOf(value, prototype);
    if (typeof kind === "object") this.refuse(depth, kind);
    if (kind === "Object") this.#plain(value, depth);
    else if (kind === "Array") writeArray(this, value as readonly unknown[], depth);
    else if (kind === "described") writeDescribed(this, value, depth);
    else writeBuiltIn[kind](this, value, depth);
  }

  #plain(object: object, depth: number): void {
    const keys = Object.keys(object);
    const count = keys.length;
    if (
      count === 0 ||
      count > MAX_SHAPE_KEYS ||
      depth >= PUT_OFF_DEPTH ||
      Object.getOwnPropertyNames(object).length !== count ||
      Object.getOwnPropertySymbols(object).length !== 0 ||
      !Object.isExtensible(object) ||
      !this.#take(object, keys)
    ) {
      return writeSpecial(this, object, depth);
    }
    const { trail } = this;
    const values = this.#values;
    const base = this.#top - count;
    this.#names.shape(this.writer, keys);
    trail.kinds[depth + 1] = PROPERTY;
    for (let i = 0; i < count; i++) {
      const value = values[base + i];
      values[base + i] = undefined;
      trail.steps[depth + 1] = keys[i];
      this.value(value, depth + 1);
    }
    this.#top = base;
  }

  /** Puts the values of ordinary properties on the stack; false when one is not ordinary. */
  #take(object: object, keys: readonly string[]): boolean {
    const base = this.#top;
    const values = this.#values;
    for (let i = 0; i < keys.length; i++) {
      const descriptor = Object.getOwnPropertyDescriptor(object, keys[i] as string);
      if (descriptor?.writable !== true || descriptor.configurable !== true) {
        values.length = base;
        return false;
      }
      values[base + i] = descriptor.value;
    }
    this.#top = base + keys.length;
    return true;
  }
}
