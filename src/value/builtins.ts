import { inspect, types } from "node:util";
import { arrayBody, mapBody, objectBody, setBody } from "./containers.ts";
import { type Kind, nativeName, nodeErrorBase } from "./kinds.ts";
import { writeExtras, writeProperties } from "./properties.ts";
import { refusals } from "./refuse.ts";
// prettier-ignore
import {
  ARRAY_BUFFER, BLOB, BOXED, DATE, DOM_EXCEPTION, ERROR, FILE, HEADERS, MAP, REGEXP, SEARCH_PARAMS, SET, URL_, VIEW,
  errorNames, viewNames, wellKnownSymbols, type Base,
} from "./tags.ts";
import type { Body, Walk } from "./walk.ts";

/** Bodies of what can also be the base of a user's class. */
export const bodies: Readonly<Record<Base, Body>> = {
  Object: objectBody,
  Error: errorBody,
  Map: mapBody,
  Set: setBody,
  Array: arrayBody,
};

type BuiltIn = Exclude<Kind, "Object" | "Array" | "described">;

/** Writes one instance of each built-in class that is neither a plain object nor an array. */
export const writeBuiltIn: Readonly<Record<BuiltIn, Body>> = {
  Map: (walk, value, depth) => container(walk, value, depth, MAP, mapBody),
  Set: (walk, value, depth) => container(walk, value, depth, SET, setBody),
  Error: writeError,
  Date(walk, value, depth) {
    walk.writer.byte(DATE);
    walk.writer.double(Date.prototype.getTime.call(value));
    writeExtras(walk, value, depth, 0);
  },
  RegExp: writeRegExp,
  Boxed: writeBoxed,
  ArrayBuffer: writeArrayBuffer,
  View: writeView,
  URL(walk, value, depth) {
    walk.writer.byte(URL_);
    walk.writer.string((value as URL).href);
    writeExtras(walk, value, depth, 0);
  },
  URLSearchParams: (walk, value, depth) => writePairs(walk, value as URLSearchParams, depth, SEARCH_PARAMS),
  Headers: (walk, value, depth) => writePairs(walk, value as Headers, depth, HEADERS),
  Blob(walk, value, depth) {
    walk.writer.byte(BLOB);
    walk.writer.string((value as Blob).type);
    walk.fill(value as Blob, depth);
    writeBlobExtras(walk, value, depth);
  },
  File(walk, value, depth) {
    const { name, lastModified, type } = value as File;
    walk.writer.byte(FILE);
    walk.writer.string(name);
    walk.writer.double(lastModified);
    walk.writer.string(type);
    walk.fill(value as Blob, depth);
    writeBlobExtras(walk, value, depth);
  },
  DOMException(walk, value, depth) {
    walk.writer.byte(DOM_EXCEPTION);
    walk.writer.string((value as DOMException).message);
    walk.writer.string((value as DOMException).name);
    writeProperties(walk, value, depth);
  },
};

function container(walk: Walk, value: object, depth: number, tag: number, body: Body): void {
  const later = walk.putOff(value, depth, body);
  walk.writer.byte(tag);
  if (!later) body(walk, value, depth);
}

function writeError(walk: Walk, value: object, depth: number): void {
  const prototype = Object.getPrototypeOf(value) as object;
  const name = nativeName(prototype) ?? nativeName(nodeErrorBase(prototype) ?? Error.prototype) ?? "Error";
  const later = walk.putOff(value, depth, errorBody);
  walk.writer.byte(ERROR);
  walk.writer.byte((errorNames as readonly string[]).indexOf(name));
  if (!later) errorBody(walk, value, depth);
}

function errorBody(walk: Walk, value: object, depth: number): void {
  writeProperties(walk, value, depth, isNodesMark);
}

function isNodesMark(key: string | symbol): boolean {
  return typeof key === "symbol" && key.description === "kIsNodeError";
}

