/** The last lines of what a worker writes to its stderr. */
import { Lines } from "../../lines.ts";

const kept = 20;

export class Tail {
  readonly #last: string[] = [];
  readonly #lines: Lines;
  #next = 0;

  constructor(told: (line: string) => void) {
    this.#lines = new Lines((line) => {
      this.#last[this.#next++ % kept] = line;
      told(line);
    });
  }

  push(chunk: Uint8Array): void {
    this.#lines.push(chunk);
  }

  get text(): string {
    this.#lines.flush();
    const from = this.#next % kept;
    return [...this.#last.slice(from), ...this.#last.slice(0, from)].join("\n");
  }
}
