import type { Readable } from "node:stream";

const bootMs = 30_000;

/** Words, one a line, that a starting machine says. */
export class Steps {
  readonly #seen = new Set<string>();
  readonly #waiting = new Map<string, (ended: boolean) => void>();
  #closed = false;

  constructor(stream: Readable) {
    let rest = "";
    stream.setEncoding("utf8").on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        this.#seen.add(line);
        this.#waiting.get(line)?.(false);
      }
    });
    stream.on("error", () => undefined);
    stream.once("close", () => {
      this.#closed = true;
      for (const settle of this.#waiting.values()) settle(true);
    });
  }

  async see(word: string): Promise<void> {
    if (this.#seen.has(word)) return;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#waiting.set(word, resolve);
    const deadline = setTimeout(() => resolve(true), bootMs);
    const missed = this.#closed || (await promise);
    clearTimeout(deadline);
    this.#waiting.delete(word);
    if (missed && !this.#seen.has(word))
      throw new Error(`Cannot boot: the machine did not get to "${word}"; see its console`);
  }
}
