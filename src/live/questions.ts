/** What one side has asked the other and not yet heard. */
import { ProtocolError } from "../errors.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import type { Told } from "./reference.ts";

export interface QuestionsHost {
  readonly clock: Clock;
  /** How long the other side may take; never, while its call runs and has a clock itself. */
  limit?(method: string): { readonly ms: number; error(): Error } | undefined;
  /** Something was asked (1), or is asked no more (-1). */
  asking?(change: 1 | -1): void;
  /** An error of the other side's has come, and nobody but who waits hears of it. */
  heard?(error: unknown): void;
}

interface Asked {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: Timer | undefined;
  readonly told: Told | undefined;
}

export class Questions {
  readonly #host: QuestionsHost;
  /** One is settled: perhaps it was the last. */
  readonly #settled: () => void;
  readonly #asked = new Map<number, Asked>();
  /** Asked, and given up waiting for: somebody wants to know when that is over all the same. */
  readonly #late = new Map<number, Told>();
  #next = 1;

  constructor(host: QuestionsHost, settled: () => void) {
    this.#host = host;
    this.#settled = settled;
  }

  get size(): number {
    return this.#asked.size;
  }

  /**
   * `send` says it to the other side, at once or later. The promise is handled: a failure that nobody awaits has its event
   * on the other side, and must not be the end of this process.
   */
  ask(method: string, told: Told | undefined, send: (number: number) => Promise<void> | undefined): Promise<unknown> {
    const promise = new Promise<unknown>((resolve, reject) => {
      const number = this.#next++;
      const refuse = (error: unknown): void => {
        const asked = this.#take(number);
        reject(error);
        told?.over();
        if (asked) this.#settled();
      };
      const limit = this.#host.limit?.(method);
      const timer = limit && this.#host.clock.timer(limit.ms, () => this.#giveUp(number, limit.error()));
      this.#asked.set(number, { resolve, reject, timer, told });
      this.#host.asking?.(1);
      try {
        send(number)?.catch(refuse);
      } catch (error) {
        refuse(error);
      }
    });
    promise.catch(() => {});
    return promise;
  }

  /** `read` is called also for nobody: what an answer brings along must be known to be let go. */
  hear(number: number, failed: boolean, read: () => unknown): void {
    if (number === 0 || number >= this.#next)
      throw new ProtocolError(`Cannot hear answer ${number}: nothing was asked by that number`);
    const asked = this.#take(number);
    const told = asked?.told ?? this.#late.get(number);
    this.#late.delete(number);
    try {
      const value = read();
      if (failed) {
        if (told) told.failed(value);
        else this.#host.heard?.(value);
        asked?.reject(value);
      } else asked?.resolve(value);
    } catch (error) {
      asked?.reject(error);
      if (error instanceof ProtocolError) throw error;
    } finally {
      told?.over();
    }
    if (asked) this.#settled();
  }

  /** Nothing will be answered any more. */
  end(error: Error): void {
    const [asked, late] = [[...this.#asked.values()], [...this.#late.values()]];
    this.#asked.clear();
    this.#late.clear();
    for (const { reject, timer, told } of asked) {
      this.#host.asking?.(-1);
      timer?.cancel();
      reject(error);
      told?.over();
    }
    for (const told of late) told.over();
  }

  /** Nobody waits for the answer any longer. */
  #giveUp(number: number, error: Error): void {
    const asked = this.#take(number);
    if (!asked) return;
    if (asked.told) this.#late.set(number, asked.told);
    asked.reject(error);
    this.#settled();
  }

  #take(number: number): Asked | undefined {
    const asked = this.#asked.get(number);
    if (!asked) return undefined;
    this.#asked.delete(number);
    this.#host.asking?.(-1);
    asked.timer?.cancel();
    return asked;
  }
}
