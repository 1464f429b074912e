/**
 * The bytes of the format. A message is one flag byte, one value, the contents that were put off because they lie too deep
 * (`LATER`), and, when the flag is 1, the memory section with its position in the last four bytes.
 *
 * 00..3f small integer      40..7f one-byte string by length     c0..df object of a known shape     e0..ef array by length
 */

export const SHORT_STRING = 0x40;
export const SHAPE = 0xc0;
export const SHORT_ARRAY = 0xe0;
export const MAX_SMALL = 63;
export const MAX_SHORT_STRING = 63;
export const MAX_SHAPE = 31;
export const MAX_SHORT_ARRAY = 15;

export const UNDEFINED = 0x80;
export const NULL = 0x81;
export const TRUE = 0x82;
export const FALSE = 0x83;
/** varint */
export const INTEGER = 0x84;
/** varint of -1 - n */
export const NEGATIVE = 0x85;
/** 8 bytes, little endian */
export const DOUBLE = 0x86;
/** varint length, magnitude bytes, most significant first */
export const BIGINT = 0x87;
export const NEGATIVE_BIGINT = 0x88;
/** varint length, one byte per character */
export const STRING_ONE_BYTE = 0x89;
/** varint length in units, two bytes per unit: lone surrogates survive */
export const STRING_TWO_BYTE = 0x8a;
/** index in `wellKnownSymbols` */
export const SYMBOL = 0x8b;
/** the string given to `Symbol.for` */
export const SYMBOL_FOR = 0x8c;
/** varint: number of an object by order of appearance */
export const REFERENCE = 0x8d;
/** an element that an array does not have */
export const HOLE = 0x8e;
/** only among the elements of an array: the rest of it as varint count, then (varint index, value)* */
export const SPARSE = 0x8f;
/** varint count, keys, values; becomes the next shape */
export const NEW_SHAPE = 0x90;
/** varint shape, values */
export const FAR_SHAPE = 0x91;
/** varint length, elements */
export const ARRAY = 0x92;
/** stands before OBJECT..CODE: the shell comes now, the body after the value that is being written */
export const LATER = 0x93;

/** Shell (after the tag) | body. `props` is varint of count * 8 + (attributes ? 4 : 0) + integrity, then (key, [attributes], value)* */
/** | props */
export const OBJECT = 0x94;
/** | props */
export const NULL_OBJECT = 0x95;
/** | varint length, elements, props */
export const FULL_ARRAY = 0x96;
/** | varint count, (key, value)*, props */
export const MAP = 0x97;
/** | varint count, items, props */
export const SET = 0x98;
/** index in `errorNames` | props */
export const ERROR = 0x99;
/** index in `bases`, class | body of the base, props */
export const INSTANCE = 0x9a;
/** varint unit, name, varint count, early values | varint count, late values */
export const CODE = 0x9b;
/** As CODE, where the early values lead back to it: between shell and body are the bodies that AFTER has put off. */
export const KNOTTED_CODE = 0x9c;
/** stands before CODE among the early values of KNOTTED_CODE: the body comes when that exists */
export const AFTER = 0x9d;

/** 8 bytes, props */
export const DATE = 0xa0;
/** source, flags, lastIndex, props */
export const REGEXP = 0xa1;
/** the primitive, props */
export const BOXED = 0xa2;
/** href, props */
export const URL_ = 0xa3;
/** varint count, (name, value)*, props */
export const SEARCH_PARAMS = 0xa4;
export const HEADERS = 0xa5;
/** type, props; contents are the next entry of the memory section */
export const BLOB = 0xa6;
/** name, lastModified, type, props */
export const FILE = 0xa7;
/** props; the next entry of the memory section */
export const ARRAY_BUFFER = 0xa8;
/** index in `viewNames`, props; the next entry of the memory section */
export const VIEW = 0xa9;
/** message, name, props */
export const DOM_EXCEPTION = 0xaa;
/** one class, one state, each in the form of early values */
export const CUSTOM = 0xab;
/** name */
export const NAMED = 0xac;
/** type, one datum in the form of early values */
export const HANDLE = 0xad;

// prettier-ignore
export const wellKnownSymbols: readonly symbol[] = [
  "asyncIterator", "hasInstance", "isConcatSpreadable", "iterator", "match", "matchAll", "replace", "search", "species",
  "split", "toPrimitive", "toStringTag", "unscopables", "dispose", "asyncDispose",
].map((name) => (Symbol as unknown as Record<string, symbol>)[name] as symbol);

// prettier-ignore
export const errorNames = [
  "Error", "EvalError", "RangeError", "ReferenceError", "SyntaxError", "TypeError", "URIError", "AggregateError",
  "SuppressedError",
] as const;

// prettier-ignore
export const viewNames = [
  "Buffer", "DataView", "Uint8Array", "Int8Array", "Uint8ClampedArray", "Uint16Array", "Int16Array", "Uint32Array",
  "Int32Array", "Float16Array", "Float32Array", "Float64Array", "BigInt64Array", "BigUint64Array",
] as const;

export const bases = ["Object", "Error", "Map", "Set", "Array"] as const;
export type Base = (typeof bases)[number];

/** Attributes of a property, as differences from an ordinary one. */
export const READ_ONLY = 1;
export const HIDDEN = 2;
export const FIXED = 4;

/** Integrity of an object. */
export const SEALED = 2;
export const FROZEN = 3;

/** At this depth the bodies of containers are put off, so that any depth of nesting needs little stack. */
export const PUT_OFF_DEPTH = 128;
/** What cannot be put off (state of custom instances, early values) may nest this deep. */
export const MAX_DEPTH = 640;
/** Memory of at least this many bytes travels beside the message, by reference. */
export const REFERENCED_SIZE = 65536;
