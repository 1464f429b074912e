/** What is said of one file that cannot be in a release. */
import { type ErrorFacts, ReleaseError } from "../../errors.ts";

/** `ReleaseError` for one file. `is` completes "Cannot pack <file>: ...", and says what to do. */
export function cannotPack(path: string, is: string, cause?: unknown): ReleaseError {
  const facts: ErrorFacts = { path, ...(cause === undefined ? {} : { cause }) };
  return new ReleaseError(`Cannot pack ${JSON.stringify(path)}: ${is}`, facts);
}
