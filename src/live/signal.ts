/** The two ends of an AbortSignal: it aborts on the other side as well. */
import { types } from "node:util";
import type { LiveValue } from "../value/port.ts";
import { wrong } from "./details.ts";
import type { Exported, Imported, Line } from "./reference.ts";

export function exportSignal({ value }: LiveValue, line: Line): Exported {
  const signal = value as AbortSignal;
  const abort = (): void => tell(signal.reason, line);
  if (!signal.aborted) signal.addEventListener("abort", abort, { once: true });
  return {
    detail: signal.aborted ? (line.encode(signal.reason) ?? line.encode(unsaid())) : null,
    end: () => signal.removeEventListener("abort", abort),
  };
}

/** A reason that cannot travel is one that nobody gave. */
function tell(reason: unknown, line: Line): void {
  try {
    const sent = line.item(reason, false);
    if (typeof sent !== "number") sent.catch(() => tell(unsaid(), line));
  } catch {
    line.item(unsaid(), false);
  }
}

function unsaid(): DOMException {
  return new DOMException("This operation was aborted", "AbortError");
}

/** `detail` is the reason of one that is aborted already. */
export function importSignal(
  detail: unknown,
  decode: (bytes: Uint8Array) => unknown,
): { readonly value: object; readonly end: Imported } {
  const controller = new AbortController();
  if (types.isUint8Array(detail)) controller.abort(decode(detail));
  else if (detail !== null) throw wrong("signal");
  // Held until its scope ends: listeners of a signal that is itself forgotten are to be called all the same.
  const item = (_mark: unknown, reason: unknown): void => controller.abort(reason);
  return { value: controller.signal, end: { passive: true, item, end() {} } };
}
