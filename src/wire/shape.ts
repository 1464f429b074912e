/** Rare messages are JSON. What is read of one is exactly what was asked for: every field checked, no other kept. */
import { ProtocolError } from "../errors.ts";

/** `count` is a whole number from 0; a list has one kind of items. */
export type Kind =
  | "string"
  | "string or null"
  | "boolean"
  | "count"
  | "count or null"
  | readonly [Kind]
  | { readonly [name: string]: Kind };

export type Of<K extends Kind> = K extends "string"
  ? string
  : K extends "string or null"
    ? string | null
    : K extends "boolean"
      ? boolean
      : K extends "count"
        ? number
        : K extends "count or null"
          ? number | null
          : K extends readonly [infer Item extends Kind]
            ? readonly Of<Item>[]
            : { readonly [Name in keyof K]: K[Name] extends Kind ? Of<K[Name]> : never };

/** Longest text that is made of a message: far above any module, far below what a string can hold. */
const longestText = 64 * 1024 * 1024;

/** The text of a message's body. */
export function readText(body: Buffer, message: string): string {
  if (body.length > longestText) {
    throw new ProtocolError(`Cannot read ${message}: it has ${body.length} bytes, at most ${longestText} are allowed`);
  }
  return body.toString("utf8");
}

/** Throws `ProtocolError` that names the first wrong field. */
export function readJson<K extends Kind>(body: Buffer, message: string, kind: K): Of<K> {
  const text = readText(body, message);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ProtocolError(`Cannot read ${message}: it is not JSON`);
  }
  return pick(value, kind, message, "") as Of<K>;
}

function pick(value: unknown, kind: Kind, message: string, path: string): unknown {
  if (typeof kind === "string") {
    if (isA(value, kind)) return value;
  } else if (isList(kind)) {
    if (Array.isArray(value)) return value.map((item, index) => pick(item, kind[0], message, `${path}[${index}]`));
  } else if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    const record = value as Record<string, unknown>;
    const names = Object.keys(kind);
    const at = (name: string): string => (path ? `${path}.${name}` : name);
    return Object.fromEntries(names.map((name) => [name, pick(record[name], kind[name]!, message, at(name))]));
  }
  throw new ProtocolError(`Cannot read ${message}: ${path || "it"} is wrong`);
}

function isA(value: unknown, kind: string): boolean {
  switch (kind) {
    case "count":
      return Number.isSafeInteger(value) && (value as number) >= 0;
    case "count or null":
      return value === null || isA(value, "count");
    case "string or null":
      return value === null || typeof value === "string";
    default:
      return typeof value === kind;
  }
}

function isList(kind: Kind): kind is readonly [Kind] {
  return Array.isArray(kind);
}
