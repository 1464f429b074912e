/** What the owner of a value tells of it, besides its kind and its number. It comes from a peer: read with suspicion. */
import { ProtocolError } from "../errors.ts";

/** How a stream of Node's handles what goes through it. */
export interface Modes {
  readonly readableObjectMode: boolean;
  readonly writableObjectMode: boolean;
  /** It gives strings. */
  readonly encoding: BufferEncoding | null;
}

export function readFlag(detail: unknown, kind: string): boolean {
  if (typeof detail !== "boolean") throw wrong(kind);
  return detail;
}

export function readNothing(detail: unknown, kind: string): void {
  if (detail !== null) throw wrong(kind);
}

export function readModes(detail: unknown, kind: string): Modes {
  const { readableObjectMode, writableObjectMode, encoding } = fieldsOf(detail, kind);
  if (typeof readableObjectMode !== "boolean" || typeof writableObjectMode !== "boolean") throw wrong(kind);
  if (encoding !== null && !(typeof encoding === "string" && Buffer.isEncoding(encoding))) throw wrong(kind);
  return { readableObjectMode, writableObjectMode, encoding };
}

/** Own fields only: what a peer does not say must not come from a prototype. */
export function fieldsOf(detail: unknown, kind: string): Readonly<Record<string, unknown>> {
  if (typeof detail !== "object" || detail === null || Array.isArray(detail)) throw wrong(kind);
  return Object.assign(Object.create(null) as Record<string, unknown>, detail);
}

export function wrong(kind: string): ProtocolError {
  return new ProtocolError(`Cannot receive a reference: what is told of a "${kind}" is wrong`);
}
