import type { Shown } from "./memory-reader.ts";
import type { Reader } from "./reader.ts";

/** What the parts of the decoder need of the whole; see `Walk` for `depth`. */
export interface Rebuild {
  readonly reader: Reader;
  value(depth: number): unknown;
  string(): string;
  key(): string | symbol;
  list(depth: number): unknown[];
  elements(array: unknown[], length: number, depth: number): void;
  enter(depth: number): void;
  /** Gives the object its number; before anything that may refer to it is read. */
  add<T extends object>(value: T): T;
  /** The next entry of the memory section. */
  shown(): Shown;
  hook<T>(call: () => T): T;
}

/** Reads the contents of an object whose shell is there. */
export type FillBody = (decoder: Rebuild, value: object, depth: number) => void;
