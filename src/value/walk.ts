import type { Identities } from "./identity.ts";
import type { Memories } from "./memory.ts";
import type { Trail } from "./path.ts";
import type { Description } from "./port.ts";
import type { Refusal } from "./refuse.ts";
import type { Writer } from "./writer.ts";

/** What values in a list are called in paths: one label for all, or a name for each. */
export type Labels = string | readonly string[];

/** What the parts of the encoder need of the whole. `depth` is the depth of the value at hand, its children are one deeper. */
export interface Walk {
  readonly writer: Writer;
  readonly trail: Trail;
  readonly identities: Identities;
  memories(): Memories;
  describe(value: object, depth: number): Description;
  value(value: unknown, depth: number): void;
  key(key: string | symbol, depth: number): void;
  /** Writes the values of `list`, each with its own name, or with the label `<name i>`, a single one with `<name>`. */
  list(list: readonly unknown[], name: Labels, depth: number): void;
  refuse(depth: number, refusal: Refusal): never;
  /** Writes values that must be complete before the object with this number exists. */
  before(number: number, list: readonly unknown[], name: Labels, depth: number): void;
  /**
   * Writes the early values of a code object between what `shell` writes and its body. They are complete before it exists,
   * with what they capture, unless they lead back to it: then what they capture comes after it.
   */
  code(
    number: number,
    late: readonly unknown[],
    early: readonly unknown[],
    names: Labels,
    depth: number,
    body: Body,
    shell: () => void,
  ): void;
  /** Too deep: writes `LATER`, has the body written after the value that is being written, and says so. */
  putOff(value: object, depth: number, body: Body): boolean;
  /** Has these contents of a Blob read once the message is complete. */
  fill(blob: Blob, depth: number): void;
}

/** Writes the contents of an object whose shell is there. */
export type Body = (walk: Walk, value: object, depth: number) => void;
