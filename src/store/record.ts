/** The object that a cell is kept in: its value, and what is needed to tell whose write it was. */
import { randomBytes } from "node:crypto";
import { StoreDataError } from "../errors.ts";
import { fromJson, toJson } from "./json.ts";

/** What is known of a cell at some moment. */
export interface CellState {
  /** Undefined: there is no object. */
  readonly etag: string | undefined;
  /** The text of the value; undefined when there is no object. */
  readonly text: string | undefined;
  /** Unlike that of any other record that this key has had, or will have. */
  readonly born: string;
  /** Number of writes so far. */
  readonly version: number;
  /** The last write of each of the writers that were here last, the latest at the end. */
  readonly writers: readonly Writer[];
  /** The highest token of each lease under which it was written. */
  readonly fences: readonly Fence[];
}

export type Writer = readonly [id: string, attempt: number];
export type Fence = readonly [lease: string, token: number];

export const noState: CellState = { etag: undefined, text: undefined, born: "", version: 0, writers: [], fences: [] };

/** More have to write in between before a write can no longer be told from one that was not done. */
export const keptWriters = 64;

/** Leases under which it was written last. What is written under more than these is not guarded by the oldest. */
const keptFences = 256;

export type RecordKind = "cell" | "memo";

/** The state after a write; its etag is not known yet. */
export function nextState(before: CellState, text: string, writer: Writer, fences: readonly Fence[]): CellState {
  const others = before.writers.filter(([id]) => id !== writer[0]);
  return {
    etag: undefined,
    text,
    born: before.born || randomBytes(8).toString("base64url"),
    version: before.version + 1,
    writers: [...others, writer].slice(-keptWriters),
    fences: fences.slice(-keptFences),
  };
}

export function writeRecord(kind: RecordKind, { text, born, version, writers, fences }: CellState): Uint8Array {
  const rest = JSON.stringify({ born, version, writers, fences }).slice(1);
  return Buffer.from(`{"tinderbox":"${kind}","value":${text!},${rest}\n`);
}

interface Facts {
  readonly store: string;
  readonly key: string;
}

export function readRecord(kind: RecordKind, body: Uint8Array, etag: string, facts: Facts): CellState {
  const { tinderbox, value, born, version, writers, fences } = parse(kind, body, facts);
  const sound =
    value !== undefined &&
    typeof born === "string" &&
    Number.isSafeInteger(version) &&
    Array.isArray(writers) &&
    Array.isArray(fences);
  if (tinderbox !== kind || !sound) {
    const what = typeof tinderbox === "string" && tinderbox !== kind ? `a ${tinderbox.slice(0, 20)}` : "something else";
    throw new StoreDataError(
      `Cannot read ${kind} "${facts.key}" of ${facts.store}: what is stored there is ${what}; use another key`,
      { ...facts },
    );
  }
  return { etag, text: JSON.stringify(value), born, version, writers, fences } as CellState;
}

function parse(kind: string, body: Uint8Array, facts: Facts): Record<string, unknown> {
  try {
    const found: unknown = JSON.parse(Buffer.from(body).toString("utf8"));
    if (typeof found === "object" && found !== null) return found as Record<string, unknown>;
  } catch {
    // Said below.
  }
  throw new StoreDataError(
    `Cannot read ${kind} "${facts.key}" of ${facts.store}: what is stored there was not written by a ${kind}; use another key`,
    { ...facts },
  );
}

/** @throws TypeError for what is no data. */
export function textOf(value: unknown, root: string): string {
  return JSON.stringify(toJson(value, root));
}

/** A new value each time: nobody shares what another may change. */
export function valueOf(text: string, what: string, facts: Facts): unknown {
  try {
    return fromJson(JSON.parse(text) as never);
  } catch (error) {
    throw new StoreDataError(`Cannot read ${what}: ${(error as Error).message}`, { ...facts, cause: error });
  }
}
