/** One try to start a child. */
import { AbortError } from "../errors.ts";
import { show } from "../options.ts";
import type { Child, StartContext } from "../ports/child.ts";
import type { Timer } from "../ports/clock.ts";
import { defaultForgetMs } from "./defaults.ts";
import { endLives } from "./ending.ts";
import { type Path, type SupervisorHost, whereOf } from "./host.ts";
import { Life } from "./life.ts";
import type { ResolvedSpec } from "./spec.ts";

export class Attempt {
  /** The child that is up, `undefined` for one that wants no supervision. After `abort` it always rejects. */
  readonly outcome: Promise<Life | undefined>;
  readonly #spec: ResolvedSpec;
  readonly #path: Path;
  readonly #host: SupervisorHost;
  readonly #abort = new AbortController();
  readonly #reject: (error: unknown) => void;
  #timer: Timer | undefined;
  #answered = false;

  constructor(spec: ResolvedSpec, path: Path, extra: readonly unknown[], host: SupervisorHost) {
    this.#spec = spec;
    this.#path = path;
    this.#host = host;
    const { promise, resolve, reject } = Promise.withResolvers<Life | undefined>();
    this.outcome = promise.finally(() => this.#timer?.cancel());
    this.#reject = reject;
    begin(spec, { signal: this.#abort.signal, path }, extra)
      .then((child) => child && new Life(child, path, host))
      .then((life) => {
        if (this.#abort.signal.aborted) return this.#late(life);
        this.#answered = true;
        return resolve(life);
      })
      .catch(reject);
  }

  /** The child is not wanted any more. Waits as long as it may take to stop, or as long as a killed one may. */
  abort(mode: "shutdown" | "kill" = "shutdown"): void {
    const { clock, forgetMs = defaultForgetMs } = this.#host;
    const { shutdown } = this.#spec;
    // Whoever has asked for it is about to have it, and will end it.
    if (this.#answered) return;
    const first = !this.#abort.signal.aborted;
    if (first) this.#abort.abort(new AbortError(`Cannot start child ${show(this.#spec.id)}: its start was aborted`));
    else if (mode === "shutdown") return;
    const waitMs = mode === "kill" || shutdown === "brutal_kill" ? forgetMs : shutdown;
    this.#timer?.cancel();
    this.#timer = clock.timer(waitMs === "infinity" ? Infinity : waitMs, () => {
      this.#host.events.emit("child.forgotten", {
        ...whereOf(this.#path),
        why: "its start did not answer when it was aborted",
      });
      this.#reject(this.#abort.signal.reason);
    });
    this.#timer.hold(true);
  }

  /** It came up all the same. */
  async #late(life: Life | undefined): Promise<never> {
    if (life) await endLives([life], "brutal_kill", this.#host);
    throw this.#abort.signal.reason;
  }
}

/** Whatever goes wrong in `start` is a rejection. */
async function begin(spec: ResolvedSpec, context: StartContext, extra: readonly unknown[]): Promise<Child | undefined> {
  const start = spec.start as (context: StartContext, ...extra: readonly unknown[]) => unknown;
  const child = await start(context, ...extra);
  if (child === undefined || isChild(child)) return child;
  throw new TypeError(
    `Cannot use ${show(child)} as child ${show(spec.id)}: \`start\` is to give an object with \`exited\` and \`stop\`, or undefined`,
  );
}

function isChild(value: unknown): value is Child {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return false;
  const { exited, stop } = value as { exited?: { then?: unknown } | null; stop?: unknown };
  return typeof stop === "function" && typeof exited?.then === "function";
}
