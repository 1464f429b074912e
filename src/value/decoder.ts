import type { Shown } from "./memory-reader.ts";
import type { DecodeHooks } from "./port.ts";
import { broken, type Reader } from "./reader.ts";
import { readBuiltIn } from "./revive.ts";
import { bodies, makeError, makeShell } from "./shells.ts";
// prettier-ignore
import {
  AFTER, ARRAY, BIGINT, CODE, CUSTOM, DOUBLE, ERROR, FALSE, FAR_SHAPE, FULL_ARRAY, HANDLE, HOLE, INSTANCE, INTEGER, KNOTTED_CODE, LATER, MAP,
  MAX_DEPTH, NAMED, NEGATIVE, NEGATIVE_BIGINT, NEW_SHAPE, NULL, NULL_OBJECT, OBJECT, REFERENCE, SET, SHAPE, SHORT_ARRAY,
  SHORT_STRING, SPARSE, STRING_ONE_BYTE, STRING_TWO_BYTE, SYMBOL, SYMBOL_FOR, TRUE, UNDEFINED, bases, wellKnownSymbols,
  type Base,
} from "./tags.ts";
import type { FillBody, Rebuild } from "./rebuild.ts";

/** A key list of records; `simple` when a plain assignment makes an own property of each. */
interface Shape {
  readonly keys: readonly string[];
  readonly simple: boolean;
}

interface PutOff {
  readonly value: object;
  readonly body: FillBody;
  readonly level: number;
}

type Queue = (PutOff | undefined)[];

interface Slot {
  readonly queue: Queue;
  readonly index: number;
}

/** Stands for an object that is made only from what is being read. */
const unfinished = Symbol("unfinished");

/** Stands for an instance whose class is being read; a reference to it makes the shell early, without its prototype. */
class Unborn {
  readonly base: Base;
  constructor(base: Base) {
    this.base = base;
  }
}

/** Reads one message. Everything in it may be wrong, whoever wrote it. */
export class Decoder implements Rebuild {
  readonly reader: Reader;
  readonly hooks: DecodeHooks;
  readonly #maxDepth: number;
  #shown: readonly Shown[] | undefined;
  #nextShown = 0;
  readonly #objects: unknown[] = [];
  readonly #keys: (string | symbol)[] = [];
  readonly #shapes: Shape[] = [];
  readonly #putOff: (PutOff | undefined)[] = [];
  /** Bodies of code among the early values of a knotted one. */
  readonly #after: (PutOff | undefined)[] = [];
  /** True depth of the value at depth 0 of the body that is being read. */
  #level = 0;
  /** What a hook threw is not the message's fault and passes as it is. */
  thrown: unknown;
  hookThrew = false;

  constructor(reader: Reader, hooks: DecodeHooks, maxDepth: number) {
    this.reader = reader;
    this.hooks = hooks;
    this.#maxDepth = maxDepth;
  }

