import { inspect, types } from "node:util";
import { brandOf } from "./kinds.ts";
import { MAP_KEY, MAP_VALUE, PROPERTY, SET_ITEM } from "./path.ts";
import { integrityOf, writeExtras, writeKeys, writeProperties } from "./properties.ts";
import { refusals } from "./refuse.ts";
import { ARRAY, FULL_ARRAY, HOLE, MAX_SHORT_ARRAY, NULL_OBJECT, OBJECT, SHORT_ARRAY, SPARSE } from "./tags.ts";
import type { Walk } from "./walk.ts";

/** Above this length a list of an array's keys costs more than `inspect`, which counts elements without listing them. */
const LISTED_LENGTH = 32;
/** After so many holes in a row the elements that are there are listed instead. */
const HOLES_IN_ROW = 64;
const unlisted = {
  maxArrayLength: 0,
  showHidden: true,
  customInspect: false,
  depth: 0,
  breakLength: Infinity,
} as const;

export function writeArray(walk: Walk, array: readonly unknown[], depth: number): void {
  const { writer } = walk;
  if (walk.putOff(array, depth, arrayBody)) return writer.byte(FULL_ARRAY);
  if (!isOrdinary(array)) {
    writer.byte(FULL_ARRAY);
    return arrayBody(walk, array, depth);
  }
  const length = array.length;
  if (length <= MAX_SHORT_ARRAY) writer.byte(SHORT_ARRAY | length);
  else {
    writer.byte(ARRAY);
    writer.varint(length);
  }
  writeElements(walk, array, depth);
}

/** Neither properties besides the elements nor symbols, and extensible. */
function isOrdinary(array: readonly unknown[]): boolean {
  if (!Object.isExtensible(array)) return false;
  const length = array.length;
  if (length > LISTED_LENGTH) {
    return (
      Object.getOwnPropertySymbols(array).length === 0 &&
      inspect(array, unlisted).endsWith(` more items, [length]: ${length} ]`)
    );
  }
  // Indices come first, then `length`, then what was added, then symbols.
  return Reflect.ownKeys(array).at(-1) === "length";
}

export function arrayBody(walk: Walk, value: object, depth: number): void {
  const array = value as readonly unknown[];
  walk.writer.varint(array.length);
  writeElements(walk, array, depth);
  if (isOrdinary(array)) walk.writer.byte(0);
  else writeProperties(walk, array, depth, isElement);
}

function isElement(key: string | symbol): boolean {
  return typeof key === "string" && (key === "length" || isIndex(key));
}

function isIndex(key: string): boolean {
  const index = Number(key);
  return index >>> 0 === index && index !== 0xffffffff && String(index) === key;
}

function writeElements(walk: Walk, array: readonly unknown[], depth: number): void {
  const { writer, trail } = walk;
  const length = array.length;
  let holes = 0;
  trail.step(depth + 1, PROPERTY, 0);
  for (let i = 0; i < length; i++) {
    const element = array[i];
    if (element === undefined && !Object.hasOwn(array, i)) {
      if (++holes > HOLES_IN_ROW && length - i > HOLES_IN_ROW) return writeSparse(walk, array, depth, i);
      writer.byte(HOLE);
      continue;
    }
    holes = 0;
    trail.steps[depth + 1] = i;
    walk.value(element, depth + 1);
  }
}

function writeSparse(walk: Walk, array: readonly unknown[], depth: number, start: number): void {
  const { writer, trail } = walk;
  const indices = Object.keys(array).filter((key) => isIndex(key) && Number(key) >= start);
  writer.byte(SPARSE);
  writer.varint(indices.length);
  for (const key of indices) {
    const index = Number(key);
    writer.varint(index);
    trail.step(depth + 1, PROPERTY, index);
    walk.value(array[index], depth + 1);
  }
}

export function mapBody(walk: Walk, value: object, depth: number): void {
  const { writer, trail } = walk;
  writer.varint(sizeOfMap.call(value));
  let i = 0;
  for (const [key, item] of entriesOfMap.call(value) as Iterable<[unknown, unknown]>) {
    trail.step(depth + 1, MAP_KEY, i);
    walk.value(key, depth + 1);
    trail.step(depth + 1, MAP_VALUE, typeof key === "string" ? key : i);
    walk.value(item, depth + 1);
    i++;
  }
  writeExtras(walk, value, depth, 0);
}

export function setBody(walk: Walk, value: object, depth: number): void {
  const { writer, trail } = walk;
  writer.varint(sizeOfSet.call(value));
  let i = 0;
  for (const item of valuesOfSet.call(value) as Iterable<unknown>) {
    trail.step(depth + 1, SET_ITEM, i++);
    walk.value(item, depth + 1);
  }
  writeExtras(walk, value, depth, 0);
}

export function objectBody(walk: Walk, value: object, depth: number): void {
  const keys = Reflect.ownKeys(value);
  if (keys.length === 0 && integrityOf(value) === 0) walk.writer.byte(0);
  else writeKeys(walk, value, keys, depth);
}

/** A plain object with attributes, symbols, too many keys, too deep, or one that only looks plain. */
export function writeSpecial(walk: Walk, object: object, depth: number): void {
  if (types.isArgumentsObject(object)) walk.refuse(depth, refusals.arguments);
  writeBare(walk, object, depth, OBJECT);
}

export function writeWithoutPrototype(walk: Walk, object: object, depth: number): void {
  if (types.isModuleNamespaceObject(object)) walk.refuse(depth, refusals.moduleNamespace);
  writeBare(walk, object, depth, NULL_OBJECT);
}

function writeBare(walk: Walk, object: object, depth: number, tag: number): void {
  // With another prototype than its own, a Map looks like an empty object.
  if (brandOf(object) !== "Object") walk.refuse(depth, refusals.pretender);
  const later = walk.putOff(object, depth, objectBody);
  walk.writer.byte(tag);
  if (!later) objectBody(walk, object, depth);
}

// A subclass may define its own `size` and iteration.
const sizeOfMap = Object.getOwnPropertyDescriptor(Map.prototype, "size")?.get as (this: object) => number;
const sizeOfSet = Object.getOwnPropertyDescriptor(Set.prototype, "size")?.get as (this: object) => number;
const entriesOfMap = Map.prototype.entries as (this: object) => unknown;
const valuesOfSet = Set.prototype.values as (this: object) => unknown;
