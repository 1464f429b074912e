/** Callers that give their calls up: some before these begin, some together with others. */
import type { Book, CallRecord } from "./book.ts";
import type { Random } from "./random.ts";

const share = 0.12;
const groupSize = 8;

export class Quitters {
  readonly #book: Book;
  readonly #random: Random;
  #group = new AbortController();
  #members = 0;

  constructor(book: Book, random: Random) {
    this.#book = book;
    this.#random = random;
  }

  /** What will abort this call, unless its caller is one that stays. */
  signalFor(call: CallRecord): AbortSignal | undefined {
    const random = this.#random;
    if (!random.chance(share)) return undefined;
    const together = random.chance(0.3);
    const controller = together ? this.#group : new AbortController();
    const { signal } = controller;
    const reason = new Error(`given up: ${together ? "a group" : call.name}`);
    const abort = (): void => controller.abort(reason);
    signal.addEventListener("abort", () => this.#aborted(call, signal.reason as Error));
    if (together && ++this.#members < groupSize) return signal;
    if (together) [this.#group, this.#members] = [new AbortController(), 0];
    if (random.chance(0.1)) abort();
    else setTimeout(abort, random.between(0, 600)).unref();
    return signal;
  }

  #aborted(call: CallRecord, reason: Error): void {
    if (call.settled || call.ended) return;
    call.abortedBy = reason;
    setImmediate(() => {
      if (!call.settled) this.#book.violate(`call ${call.name} was aborted and is not told at once`);
    });
  }
}
