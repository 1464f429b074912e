/** What is thrown when a release cannot be packed or unpacked. */
import { type ErrorFacts, TinderboxError } from "../../errors.ts";

/** A release cannot be made, or is not what it says it is; nothing of it may be used. */
export class ReleaseError extends TinderboxError {
  override readonly code: string = "ERR_TINDERBOX_RELEASE";
  /** Relative to the root, where one file is to blame. */
  declare readonly path?: string;
  /** As other errors of the package have it: on the prototype, and the same after minification. */
  static {
    Object.defineProperty(this.prototype, "name", { value: "ReleaseError", writable: true, configurable: true });
  }
}

/** `ReleaseError` for one file. `is` completes "Cannot pack <file>: ...", and says what to do. */
export function cannotPack(path: string, is: string, cause?: unknown): ReleaseError {
  const facts: ErrorFacts = { path, ...(cause === undefined ? {} : { cause }) };
  return new ReleaseError(`Cannot pack ${JSON.stringify(path)}: ${is}`, facts);
}
