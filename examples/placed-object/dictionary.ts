/** Words in memory. It knows nothing of runners. */
export class Dictionary {
  readonly #words: readonly string[];

  private constructor(words: readonly string[]) {
    this.#words = words;
  }

  static build(count: number): Dictionary {
    const syllables = ["ba", "be", "bo", "ka", "ke", "ko", "la", "le", "lo", "ta"];
    const words = Array.from({ length: count }, (_, n) =>
      [...String(n)].map((digit) => syllables[Number(digit)]).join(""),
    );
    return new Dictionary([...words, "flame", "tinderbox"].toSorted());
  }

  /** A method: fields and getters of an object on another machine cannot be read. */
  size(): number {
    return this.#words.length;
  }

  nearest(wanted: string): string {
    const letters = [...wanted].toSorted().join("");
    return this.#words.find((word) => [...word].toSorted().join("") === letters) ?? "nothing";
  }

  *startingWith(start: string): Generator<string, void, undefined> {
    for (const word of this.#words) if (word.startsWith(start)) yield word;
  }

  crash(): void {
    process.exit(1);
  }

  [Symbol.dispose](): void {
    console.log("the dictionary is closed");
  }
}
