import * as nodeBuffer from "node:buffer";
import { broken } from "./reader.ts";
import type { Rebuild } from "./rebuild.ts";
import { readProperties } from "./shells.ts";
// prettier-ignore
import {
  ARRAY_BUFFER, BLOB, BOXED, DATE, DOM_EXCEPTION, FILE, HEADERS, REGEXP, SEARCH_PARAMS, URL_, VIEW, viewNames,
} from "./tags.ts";

/** Makes an instance of a built-in class that no user's class can be based on. */
export function readBuiltIn(decoder: Rebuild, tag: number, depth: number): object {
  decoder.enter(depth);
  const value = decoder.add(make(decoder, tag, depth));
  readProperties(decoder, value, depth);
  return value;
}

function make(decoder: Rebuild, tag: number, depth: number): object {
  // prettier-ignore
  switch (tag) {
    case DATE: return new Date(decoder.reader.double());
    case REGEXP: return makeRegExp(decoder, depth);
    case BOXED: return makeBoxed(decoder, depth);
    case URL_: return new URL(decoder.string());
    case SEARCH_PARAMS: return new URLSearchParams(readPairs(decoder));
    case HEADERS: return new Headers(readPairs(decoder));
    case BLOB: {
      const type = decoder.string();
      return new Blob(readParts(decoder), { type });
    }
    case FILE: {
      const name = decoder.string();
      const lastModified = decoder.reader.double();
      const type = decoder.string();
      return new nodeBuffer.File(readParts(decoder), name, { type, lastModified });
    }
    case ARRAY_BUFFER: {
      const { buffer, offset, length } = decoder.shown();
      if (offset !== 0 || length !== buffer.byteLength) throw broken("a buffer is not the whole of its memory");
      return buffer;
    }
    case VIEW: return makeView(decoder);
    case DOM_EXCEPTION: return makeDomException(decoder);
    default: throw broken("it holds an unknown tag");
  }
}

function makeRegExp(decoder: Rebuild, depth: number): RegExp {
  const pattern = new RegExp(decoder.string(), decoder.string());
  const lastIndex = decoder.value(depth + 1);
  if (typeof lastIndex !== "number") throw broken("a regular expression has no position");
  pattern.lastIndex = lastIndex;
  return pattern;
}

function makeBoxed(decoder: Rebuild, depth: number): object {
  const primitive = decoder.value(depth + 1);
  if (
    primitive === null ||
    primitive === undefined ||
    typeof primitive === "object" ||
    typeof primitive === "function"
  ) {
    throw broken("a boxed value is not a primitive");
  }
  return Object(primitive) as object;
}

function readPairs(decoder: Rebuild): [string, string][] {
  const pairs: [string, string][] = [];
  for (let left = decoder.reader.count(2); left > 0; left--) pairs.push([decoder.string(), decoder.string()]);
  return pairs;
}

function readParts(decoder: Rebuild): Uint8Array<ArrayBuffer>[] {
  const { buffer, offset, length } = decoder.shown();
  return length === 0 ? [] : [new Uint8Array(buffer, offset, length)];
}

type ViewClass = new (buffer: ArrayBuffer, offset: number, length?: number) => ArrayBufferView;

function makeView(decoder: Rebuild): ArrayBufferView {
  const name = viewNames[decoder.reader.byte()];
  if (!name) throw broken("it holds an unknown kind of view");
  const { buffer, offset, length } = decoder.shown();
  if (name === "Buffer") return Buffer.from(buffer, offset, length);
  const Class = (globalThis as unknown as Record<string, (ViewClass & { BYTES_PER_ELEMENT?: number }) | undefined>)[
    name
  ];
  if (!Class) throw broken(`this version of Node has no ${name}`);
  // A view to the end of a resizable buffer grows with it.
  if (buffer.resizable && offset + length === buffer.byteLength) return new Class(buffer, offset);
  const size = Class.BYTES_PER_ELEMENT ?? 1;
  if (length % size !== 0) throw broken("a view ends within an element");
  return new Class(buffer, offset, length / size);
}

/** The message comes from the constructor; the stack that it makes gives way to the one that was sent. */
function makeDomException(decoder: Rebuild): DOMException {
  const exception = new DOMException(decoder.string(), decoder.string());
  delete (exception as { stack?: string }).stack;
  return exception;
}
