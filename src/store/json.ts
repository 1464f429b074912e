/**
 * Values as stored: JSON, so that others can read it, with a tag for what JSON would lose. `{ "$date": "..." }` is a Date; a plain object
 * with a key that begins with "$" is written as `{ "$object": {...} }`. What is not data is refused by its path.
 */
import { show } from "../options.ts";

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Values nested deeper are refused: they are cycles more often than data. */
const deepest = 500;

/** @throws TypeError that names what is no data, and where it is. */
export function toJson(value: unknown, root: string): Json {
  const parents: object[] = [];
  const write = (each: unknown, path: string): Json => {
    switch (typeof each) {
      case "string":
      case "boolean":
        return each;
      case "number":
        return Number.isFinite(each) && !Object.is(each, -0)
          ? each
          : { $number: Object.is(each, -0) ? "-0" : String(each) };
      case "bigint":
        return { $bigint: String(each) };
      case "undefined":
        return { $undefined: true };
      case "object":
        if (each === null) return null;
        break;
      default:
        throw refused(each, path);
    }
    if (parents.includes(each)) throw new TypeError(`Cannot store ${path}: it contains itself; store a tree of data`);
    if (parents.length >= deepest)
      throw new TypeError(`Cannot store ${path}: it is nested deeper than ${deepest} levels`);
    parents.push(each);
    const written = writeObject(each, path);
    parents.pop();
    return written;
  };
  const writeObject = (each: object, path: string): Json => {
    if (Array.isArray(each)) return Array.from(each, (item, index) => write(item, `${path}[${index}]`));
    if (each instanceof Date) return { $date: Number.isNaN(each.getTime()) ? null : each.toISOString() };
    if (each instanceof Map)
      return {
        $map: Array.from(each, ([key, item], index) => [
          write(key, `${path}<key ${index}>`),
          write(item, `${path}<value ${index}>`),
        ]),
      };
    if (each instanceof Set) return { $set: Array.from(each, (item, index) => write(item, `${path}<${index}>`)) };
    if (each instanceof Uint8Array)
      return { $bytes: Buffer.from(each.buffer, each.byteOffset, each.length).toString("base64") };
    const prototype: unknown = Object.getPrototypeOf(each);
    // Of another realm, a plain object's prototype is another one; what has no constructor of its own is plain.
    if (prototype !== null && Object.getPrototypeOf(prototype) !== null) throw refused(each, path);
    if (Object.getOwnPropertySymbols(each).length > 0)
      throw new TypeError(`Cannot store ${path}: it has a symbol as a key; use strings`);
    const entries = Object.entries(each).map(([key, item]): [string, Json] => [
      key,
      write(item, `${path}${step(key)}`),
    ]);
    const object = Object.fromEntries(entries);
    return entries.some(([key]) => key.startsWith("$")) ? { $object: object } : object;
  };
  return write(value, root);
}

/** @throws TypeError for a tag that this version does not know. */
export function fromJson(json: Json): unknown {
  if (typeof json !== "object" || json === null) return json;
  if (isArray(json)) return json.map(fromJson);
  const [tag, ...more] = Object.keys(json);
  if (more.length > 0 || !tag?.startsWith("$")) return plain(json);
  const data = json[tag]!;
  switch (tag) {
    case "$number":
      return Number(data);
    case "$bigint":
      return BigInt(data as string);
    case "$undefined":
      return undefined;
    case "$date":
      return new Date((data as string | null) ?? Number.NaN);
    case "$map":
      return new Map((data as [Json, Json][]).map(([key, item]) => [fromJson(key), fromJson(item)]));
    case "$set":
      return new Set((data as Json[]).map(fromJson));
    case "$bytes":
      return new Uint8Array(Buffer.from(data as string, "base64"));
    case "$object":
      return plain(data as { readonly [key: string]: Json });
    default:
      throw new TypeError(`Cannot read a value: "${tag}" is not known to this version; was it written by a newer one?`);
  }
}

function plain(json: { readonly [key: string]: Json }): object {
  // Not by assignment: `__proto__` is a key like any other.
  return Object.fromEntries(Object.entries(json).map(([key, item]) => [key, fromJson(item)]));
}

function isArray(json: Json): json is readonly Json[] {
  return Array.isArray(json);
}

function refused(value: unknown, path: string): TypeError {
  const what =
    typeof value === "object" ? `an instance of ${(value as object).constructor?.name || "a class"}` : show(value);
  return new TypeError(
    `Cannot store ${path}: it is ${what}; a store keeps data: JSON, Date, Map, Set, bigint, Uint8Array and plain objects of these`,
  );
}

function step(key: string): string {
  return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}
