/** What a text is about: the words that it uses and its neighbours do not. */

/** The prose of a source file's documentation comments, without its code and links. */
export function proseOf(source: string): string {
  const comments = source.match(/\/\*\*[\s\S]*?\*\//g) ?? [];
  return comments
    .join("\n")
    .replace(/```[\s\S]*?```|`[^`]*`|\{@\w+ [^}]*\}|https?:\S+|^\s*\*\s*@\w+.*$/gm, " ")
    .replace(/[/*]+/g, " ");
}

/** How often each word occurs. */
export function countWords(text: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const [word] of text.toLowerCase().matchAll(/[a-z][a-z-]{3,}(?<!-)/g))
    counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}

/** The words that set one text apart from all (tf-idf). `spread` says in how many of the texts a word occurs. */
export function distinctive(
  counts: Map<string, number>,
  spread: Map<string, number>,
  texts: number,
  wanted: number,
): string[] {
  const weight = ([word, count]: readonly [string, number]): number =>
    count * Math.log(texts / (spread.get(word) ?? 1));
  return [...counts]
    .toSorted((one, other) => weight(other) - weight(one))
    .slice(0, wanted)
    .map(([word]) => word);
}
