/** The two ends of an AbortSignal: it aborts on the other side as well. */
import type { LiveValue } from "../value/port.ts";
import type { Exported, Imported, Line } from "./reference.ts";

export function exportSignal({ value }: LiveValue, line: Line): Exported {
  const signal = value as AbortSignal;
  const abort = (): void => {
    try {
      line.end(signal.reason);
    } catch {
      line.end(new DOMException("This operation was aborted", "AbortError"));
    }
  };
  if (!signal.aborted) signal.addEventListener("abort", abort, { once: true });
  return {
    detail: signal.aborted ? { reason: reasonOf(signal) } : null,
    end: () => signal.removeEventListener("abort", abort),
  };
}

export function importSignal(detail: unknown): { readonly value: object; readonly end: Imported } {
  const controller = new AbortController();
  if (detail) controller.abort(revive((detail as { reason: Reason }).reason));
  return { value: controller.signal, end: { item: (_mark, reason) => controller.abort(reason), end() {} } };
}

interface Reason {
  readonly name: string;
  readonly message: string;
  readonly thrown: boolean;
}

/** What travels beside a message is plain data. */
function reasonOf({ reason }: AbortSignal): Reason {
  const error = reason as Error;
  return reason instanceof Error
    ? { name: error.name, message: error.message, thrown: true }
    : { name: "", message: String(reason), thrown: false };
}

function revive({ name, message, thrown }: Reason): unknown {
  if (!thrown) return message;
  if (name === "AbortError" || name === "TimeoutError") return new DOMException(message, name);
  return Object.assign(new Error(message), { name });
}
