/** Looks from time to time whether instances that have not come in are still there. Never in the way of a boot: those come by themselves. */
import type { Clock, Timer } from "../../ports/clock.ts";
import type { Ec2Api } from "./api.ts";
import type { Ec2Instance } from "./machine.ts";

/** Ids that one request may ask about. */
const mostAtOnce = 200;

export class BootWatch {
  readonly #clock: Clock;
  readonly #api: Ec2Api;
  readonly #everyMs: number;
  readonly #instances: () => Iterable<Ec2Instance>;
  readonly #saw: ((facts: { readonly id: string; readonly address: string | undefined }) => void) | undefined;
  #timer: Timer | undefined;
  #stopped = false;

  /** `saw` is told of each that was found. */
  constructor(
    clock: Clock,
    api: Ec2Api,
    everyMs: number,
    instances: () => Iterable<Ec2Instance>,
    saw?: (facts: { readonly id: string; readonly address: string | undefined }) => void,
  ) {
    this.#clock = clock;
    this.#api = api;
    this.#everyMs = everyMs;
    this.#instances = instances;
    this.#saw = saw;
  }

  /** There is one more that boots. */
  look(): void {
    if (this.#stopped) return;
    this.#timer ??= this.#clock.timer(this.#everyMs, () => void this.#lookNow());
  }

  /** For good, also where it is just looking. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  async #lookNow(): Promise<void> {
    const booting = [...this.#instances()].filter((instance) => instance.booting);
    for (let at = 0; at < booting.length; at += mostAtOnce) {
      const some = new Map(booting.slice(at, at + mostAtOnce).map((instance) => [instance.id, instance]));
      // What cannot be seen now is looked at the next time; its pool has a clock for those that never come.
      const found = await this.#api.describe([...some.keys()]).catch(() => []);
      if (this.#stopped) return;
      for (const facts of found) {
        some.get(facts.id)?.saw(facts);
        this.#saw?.(facts);
      }
    }
    this.#timer = undefined;
    if ([...this.#instances()].some((instance) => instance.booting)) this.look();
  }
}
