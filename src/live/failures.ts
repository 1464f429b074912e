/** The errors of live references. */
import { ProtocolError, TinderboxError } from "../errors.ts";

/** What a reference answers after its end. */
export function released(): TinderboxError {
  return new TinderboxError(
    "Cannot use a live reference: it was let go, or the call that it belongs to has ended; keep the call open for as long as it is needed",
    { code: "ERR_TINDERBOX_RELEASED" },
  );
}

/** The other side does with a reference what cannot be done with one of its kind. */
export function wrongUse(what: string, reference: number): ProtocolError {
  return new ProtocolError(`Cannot take ${what} for reference ${reference}: it is of another kind`);
}
