import { StringDecoder } from "node:string_decoder";

/** Longest line sent as one; a longer one is cut, so that a program without line ends cannot fill the memory. */
const longestLine = 64 * 1024;

/** Gathers bytes or text into lines. */
export class Lines {
  readonly #decoder = new StringDecoder("utf8");
  readonly #print: (line: string) => void;
  #rest = "";

  constructor(print: (line: string) => void) {
    this.#print = print;
  }

  get empty(): boolean {
    return this.#rest === "";
  }

  push(chunk: Uint8Array | string): void {
    let text = this.#rest + (typeof chunk === "string" ? chunk : this.#decoder.write(Buffer.from(chunk)));
    for (;;) {
      const end = text.indexOf("\n");
      if (end < 0 && text.length < longestLine) break;
      const cut = end < 0 ? longestLine : end;
      this.#print(text.slice(0, cut).replace(/\r$/, ""));
      text = text.slice(end < 0 ? cut : cut + 1);
    }
    this.#rest = text;
  }

  /** The last line may lack its end. */
  flush(): void {
    if (this.#rest === "") return;
    this.#print(this.#rest);
    this.#rest = "";
  }
}