  root(shown: readonly Shown[] | undefined): unknown {
    this.#shown = shown;
    const value = this.value(0);
    if (this.#putOff.length > 0) this.#readAll(this.#putOff, 0, 0);
    if (this.#after.length > 0) throw broken("code waits for what is not there");
    if (this.reader.position !== this.reader.end) throw broken("something follows it");
    if (shown && this.#nextShown !== shown.length) throw broken("there is memory that it does not use");
    return value;
  }

  value(depth: number): unknown {
    const { reader } = this;
    const tag = reader.byte();
    if (tag < SHORT_STRING) return tag;
    if (tag < 0x80) return reader.oneByteString(tag & 63);
    if (tag >= SHORT_ARRAY) {
      if (tag > SHORT_ARRAY + 15) throw broken("it holds an unknown tag");
      return this.#array(tag & 15, depth);
    }
    if (tag >= SHAPE) return this.#record(this.#shapes[tag & 31], depth);
    // prettier-ignore
    switch (tag) {
      case UNDEFINED: return undefined;
      case NULL: return null;
      case TRUE: return true;
      case FALSE: return false;
      case INTEGER: return reader.varint();
      case NEGATIVE: return -1 - reader.varint();
      case DOUBLE: return reader.double();
      case BIGINT: return reader.bigint();
      case NEGATIVE_BIGINT: return -reader.bigint();
      case STRING_ONE_BYTE: return reader.oneByteString(reader.count(1));
      case STRING_TWO_BYTE: return reader.twoByteString(reader.count(2));
      case SYMBOL: return this.#wellKnown();
      case SYMBOL_FOR: return Symbol.for(this.string());
      case REFERENCE: return this.#reference();
      case NEW_SHAPE: return this.#record(this.#newShape(), depth);
      case FAR_SHAPE: return this.#record(this.#shapes[reader.varint()], depth);
      case ARRAY: return this.#array(reader.varint(), depth);
      case LATER: return this.#later(this.#putOff, depth);
      case AFTER: return this.#later(this.#after, depth);
      case CUSTOM: case NAMED: case HANDLE: return this.#made(tag, depth);
      default:
        return tag >= OBJECT && tag <= KNOTTED_CODE ? this.#container(tag, depth, undefined) : readBuiltIn(this, tag, depth);
    }
  }

  string(): string {
    const { reader } = this;
    const tag = reader.byte();
    if (tag >= SHORT_STRING && tag < 0x80) return reader.oneByteString(tag & 63);
    if (tag === STRING_ONE_BYTE) return reader.oneByteString(reader.count(1));
    if (tag === STRING_TWO_BYTE) return reader.twoByteString(reader.count(2));
    throw broken("it lacks a string");
  }

  key(): string | symbol {
    const { reader } = this;
    const tag = reader.byte();
    if (tag < SHORT_STRING || tag === INTEGER) {
      const known = this.#keys[tag === INTEGER ? reader.varint() : tag];
      if (known === undefined) throw broken("it names an unknown key");
      return known;
    }
    let key: string | symbol;
    if (tag < 0x80) key = reader.keyString(tag & 63);
    else if (tag === SYMBOL) key = this.#wellKnown();
    else {
      reader.position--;
      if (tag === SYMBOL_FOR) key = this.value(0) as symbol;
      else key = this.string();
    }
    this.#keys.push(key);
    return key;
  }

  add<T extends object>(value: T): T {
    this.#objects.push(value);
    return value;
  }

  shown(): Shown {
    const shown = this.#shown?.[this.#nextShown++];
    if (!shown) throw broken("it uses memory that is not there");
    return shown;
  }

  /** Ends what would need too much stack, or is deeper than the caller allows. */
  enter(depth: number): void {
    if (depth > MAX_DEPTH + 1 || depth + this.#level > this.#maxDepth) throw broken("it is nested too deeply");
  }

  hook<T>(call: () => T): T {
    try {
      return call();
    } catch (error) {
      this.hookThrew = true;
      this.thrown = error;
      throw error;
    }
  }

  before(depth: number): unknown[] {
    const mark = this.#putOff.length;
    const list = this.list(depth);
    if (this.#putOff.length > mark) this.#readAll(this.#putOff, mark, depth);
    return list;
  }

  list(depth: number): unknown[] {
    this.enter(depth);
    const list: unknown[] = [];
    for (let left = this.reader.count(1); left > 0; left--) list.push(this.value(depth + 1));
    return list;
  }

  elements(array: unknown[], length: number, depth: number): void {
    this.enter(depth);
    const { reader } = this;
    for (let i = 0; i < length; i++) {
      const tag = reader.peek();
      if (tag === HOLE) {
        reader.position++;
        array.length = i + 1;
      } else if (tag === SPARSE) {
        reader.position++;
        return this.#sparse(array, i, length, depth);
      } else array[i] = this.value(depth + 1);
    }
  }

  #sparse(array: unknown[], start: number, length: number, depth: number): void {
    // The largest length turns the array into a table, for which the true length allocates nothing.
    array.length = 0xffffffff;
    array.length = length;
    for (let left = this.reader.count(2); left > 0; left--) {
      const index = this.reader.varint();
      if (index < start || index >= length) throw broken("an index is out of range");
      array[index] = this.value(depth + 1);
    }
  }

  #array(length: number, depth: number): unknown[] {
    if (length > 0xffffffff) throw broken("an array is too long");
    const array: unknown[] = [];
    this.#objects.push(array);
    this.elements(array, length, depth);
    return array;
  }

  #newShape(): Shape {
    const keys: string[] = [];
    let simple = true;
    for (let left = this.reader.count(1); left > 0; left--) {
      const key = this.key();
      if (typeof key === "symbol") throw broken("a record has a symbol for a key");
      simple &&= !(key in Object.prototype);
      keys.push(key);
    }
    const shape = { keys, simple };
    this.#shapes.push(shape);
    return shape;
  }

  #record(shape: Shape | undefined, depth: number): object {
    if (!shape) throw broken("it names an unknown shape");
    this.enter(depth);
    const object: Record<string, unknown> = {};
    this.#objects.push(object);
    const { keys, simple } = shape;
    for (let i = 0; i < keys.length; i++) {
      const value = this.value(depth + 1);
      if (simple) object[keys[i] as string] = value;
      else
        Object.defineProperty(object, keys[i] as string, {
          value,
          writable: true,
          enumerable: true,
          configurable: true,
        });
    }
    return object;
  }

  #reference(): unknown {
    const number = this.reader.varint();
    const object = this.#objects[number];
    if (number >= this.#objects.length || object === unfinished)
      throw broken("it refers to an object that is not there");
    if (object instanceof Unborn) return (this.#objects[number] = makeShell(object.base, null));
    return object;
  }

  #wellKnown(): symbol {
    const symbol = wellKnownSymbols[this.reader.byte()];
    if (symbol === undefined) throw broken("it names an unknown symbol");
    return symbol;
  }

  #later(queue: Queue, depth: number): unknown {
    this.enter(depth);
    const tag = this.reader.byte();
    if (tag < OBJECT || tag > KNOTTED_CODE || (queue === this.#after && tag !== CODE))
      throw broken("it puts off what has no body");
    return this.#container(tag, depth, { queue, index: queue.push(undefined) - 1 });
  }

  /** Makes the shell and reads the body, now or, with a `slot` in a queue, later. */
  #container(tag: number, depth: number, slot: Slot | undefined): unknown {
    this.enter(depth);
    if (tag === CODE || tag === KNOTTED_CODE) return this.#code(tag, depth, slot);
    if (tag === INSTANCE) return this.#instance(depth, slot);
    if (tag === ERROR) return this.#fill(this.add(makeError(this.reader.byte())), bodies.Error, depth, slot);
    const base = tag === MAP ? "Map" : tag === SET ? "Set" : tag === FULL_ARRAY ? "Array" : "Object";
    const shell = tag === NULL_OBJECT ? (Object.create(null) as object) : makeShell(base, undefined);
    return this.#fill(this.add(shell), bodies[base], depth, slot);
  }

  #fill(value: object, body: FillBody, depth: number, slot: Slot | undefined): object {
    if (slot === undefined) body(this, value, depth);
    else slot.queue[slot.index] = { value, body, level: this.#level + depth };
    return value;
  }

  #instance(depth: number, slot: Slot | undefined): object {
    const base = bases[this.reader.byte()];
    if (!base) throw broken("it names an unknown base class");
    const number = this.#objects.push(new Unborn(base)) - 1;
    const Class = this.value(depth + 1);
    const prototype = typeof Class === "function" ? (Class.prototype as unknown) : undefined;
    if (typeof prototype !== "object" || prototype === null) throw broken("an instance has no class");
    let shell = this.#objects[number] as object;
    if (shell instanceof Unborn) shell = makeShell(base, prototype);
    else Object.setPrototypeOf(shell, prototype);
    this.#objects[number] = shell;
    return this.#fill(shell, bodies[base], depth, slot);
  }

