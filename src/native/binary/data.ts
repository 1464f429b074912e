import type { BinaryOptions } from "./options.ts";

/** What travels in place of a handle. The other side makes its own of it. */
export interface BinaryData {
  readonly name: string;
  readonly options: BinaryOptions;
  readonly release: string;
  /** Later declarations have larger numbers. */
  readonly serial: number;
}
