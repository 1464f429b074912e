/** Lines out of bytes: one ends with "\n" or "\r\n", which is not part of it. */
import { NoAnswer } from "./no-answer.ts";

const newline = 0x0a;
const carriageReturn = 0x0d;

export class LineDecoder {
  readonly #longest: number;
  readonly #line: (line: string) => void;
  #parts: Buffer[] = [];
  pending = 0;

  constructor(longest: number, line: (line: string) => void) {
    this.#longest = longest;
    this.#line = line;
  }

  push(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    let at = 0;
    for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, at)) {
      this.#check(end - at);
      const line = this.#take(bytes, at, end);
      // Before it is told: whoever is told may throw, or ask for what is pending.
      at = end + 1;
      this.#line(line);
    }
    if (at === bytes.length) return;
    this.#check(bytes.length - at);
    this.#parts.push(at === 0 ? bytes : bytes.subarray(at));
    this.pending += bytes.length - at;
  }

  #take(bytes: Buffer, from: number, to: number): string {
    if (this.pending === 0) return text(bytes, from, to);
    const whole = Buffer.concat([...this.#parts, bytes.subarray(from, to)]);
    this.#parts = [];
    this.pending = 0;
    return text(whole, 0, whole.length);
  }

  #check(more: number): void {
    // The line end of one that is just as long as allowed may have a "\r".
    if (this.pending + more > this.#longest + 1)
      throw new NoAnswer(`answered with a line of more than ${this.#longest} bytes`);
  }
}

function text(bytes: Buffer, from: number, to: number): string {
  return bytes.toString("utf8", from, to > from && bytes[to - 1] === carriageReturn ? to - 1 : to);
}
