/** Asks a service from time to time whether it is well. */
import type { Clock, Timer } from "../../ports/clock.ts";
import type { Endpoint, ResolvedHealth } from "./options.ts";

export interface HealthDeps {
  readonly clock: Clock;
  readonly connects: (endpoint: Endpoint, timeoutMs: number) => Promise<boolean>;
}

/** Calls `sick` at most once, with the reason. */
export class Health {
  readonly #deps: HealthDeps;
  readonly #options: ResolvedHealth;
  readonly #sick: (reason: string) => void;
  #bad = 0;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(options: ResolvedHealth, deps: HealthDeps, sick: (reason: string) => void) {
    this.#deps = deps;
    this.#options = options;
    this.#sick = sick;
  }

  start(): void {
    this.#timer = this.#deps.clock.timer(this.#options.everyMs, () => void this.#ask());
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  async #ask(): Promise<void> {
    const { failures, timeoutMs } = this.#options;
    const problem = await this.#problem();
    if (this.#stopped) return;
    this.#bad = problem === undefined ? 0 : this.#bad + 1;
    if (problem === undefined || this.#bad < failures) return this.start();
    this.stop();
    const times = failures === 1 ? "" : ` ${failures} times in a row`;
    this.#sick(problem === "late" ? `its health check took longer than ${timeoutMs} ms${times}` : `${problem}${times}`);
  }

  /** What is wrong; undefined when it is well. */
  async #problem(): Promise<string | undefined> {
    const { check, timeoutMs } = this.#options;
    const { clock, connects } = this.#deps;
    let timer: Timer | undefined;
    const late = new Promise<"late">((resolve) => {
      timer = clock.timer(timeoutMs, () => resolve("late"));
    });
    const ask = async (): Promise<string | undefined> => {
      if (typeof check !== "function") return (await connects(check, timeoutMs)) ? undefined : "nobody listens";
      const answer = await check();
      return answer === false ? "its health check said no" : undefined;
    };
    const failed = (error: unknown): string =>
      `its health check failed: ${error instanceof Error ? error.message : String(error)}`;
    try {
      return await Promise.race([ask().catch(failed), late]);
    } finally {
      timer!.cancel();
    }
  }
}
