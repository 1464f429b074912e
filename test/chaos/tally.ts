/** Counts for the table. */
import { TinderboxError } from "tinderbox";
import type { CallRecord } from "./book.ts";

export class Tally {
  calls = 0;
  values = 0;
  /** After errors of their own, after the loss of their runner, after that of one that had not read them. */
  retried = 0;
  repeated = 0;
  returned = 0;
  most = 0;
  readonly errors = new Map<string, number>();
  #open = 0;

  made(): void {
    this.calls++;
    this.most = Math.max(this.most, ++this.#open);
  }

  settled(call: CallRecord, end: { readonly error: unknown } | undefined): void {
    this.#open--;
    this.retried += call.retried;
    this.repeated += Math.max(0, call.attempt - call.retried);
    this.returned += Math.max(0, call.starts - call.attempt - 1);
    if (!end) this.values++;
    else {
      const cause = causeOf(end.error);
      this.errors.set(cause, (this.errors.get(cause) ?? 0) + 1);
    }
  }
}

/** `RunnerLostError (signal SIGKILL)`. */
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const { reason, scope } = error as { readonly reason?: unknown; readonly scope?: unknown };
  if (!(error instanceof TinderboxError) || typeof reason !== "string") return error.name;
  return `${error.name} (${scope === "process" ? "executor, " : ""}${reason.replace(/:.*/s, "")})`;
}
