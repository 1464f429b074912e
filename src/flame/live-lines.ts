/**
 * Lines at the bottom of a terminal that are drawn again and again. Whatever else this process prints there meanwhile
 * goes above them: for as long as there are any, the `write` of stdout and stderr makes room first.
 */

interface Stream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

type Write = (this: unknown, ...args: unknown[]) => unknown;

const up = (lines: number): string => (lines > 1 ? `\u001b[${lines - 1}A` : "");
const erase = (lines: number): string => `\r${up(lines)}\u001b[J`;

export class LiveLines {
  static readonly #of = new WeakMap<Stream, LiveLines>();

  /** Those of one terminal. */
  static of(stream: Stream): LiveLines {
    let found = this.#of.get(stream);
    if (!found) this.#of.set(stream, (found = new LiveLines(stream)));
    return found;
  }

  readonly #stream: Stream;
  readonly #lines = new Map<object, string>();
  #drawn = 0;
  #undo: (() => void) | undefined;
  #redrawing = false;
  /** What others print ends in the middle of a line: ours would be glued to it. */
  #open = false;
  #write: (text: string) => unknown;

  private constructor(stream: Stream) {
    this.#stream = stream;
    this.#write = (text) => stream.write(text);
  }

  set(owner: object, text: string): void {
    if (this.#lines.get(owner) === text && this.#drawn === this.#lines.size) return;
    this.#lines.set(owner, text);
    if (!this.#undo) this.#watch();
    this.#draw();
  }

  delete(owner: object): void {
    if (!this.#lines.delete(owner)) return;
    this.#clear();
    if (this.#lines.size > 0) return this.#draw();
    this.#undo?.();
    this.#undo = undefined;
    if (this.#open) this.#write("\n");
    this.#open = false;
  }

  #draw(): void {
    if (this.#open) return;
    // A terminal that does not know its width says 0.
    const width = (this.#stream.columns || 80) - 1;
    const text = [...this.#lines.values()].map((line) => line.slice(0, width)).join("\n");
    this.#write(`${this.#drawn > 0 ? erase(this.#drawn) : ""}${text}`);
    this.#drawn = this.#lines.size;
  }

  #clear(): void {
    const drawn = this.#drawn;
    this.#drawn = 0;
    if (drawn > 0) this.#write(erase(drawn));
  }

  #watch(): void {
    this.#open = false;
    const streams = [...new Set<Stream>([this.#stream, process.stdout, process.stderr])].filter(({ isTTY }) => isTTY);
    const undone = streams.map((stream) => this.#intercept(stream));
    const exit = (): void => void this.#write("\n");
    process.once("exit", exit);
    this.#undo = () => {
      process.off("exit", exit);
      for (const undo of undone) undo();
    };
  }

  #intercept(stream: Stream): () => void {
    const write = stream.write as Write;
    const own = Object.getOwnPropertyDescriptor(stream, "write");
    if (stream === this.#stream) this.#write = (text) => write.call(stream, text);
    const made: Write = (...args) => {
      this.#clear();
      const result = write.apply(stream, args);
      const [chunk] = args;
      const text = typeof chunk === "string" ? chunk : chunk instanceof Uint8Array ? Buffer.from(chunk).toString() : "";
      if (text !== "") this.#open = !text.endsWith("\n");
      this.#later();
      return result;
    };
    stream.write = made;
    return () => {
      // Whoever has come between us keeps ours, which only passes on.
      if (stream.write !== made) return;
      if (own) Object.defineProperty(stream, "write", own);
      else delete (stream as { write?: unknown }).write;
    };
  }

  #later(): void {
    if (this.#redrawing) return;
    this.#redrawing = true;
    setImmediate(() => {
      this.#redrawing = false;
      if (this.#lines.size > 0 && this.#drawn === 0) this.#draw();
    }).unref();
  }
}