function writeRegExp(walk: Walk, value: object, depth: number): void {
  const pattern = value as RegExp;
  walk.writer.byte(REGEXP);
  walk.writer.string(pattern.source);
  walk.writer.string(pattern.flags);
  if (typeof pattern.lastIndex !== "number") walk.refuse(depth, refusals.position);
  walk.writer.number(pattern.lastIndex);
  writeExtras(walk, value, depth, 1, (key) => key === "lastIndex");
}

function writeBoxed(walk: Walk, value: object, depth: number): void {
  const primitive = unbox(value);
  walk.writer.byte(BOXED);
  walk.value(primitive, depth);
  const length = typeof primitive === "string" ? primitive.length : -1;
  writeExtras(walk, value, depth, length + 1, (key) => length >= 0 && (key === "length" || isBelow(key, length)));
}

function unbox(value: object): unknown {
  if (types.isNumberObject(value)) return Number.prototype.valueOf.call(value);
  if (types.isStringObject(value)) return String.prototype.valueOf.call(value);
  if (types.isBooleanObject(value)) return Boolean.prototype.valueOf.call(value);
  if (types.isBigIntObject(value)) return BigInt.prototype.valueOf.call(value);
  return Symbol.prototype.valueOf.call(value);
}

function isBelow(key: string | symbol, length: number): boolean {
  return typeof key === "string" && String(Number(key)) === key && Number(key) < length;
}

function writeArrayBuffer(walk: Walk, value: object, depth: number): void {
  const buffer = value as ArrayBuffer;
  if (buffer.detached) walk.refuse(depth, refusals.detached);
  walk.memories().addBuffer(buffer);
  walk.writer.byte(ARRAY_BUFFER);
  writeExtras(walk, value, depth, 0);
}

function writeView(walk: Walk, value: object, depth: number): void {
  const view = value as Uint8Array;
  if (types.isSharedArrayBuffer(view.buffer)) walk.refuse(depth, refusals.shared);
  if ((view.buffer as ArrayBuffer).detached) walk.refuse(depth, refusals.detached);
  const name = Buffer.isBuffer(value) ? "Buffer" : (nativeName(Object.getPrototypeOf(value) as object) as "DataView");
  walk.memories().addView(view, view.BYTES_PER_ELEMENT ?? 1);
  walk.writer.byte(VIEW);
  walk.writer.byte(viewNames.indexOf(name));
  if (name === "DataView") writeExtras(walk, value, depth, 0);
  else writeViewExtras(walk, view, depth);
}

const LISTED_LENGTH = 32;
const unlisted = { maxArrayLength: 0, customInspect: false, depth: 0, breakLength: Infinity } as const;

/** The keys of a large typed array must not be listed; `inspect` shows the others without that. */
function writeViewExtras(walk: Walk, view: Uint8Array, depth: number): void {
  const length = view.length;
  const ordinary =
    Object.getOwnPropertySymbols(view).length === 0 &&
    Object.isExtensible(view) &&
    (length <= LISTED_LENGTH
      ? Object.getOwnPropertyNames(view).length === length
      : inspect(view, unlisted).endsWith(` ${length} more items ]`));
  if (ordinary) walk.writer.byte(0);
  else writeProperties(walk, view, depth, (key) => isBelow(key, length));
}

function writePairs(walk: Walk, value: URLSearchParams | Headers, depth: number, tag: number): void {
  const pairs = [...(value as Iterable<[string, string]>)];
  walk.writer.byte(tag);
  walk.writer.varint(pairs.length);
  for (const [name, text] of pairs) {
    walk.writer.string(name);
    walk.writer.string(text);
  }
  writeExtras(walk, value, depth, 0);
}

/** A Blob keeps its state under unique symbols, one of a file also its `constructor`: the constructor makes them again. */
function writeBlobExtras(walk: Walk, value: object, depth: number): void {
  writeProperties(walk, value, depth, (key) => key === "constructor" || (typeof key === "symbol" && isUnique(key)));
}

function isUnique(symbol: symbol): boolean {
  return Symbol.keyFor(symbol) === undefined && !wellKnownSymbols.includes(symbol);
}