  #code(tag: number, depth: number, slot: Slot | undefined): object {
    const number = this.#objects.push(unfinished) - 1;
    const unit = this.reader.varint();
    const name = this.string();
    const waiting = this.#after.length;
    const early = this.before(depth);
    const made = this.hook(() => this.hooks.code(unit, early, name));
    this.#objects[number] = made.value;
    if (tag === KNOTTED_CODE) this.#readAll(this.#after, waiting, depth);
    this.#fill(made, fillLate, depth, slot);
    return made.value;
  }

  #made(tag: number, depth: number): unknown {
    const number = this.#objects.push(unfinished) - 1;
    const { hooks } = this;
    let value: unknown;
    if (tag === NAMED) {
      const name = this.string();
      value = this.hook(() => hooks.named(name));
    } else if (tag === CUSTOM) {
      const Class = this.#only(depth);
      const state = this.#only(depth);
      value = this.hook(() => hooks.custom(Class, state));
    } else {
      const type = this.string();
      const data = this.#only(depth);
      value = this.hook(() => hooks.handle(type, data));
    }
    this.#objects[number] = value;
    return value;
  }

  #only(depth: number): unknown {
    const list = this.before(depth);
    if (list.length !== 1) throw broken("it lacks the state of an object");
    return list[0];
  }

  #readAll(queue: Queue, mark: number, depth: number): void {
    const level = this.#level;
    for (let i = mark; i < queue.length; i++) {
      const put = queue[i];
      // The shell of an instance or of code may contain what waits for itself.
      if (!put) throw broken("a body comes before its shell");
      queue[i] = undefined;
      this.#level = put.level - depth;
      put.body(this, put.value, depth);
    }
    queue.length = mark;
    this.#level = level;
  }
}

function fillLate(decoder: Rebuild, value: object, depth: number): void {
  const late = decoder.list(depth);
  decoder.hook(() => (value as { fill(late: readonly unknown[]): void }).fill(late));
}
