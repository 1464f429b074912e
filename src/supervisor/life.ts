/** One run of a child: from `start` having answered to its end, or to being given up. */
import { TinderboxError } from "../errors.ts";
import { show } from "../options.ts";
import type { Child, ExitReason } from "../ports/child.ts";
import { type Path, type SupervisorHost, whereOf } from "./host.ts";

export class Life {
  readonly child: Child;
  readonly path: Path;
  /** Resolves with how it ended; never rejects. */
  readonly ended: Promise<ExitReason>;
  /** How it ended; undefined while it lives. */
  reason: ExitReason | undefined;
  readonly #host: SupervisorHost;
  readonly #resolve: (reason: ExitReason) => void;

  constructor(child: Child, path: Path, host: SupervisorHost) {
    this.child = child;
    this.path = path;
    this.#host = host;
    const { promise, resolve } = Promise.withResolvers<ExitReason>();
    this.ended = promise;
    this.#resolve = resolve;
    Promise.resolve(child.exited).then(
      (reason) => this.#end(exitReason(reason)),
      (error: unknown) => this.#end(exitError(error)),
    );
  }

  /** False when the child could not even be told. */
  tell(mode: "shutdown" | "kill"): boolean {
    if (this.reason !== undefined) return true;
    try {
      // It is not waited for, and its failure is nobody's: `exited` says how the child ended.
      void Promise.resolve(this.child.stop(mode)).catch(() => undefined);
      return true;
    } catch {
      return false;
    }
  }

  /** Waits no longer: for its supervisor it is gone, whatever it does. */
  forget(): void {
    if (this.reason !== undefined) return;
    this.#host.events.emit("child.forgotten", { ...whereOf(this.path), why: "it did not end when it was killed" });
    this.#end(killed(this.path, "it did not end when it was killed"));
  }

  #end(reason: ExitReason): void {
    this.reason ??= reason;
    this.#resolve(this.reason);
  }
}

/** How somebody ended who was not asked any more. */
export function killed(path: Path, what: string): TinderboxError {
  return new TinderboxError(`Cannot wait for child ${show(path.at(-1))} any longer: ${what}; it is forgotten`, {
    code: "ERR_TINDERBOX_CHILD_KILLED",
  });
}

function exitReason(reason: unknown): ExitReason {
  return reason === "normal" || reason === "shutdown" ? reason : exitError(reason);
}

/** As an error, also what is none. */
export function exitError(reason: unknown): Error {
  if (reason instanceof Error || Object.prototype.toString.call(reason) === "[object Error]") return reason as Error;
  return new TinderboxError(
    `Cannot tell how a child ended: ${show(reason)} was its reason; an exit is "normal", "shutdown" or an error`,
    { code: "ERR_TINDERBOX_CHILD_EXIT", cause: reason },
  );
}
