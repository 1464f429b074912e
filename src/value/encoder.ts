import { types } from "node:util";
import { writeBuiltIn } from "./builtins.ts";
import { checkHollow, objectBody, writeArray } from "./containers.ts";
import { writeDescribed } from "./described.ts";
import { Identities } from "./identity.ts";
import { kindOf } from "./kinds.ts";
import { Memories } from "./memory.ts";
import { MAX_SHAPE_KEYS, Names } from "./names.ts";
import { LABEL, PROPERTY, Trail, type Prefix, type StepKind } from "./path.ts";
import type { EncodeHooks, PathStep } from "./port.ts";
import { refusals, refuse, type Refusal } from "./refuse.ts";
import {
  FALSE, LATER, MAX_DEPTH, NULL, NULL_OBJECT, OBJECT, PUT_OFF_DEPTH, REFERENCE, SYMBOL, SYMBOL_FOR, TRUE, UNDEFINED,
  wellKnownSymbols,
} from "./tags.ts"; // prettier-ignore
import type { Body, Walk } from "./walk.ts";
import { Writer } from "./writer.ts";

interface PutOff {
  readonly value: object;
  readonly body: Body;
  readonly prefix: Prefix;
  readonly kind: StepKind;
  readonly step: unknown;
}

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

/** Walker and writer at once: whatever it cannot write as it is, it refuses. */
export class Encoder implements Walk {
  readonly writer = new Writer();
  readonly trail = new Trail();
  readonly identities = new Identities();
  hooks: EncodeHooks = noHooks;
  #memories: Memories | undefined;
  fillings: Filling[] = [];
  readonly #names = new Names();
  readonly #putOff: PutOff[] = [];
  /** Path of the container just above `PUT_OFF_DEPTH` whose children are being put off, made for the first of them. */
  #container: Prefix | undefined;
  /** Numbers of objects that are made only from what is being written. */
  readonly #unfinished: number[] = [];
  /** Values of the records that are being written, on a stack of their own. */
  readonly #values: unknown[] = [];
  #top = 0;

  root(value: unknown, hooks: EncodeHooks, name: string): void {
    this.hooks = hooks;
    this.trail.step(0, LABEL, name);
    this.value(value, 0);
    if (this.#putOff.length > 0) this.#writePutOff(0, 0);
  }

  /** Forgets the message, so that the next one can use the same memory. */
  clear(): void {
    this.identities.clear();
    this.#names.clear();
    this.hooks = noHooks;
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
        return this.#symbol(value, depth);
      case "function":
        if (!this.#enter(value, depth)) return;
        return writeDescribed(this, value, depth);
    }
  }

  key(key: string | symbol, depth: number): void {
    this.#names.key(this.writer, key, (symbol) => this.#symbol(symbol, depth));
  }

  list(list: readonly unknown[], name: string, depth: number): void {
    for (let i = 0; i < list.length; i++) {
      this.trail.step(depth + 1, LABEL, list.length === 1 ? `<${name}>` : `<${name} ${i}>`);
      this.value(list[i], depth + 1);
    }
  }

  refuse(depth: number, refusal: Refusal): never {
    refuse(this.trail.path(depth), refusal);
  }

  before(number: number, list: readonly unknown[], name: string, depth: number): void {
    const mark = this.#putOff.length;
    this.#unfinished.push(number);
    this.writer.varint(list.length);
    this.list(list, name, depth);
    if (this.#putOff.length > mark) this.#writePutOff(mark, depth);
    this.#unfinished.pop();
  }

  putOff(value: object, depth: number, body: Body): boolean {
    if (depth < PUT_OFF_DEPTH) return false;
    const { trail } = this;
    const known = depth === PUT_OFF_DEPTH ? this.#container : undefined;
    const prefix = known ?? { parent: trail.prefix, steps: trail.recent(depth - 1) };
    if (depth === PUT_OFF_DEPTH) this.#container = prefix;
    const kind = trail.kinds[depth] ?? PROPERTY;
    this.#putOff.push({ value, body, prefix, kind, step: trail.steps[depth] });
    this.writer.byte(LATER);
    return true;
  }

  fill(blob: Blob, depth: number): void {
    const bytes = this.memories().addUnread(blob.size);
    if (blob.size > 0) this.fillings.push({ blob, bytes, path: this.trail.path(depth) });
  }

  /** False when the object was met before: then it is written as a reference. */
  #enter(value: object, depth: number): boolean {
    const known = this.identities.claim(value);
    if (known >= 0) {
      if (this.#unfinished.length > 0 && this.#unfinished.includes(known)) this.refuse(depth, refusals.unfinished);
      this.writer.byte(REFERENCE);
      this.writer.varint(known);
      return false;
    }
    if (types.isProxy(value)) this.refuse(depth, refusals.proxy);
    if (depth > MAX_DEPTH) this.refuse(depth, refusals.deep);
    if (depth === PUT_OFF_DEPTH - 1) this.#container = undefined;
    return true;
  }

  #object(value: object, depth: number): void {
    if (!this.#enter(value, depth)) return;
    const prototype = Object.getPrototypeOf(value) as object | null;
    if (prototype === Object.prototype) return this.#plain(value, depth);
    if (prototype === null) return this.#withoutPrototype(value, depth);
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
      return this.#special(object, depth, count);
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

  /** A plain object with attributes, symbols, too many keys, too deep, or one that only looks plain. */
  #special(object: object, depth: number, count: number): void {
    if (types.isArgumentsObject(object)) this.refuse(depth, refusals.arguments);
    if (count === 0) checkHollow(this, object, depth);
    const later = this.putOff(object, depth, objectBody);
    this.writer.byte(OBJECT);
    if (!later) objectBody(this, object, depth);
  }

  #withoutPrototype(object: object, depth: number): void {
    if (types.isModuleNamespaceObject(object)) this.refuse(depth, refusals.moduleNamespace);
    checkHollow(this, object, depth);
    const later = this.putOff(object, depth, objectBody);
    this.writer.byte(NULL_OBJECT);
    if (!later) objectBody(this, object, depth);
  }

  #symbol(symbol: symbol, depth: number): void {
    const wellKnown = wellKnownSymbols.indexOf(symbol);
    if (wellKnown >= 0) {
      this.writer.byte(SYMBOL);
      return this.writer.byte(wellKnown);
    }
    const key = Symbol.keyFor(symbol);
    if (key === undefined) this.refuse(depth, refusals.uniqueSymbol);
    this.writer.byte(SYMBOL_FOR);
    this.writer.string(key);
  }

  /** Writes the bodies put off since `mark`, and those put off meanwhile. */
  #writePutOff(mark: number, depth: number): void {
    const { trail } = this;
    const { prefix, base } = trail;
    const ownKind = trail.kinds[depth] ?? PROPERTY;
    const ownStep = trail.steps[depth];
    for (let i = mark; i < this.#putOff.length; i++) {
      const { value, body, prefix: container, kind, step } = this.#putOff[i] as PutOff;
      // Released at once: a long list is as long in this queue.
      this.#putOff[i] = undefined as unknown as PutOff;
      trail.prefix = container;
      trail.base = depth - 1;
      trail.step(depth, kind, step);
      body(this, value, depth);
    }
    this.#putOff.length = mark;
    trail.prefix = prefix;
    trail.base = base;
    trail.step(depth, ownKind, ownStep);
  }
}
