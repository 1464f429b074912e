/** Looks for the line by which a worker says that it is up. What follows it on stdout is for the protocol. */

/** A program that never ends its first line must not fill the memory. */
const longest = 64 * 1024;

export class Readiness {
  readonly #wanted: RegExp | undefined;
  readonly #found: (rest: Uint8Array) => void;
  #bytes: Buffer = Buffer.alloc(0);

  /** `"answer"` is found by the protocol, not here. */
  constructor(wanted: RegExp | "answer", found: (rest: Uint8Array) => void) {
    this.#wanted = wanted === "answer" ? undefined : wanted;
    this.#found = found;
  }

  /** Whether stdout is looked at as lines, until the one that is wanted. */
  get gathers(): boolean {
    return this.#wanted !== undefined;
  }

  /** Of stderr. What has come of stdout so far are no answers. */
  line(line: string): void {
    if (this.#wanted?.test(line)) this.#found(this.#bytes);
  }

  push(chunk: Uint8Array): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    for (let end = this.#bytes.indexOf(0x0a); end >= 0; end = this.#bytes.indexOf(0x0a)) {
      const line = this.#bytes.toString("utf8", 0, end).replace(/\r$/, "");
      this.#bytes = this.#bytes.subarray(end + 1);
      if (this.#wanted!.test(line)) return this.#found(this.#bytes);
    }
    if (this.#bytes.length > longest) this.#bytes = this.#bytes.subarray(-longest);
  }
}
