import { StringDecoder } from "node:string_decoder";

/**
 * Longest line sent as one; a longer one is cut, so that a program without line ends cannot fill the memory. As UTF-8
 * it takes three times that at most, which still is one frame: lines keep their order with what else is sent.
 */
export const longestLine = 20 * 1024;

/** Gathers bytes or text into lines. */
export class Lines {
  readonly #decoder = new StringDecoder("utf8");
  readonly #print: (line: string) => void;
  #rest = "";

  constructor(print: (line: string) => void) {
    this.#print = print;
  }

  /** True when nothing waits for the rest of its line or of its last character. */
  get empty(): boolean {
    return this.#rest === "" && (this.#decoder as unknown as { readonly lastNeed: number }).lastNeed === 0;
  }

  push(chunk: Uint8Array | string): void {
    const text = this.#rest + (typeof chunk === "string" ? chunk : this.#decoder.write(chunk));
    let at = 0;
    for (;;) {
      const end = text.indexOf("\n", at);
      const length = (end < 0 ? text.length : end) - at;
      if (length > longestLine) {
        const cut = at + longestLine - (splitsPair(text, at + longestLine) ? 1 : 0);
        this.#print(text.slice(at, cut));
        at = cut;
      } else if (end >= 0) {
        this.#print(text.slice(at, end).replace(/\r$/, ""));
        at = end + 1;
      } else break;
    }
    this.#rest = text.slice(at);
  }

  /** The last line may lack its end. */
  flush(): void {
    const rest = this.#rest + this.#decoder.end();
    this.#rest = "";
    if (rest !== "") this.#print(rest.replace(/\r$/, ""));
  }
}

/** A character beyond the first 65,536 takes two places, which make no sense alone. */
function splitsPair(text: string, at: number): boolean {
  return /[\ud800-\udbff]/.test(text[at - 1]!) && /[\udc00-\udfff]/.test(text[at] ?? "");
}
