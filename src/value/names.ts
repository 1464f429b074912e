import { FAR_SHAPE, MAX_SHAPE, NEW_SHAPE, SHAPE } from "./tags.ts";
import type { Writer } from "./writer.ts";

const FEW = 8;
/** Objects with more keys are dictionaries rather than records: their keys are not kept as a shape. */
export const MAX_SHAPE_KEYS = 64;

/** Property keys of one message by number, and the key lists (shapes) of the records in it. */
export class Names {
  #keys: PropertyKey[] = [];
  #numbers: Map<PropertyKey, number> | undefined;
  #shapes: (readonly string[])[] = [];
  #byHash: Map<number, number[]> | undefined;
  /** Records come in rows: the shape of the last one is tried first. */
  #last = 0;

  key(writer: Writer, key: string | symbol, symbol: (key: symbol) => void): void {
    const known = this.#find(key);
    if (known >= 0) return writer.number(known);
    this.#add(key);
    if (typeof key === "string") writer.string(key);
    else symbol(key);
  }

  /** Writes everything of a record but its values. */
  shape(writer: Writer, keys: readonly string[]): void {
    const shape = this.#findShape(keys);
    if (shape >= 0) {
      this.#last = shape;
      if (shape <= MAX_SHAPE) return writer.byte(SHAPE | shape);
      writer.byte(FAR_SHAPE);
      return writer.varint(shape);
    }
    this.#last = this.#shapes.length;
    writer.byte(NEW_SHAPE);
    writer.varint(keys.length);
    for (let i = 0; i < keys.length; i++) this.key(writer, keys[i] as string, noSymbol);
    this.#addShape(keys);
  }

  mark(): readonly [keys: number, shapes: number] {
    return [this.#keys.length, this.#shapes.length];
  }

  /** Forgets what came after `mark`. */
  rewind([keys, shapes]: readonly [keys: number, shapes: number]): void {
    for (const key of this.#keys.splice(keys)) this.#numbers?.delete(key);
    for (const list of this.#byHash?.values() ?? []) while ((list.at(-1) ?? -1) >= shapes) list.pop();
    this.#shapes.length = shapes;
    this.#last = 0;
  }

  clear(): void {
    // Popping keeps the memory of short lists for the next message; long ones are given back.
    if (this.#keys.length > FEW) this.#keys = [];
    else while (this.#keys.length > 0) this.#keys.pop();
    if (this.#shapes.length > FEW) this.#shapes = [];
    else while (this.#shapes.length > 0) this.#shapes.pop();
    this.#numbers = undefined;
    this.#byHash = undefined;
    this.#last = 0;
  }

  #find(key: PropertyKey): number {
    if (this.#numbers) return this.#numbers.get(key) ?? -1;
    const keys = this.#keys;
    for (let i = 0; i < keys.length; i++) if (keys[i] === key) return i;
    return -1;
  }

  #add(key: PropertyKey): void {
    const keys = this.#keys;
    this.#numbers?.set(key, keys.length);
    keys.push(key);
    if (keys.length > FEW && !this.#numbers) this.#numbers = new Map(keys.map((name, i) => [name, i]));
  }

  #findShape(keys: readonly string[]): number {
    const shapes = this.#shapes;
    if (shapes.length === 0) return -1;
    if (same(shapes[this.#last] as readonly string[], keys)) return this.#last;
    if (!this.#byHash) {
      for (let i = 0; i < shapes.length; i++) if (same(shapes[i] as readonly string[], keys)) return i;
      return -1;
    }
    const hash = this.#hash(keys);
    for (const i of this.#byHash.get(hash) ?? []) if (same(shapes[i] as readonly string[], keys)) return i;
    return -1;
  }

  #addShape(keys: readonly string[]): void {
    const shapes = this.#shapes;
    const start = this.#byHash ? shapes.length : 0;
    shapes.push(keys);
    if (shapes.length <= FEW) return;
    this.#byHash ??= new Map();
    for (let i = start; i < shapes.length; i++) {
      const hash = this.#hash(shapes[i] as readonly string[]);
      const list = this.#byHash.get(hash);
      if (list) list.push(i);
      else this.#byHash.set(hash, [i]);
    }
  }

  /** Of the keys' numbers; a key that is new gives a hash that no shape has. */
  #hash(keys: readonly string[]): number {
    let hash = keys.length;
    for (let i = 0; i < keys.length; i++) hash = (Math.imul(hash, 31) + this.#find(keys[i] as string)) | 0;
    return hash;
  }
}

function same(a: readonly string[], b: readonly string[]): boolean {
  const length = a.length;
  if (length !== b.length) return false;
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function noSymbol(): void {}
